"""What the server does besides answering: limits, faults, quirks. Changed while it runs, as JSON."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

EVERY_WAY = [
    "chat",
    "completions",
    "responses",
    "systemone",
    "embeddings",
    "batches",
    "models",
    "tokenize",
    "logprobs",
    "echo",
    "prompt_logprobs",
    "chat_prompt_logprobs",
    "chat_echo",
    "logit_bias",
    "chosen_ids",
    "prefix",
    "generate",
]
_OWN = ("chat_echo", "prefix", "generate")  # of Together, Mistral and SGLang alone
PRESETS = {
    "everything": EVERY_WAY,
    "openai": ["chat", "responses", "embeddings", "batches", "models", "logprobs", "logit_bias"],
    "vllm": [way for way in EVERY_WAY if way not in ("batches", *_OWN)],
    "sglang": ["chat", "completions", "systemone", "models", "tokenize", "logprobs", "echo", "generate"],
    "mistral": ["chat", "embeddings", "models", "logprobs", "prefix"],
    "together": ["chat", "completions", "models", "logprobs", "echo", "chat_echo"],
    "llama.cpp": ["chat", "completions", "models", "tokenize", "logprobs", "logit_bias"],
    "anthropic": ["chat", "models"],
    "transformers": ["chat", "completions", "responses", "systemone", "models"],
}
QUIRKS = {
    "drops-logprobs": "takes every parameter and returns no log-probability",
    "shifted": "echoed log-probabilities stand one token too late",
    "no-null-first": "the first echoed token has a number in place of null",
    "biased": "logit_bias changes the log-probabilities that are returned",
    "noisy": "log-probabilities differ from call to call by about 0.05",
    "clamps": "a log-probability under -12 reads -9999.0",
    "refuses": "a way that is not served is refused with 400; without this quirk it is ignored",
    "ignores-seed": "the seed of a sampled reply does nothing",
    "ignores-n": "one choice comes back whatever n says",
    "strict-tools": "a tool's turn must answer a call of the turn before, and every call must be answered",
    "begins": "every text begins with a token of its own, <s>, but what a chat template wrote",
    "renamed": "max_tokens is refused in chat: max_completion_tokens is the name",
    "thinks": "40 tokens that nobody sees are written before the first word",
    "refuses-few": "a reply without a word because max_tokens was too low is 400",
    "caches": "prompts that begin alike are counted as cached tokens, in pieces of 16",
}
FAULTS = {
    "429": "too many requests, with retry-after",
    "429-bare": "too many requests, no header at all",
    "429-long": "too many requests, retry-after 300 seconds",
    "quota": "429 insufficient_quota: never to be tried again",
    "500": "internal error",
    "503": "unavailable, with retry-after",
    "502-html": "a page of a proxy in place of JSON",
    "slow": "the answer comes `slow` seconds late",
    "cut": "the connection is cut before a byte of the answer",
    "cut-mid": "the connection is cut in the middle of the answer",
    "truncated": "whole by its headers, but half of the JSON",
    "invalid": "200 and no JSON",
    "no-logprobs": "the answer without its log-probabilities",
    "null-logprobs": "one log-probability is null",
    "wrong-length": "one log-probability is missing at the end",
    "-9999": "one log-probability reads -9999.0",
    "overflow": "400 context_length_exceeded",
    "refusal": "400 content_filter",
}
# What a run must get over by itself, and what marks one mask as failed for good.
PASSING = [fault for fault in FAULTS if fault not in ("429-long", "quota", "-9999", "overflow", "refusal")]


@dataclass(frozen=True, slots=True)
class Settings:
    """
    ways      what is served; a name of PRESETS or a list of EVERY_WAY; at first all but one provider's own
    pages     of these, those that answer with a web page in place of JSON
    quirks    names of QUIRKS
    key       the key that is asked for, "" where any will do
    rpm, tpm  requests and tokens a minute, 0 for no limit; a bucket holds one second's worth
    headers   x-ratelimit-* headers are sent where there is a limit
    retry_after   how a 429 of the limiter says when: "seconds", "ms" (retry-after-ms), "date", or ""
    quota     calls answered before insufficient_quota, -1 for no end
    latency   seconds every answer takes, without keeping the server busy
    faults    fault -> share of calls; the fate of a body's k-th try depends on (seed, body, k) alone
    slow      seconds of the fault "slow"; wait: seconds of retry-after in the faults
    context   tokens a prompt may have, 0 for the model's own
    top       most top_logprobs
    bodies    how many calls keep their body in the log
    polls     how often a batch is polled before it is done
    loaded    the model of /generate, which is named nowhere
    table     {"base", "rules": [[words, nats], ...], "writes"}: model "table"
    """

    ways: tuple[str, ...] = tuple(way for way in EVERY_WAY if way not in _OWN)
    pages: tuple[str, ...] = ()
    quirks: tuple[str, ...] = ()
    key: str = ""
    rpm: float = 0
    tpm: float = 0
    headers: bool = True
    retry_after: str = "seconds"
    quota: int = -1
    latency: float = 0
    faults: Mapping[str, float] = field(default_factory=dict[str, float])
    seed: int = 0
    slow: float = 0.3
    wait: float = 0.05
    context: int = 0
    top: int = 20
    bodies: int = 5_000
    polls: int = 2
    loaded: str = "table"
    table: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def changed(self, patch: Mapping[str, Any]) -> Settings:
        """Raises ValueError for a name that is not known."""
        patch = dict(patch)
        if unknown := set(patch) - {f.name for f in fields(self)}:
            raise ValueError(f"unknown settings {sorted(unknown)}")
        if "ways" in patch:
            ways = patch["ways"]
            patch["ways"] = tuple(PRESETS[ways] if isinstance(ways, str) else ways)
        patch["pages"] = tuple(patch.get("pages", self.pages))
        for name, known in (
            ("ways", EVERY_WAY),
            ("pages", EVERY_WAY),
            ("quirks", QUIRKS),
            ("faults", FAULTS),
        ):
            if unknown := set(patch.get(name, ())) - set(known):
                raise ValueError(f"unknown {name} {sorted(unknown)}: known are {sorted(known)}")
        patch["quirks"] = tuple(patch.get("quirks", self.quirks))
        return replace(self, **patch)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Bucket:
    """A token bucket that holds one second's worth of a rate given a minute."""

    def __init__(self, per_minute: float) -> None:
        self.rate = per_minute / 60
        self.size = max(1.0, self.rate)
        self.level = self.size
        self.at = time.monotonic()

    def refill(self) -> None:
        now = time.monotonic()
        self.level = min(self.size, self.level + (now - self.at) * self.rate)
        self.at = now

    def wait_for(self, amount: float) -> float:
        """Seconds until `amount` is there (0: it is), without taking it; more than fits wants a full one."""
        self.refill()
        return max(0.0, (min(amount, self.size) - self.level) / self.rate)

    def take(self, amount: float) -> None:
        self.level -= amount

    @property
    def seconds_to_full(self) -> float:
        return (self.size - self.level) / self.rate


def go_duration(seconds: float) -> str:
    """As the headers write it: "12ms", "1.5s", "6m0s"."""
    if seconds < 1:
        return f"{max(0, round(seconds * 1000))}ms"
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}m{rest:.3g}s" if minutes else f"{rest:.4g}s"
