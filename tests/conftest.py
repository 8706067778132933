"""What all tests share: settings of the process, the folder next to the checkout, a server on loopback."""

import os

# Tests run in two processes on two cores (Makefile): more threads in each would only wait for one another.
# Set before NumPy and PyTorch load; subprocesses inherit it; a test that needs another count sets its own.
os.environ |= {
    name: os.environ.get(name, "1") for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
}

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from openai_server import Server, start
from page_server import address, browser, page

__all__ = ["address", "browser", "page"]  # fixtures

# No test reads or fills the store of whoever runs the tests; those about a store name their own.
os.environ["SPEXAPI_STORE"] = "off"

# A busy machine is no bug: no property has to hold within a time.
settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

SHARED = Path(__file__).parent.parent.parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recorded games and models beside the checkout; CI has it, a clone elsewhere may not."""
    if not SHARED.is_dir():
        if os.environ.get("CI"):
            pytest.fail(
                "CI needs the folder ../shared beside the checkout (recorded games, a small trained model)"
            )
        pytest.skip("needs the folder ../shared beside the checkout")
    return SHARED


@pytest.fixture(scope="session")
def _running_server() -> Iterator[Server]:
    with start() as server:
        yield server


@pytest.fixture
def openai_server(_running_server: Server) -> Server:
    """An OpenAI-shaped server on loopback, as new; see tests/openai_server."""
    _running_server.reset()
    return _running_server
