"""A plug-in: after `pip install ./examples/plugin` its names work wherever spexapi takes a name."""

import math

import numpy as np

from spexapi.plugins import AnswerScore, Design, Fit, Reply, Spectrum


class Keywords:
    """Backend "keywords:not,bad": an answer is e^strength times likelier if the prompt has all the words."""

    def __init__(self, words, *, strength=4.0):
        self.name, self._words, self._strength = f"keywords:{words}", set(words.split(",")), strength

    async def score(self, requests):
        return [Reply(tuple(self._scored(r, answer) for answer in r.answers)) for r in requests]

    def _scored(self, request, answer):
        said = set(" ".join(message.content for message in request.messages).lower().split())
        return AnswerScore(np.array([-5.0 + self._strength * (self._words <= said)]), ((0, len(answer)),))


def bits(reply):
    """Scorer: the answer's log-probability, in bits."""
    return float(reply.scores[0].logprobs.sum()) / math.log(2)


class Averages:
    """Engine: each player's average effect over uniform masks, by least squares."""

    name = "averages"

    def plan(self, n_players, budget, rng):
        return Design(n_players, budget, rng.random((budget, n_players)) < 0.5)

    def propose(self, design, seen, remaining):
        return design.masks[len(seen.values) :][:remaining]

    def fit(self, design, seen):
        known = seen.ok
        signs = np.where(seen.masks[known], -1.0, 1.0)  # the papers' sign: kept is -1
        columns = np.column_stack([np.ones(known.sum()), signs])
        found = np.linalg.lstsq(columns, seen.values[known], rcond=None)[0]
        return Fit(Spectrum(design.n_players, {(): found[0], **{(i,): c for i, c in enumerate(found[1:])}}))
