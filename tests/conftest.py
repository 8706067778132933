"""Where tests find what lies beside the project."""

import os
from pathlib import Path

import pytest

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
