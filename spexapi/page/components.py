"""Gradio's components as far as the page uses them; its own stubs leave most types unknown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import gradio

gr: Any = gradio
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
MODEL: dict[str, Any] = {**QUIET, "concurrency_limit": 4, "concurrency_id": "model"}


class Event(Protocol):
    """Something that happens to a component; called with a function, what it reads and what it changes."""

    def __call__(
        self,
        fn: Callable[..., object] | None,
        inputs: object = None,
        outputs: object = None,
        **options: object,
    ) -> Any: ...


class Component(Protocol):
    """A component of the page: its events are attributes, those of the page's script too."""

    def __getattr__(self, event: str) -> Event: ...


Value = Any  # of a field, as Gradio hands it over
Changes = dict[Component, object]  # component -> its new value, or a gr.update


def html(elem_id: str | None = None, value: object = "", **options: object) -> Component:
    """A place for HTML of the page."""
    return gr.HTML(value, elem_id=elem_id, apply_default_css=False, **options)
