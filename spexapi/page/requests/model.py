"""Which language model a visitor chose."""

from __future__ import annotations

from dataclasses import dataclass

import spexapi
from spexapi.backends.base import Backend
from spexapi.errors import InputError
from spexapi.page.site import OPENAI, PROVIDERS, Site

EXAMPLES = {  # of a model's name, by the kind of model
    "hf": "Qwen/Qwen2.5-0.5B-Instruct",
    "providers": "meta-llama/Llama-3.1-8B-Instruct",
    "openai": "gpt-4o-mini",
}


@dataclass(frozen=True, slots=True)
class Model:
    """A model, without the key it may need.

    where     "embedded", "hf", "providers" (Hugging Face Inference Providers) or "openai" (any hosted one)
    base_url  of a hosted one; "" for its default
    max_cost  US dollars it may take; None for no cap
    """

    where: str = "embedded"
    name: str = ""
    base_url: str = ""
    max_cost: float | None = None

    @property
    def local(self) -> bool:
        """Whether it runs in this process: no key, no address."""
        return self.where not in ("providers", "openai")

    @property
    def spec(self) -> str:
        """As open_backend() takes it."""
        if self.where == "embedded":
            return self.where
        return f"{'openai' if self.where == 'providers' else self.where}:{self.name.strip()}"

    @property
    def address(self) -> str:
        """Where a hosted model is asked; "" for one in this process."""
        if self.local:
            return ""
        return PROVIDERS if self.where == "providers" else self.base_url or OPENAI

    @property
    def opening(self) -> dict[str, str]:
        """Options of open_backend(), without the key, which is read from the environment."""
        if self.where == "providers":
            return {"base_url": PROVIDERS, "key_env": "HF_TOKEN"}
        return {"base_url": self.base_url} if self.where == "openai" and self.base_url else {}

    def open(self, site: Site, key: str = "") -> Backend:
        """The backend, not yet called. Raises InputError in words for the visitor."""
        site.admit(self.where, self.spec)
        if self.where == "embedded":
            return spexapi.open_backend("embedded")
        self.check_name()
        if self.local:
            return site.local(self.spec)
        name = self.name.strip()
        backend = (
            site.provided(name, key)
            if self.where == "providers"
            else site.hosted(name, self.base_url.strip(), key)
        )
        if self.max_cost and backend.capabilities.price is None:
            raise InputError(
                f"No price of {name} is known here, so its cost cannot be capped: leave “At most” empty. The"
                " number of calls still caps how often it is asked."
            )
        return backend

    def check_name(self) -> None:
        """Raises InputError if a name is needed and missing."""
        if self.where != "embedded" and not self.name.strip():
            example = EXAMPLES.get(self.where, EXAMPLES["hf"])
            raise InputError(f"Which model? Write its name, for example “{example}”.")
