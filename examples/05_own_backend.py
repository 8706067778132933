"""A backend of your own: a model that spexapi does not know, in a class with a name and `score`.

$ python examples/05_own_backend.py
+4.00  not + bad
"""

import math

import numpy as np

import spexapi
from spexapi.plugins import AnswerScore, Capabilities, Reply, Request


class Moody:
    """A toy reader of moods: "not" turns "bad" around. Replace `_log_odds` by your own model's answer."""

    name = "moody"
    capabilities = Capabilities(batch=64)  # optional, as all the rest of spexapi.plugins.Backend

    async def score(self, requests: list[Request]) -> list[Reply]:
        return [Reply(tuple(self._scored(r, answer) for answer in r.answers)) for r in requests]

    def _scored(self, request: Request, answer: str) -> AnswerScore:
        odds = self._log_odds(" ".join(message.content for message in request.messages))
        logprob = -math.log1p(math.exp(-odds if answer == "good" else odds))
        return AnswerScore(np.array([logprob]), ((0, len(answer)),))  # one token: the whole answer

    def _log_odds(self, text: str) -> float:
        words = text.lower().split()
        return 4.0 * ("not" in words and "bad" in words) - 2.0 * ("bad" in words) + 0.5 * ("really" in words)


game = spexapi.PromptGame(Moody(), "the film is really not bad at all", "good", score="logit")
explanation = spexapi.explain(game, budget=256, index="moebius")

interaction, strength = explanation.top(1)[0]
print(f"{strength:+.2f}  {explanation.label(interaction)}")
