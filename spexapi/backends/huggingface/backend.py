"""Causal language models of Hugging Face transformers, on this machine."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import TYPE_CHECKING, TypeVar, cast

from spexapi.backends.base import Capabilities, Generated, Message, Reply, Request
from spexapi.backends.huggingface.alignment import Alignment, Encoded
from spexapi.backends.huggingface.encoding import empty, misfit, read_all, reply_of
from spexapi.backends.huggingface.fingerprint import fingerprint
from spexapi.backends.huggingface.loaded import checked_model, evaluating, input_device
from spexapi.backends.huggingface.loading import context_length, library
from spexapi.backends.huggingface.pretrained import CausalModel, Source, Tokenizer
from spexapi.errors import BackendError, InputError
from spexapi.prompts.segments import shorten

if TYPE_CHECKING:
    from spexapi.backends.huggingface.teacher_forcing import TeacherForcing  # imports torch

Result = TypeVar("Result")
# Requests and rows of a batch, and the position each row begins at -> what the batch runs inside of.
Around = Callable[[Sequence[Request], Sequence[Encoded], Sequence[int]], AbstractContextManager[None]]
_BATCH_TOKENS = {"cuda": 32_768, "cpu": 4_096}


class HuggingFace:
    """A local model as a Backend. One worker thread runs torch, so the event loop stays free.

    The tokenizer is loaded when it is first needed, the weights by `open`; `close` ends the thread and keeps
    both, so that the next run starts at once.
    """

    def __init__(
        self,
        source: Source,
        *,
        name: str = "",
        batch_tokens: int | None = None,
        padding_side: str = "left",
        joiner: str | None = None,
        chat_template: str | None = None,
        placeholder: str = "...",
    ) -> None:
        if padding_side not in ("left", "right"):
            raise InputError(f"padding_side must be 'left' or 'right', got {padding_side!r}")
        if batch_tokens is not None and batch_tokens < 1:
            raise InputError(f"batch_tokens must be 1 or more, got {batch_tokens}")
        self._source, self._name = source, name or source.name
        self._batch_tokens, self._padding_side = batch_tokens, padding_side
        self._joiner, self._template = joiner, chat_template
        self._placeholder = placeholder
        self._lock, self._loading = threading.Lock(), threading.Lock()
        self._texts: tuple[Alignment, Tokenizer, int | None] | None = None
        self._identity = ""
        self._forcing: TeacherForcing | None = None
        self._worker: ThreadPoolExecutor | None = None

    @property
    def name(self) -> str:
        return self._name

    @property
    def identity(self) -> str:
        """Of the weights, not of the folder; empty until they are loaded."""
        return self._identity

    @property
    def capabilities(self) -> Capabilities:
        hides = self._forcing is None or self._forcing.keeps_positions
        batch = 128 if self._forcing is not None and self._forcing.device.type == "cuda" else 32
        # the embedded model answers faster than a store
        keep = self._name != "embedded"
        return Capabilities(attention_mask=hides, placeholder=self._placeholder, batch=batch, keep=keep)

    async def open(self) -> None:
        await self._run(self._load)

    async def close(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.shutdown(wait=False)

    async def generate(self, messages: Sequence[Message], max_tokens: int) -> Generated:
        """Greedy, at most `max_tokens` and what is left of the context. Raises InputError at nothing left."""
        return await self._run(lambda: self._generate(tuple(messages), max_tokens))

    def modules(self) -> CausalModel:
        """The model, without weights if they are not loaded: enough to see what it is made of."""
        return self._source.skeleton() if self._forcing is None else self._forcing.model

    async def with_model(self, work: Callable[[CausalModel], Result]) -> Result:
        """work(model), in the thread that runs the model and with its errors."""
        model = self._opened().model

        def as_asked() -> Result:
            with evaluating(model):
                return work(model)

        return await self._run(as_asked)

    def prompt_ids(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """The tokens the model reads before it writes an answer."""
        return self._tokenizer()[0].prompt_ids(tuple(messages))

    def encode(self, request: Request, number: int) -> Encoded:
        """Answer `number` of a request as the model reads it. Raises InputError."""
        return self._tokenizer()[0].encode(request, number)

    async def score(self, requests: Sequence[Request], around: Around | None = None) -> list[Reply]:
        stop = threading.Event()
        try:
            return await self._run(lambda: self._score(requests, stop.is_set, around))
        finally:
            stop.set()  # a cancelled run ends after the batch that is being computed

    def check(self, request: Request) -> str:
        alignment, _, limit = self._tokenizer()
        try:
            rows = [alignment.encode(request, i) for i in range(len(request.answers))]
            length = len(alignment.prompt_ids(request.messages)) + 1 if not rows else 0
        except InputError as error:
            return str(error)
        return empty(request, rows) or misfit(max([length, *map(len, rows)]), rows, limit)

    def answer_offsets(self, messages: Sequence[Message], answer: str) -> tuple[tuple[int, int], ...] | None:
        return self._tokenizer()[0].answer_tokens(tuple(messages), answer).offsets

    def count_tokens(self, text: str) -> int | None:
        return len(self.token_spans(text) or ())

    @property
    def reads_chat(self) -> bool:
        """Whether answers start right after a chat template."""
        return self._tokenizer()[0].reads_chat

    def token_spans(self, text: str) -> list[tuple[int, int]] | None:
        return self._tokenizer()[0].token_spans(text)

    async def _run(self, work: Callable[[], Result]) -> Result:
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, thread_name_prefix="spexapi-model")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, work)
        except (RuntimeError, IndexError, MemoryError) as error:
            where = f" on {self._forcing.device}" if self._forcing is not None else ""
            what = f"{type(error).__name__}: {shorten(str(error), 300)}"
            raise BackendError(f"{self._name} failed{where} with {what}") from error

    def _tokenizer(self) -> tuple[Alignment, Tokenizer, int | None]:
        with self._lock:
            if self._texts is None:
                tokenizer, config = self._source.texts()
                alignment = Alignment(tokenizer, joiner=self._joiner, chat_template=self._template)
                self._texts = (alignment, tokenizer, context_length(config, tokenizer))
            return self._texts

    def _load(self) -> None:
        """The weights, once, in the worker thread; a close and an open may leave two for a moment."""
        with self._loading:
            if self._forcing is None:
                self._load_now()

    def _load_now(self) -> None:
        library("torch")
        from spexapi.backends.huggingface.teacher_forcing import TeacherForcing  # imports torch

        tokenizer = self._tokenizer()[1]
        model = checked_model(self._source.model())
        device = input_device(model)
        own = (self._joiner, self._template)
        self._identity = "" if self._name == "embedded" else fingerprint(model, tokenizer, own)
        self._forcing = TeacherForcing(
            model,
            device,
            pad_id=next((t for t in (tokenizer.pad_token_id, tokenizer.eos_token_id) if t is not None), 0),
            padding_side=self._padding_side,
            batch_tokens=self._batch_tokens or _BATCH_TOKENS.get(device.type, 4_096),
        )

    def _score(
        self, requests: Sequence[Request], stopped: Callable[[], bool], around: Around | None
    ) -> list[Reply]:
        forcing = self._opened()
        alignment, tokenizer, limit = self._tokenizer()

        @cache
        def word(token: int) -> str:
            return tokenizer.decode([token], skip_special_tokens=False)

        reads = read_all(requests, alignment.encode, limit)
        of_read = [(read, [read.rows[i] for i in group]) for read in reads for group in read.groups]

        def inside(batch: Sequence[int], starts: Sequence[int]) -> AbstractContextManager[None]:
            assert around is not None
            return around([of_read[i][0].request for i in batch], [of_read[i][1][0] for i in batch], starts)

        found = iter(forcing.score([rows for _, rows in of_read], stopped, inside if around else None))
        return [
            self._written(read.request, around)
            if read.request.write
            else reply_of(read, [next(found) for _ in read.groups], word)
            for read in reads
        ]

    def _written(self, request: Request, around: Around | None) -> Reply:
        try:
            with around([request], [], [0]) if around else nullcontext():
                made = self._generate(request.messages, request.write)
        except InputError as refused:
            return Reply(error=str(refused))
        return Reply(text=made.text, tokens_in=made.tokens_in, tokens_out=made.tokens_out)

    def _generate(self, messages: tuple[Message, ...], max_tokens: int) -> Generated:
        forcing = self._opened()
        alignment, tokenizer, limit = self._tokenizer()
        ids = alignment.prompt_ids(messages)
        if limit is not None and len(ids) >= limit:
            raise InputError(f"{len(ids):,} tokens, the model reads {limit:,}: nothing is left for an answer")
        room = max_tokens if limit is None else min(max_tokens, limit - len(ids))
        written = forcing.greedy(ids, room, _ends(forcing.model, tokenizer))
        text = tokenizer.decode(written, skip_special_tokens=True).strip()
        return Generated(text, tokens_in=len(ids), tokens_out=len(written))

    def _opened(self) -> TeacherForcing:
        if self._forcing is None:
            raise BackendError(f"{self._name} is not open: await backend.open() first")
        return self._forcing


def _ends(model: CausalModel, tokenizer: Tokenizer) -> set[int]:
    """Tokens that end an answer: the tokenizer's, and those of the model's generation settings."""
    own: object = getattr(model.generation_config, "eos_token_id", None)
    several = cast("list[int]", own) if isinstance(own, list) else [cast("int | None", own)]
    return {int(token) for token in (tokenizer.eos_token_id, *several) if token is not None}
