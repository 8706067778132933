"""Documents or chat turns, a box each, with add and remove: drawn by the page's script."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import gradio

from spexapi.prompts.inputs import ROLES
from spexapi.views.html.safe import safe, tag

gr = cast("Any", gradio)  # its stubs leave most types unknown


def boxes(value: Sequence[Any], noun: str, elem_id: str, *, roles: bool = False) -> Any:
    """A component whose value is a list of texts, or of {"role", "text"} where it has roles."""
    add = tag("button", safe(f"Add a {noun.lower()}"), type="button", class_="add")
    root = tag(
        "div",
        tag("div", "", class_="list") + add,
        class_="boxes",
        data_noun=noun,
        data_roles=" ".join(ROLES) if roles else None,
    )
    head = tag("legend", safe(f"{noun}s"))
    return gr.HTML(
        list(value),
        html_template=tag("fieldset", head + root, class_="boxed"),
        js_on_load="spex.boxes(element, props, trigger, watch)",
        apply_default_css=False,
        elem_id=elem_id,
    )
