"""How fast hosted models are asked, on loopback: at a limit, and without one beside the bare client.

    python benchmarks/hosted_rates.py [--seconds 60] [--calls 600] [--pin]

Needs an idle machine of two cores or more: server and client share it; --pin gives each a core of its own
(Linux). Prints four lines of figures.

limit   at 6,000 requests a minute for --seconds: calls answered, the share of what the limit allows (its
        bucket holds one second's worth), and how many 429 we caused
free    no limit: calls a second of spexapi and of the bare openai client on the same server, in turns, and
        their ratio; both send the same bodies, 64 at once
cpu     milliseconds of CPU a call of each, and the difference: rendering, hashing, pacing, retries, the
        store on disk, values; less what the client saves with its connections in several pools
server  milliseconds of CPU a call the server takes (Linux): it holds nobody up while that is far less
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from openai_server import start  # noqa: E402

import spexapi  # noqa: E402
from spexapi.measure import collect  # noqa: E402

WORDS = "the key is in the box and the old box is in the cellar under the stairs of the house today"
PER_MINUTE, AT_ONCE, ROUNDS = 6000, 64, 5


def game_of(server, store, **terms):
    backend = spexapi.open_backend("openai:table", base_url=server.base_url, api_key="none")
    return spexapi.PromptGame(backend, WORDS, "the cellar", terms=spexapi.Terms(store=store, **terms))


def masks_of(count, seed):
    return np.random.default_rng(seed).random((count, len(WORDS.split()))) < 0.5


async def at_the_limit(server, store, seconds):
    """Calls answered and seconds, from the first call to the end of the time."""
    game = game_of(server, store, requests_per_minute=PER_MINUTE)
    await game.prepare()
    server.reset()
    server.set(rpm=PER_MINUTE, bodies=0)
    began = time.perf_counter()
    masks = masks_of(int(PER_MINUTE / 60 * seconds * 1.2), seed=1)
    await collect(game, masks, should_stop=lambda: time.perf_counter() - began >= seconds)
    took = time.perf_counter() - began
    await game.close()
    counts = server.counts()
    return counts["answered"], counts["limited"], took


async def ours(server, store, masks):
    """Seconds and CPU seconds for measuring the masks, the connection warm."""
    game = game_of(server, store)
    await game.prepare()
    await collect(game, masks_of(AT_ONCE, seed=99))
    began, cpu = time.perf_counter(), time.process_time()
    await collect(game, masks)
    took = time.perf_counter() - began, time.process_time() - cpu
    await game.close()
    return took


async def bare(server, bodies):
    """The same bodies by the openai client alone, AT_ONCE at a time, the connection warm."""
    from openai import AsyncOpenAI

    client = AsyncOpenAI(base_url=server.base_url, api_key="none", max_retries=0)

    async def worker(left):
        for body in left:
            await client.chat.completions.create(**body)

    warm = iter(bodies[:AT_ONCE])
    await asyncio.gather(*(worker(warm) for _ in range(AT_ONCE)))
    left = iter(bodies)
    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker(left) for _ in range(AT_ONCE)))
    took = time.perf_counter() - began, time.process_time() - cpu
    await client.close()
    return took


def body_of(sent):
    """A body as the server logged it -> the arguments of the client's method."""
    known = {"model", "messages", "temperature", "max_tokens"}
    plain = {k: v for k, v in sent.items() if k in known}
    return plain | {"extra_body": {k: v for k, v in sent.items() if k not in known}}


def cpu_of(server):
    """Seconds of CPU the server has used; None where nobody tells."""
    stat = Path(f"/proc/{server._process.pid}/stat")
    if not stat.exists():
        return None
    user, system = stat.read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--calls", type=int, default=600)
    parser.add_argument("--pin", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, start(ways="vllm") as server:
        if asked.pin:
            own, its = sorted(os.sched_getaffinity(0))[:2]
            os.sched_setaffinity(0, {own})
            os.sched_setaffinity(server._process.pid, {its})
        before, sent = cpu_of(server), 0
        times = {"spexapi": [], "openai": []}
        for number in range(ROUNDS):
            masks = np.unique(masks_of(asked.calls, seed=10 + number), axis=0)
            server.reset()
            server.set(ways="vllm")
            own = asyncio.run(ours(server, Path(folder, f"{number}.sqlite"), masks))
            logged = server.log()[-len(masks) :]
            bodies = [body_of(json.loads(call["body"])) for call in logged]
            calls = len(masks)
            times["spexapi"].append((calls / own[0], 1e3 * own[1] / calls))
            other = asyncio.run(bare(server, bodies))
            times["openai"].append((calls / other[0], 1e3 * other[1] / calls))
            sent += 2 * (calls + AT_ONCE)
        served = None if before is None else 1e3 * (cpu_of(server) - before) / sent
        rate = {who: np.median([t[0] for t in found]) for who, found in times.items()}
        cpu = {who: np.median([t[1] for t in found]) for who, found in times.items()}
        ratio = np.median([a[0] / b[0] for a, b in zip(times["spexapi"], times["openai"], strict=True)])
        over = np.median([a[1] - b[1] for a, b in zip(times["spexapi"], times["openai"], strict=True)])
        print(f"free    {rate['spexapi']:.0f} calls/s, bare client {rate['openai']:.0f}, ratio {ratio:.2f}")
        print(
            f"cpu     {cpu['spexapi']:.2f} ms a call, bare client {cpu['openai']:.2f}, ours {over:.2f}",
            flush=True,
        )
        if served is not None:
            print(f"server  {served:.2f} ms of CPU a call", flush=True)
        answered, limited, took = asyncio.run(
            at_the_limit(server, Path(folder, "limit.sqlite"), asked.seconds)
        )
        allowed = PER_MINUTE / 60 * took
        print(
            f"limit   {answered} calls in {took:.1f} s, {answered / allowed:.1%} of {PER_MINUTE} a minute,"
            f" {limited} times 429"
        )


if __name__ == "__main__":
    main()
