"""The server as a test holds it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent


class Server:
    """A running server. url: its root; base_url: what an OpenAI client wants."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self._process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.base_url = f"{self.url}/v1"

    def set(self, **settings: Any) -> dict[str, Any]:
        """Changes what is named, see settings.Settings. Raises ValueError for what it does not know."""
        return self._control("set", settings)

    def next(self, *faults: str) -> None:
        """The next calls meet these faults; "" is a call that goes well."""
        self._control("next", faults)

    def reset(self) -> None:
        self._control("reset", {})

    def log(self) -> list[dict[str, Any]]:
        return self._control("log")

    def counts(self) -> dict[str, Any]:
        return self._control("counts")

    def close(self) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        self._process.terminate()
        self._process.wait(10)
        if self._process.stdout:
            self._process.stdout.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, kind: object, error: object, at: object) -> None:
        self.close()

    def _control(self, what: str, data: Any = None) -> Any:
        body = None if data is None else json.dumps(data).encode()
        request = urllib.request.Request(f"{self.url}/control/{what}", data=body)
        try:
            with _DIRECT.open(request, timeout=30) as reply:
                return json.loads(reply.read())
        except urllib.error.HTTPError as error:
            with error:
                raise ValueError(json.loads(error.read())["error"]) from None


# loopback is never behind a proxy
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def start(port: int = 0, **settings: Any) -> Server:
    """A server that is listening. It starts in a moment; the embedded model loads when first asked."""
    command = [sys.executable, "-m", "openai_server", "--with-parent", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--set", json.dumps(settings)],
        cwd=FOLDER,
        env={**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line.isdigit():
        raise RuntimeError(f"the test server did not start: {line!r}")
    return Server(process, int(line))
