"""Files and batches of the OpenAI Batch API: a file of requests, answered together."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

from openai_server.settings import Settings
from openai_server.wire import Answer, Asked

Json = dict[str, Any]
Line = Callable[[str, Json], Awaitable[tuple[int, Json]]]


class Batches:
    """Everything uploaded and submitted. A batch's lines are answered at the `polls`-th look at it."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[Json, bytes]] = {}
        self.batches: dict[str, Json] = {}
        self._looks: dict[str, int] = {}

    async def handle(self, asked: Asked, settings: Settings, line: Line) -> Answer:
        parts = asked.path.removeprefix("/v1/").strip("/").split("/")
        match (asked.method, *parts):
            case ("POST", "files"):
                return self._upload(asked)
            case ("GET", "files", name) if name in self.files:
                return _json(self.files[name][0])
            case ("DELETE", "files", name) if name in self.files:
                del self.files[name]
                return _json({"id": name, "object": "file", "deleted": True})
            case ("GET", "files", name, "content") if name in self.files:
                return Answer(200, self.files[name][1], kind="application/octet-stream")
            case ("POST", "batches"):
                return self._submit(json.loads(asked.body))
            case ("GET", "batches"):
                found = list(self.batches.values())[::-1]
                return _json({"object": "list", "data": found, "has_more": False})
            case ("GET", "batches", name) if name in self.batches:
                await self._look(name, settings, line)
                return _json(self.batches[name])
            case ("POST", "batches", name, "cancel") if name in self.batches:
                self.batches[name]["status"] = "cancelled"
                return _json(self.batches[name])
            case _:
                return _refused(404, f"No such object: {asked.path}")

    def _upload(self, asked: Asked) -> Answer:
        fields = _multipart(asked)
        if "file" not in fields or fields.get("purpose", b"") != b"batch":
            return _refused(400, "a file and purpose=batch are needed")
        return _json(self._keep(fields["file"], "batch"))

    def _keep(self, data: bytes, purpose: str) -> Json:
        name = f"file-{len(self.files) + 1}"
        known = {
            "id": name,
            "object": "file",
            "bytes": len(data),
            "created_at": 1,
            "filename": f"{name}.jsonl",
        }
        known |= {"purpose": purpose, "status": "processed"}
        self.files[name] = (known, data)
        return known

    def _submit(self, body: Json) -> Answer:
        if body.get("input_file_id") not in self.files:
            return _refused(400, f"no file {body.get('input_file_id')!r}")
        if body.get("completion_window") != "24h":
            return _refused(400, "completion_window must be 24h")
        name = f"batch_{len(self.batches) + 1}"
        lines = self.files[body["input_file_id"]][1].decode().splitlines()
        self.batches[name] = {
            "id": name,
            "object": "batch",
            "endpoint": body["endpoint"],
            "input_file_id": body["input_file_id"],
            "completion_window": "24h",
            "status": "validating",
            "created_at": 1,
            "metadata": body.get("metadata"),
            "output_file_id": None,
            "error_file_id": None,
            "errors": None,
            "request_counts": {"total": len(lines), "completed": 0, "failed": 0},
        }
        self._looks[name] = 0
        return _json(self.batches[name])

    async def _look(self, name: str, settings: Settings, line: Line) -> None:
        batch = self.batches[name]
        if batch["status"] not in ("validating", "in_progress"):
            return
        self._looks[name] += 1
        batch["status"] = "in_progress"
        if self._looks[name] < settings.polls:
            return
        good: list[str] = []
        bad: list[str] = []
        for number, text in enumerate(self.files[batch["input_file_id"]][1].decode().splitlines()):
            request = json.loads(text)
            status, body = await line(request["url"], request["body"])
            known = {"id": f"batch_req_{number}", "custom_id": request["custom_id"], "error": None}
            known["response"] = {"status_code": status, "request_id": f"req_{number}", "body": body}
            (good if status == 200 else bad).append(json.dumps(known))
        # a real batch gives no order back either
        good.reverse()
        batch["request_counts"] = {"total": len(good) + len(bad), "completed": len(good), "failed": len(bad)}
        batch["output_file_id"] = self._keep("\n".join(good).encode(), "batch_output")["id"] if good else None
        batch["error_file_id"] = self._keep("\n".join(bad).encode(), "batch_output")["id"] if bad else None
        batch["status"] = "completed"


def _multipart(asked: Asked) -> dict[str, bytes]:
    """Field name -> content of a multipart/form-data body."""
    found = re.search(r'boundary="?([^";]+)', asked.headers.get("content-type", ""))
    fields: dict[str, bytes] = {}
    for part in asked.body.split(b"--" + found[1].encode())[1:-1] if found else ():
        head, _, content = part.partition(b"\r\n\r\n")
        if name := re.search(rb'name="([^"]+)"', head):
            fields[name[1].decode()] = content.removesuffix(b"\r\n")
    return fields


def _json(body: Json) -> Answer:
    return Answer(200, json.dumps(body).encode())


def _refused(status: int, message: str) -> Answer:
    error = {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}
    return Answer(status, json.dumps(error).encode())
