"""The contract every backend must keep, to be run in the tests of whoever writes one.

    import pytest
    from spexapi.testing import CONTRACTS, check

    @pytest.mark.parametrize("contract", CONTRACTS)
    def test_my_backend_keeps_the_contract(contract):
        check(contract, MyBackend())

No pytest is needed: `check_all(backend)` runs the lot and says everything that is broken at once.
"""

from __future__ import annotations

import asyncio

from spexapi.backends.adapter import complete
from spexapi.backends.base import Backend, Scoring
from spexapi.testing.contracts import ALL, Contract, ContractBroken, Questions

CONTRACTS: tuple[str, ...] = tuple(ALL)


def check(contract: str, backend: Scoring, questions: Questions | None = None) -> None:
    """Asks a backend, in an event loop of its own; raises ContractBroken if it does not keep `contract`.

    contract  a name of CONTRACTS; a contract about something that the backend does not promise holds
    Cost: up to about ten calls. RateLimited and Unavailable are tried again, as the sampler would.
    """
    asked = questions or Questions()
    try:
        asyncio.run(_held(complete(backend), ALL[contract], asked))
    except ContractBroken as broken:
        raise ContractBroken(f"{contract}: {broken}") from broken.__cause__


def check_all(backend: Scoring, questions: Questions | None = None) -> None:
    """Every contract, one after the other. Raises ContractBroken with a line for each that does not hold."""
    broken: list[str] = []
    for contract in CONTRACTS:
        try:
            check(contract, backend, questions)
        except ContractBroken as error:
            broken.append(str(error))
    if broken:
        raise ContractBroken("\n".join(broken))


async def _held(backend: Backend, contract: Contract, asked: Questions) -> None:
    try:
        await backend.open()
        await contract(backend, asked)
    finally:
        await backend.close()


__all__ = ["CONTRACTS", "ContractBroken", "Questions", "check", "check_all"]
