"""A backend of your own: a model that spexapi does not know, in a class that implements four methods.

$ python examples/05_own_backend.py
+4.00  not + bad
"""

import math
from collections.abc import Sequence

import numpy as np

import spexapi
from spexapi.backends.base import AnswerScore, Capabilities, Generated, Message, Reply, Request


class Moody:
    """A toy reader of moods: "not" turns "bad" around. Replace `_log_odds` by your own model's answer."""

    name = "moody"
    capabilities = Capabilities(batch=64)

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def generate(self, messages: Sequence[Message], max_tokens: int) -> Generated:
        return Generated(
            "good" if self._log_odds(messages[-1].content) > 0 else "bad", tokens_in=0, tokens_out=1
        )

    async def score(self, requests: Sequence[Request]) -> list[Reply]:
        return [self._reply(request) for request in requests]

    def check(self, request: Request) -> str:
        return ""

    def count_tokens(self, text: str) -> int | None:
        return len(text.split())

    def token_spans(self, text: str) -> None:
        return None

    def answer_offsets(self, messages: Sequence[Message], answer: str) -> None:
        return None

    def _reply(self, request: Request) -> Reply:
        odds = self._log_odds(request.messages[-1].content)
        logprob = -math.log1p(math.exp(-odds if request.answers[0] == "good" else odds))
        return Reply((AnswerScore(np.array([logprob]), ((0, len(request.answers[0])),)),))

    def _log_odds(self, text: str) -> float:
        words = text.lower().split()
        return 4.0 * ("not" in words and "bad" in words) - 2.0 * ("bad" in words) + 0.5 * ("really" in words)


game = spexapi.PromptGame(Moody(), "the film is really not bad at all", "good", score="logit")
explanation = spexapi.explain(game, budget=256, index="moebius")

interaction, strength = explanation.top(1)[0]
print(f"{strength:+.2f}  {explanation.label(interaction)}")
