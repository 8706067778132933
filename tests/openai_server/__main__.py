"""python -m openai_server (from tests/): the server on a port of this machine until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys

from openai_server.app import App
from openai_server.settings import Settings
from openai_server.wire import Connection


async def serve(port: int, settings: Settings, *, with_parent: bool) -> None:
    loop = asyncio.get_running_loop()
    app = App(settings)
    server = await loop.create_server(lambda: Connection(app.handle), "127.0.0.1", port, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    if with_parent:
        # the parent holds the other end of standard input: it ends when the parent does, however it ends
        await loop.run_in_executor(None, sys.stdin.buffer.read)
    else:
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m openai_server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any free one; it is printed")
    parser.add_argument("--set", default="{}", help='settings as JSON: {"rpm": 6000, "faults": {"500": 0.1}}')
    parser.add_argument("--with-parent", action="store_true", help="end when standard input ends")
    given = parser.parse_args()
    settings = Settings().changed(json.loads(given.set))
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(given.port, settings, with_parent=given.with_parent))


if __name__ == "__main__":
    main()
