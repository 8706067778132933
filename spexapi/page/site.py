"""What this page allows: which models, how much of everything, which addresses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import spexapi
from spexapi.backends.base import Backend
from spexapi.errors import InputError
from spexapi.page.address_guard import check_address, public_client

OPENAI = "https://api.openai.com/v1"
PROVIDERS = "https://router.huggingface.co/v1"  # Hugging Face Inference Providers
KINDS = ("embedded", "hf", "providers", "openai")


@dataclass(frozen=True, slots=True)
class Limits:
    """The most of everything in one run: much for a page at home, little for a public one.

    seconds       that a run may take; after them what is known is explained
    runs          of one visitor at once; calls: questions of one visitor to models within an hour
    upload_bytes  of one file
    pages         of a PDF
    """

    documents: int = 400
    characters: int = 1_000_000
    units: int = 2_000
    budget: int = 8_192
    seconds: float = 3_600.0
    runs: int = 16
    calls: int = 1_000_000
    upload_bytes: int = 30_000_000
    pages: int = 400

    def check(self, texts: Sequence[str], budget: int) -> None:
        """Raises InputError with the number that is too large, and the largest allowed."""
        _at_most("documents or turns", len(texts), self.documents)
        _at_most("characters of text", sum(map(len, texts)), self.characters)
        _at_most("questions to the model", budget, self.budget)

    def check_units(self, units: int) -> None:
        """Raises InputError if these are more units than can be taken away."""
        _at_most("parts to take away", units, self.units, "; use larger ones")


PUBLIC = Limits(
    documents=60,
    characters=60_000,
    units=300,
    budget=1_024,
    seconds=300.0,
    runs=2,
    calls=8_192,
    upload_bytes=3_000_000,
    pages=40,
)


@dataclass(frozen=True, slots=True)
class Site:
    """What is allowed where the page runs.

    allowed     models a visitor may choose: "embedded", "hf:<id>", "providers" for those of Hugging Face
                Inference Providers, "openai" for any hosted one; None: all
    local_urls  hosted models may be on this machine or in its network
    login       visitors can log in with Hugging Face
    zero        a GPU is lent for each call (ZeroGPU)
    keeps       replies and retrainings are kept in the user's store (SPEXAPI_STORE), so that a page that was
                ended in the middle of a run pays for nothing twice; never if visitors share the page
    """

    allowed: tuple[str, ...] | None = None
    limits: Limits = Limits()
    local_urls: bool = True
    login: bool = False
    zero: bool = False
    keeps: bool = False

    @classmethod
    def here(cls, environ: Mapping[str, str]) -> Site:
        """Everything at home; on a public Space what its owner names in SPEXAPI_BACKENDS, within limits."""
        if "SPACE_ID" not in environ:
            return cls(keeps=True)
        named = environ.get("SPEXAPI_BACKENDS", "embedded,providers,openai").split(",")
        return cls(
            tuple(name.strip() for name in named if name.strip()),
            PUBLIC,
            local_urls=False,
            # both are set if the README says hf_oauth; Gradio asks for the first
            login=environ.get("SYSTEM") == "spaces" and bool(environ.get("OAUTH_CLIENT_ID")),
            zero=environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true"),
        )

    @property
    def kinds(self) -> tuple[str, ...]:
        """Of KINDS, those a visitor may choose."""
        if self.allowed is None:
            return KINDS
        return tuple(k for k in KINDS if any(a == k or a.startswith(k + ":") for a in self.allowed))

    def admit(self, kind: str, spec: str) -> None:
        """Raises InputError if this model is not for visitors of this page."""
        if self.allowed is not None and spec not in self.allowed and kind not in self.allowed:
            listed = ", ".join(self.allowed)
            raise InputError(f"this page runs {listed} only; install spexapi to use {spec!r} at home")

    def local(self, spec: str) -> Backend:
        """A model in this process, or on the GPU that is lent to it."""
        if not self.zero:
            return spexapi.open_backend(spec)
        from spexapi.page.zero_gpu import on_lent_gpu

        return on_lent_gpu(spec)

    def provided(self, name: str, key: str) -> Backend:
        """A model of Hugging Face Inference Providers, for the visitor's own token or, at home, $HF_TOKEN."""
        if not key and not self.local_urls:
            how = "Log in with Hugging Face" + " at the top of the page" * self.login
            raise InputError(f"{how}, or write a token that may call Inference Providers into the field Key.")
        options: dict[str, object] = {"api_key": key} if key else {"key_env": "HF_TOKEN"}
        if not self.local_urls:
            options["http_client"] = public_client
        return spexapi.open_backend(f"openai:{name}", base_url=PROVIDERS, **options)

    def hosted(self, name: str, base_url: str, key: str) -> Backend:
        """A hosted model; on a public page only at a public address, and only with the visitor's own key."""
        if base_url and not base_url.startswith(("https://", "http://")):
            raise InputError(
                "The address begins with https:// or http://, such as https://api.openai.com/v1."
            )
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
