"""What this page allows: which models, how much of everything, which addresses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import spexapi
from spexapi.backends.base import Backend
from spexapi.errors import InputError
from spexapi.views.ui.guard import check_address, public_client

OPENAI = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class Limits:
    """The most of everything in one run; for a page at home generous, on a public one not.

    seconds       a run may take, after which what is known is explained
    upload_bytes  of one file
    pages         of a PDF
    """

    documents: int = 400
    characters: int = 1_000_000
    units: int = 2_000
    budget: int = 8_192
    seconds: float = 3_600.0
    upload_bytes: int = 30_000_000
    pages: int = 400

    def check(self, texts: Sequence[str], budget: int) -> None:
        """Raises InputError with the number that is too large, and the largest allowed."""
        _at_most("documents or turns", len(texts), self.documents)
        _at_most("characters of text", sum(map(len, texts)), self.characters)
        _at_most("questions to the model", budget, self.budget)

    def check_units(self, units: int) -> None:
        """Raises InputError where so many units would be taken away."""
        _at_most("parts to take away", units, self.units, "; use larger ones")


PUBLIC = Limits(
    documents=60, characters=60_000, units=300, budget=1_024, seconds=300.0, upload_bytes=3_000_000, pages=40
)


@dataclass(frozen=True, slots=True)
class Site:
    """Where the page runs.

    allowed     models a visitor may choose: "embedded", "hf:<id>", or "openai" for any hosted one; None: all
    local_urls  hosted models may lie on this machine or in its network
    """

    allowed: tuple[str, ...] | None = None
    limits: Limits = Limits()
    local_urls: bool = True

    @classmethod
    def here(cls, environ: Mapping[str, str]) -> Site:
        """Everything at home; on a public Space what its owner names in SPEXAPI_BACKENDS, within limits."""
        if "SPACE_ID" not in environ:
            return cls()
        named = environ.get("SPEXAPI_BACKENDS", "embedded,openai").split(",")
        return cls(tuple(name.strip() for name in named if name.strip()), PUBLIC, local_urls=False)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Of "embedded", "hf", "openai", those a visitor may choose."""
        names = ("embedded", "hf", "openai")
        if self.allowed is None:
            return names
        return tuple(k for k in names if any(a == k or a.startswith(k + ":") for a in self.allowed))

    def admit(self, kind: str, spec: str) -> None:
        """Raises InputError where this model is not for visitors of this page."""
        if self.allowed is not None and spec not in self.allowed and kind not in self.allowed:
            listed = ", ".join(self.allowed)
            raise InputError(f"this page runs {listed} only; install spexapi to use {spec!r} at home")

    def hosted(self, name: str, base_url: str, key: str) -> Backend:
        """A hosted model; on a public page only at a public address, and only with the visitor's own key."""
        if "@" in base_url:
            raise InputError("The address holds a name or a password: write the key in its own field.")
        if not key and not self.local_urls:
            raise InputError("This model needs a key of its provider; it is used for this run and not kept.")
        options: dict[str, object] = {"api_key": key} if key else {}
        if base_url:
            options["base_url"] = base_url
        if not self.local_urls:
            check_address(base_url or OPENAI)
            # never the owner's own address or proxy from the environment
            options |= {"base_url": base_url or OPENAI, "http_client": public_client}
        return spexapi.open_backend(f"openai:{name}", **options)


def _at_most(what: str, count: int, most: int, hint: str = "") -> None:
    if count > most:
        raise InputError(f"{count:,} {what} are more than this page takes ({most:,}){hint}.")
