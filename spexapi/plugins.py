'''Everything that the author of a backend, a scorer or an engine imports, on one page.

A **backend** is where a model runs. It needs a `name` and `score`; all else is optional and completed for it:

    import math

    import numpy as np

    from spexapi.plugins import AnswerScore, Capabilities, Reply


    class Moody:
        """A toy reader of moods: "not" turns "bad" around."""

        name = "moody"
        capabilities = Capabilities(batch=64)  # optional: what it can do, how much at once, at what price

        async def score(self, requests):
            return [Reply(tuple(self._scored(r, answer) for answer in r.answers)) for r in requests]

        def _scored(self, request, answer):
            words = " ".join(message.content for message in request.messages).lower().split()
            odds = 4.0 * ("not" in words and "bad" in words) - 2.0 * ("bad" in words)
            logprob = -math.log1p(math.exp(-odds if answer == "good" else odds))
            return AnswerScore(np.array([logprob]), ((0, len(answer)),))  # one token: the whole answer

An object of it goes wherever a backend does: `spexapi.PromptGame(Moody(), "not bad at all", "good")`.
`Backend` says what else it may have: `open` and `close` (clients, weights), `generate` (the model's own
answer), `identity` (then the store keeps its replies), `check` (TooLong before anything is paid),
`count_tokens`, `token_spans`, `answer_offsets`. A property `limits` may give the `Limits` that the endpoint
named last. `spexapi.testing.check_all(Moody())` tries it.

A **scorer** is a function, reply -> value; a `Scorer` can say more, such as its unit:

    def bits(reply):
        return float(reply.scores[0].logprobs.sum()) / math.log(2)

An **engine** chooses masks (True: the player is kept) and reads a spectrum from their values, in three pure
steps:

    from spexapi.plugins import Design, Fit, Spectrum


    class Averages:
        """Each player's average effect, by least squares."""

        name = "averages"

        def plan(self, n_players, budget, rng):
            return Design(n_players, budget, rng.random((budget, n_players)) < 0.5)

        def propose(self, design, seen, remaining):
            return design.masks[len(seen.values) :][:remaining]

        def fit(self, design, seen):
            signs = np.where(seen.masks[seen.ok], -1.0, 1.0)  # the papers' sign: kept is -1
            columns = np.column_stack([np.ones(len(signs)), signs])
            constant, *effects = np.linalg.lstsq(columns, seen.values[seen.ok], rcond=None)[0]
            alone = {(i,): effect for i, effect in enumerate(effects)}
            return Fit(Spectrum(design.n_players, {(): constant, **alone}))

Entry points in the groups `spexapi.backends` (a function of what follows the ":" of the name, and of
options), `spexapi.scorers` and `spexapi.engines` give them names; `examples/plugin` is a package that has all
three. A `Game` needs no name: it is given to `spexapi.explain`.

Errors to raise: `spexapi.RateLimited` and `Unavailable` are tried again, `Refused` and `InputError` end the
run. What is wrong with one request alone is Reply(error="why"): its mask has no value, and the run goes on.
'''

from spexapi.backends.base import (
    FREE,
    AnswerScore,
    Backend,
    Capabilities,
    Generated,
    Hidden,
    Limits,
    Message,
    Price,
    Reply,
    Request,
    Scoring,
    TooLong,
)
from spexapi.engines.base import Design, Engine, Fit, next_masks
from spexapi.fourier.spectrum import Interaction, Spectrum
from spexapi.games.base import Game, GameTraits, Piece, Player, Target
from spexapi.measurements import Bools, Floats, Measurements, exact_values
from spexapi.sampling.usage import Usage
from spexapi.scorers.base import Ask, Estimate, Scorer

__all__ = [
    "FREE",
    "AnswerScore",
    "Ask",
    "Backend",
    "Bools",
    "Capabilities",
    "Design",
    "Engine",
    "Estimate",
    "Fit",
    "Floats",
    "Game",
    "GameTraits",
    "Generated",
    "Hidden",
    "Interaction",
    "Limits",
    "Measurements",
    "Message",
    "Piece",
    "Player",
    "Price",
    "Reply",
    "Request",
    "Scorer",
    "Scoring",
    "Spectrum",
    "Target",
    "TooLong",
    "Usage",
    "exact_values",
    "next_masks",
]
