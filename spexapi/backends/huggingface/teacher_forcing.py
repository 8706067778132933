"""Token ids -> log-probability and rank of each answer token, in batches that fit the memory."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import numpy as np
import torch

from spexapi.backends.huggingface.alignment import Encoded
from spexapi.backends.huggingface.encoding import TokenScores
from spexapi.backends.huggingface.loaded import evaluating, forward_parameters
from spexapi.backends.huggingface.pretrained import CausalModel

# A batch of logits is never larger than this many numbers (256 MiB in float32).
_MOST_LOGITS = 2**26
_MEMORY_SIGNS = ("not enough memory", "out of memory", "cublas_status_alloc_failed")
# The softmax works on this many at a time, in float64.
_CHUNK = 2**22
# Numbers of a batch's rows, and the position each begins at -> what the batch runs inside of.
Around = Callable[[Sequence[int], Sequence[int]], AbstractContextManager[None]]


def packed(
    lengths: Sequence[int], answer_lengths: Sequence[int], budget: int, vocabulary: int
) -> Iterator[list[int]]:
    """Row numbers in batches, longest first, so that padding is small.

    budget      tokens in a batch, padding included
    vocabulary  numbers a position's logits hold: they bound a batch too
    """
    batch: list[int] = []
    longest = widest = 0
    for row in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        longest_with, widest_with = max(longest, lengths[row]), max(widest, answer_lengths[row])
        rows = len(batch) + 1
        if batch and (rows * longest_with > budget or rows * widest_with * vocabulary > _MOST_LOGITS):
            yield batch
            batch, longest_with, widest_with = [], lengths[row], answer_lengths[row]
        batch.append(row)
        longest, widest = longest_with, widest_with
    if batch:
        yield batch


def out_of_memory(error: BaseException) -> bool:
    """True for what torch raises if memory runs out, on a GPU and on the CPU."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(sign in text for sign in _MEMORY_SIGNS)


