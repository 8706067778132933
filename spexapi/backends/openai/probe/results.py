"""What a probe found: each scoring method in each format, and whether it works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from spexapi.backends.openai.dialect import Dialect, RequestFormat
from spexapi.backends.openai.endpoint import Gives, ScoringMethod

_SHOWN: dict[Gives, str] = {
    "answer": "any given answer",
    "options": "options compared",
    "text": "sampled replies compared",
}


class Row(NamedTuple):
    """A result in words. works: "works" or "no"; notes: what it costs, or what is wrong."""

    form: str
    way: str
    gives: str
    works: str
    notes: str


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """One scoring method in one format.

    problem     "" if it works, else the error's name and what was seen
    notes       what is worth knowing though it works
    repeatable  the same request gave the same numbers twice
    """

    dialect: Dialect
    method: ScoringMethod
    problem: str = ""
    notes: tuple[str, ...] = ()
    repeatable: bool = False

    @property
    def works(self) -> bool:
        return not self.problem

    @property
    def row(self) -> Row:
        said = "; ".join((self.method.cost, *self.notes)) if self.works else self.problem
        gives, works = _SHOWN[self.method.gives], "works" if self.works else "no"
        return Row(self.dialect.format.value, self.method.name, gives, works, said)


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """All results, in the order tried."""

    results: tuple[ProbeResult, ...]

    def working(
        self, *, gives: Gives | None = None, form: RequestFormat | None = None, method: str | None = None
    ) -> Sequence[ProbeResult]:
        """Those that work, in the order of preference; None stands for any."""
        return [
            result
            for result in self.results
            if result.works
            and gives in (None, result.method.gives)
            and form in (None, result.dialect.format)
            and method in (None, result.method.name)
        ]

    def best(
        self, gives: Gives, form: RequestFormat | None = None, method: str | None = None
    ) -> ProbeResult | None:
        """The first that works, in the order of preference."""
        return next(iter(self.working(gives=gives, form=form, method=method)), None)

    @property
    def rows(self) -> list[Row]:
        """A row for each result, for people."""
        return [result.row for result in self.results]

    @property
    def problems(self) -> str:
        """Why the methods that do not work do not, in one line."""
        failed = [result for result in self.results if not result.works]
        return "; ".join(f"{r.dialect.format} {r.method.name}: {r.problem}" for r in failed)
