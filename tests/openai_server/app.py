"""One call, from its bytes to its answer: key, limits, faults, model, log."""

from __future__ import annotations

import asyncio
import email.utils
import json
import time
import zlib
from collections import Counter
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from openai_server.batches import Batches
from openai_server.faults import Faults, after, before, problem
from openai_server.forms import FORMS
from openai_server.logprobs import Ask, Json, Problem
from openai_server.models import Model, Reader, TableModel
from openai_server.settings import Bucket, Settings, go_duration
from openai_server.wire import Answer, Asked


@dataclass(slots=True)
class Call:
    """One line of the log. at, done: seconds since the server's start; done is -1 while it is in flight."""

    number: int
    at: float
    path: str
    mark: int  # equal for equal bodies
    connection: int
    in_flight: int
    keyed: bool  # the key came with it
    status: int = 0
    fault: str = ""
    limited: bool = False  # a 429 of the limiter: the client asked too fast
    tokens: int = 0
    done: float = -1.0
    body: str = ""


class App:
    def __init__(self, settings: Settings) -> None:
        self._first = settings
        self._worker = ThreadPoolExecutor(1)
        self._models: dict[str, Model] = {}
        self._loading = asyncio.Lock()
        self._start = time.monotonic()
        self.reset()

    def reset(self) -> None:
        """An empty log, full buckets, and the settings the server was started with."""
        self.log: list[Call] = []
        self._flying = self._answered = self._peak = 0
        self._faults = Faults()
        self._batches = Batches()
        self._beginnings: set[int] = set()
        self.change(self._first)

    def change(self, settings: Settings) -> None:
        self.settings = settings
        self._requests = Bucket(settings.rpm) if settings.rpm else None
        self._tokens = Bucket(settings.tpm) if settings.tpm else None
        self._models["table"] = TableModel(settings.table)

    def handle(self, asked: Asked) -> Answer | Awaitable[Answer]:
        if asked.path.startswith("/control/"):
            return self._control(asked)
        call = self._logged(asked)
        refused = self._refused(asked, call)
        if refused is None and asked.path.startswith(("/v1/files", "/v1/batches")):
            return self._batch(asked, call)
        if refused is None and asked.path.startswith("/v1/models"):
            refused = self._listed(asked)
        if refused is None and FORMS.get(asked.path, ("", ""))[1] in self.settings.pages:
            refused = Answer(200, b"<!doctype html><p>Please sign in</p>", kind="text/html")
        if refused is not None:
            return self._ended(call, refused)
        fault = call.fault = self._faults.pick(self.settings, asked.body)
        wait = self.settings.latency + (self.settings.slow if fault == "slow" else 0.0)
        spoilt = before(fault, self.settings) if fault else None
        if spoilt is None:
            try:
                form, body, model = self._understood(asked)
            except Problem as error:
                spoilt = Answer(error.status, json.dumps(error.body).encode())
            else:
                if not wait and model is not None and not model.blocking:
                    return self._ended(call, self._computed(form, body, model, call))
                return self._later(call, wait, form, body, model)
        if wait:
            return self._delayed(call, spoilt, wait)
        return self._ended(call, spoilt)

    # --- the stages

    def _logged(self, asked: Asked) -> Call:
        self._flying += 1
        self._peak = max(self._peak, self._flying)
        key = asked.headers.get("authorization", "").removeprefix("Bearer ") or asked.headers.get(
            "api-key", ""
        )
        keep = len(self.log) < self.settings.bodies
        call = Call(
            number=len(self.log),
            at=time.monotonic() - self._start,
            path=asked.path,
            mark=zlib.crc32(asked.path.encode() + asked.body),
            connection=asked.connection,
            in_flight=self._flying,
            keyed=bool(key) and key == (self.settings.key or key),
            body=asked.body.decode("utf-8", "replace") if keep else "",
        )
        self.log.append(call)
        return call

    def _refused(self, asked: Asked, call: Call) -> Answer | None:
        settings = self.settings
        if settings.key and not call.keyed:
            # some servers say the whole key back
            given = asked.headers.get("authorization", "").removeprefix("Bearer ")
            return problem(401, f"Incorrect API key provided: {given}", "invalid_api_key")
        if 0 <= settings.quota <= self._answered:
            return problem(
                429, "You exceeded your current quota, please check your plan.", "insufficient_quota"
            )
        if asked.method != "POST" or not (self._requests or self._tokens):
            return None
        call.tokens = 1 + len(asked.body) // 4
        waits = [self._requests.wait_for(1.0)] if self._requests else []
        waits += [self._tokens.wait_for(call.tokens)] if self._tokens else []
        wait = max(waits)
        if wait > 0:
            call.limited = True
            headers = {**self._limits(), **_when(settings.retry_after, wait)}
            return problem(429, "Rate limit reached for requests", "rate_limit_exceeded", headers)
        if self._requests:
            self._requests.take(1.0)
        if self._tokens:
            self._tokens.take(call.tokens)
        return None

    def _limits(self) -> dict[str, str]:
        if not self.settings.headers:
            return {}
        found: dict[str, str] = {}
        for name, bucket in (("requests", self._requests), ("tokens", self._tokens)):
            if bucket:
                bucket.refill()
                found[f"x-ratelimit-limit-{name}"] = f"{bucket.rate * 60:.0f}"
                found[f"x-ratelimit-remaining-{name}"] = str(max(0, int(bucket.level)))
                found[f"x-ratelimit-reset-{name}"] = go_duration(bucket.seconds_to_full)
        return found

    def _understood(self, asked: Asked) -> tuple[Any, Json, Model | None]:
        """The form, the body, and the model (None where it is not loaded yet)."""
        form, way = FORMS.get(asked.path, (None, ""))
        if form is None or way not in self.settings.ways or asked.method != "POST":
            raise Problem(404, f"Not Found: {asked.method} {asked.path}", "not_found")
        try:
            body = json.loads(asked.body)
        except ValueError:
            raise Problem(400, "We could not parse the JSON body of your request.") from None
        name = self.settings.loaded if way == "generate" else body.get("model", "")
        if body.get("stream"):
            raise Problem(400, "this server does not stream", "unsupported_value")
        if name not in ("table", "embedded"):
            raise Problem(
                404, f"The model `{name}` does not exist or you do not have access to it.", "model_not_found"
            )
        return form, {**body, "model": name}, self._models.get(name)

    def _computed(self, form: Any, body: Json, model: Model, call: Call) -> Answer:
        try:
            found = form(Ask(model, body, self.settings, call.number, self._beginnings))
        except Problem as error:
            return Answer(error.status, json.dumps(error.body).encode(), self._limits())
        answer = after(call.fault, found)
        answer.headers = {"x-request-id": f"req_{call.number}", **self._limits()}
        return answer

    async def _later(self, call: Call, wait: float, form: Any, body: Json, model: Model | None) -> Answer:
        loop = asyncio.get_running_loop()
        try:
            model = model or await self._load(body["model"])
            if wait:
                await asyncio.sleep(wait)
            if model.blocking:
                answer = await loop.run_in_executor(self._worker, self._computed, form, body, model, call)
            else:
                answer = self._computed(form, body, model, call)
        except Exception as error:  # a bug of this server must be seen by the test, not time out
            answer = problem(500, f"the test server failed: {error!r}", "test_server_failed")
        return self._ended(call, answer)

    async def _delayed(self, call: Call, answer: Answer, wait: float) -> Answer:
        await asyncio.sleep(wait)
        return self._ended(call, answer)

    async def _load(self, name: str) -> Model:
        async with self._loading:
            if name not in self._models:
                loop = asyncio.get_running_loop()
                self._models[name] = await loop.run_in_executor(self._worker, Reader)
            return self._models[name]

    def _ended(self, call: Call, answer: Answer) -> Answer:
        self._flying -= 1
        self._answered += answer.status == 200
        call.status = answer.status if answer.cut < 0 else 0
        call.done = time.monotonic() - self._start
        return answer

    # --- what is no model call

    def _listed(self, asked: Asked) -> Answer:
        models = [
            {"id": m, "object": "model", "created": 1, "owned_by": "tests"} for m in ("table", "embedded")
        ]
        name = asked.path.removeprefix("/v1/models").strip("/")
        if "models" not in self.settings.ways or (name and name not in ("table", "embedded")):
            return problem(404, f"The model `{name}` does not exist", "model_not_found")
        one = next((m for m in models if m["id"] == name), None)
        return Answer(200, json.dumps(one or {"object": "list", "data": models}).encode())

    async def _batch(self, asked: Asked, call: Call) -> Answer:
        if "batches" not in self.settings.ways:
            return self._ended(call, problem(404, f"Not Found: {asked.path}", "not_found"))
        answer = await self._batches.handle(asked, self.settings, self._line)
        return self._ended(call, answer)

    async def _line(self, path: str, body: Json) -> tuple[int, Json]:
        """One line of a batch: (status, body). No limits; faults as for any call."""
        data = json.dumps(body).encode()
        asked = Asked("POST", path, {}, data, 0)
        fault = self._faults.pick(self.settings, data)
        spoilt = before(fault, self.settings) if fault else None
        if spoilt is not None:
            return spoilt.status, json.loads(spoilt.body) if spoilt.body[:1] == b"{" else {}
        try:
            form, body, model = self._understood(asked)
        except Problem as error:
            return error.status, error.body
        model = model or await self._load(body["model"])
        call = Call(-1, 0.0, path, 0, 0, 0, True, fault=fault)
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(self._worker, self._computed, form, body, model, call)
        return answer.status, json.loads(answer.body)

    def _control(self, asked: Asked) -> Answer:
        """See the package's docstring."""
        data = json.loads(asked.body) if asked.body else None
        what = asked.path.removeprefix("/control/")
        if what == "set":
            try:
                self.change(self.settings.changed(data))
            except (ValueError, KeyError, TypeError) as error:
                return Answer(400, json.dumps({"error": str(error)}).encode())
            return Answer(200, json.dumps(self.settings.as_json()).encode())
        if what == "reset":
            self.reset()
        elif what == "next":
            self._faults.queue.extend(data)
        elif what == "log":
            return Answer(200, json.dumps([asdict(call) for call in self.log]).encode())
        elif what == "counts":
            return Answer(200, json.dumps(self._counts()).encode())
        else:
            return Answer(404, b"{}")
        return Answer(200, b"{}")

    def _counts(self) -> Json:
        asked = [c for c in self.log if c.path in FORMS]
        return {
            "calls": len(asked),
            "answered": sum(c.status == 200 for c in asked),
            "distinct": len({c.mark for c in asked}),
            "by_status": dict(Counter(str(c.status) for c in asked)),
            "by_fault": dict(Counter(c.fault for c in asked if c.fault)),
            "limited": sum(c.limited for c in asked),
            "in_flight": self._flying,
            "peak": self._peak,
            "unkeyed": sum(not c.keyed for c in asked),
            "now": time.monotonic() - self._start,
        }


def _when(how: str, wait: float) -> dict[str, str]:
    if how == "seconds":
        return {"retry-after": f"{wait:.3f}"}
    if how == "ms":
        return {"retry-after-ms": str(max(1, round(wait * 1000)))}
    if how == "date":
        return {"retry-after": email.utils.formatdate(time.time() + wait + 1, usegmt=True)}
    return {}
