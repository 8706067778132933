"""The most memory that Python and numpy held: a test of memory is the same everywhere, one of time is not."""

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Peak:
    """bytes  the most that was allocated inside the block beyond what was there before it"""

    bytes: int = 0


@contextmanager
def allocated() -> Iterator[Peak]:
    peak = Peak()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    try:
        yield peak
    finally:
        peak.bytes = tracemalloc.get_traced_memory()[1] - before
        tracemalloc.stop()
