"""What a session keeps of a run: the request without its key, and the explanation as it is shown."""

from __future__ import annotations

from dataclasses import dataclass, replace

from spexapi.errors import InputError
from spexapi.explanation.explanation import Explanation
from spexapi.narrative.wording import name
from spexapi.page.requests.request import RunRequest


@dataclass(frozen=True, slots=True, eq=False)
class SessionResult:
    """An explanation that a visitor looks at.

    request  asks the same again; None for an explanation that came from a file
    whole    as it was run; shown: of a span of the answer, or in another index
    title    what was taken apart: "everything", "inside document 2"
    above    what was shown before the visitor looked inside
    kept     masks of the budget that were set aside to check the strongest combinations
    ended    what broke the run off, in words; "" if nothing did
    done     False while more is to come
    """

    request: RunRequest | None
    whole: Explanation
    shown: Explanation
    title: str = "everything"
    above: SessionResult | None = None
    kept: int = 0
    ended: str = ""
    done: bool = True

    @property
    def can_ask(self) -> bool:
        """Whether the model can be asked about single selections."""
        return self.request is not None and self.request.model is not None

    def of_span(self, start: int, end: int) -> SessionResult:
        """The same run explaining a part of the answer. Raises InputError."""
        length = len(self.whole.target.answer)
        if not 0 <= start < end <= length:
            raise InputError(f"characters {start} to {end} are not in the answer of {length}")
        if (start, end) == (0, length):
            return replace(self, shown=self.whole.in_index(self.shown.index, self.shown.max_order))
        return replace(self, shown=self.whole.in_index(self.shown.index).span(start, end))

    def in_index(self, index: str) -> SessionResult:
        """The same, read in another index. Raises InputError."""
        return replace(self, shown=self.shown.in_index(index))

    def again(self) -> RunRequest:
        """The request with the answer of this run fixed. Raises InputError."""
        if self.request is None:
            raise InputError("This came from a file: the model that was asked is not at hand.")
        return self.request.answering(self.whole.target.answer)

    def inside(self, player: int) -> tuple[RunRequest, str]:
        """What to ask to look inside a player, and what that is called. Raises InputError."""
        request = self.again().within(player)
        return request, f"inside {name(self.whole.players, player)}"
