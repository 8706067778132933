"""The senders of one game: to its model, and to the model that helps its scorer."""

from __future__ import annotations

from spexapi.backends.adapter import complete
from spexapi.backends.base import Backend, Reply, Request, Scoring
from spexapi.errors import CapReached, InputError
from spexapi.sampling.caps import Ledger
from spexapi.sampling.policy import RequestPolicy
from spexapi.sampling.sender import Sender
from spexapi.sampling.store import Store, open_store
from spexapi.sampling.usage import Usage


class Senders:
    """One ledger, one store, and a sender for each backend. The caps are of the game, over all its runs."""

    def __init__(self, backend: Backend, terms: RequestPolicy) -> None:
        self._terms, self._ledger = terms, Ledger(terms.caps)
        self.main = self._to(backend)
        self._helper: Sender | None = None
        self._store: Store | None = None

    @property
    def spent(self) -> Usage:
        """Of all senders; no price if one of them has none."""
        used = self.main.used
        return used if self._helper is None else used + self._helper.used.of_helper()

    async def open(self) -> None:
        """The backend, then the store. Raises BackendError, InputError, StoreError."""
        await self.main.open()
        can, name = self.main.backend.capabilities, self.main.backend.name
        if self._terms.max_cost is not None and can.price is None:
            raise InputError(
                f"max_cost is given, but no price of {name} is known: give one (--price-in, --price-out),"
                " or cap max_tokens instead"
            )
        if self._store is None and can.keep:
            self._store = open_store(self._terms.store)
        self.main.begin(self._store)

    def help_with(self, helper: Scoring | None) -> None:
        """The scorer's own model, opened at its first question."""
        if helper is not None and self._helper is None:
            self._helper = self._to(complete(helper))

    async def ask_helper(self, request: Request) -> Reply:
        """Its reply. Raises InputError if the scorer named no helper."""
        if self._helper is None:
            raise InputError("the scorer asks a helper but names none")
        if not self._helper.ready:
            await self._helper.open()
            self._helper.begin(self._store)
        return await self._helper.send(request)

    def afford(self, request: Request) -> None:
        """Raises InputError if the caps do not pay for one such call."""
        try:
            self.main.must_afford(request)
        except CapReached as error:
            if not self.main.used.calls:
                raise InputError(f"{error}: not one mask can be measured; raise the cap") from error

    def halt(self) -> None:
        for sender in self._all():
            sender.halt()

    async def close(self) -> None:
        """Calls under way are waited for, whatever else fails."""
        try:
            for sender in self._all():
                await sender.drain()
        finally:
            for sender in self._all():
                await sender.backend.close()
            store, self._store = self._store, None
            if store is not None and store is not self._terms.store:
                store.close()

    def _all(self) -> list[Sender]:
        return [self.main, *([self._helper] if self._helper is not None else [])]

    def _to(self, backend: Backend) -> Sender:
        terms = self._terms
        return Sender(backend, given=terms.limits, ledger=self._ledger, retry=terms.retry)