class TeacherForcing:
    """Runs a causal language model over prompt and answer; only the answer's positions get logits."""

    def __init__(
        self,
        model: CausalModel,
        device: torch.device,
        *,
        pad_id: int,
        padding_side: str,
        batch_tokens: int,
    ) -> None:
        self.model, self.device = model, device
        self._pad = pad_id
        self._left = padding_side == "left"
        self._takes = forward_parameters(model)
        self._parameters = sum(p.numel() for p in model.parameters())
        self.batch_tokens = batch_tokens
        self.vocabulary = model.config.get_text_config().vocab_size

    @property
    def keeps_positions(self) -> bool:
        """True if positions can be given, so that hidden text does not move what follows."""
        return "position_ids" in self._takes

    def score(
        self, groups: Sequence[Sequence[Encoded]], stopped: Callable[[], bool], around: Around | None = None
    ) -> list[list[TokenScores] | None]:
        """The scores of each sequence of each group, whose sequences differ in their last token alone.

        A group is one row of a batch; None if it needs too much memory, or if `stopped` came first.
        """
        rows = [group[0] for group in groups]
        results: list[list[TokenScores] | None] = [None] * len(rows)
        widths = [len(row.answer.ids) for row in rows]
        if "logits_to_keep" not in self._takes:
            widths = [len(row) for row in rows]
        todo = list(packed([len(row) for row in rows], widths, self.batch_tokens, self.vocabulary))
        while todo and not stopped():
            batch = todo.pop(0)
            try:
                starts = self._starts([rows[i] for i in batch])
                with (
                    self._threads(),
                    evaluating(self.model),
                    around(batch, starts) if around else nullcontext(),
                ):
                    found = self._batch([groups[i] for i in batch])
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                found = None
            if found is not None:
                for i, values in zip(batch, found, strict=True):
                    results[i] = values
                continue
            # outside the except block: the traceback would keep the failed batch's tensors alive
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            if len(batch) > 1:
                half = (len(batch) + 1) // 2
                todo[:0] = [batch[:half], batch[half:]]
                self.batch_tokens = max(1, min(self.batch_tokens, half * len(rows[batch[0]])))
        return results

    @torch.inference_mode()
    def greedy(self, prompt: Sequence[int], room: int, ends: set[int]) -> list[int]:
        """Ids of the likeliest tokens, one after another: up to `room`, or to the first of `ends`.

        Not by transformers' generate(): it would apply what the model's authors set for sampling, such as a
        repetition penalty, and the answer would not be the one that the scores call likely.
        """
        with self._threads(), evaluating(self.model):
            return self._greedy(prompt, room, ends)

    def _greedy(self, prompt: Sequence[int], room: int, ends: set[int]) -> list[int]:
        written: list[int] = []
        feed, past = list(prompt), None
        while len(written) < room:
            inputs: dict[str, object] = {"input_ids": torch.tensor([feed], device=self.device)}
            if "logits_to_keep" in self._takes:
                inputs["logits_to_keep"] = 1
            if past is not None:
                inputs["past_key_values"] = past
            out = self.model(**inputs, use_cache="past_key_values" in self._takes)
            written.append(int(out.logits[0, -1].argmax()))
            if written[-1] in ends:
                break
            past = getattr(out, "past_key_values", None)
            feed = [*prompt, *written] if past is None else written[-1:]
        return written

    @contextmanager
    def _threads(self) -> Generator[None]:
        """One thread for each ten million parameters: in a small model more of them wait for each other."""
        before = torch.get_num_threads()
        torch.set_num_threads(min(before, max(1, self._parameters // 10_000_000)))
        try:
            yield
        finally:
            torch.set_num_threads(before)

    def _starts(self, rows: Sequence[Encoded]) -> list[int]:
        """The position at which each row of a batch begins, after its padding."""
        longest = max(len(row) for row in rows)
        return [longest - len(row) if self._left else 0 for row in rows]

    @torch.inference_mode()
    def _batch(self, groups: Sequence[Sequence[Encoded]]) -> list[list[TokenScores]]:
        rows = [group[0] for group in groups]
        longest = max(len(row) for row in rows)
        ids = torch.full((len(rows), longest), self._pad, dtype=torch.long)
        visible = torch.zeros((len(rows), longest), dtype=torch.long)
        positions = torch.zeros((len(rows), longest), dtype=torch.long)
        begins: list[int] = []
        for i, (row, start) in enumerate(zip(rows, self._starts(rows), strict=True)):
            stop = start + len(row)
            ids[i, start:stop] = torch.tensor([*row.prompt, *row.answer.ids])
            visible[i, start:stop] = torch.tensor([*row.visible, *[True] * len(row.answer.ids)])
            positions[i, start:stop] = torch.arange(len(row))
            begins.append(start + len(row.prompt) - 1)
        # The position before a token predicts it. One slice of positions holds those of all rows.
        first = min(begins)
        last = max(begin + len(row.answer.ids) for begin, row in zip(begins, rows, strict=True))
        inputs = {"input_ids": ids, "attention_mask": visible, "position_ids": positions}
        inputs = {name: tensor.to(self.device) for name, tensor in inputs.items() if name in self._takes}
        if "logits_to_keep" in self._takes:
            # numbers on the CPU choose from a tensor on any device, and the last layer's may be another one
            kept = torch.arange(first, last)
            logits = self.model(**inputs, logits_to_keep=kept, use_cache=False).logits
        else:
            logits = self.model(**inputs, use_cache=False).logits[:, first:last]
        places = [
            slice(begin - first, begin - first + len(row.answer.ids))
            for begin, row in zip(begins, rows, strict=True)
        ]
        return _chosen(logits, places, [[row.answer.ids for row in group] for group in groups])


def _chosen(
    logits: torch.Tensor, places: Sequence[slice], answers: Sequence[Sequence[Sequence[int]]]
) -> list[list[TokenScores]]:
    """The scores of each row's answers.

    logits   (rows, positions, v)
    places   the t positions of each row that predict its answers
    answers  t ids for each answer of each row

    In float64 if the device has it: in float32 every probability above 1 - 6e-8 would be the same, and its
    logit infinite. Of tokens with equal logits the first in the vocabulary has the lower rank, as
    argmax takes it.
    """
    exact = torch.float32 if logits.device.type == "mps" else torch.float64
    step = max(1, _CHUNK // logits.shape[-1])
    widest = max(map(len, answers))
    # a row of ids for each position of each row; if a row has fewer answers than another, its first again
    wanted = [ids for own in answers for ids in zip(*own, *[own[0]] * (widest - len(own)), strict=True)]
    targets = torch.tensor(wanted, device=logits.device)
    row, position = (
        torch.tensor(found, device=logits.device)
        for found in zip(
            *((i, at) for i, p in enumerate(places) for at in range(p.start, p.stop)), strict=True
        )
    )
    logprobs: list[torch.Tensor] = []
    ranks: list[torch.Tensor] = []
    first: list[torch.Tensor] = []
    for i in range(0, len(targets), step):
        rows, wanted_ids = logits[row[i : i + step], position[i : i + step]], targets[i : i + step]
        logprobs.append(torch.log_softmax(rows.to(exact), dim=-1).gather(1, wanted_ids).cpu().double())
        first.append(rows.argmax(dim=-1).cpu())
        ranks.append(_ranks(rows, wanted_ids).cpu())
    values = np.asarray(torch.cat(logprobs).numpy(), dtype=np.float64)
    places_of = np.stack([torch.cat(ranks).numpy(), np.tile(torch.cat(first).numpy()[:, None], widest)], 2)
    ends = np.cumsum([p.stop - p.start for p in places])[:-1]
    return [
        [(np.array(found[:, k]), np.array(ranked[:, k])) for k in range(len(own))]
        for own, found, ranked in zip(answers, np.split(values, ends), np.split(places_of, ends), strict=True)
    ]


def _ranks(logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """The place of each id among all, 1 for the largest logit. logits (r, v), ids (r, k) -> (r, k) int64."""
    own = logits.gather(1, ids)
    found: list[torch.Tensor] = []
    for k in range(ids.shape[1]):
        value, number = own[:, k : k + 1], ids[:, k : k + 1]
        before = logits > value
        equal = logits == value
        equal[torch.arange(logits.shape[1], device=logits.device)[None] >= number] = False
        found.append((before | equal).sum(dim=-1) + 1)
    return torch.stack(found, dim=1)
