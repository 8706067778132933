"""What has been trained already: in memory, and in the store of replies under the name of the training."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from threading import Event

from spexapi.backends.base import Reply
from spexapi.errors import InputError
from spexapi.games.training.retraining import Outcome, Retraining, Trainer
from spexapi.sampling.store import Store, open_store

_VERSION = 1
# What scikit-learn, xgboost and torch all take.
_MOST_SEEDS = 2**31


class CachedTrainer:
    """A trainer that trains nothing twice: neither in this game nor, with a store, after a kill.

    name   of the data and the training, part of every key in the store
    where  a store, its file, True for the default one; None for memory alone
    """

    def __init__(self, trainer: Trainer, name: str, where: Store | str | Path | bool | None) -> None:
        if where not in (None, False, "off") and not name:
            raise InputError(
                "a store needs name=...: a text that changes whenever the data, the training or the measure"
                " does, so that values of another training are not taken for these"
            )
        self.trainer, self.identity = trainer, f"training:{name}"
        self._where = where
        self._store: Store | None = None
        self._trouble = ""
        self._known: dict[bytes, Outcome] = {}

    @property
    def trouble(self) -> str:
        """What the store could not keep, "" if it kept all."""
        return self._store.trouble if self._store is not None else self._trouble

    def open(self) -> None:
        """Opens the store. Raises StoreError."""
        if self._store is None:
            self._store = open_store(self._where)

    def close(self) -> None:
        if self._store is not None:
            self._store.flush()
            self._trouble = self._store.trouble
            if not isinstance(self._where, Store):
                self._store.close()
            self._store = None

    def outcomes(self, asked: Sequence[Retraining], stop: Event) -> tuple[list[Outcome], int]:
        """An outcome for each, and how many were trained for it.

        Each is kept the moment it comes. Once `stop` is set the rest is left out: fewer come back.
        """
        keys = [self._key(one) for one in asked]
        missing = [i for i, key in enumerate(keys) if self._found(key) is None]
        first = {keys[i]: i for i in reversed(missing)}  # a set asked twice is trained once
        rows = sorted(first.values())
        done = 0
        if rows and not stop.is_set():
            coming = self.trainer.outcomes([asked[i] for i in rows])
            for i, outcome in zip(rows, coming, strict=False):
                self._keep(keys[i], asked[i], outcome)
                done += 1
                if stop.is_set():
                    break
            coming.close()
        outcomes: list[Outcome] = []
        for key in keys:
            if (known := self._known.get(key)) is None:
                break
            outcomes.append(known)
        return outcomes, done

    def _found(self, key: bytes) -> Outcome | None:
        if key not in self._known and self._store is not None:
            reply = self._store.get(key)
            if reply is not None:
                self._known[key] = Outcome(float(reply.text or math.nan), reply.error)
        return self._known.get(key)

    def _keep(self, key: bytes, one: Retraining, outcome: Outcome) -> None:
        self._known[key] = outcome
        if self._store is not None:
            text = "" if math.isnan(outcome.value) else repr(outcome.value)
            reply = Reply(error=outcome.reason, text=text)
            asked = json.dumps({"kept": one.kept.tolist(), "seed": one.seed}, separators=(",", ":"))
            self._store.put(key, self.identity, asked, reply)

    def _key(self, one: Retraining) -> bytes:
        told = json.dumps([_VERSION, self.identity, one.seed])
        return hashlib.sha256(told.encode() + one.kept.astype("<i8").tobytes()).digest()


def seed_of(kept: bytes, seed: int, again: int) -> int:
    """The seed of a training: a different one for each set of examples, the same in each run.

    kept   what is trained on
    again  0 for the value, 1 for the second training that shows the noise

    With one seed for all, the luck of that seed would be in every value and no repetition would show it.
    """
    digest = hashlib.sha256(json.dumps([seed, again]).encode() + kept).digest()
    return int.from_bytes(digest[:8], "little") % _MOST_SEEDS
