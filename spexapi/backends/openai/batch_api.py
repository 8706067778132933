"""The Batch API of OpenAI: many bodies in one file, answered within a day at half the price."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from spexapi.backends.json_values import Json, parse, to_count, to_list, to_map, to_text
from spexapi.backends.openai.client import Address, Connection, Key, MakeClient
from spexapi.backends.openai.errors import Unfit, of_status
from spexapi.errors import Refused, Unavailable

# of one file, as the API allows them
MOST_LINES = 50_000
_MOST_BYTES = 190_000_000
_WINDOW = "24h"
_MARK = "spexapi"
_UNDER_WAY = ("validating", "in_progress", "finalizing")
_LONGEST_POLL = 60.0
# failed polls in a row after which the wait is given up; the batch goes on without us
_FAILED_POLLS = 10


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A body that waits for its batch."""

    path: str
    body: Json
    answer: asyncio.Future[Json]


class BatchConnection(Connection):
    """A connection whose posts, once `gathering`, wait until `send_waiting` sends them as one batch.

    poll  seconds between polls at first; they grow to a minute
    """

    def __init__(
        self, address: Address, key: Key, poll: float, make_client: MakeClient | None = None
    ) -> None:
        super().__init__(address, key, make_client)
        self._poll = poll
        self.gathering = False
        self.waiting: list[_Waiting] = []
        self.changed = asyncio.Event()

    async def post(self, path: str, body: Json, *, root: bool = False) -> tuple[Json, Mapping[str, str]]:
        if root or not self.gathering:
            return await super().post(path, body, root=root)
        one = _Waiting(path, body, asyncio.get_running_loop().create_future())
        self.waiting.append(one)
        self.changed.set()
        return await one.answer, {}

    async def send_waiting(self, attempt: int) -> None:
        """Everything that waits goes out; returns when all of it has an answer or an error.

        attempt  0, 1, ...: a later one never takes the answers of an earlier batch of the same bodies

        Raises Refused if the API takes no batches, Unavailable if it does not answer.
        """
        waiting, self.waiting = self.waiting, []
        waiting.sort(key=lambda one: one.path)
        for path, group in itertools.groupby(waiting, key=lambda one: one.path):
            for part in _parts(list(group)):
                await self._answered(path, part, attempt)

    async def _answered(self, path: str, part: Sequence[_Waiting], attempt: int) -> None:
        lines = [_line(number, path, one.body) for number, one in enumerate(part)]
        file = "\n".join(lines).encode()
        # the address is in the mark, so that a batch of another project at one host is another batch
        mark = hashlib.sha256(f"{attempt} {self.address.shown} ".encode() + file).hexdigest()[:40]
        try:
            batch = await self._find(mark) or await self._submit(path, file, mark)
        except Unfit as error:
            raise Refused(f"{error}; this endpoint takes no batches: leave out batch (--batch)") from None
        answers = await self._results(await self._finished(batch))
        for number, one in enumerate(part):
            if not one.answer.done():
                _settle(one, answers.get(str(number)))

    async def _find(self, mark: str) -> Json | None:
        """The batch of the same lines that an earlier run submitted, None without: none is paid for twice."""
        after = ""
        while True:
            found, _ = await self.get(f"/batches?limit=100{after}")
            batches = [to_map(batch) for batch in to_list(found.get("data"))]
            for batch in batches:
                known = to_map(batch.get("metadata")).get(_MARK) == mark
                if known and batch.get("status") in (*_UNDER_WAY, "completed"):
                    return batch
            if not found.get("has_more") or not batches:
                return None
            after = f"&after={batches[-1]['id']}"

    async def _submit(self, path: str, file: bytes, mark: str) -> Json:
        named = (f"spexapi-{mark[:8]}.jsonl", file)
        sent = await self.send("POST", "/files", body={"purpose": "batch"}, form_file=named)
        try:
            name = to_map(parse(sent.content))["id"]
        except (KeyError, TypeError) as error:
            raise Unavailable(f"{self.address.shown} did not take the file: {error!r}") from None
        asked: Json = {"input_file_id": name, "endpoint": f"/v1{path}", "completion_window": _WINDOW}
        batch, _ = await super().post("/batches", {**asked, "metadata": {_MARK: mark}})
        return batch

    async def _finished(self, batch: Json) -> Json:
        """Polls until the batch has ended. A run that is cancelled leaves the batch to the next one."""
        wait, failed = self._poll, 0
        while batch.get("status") in _UNDER_WAY:
            await asyncio.sleep(wait)
            wait = min(_LONGEST_POLL, wait * 1.5)
            try:
                batch, _ = await self.get(f"/batches/{batch['id']}")
                failed = 0
            except Unavailable:
                failed += 1
                if failed == _FAILED_POLLS:
                    raise
        if batch.get("status") == "failed":
            raise Refused(f"{self.address.shown} refused the batch {batch['id']}: {_reasons(batch)}")
        return batch

    async def _results(self, batch: Json) -> dict[str, tuple[int, Json]]:
        """custom_id -> status and body, of the lines that were answered."""
        found: dict[str, tuple[int, Json]] = {}
        for name in ("output_file_id", "error_file_id"):
            if not batch.get(name):
                continue
            text = (await self.send("GET", f"/files/{batch[name]}/content")).content.decode()
            for line in filter(str.strip, text.splitlines()):
                entry = to_map(json.loads(line))
                answer = to_map(entry.get("response"))
                body = to_map(answer.get("body")) or {"error": entry.get("error")}
                found[to_text(entry["custom_id"])] = to_count(answer.get("status_code")) or 500, body
        return found


def _line(number: int, path: str, body: Json) -> str:
    return json.dumps(
        {"custom_id": str(number), "method": "POST", "url": f"/v1{path}", "body": body}, ensure_ascii=False
    )


def _parts(waiting: Sequence[_Waiting]) -> Iterator[list[_Waiting]]:
    """Those that wait, in parts that each fit into one file."""
    part: list[_Waiting] = []
    size = 0
    for one in waiting:
        own = len(json.dumps(one.body).encode()) + 200
        if part and (len(part) == MOST_LINES or size + own > _MOST_BYTES):
            yield part
            part, size = [], 0
        part.append(one)
        size += own
    if part:
        yield part


def _settle(one: _Waiting, answer: tuple[int, Json] | None) -> None:
    if answer is None:
        one.answer.set_exception(Unavailable("the batch ended before this request was answered"))
        return
    status, body = answer
    if status == 200:
        one.answer.set_result(body)
    else:
        one.answer.set_exception(of_status(status, body, {}))


def _reasons(batch: Json) -> str:
    errors = [to_map(error) for error in to_list(to_map(batch.get("errors")).get("data"))]
    return "; ".join(str(error.get("message")) for error in errors[:3]) or "no reason given"
