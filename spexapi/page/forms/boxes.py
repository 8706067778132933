"""Documents or chat turns, one box each, with add and remove; the page's script draws them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from spexapi.errors import InputError
from spexapi.page.components import Component, html
from spexapi.prompts.inputs import ROLES
from spexapi.views.safe import safe, tag


def boxes(value: Sequence[object], noun: str, elem_id: str, *, roles: bool = False) -> Component:
    """A component whose value is a list of texts, or of {"role", "text"} if it has roles."""
    add = tag("button", safe(f"Add a {noun.lower()}"), type="button", class_="add")
    root = tag(
        "div",
        tag("div", "", class_="list") + add,
        class_="boxes",
        data_noun=noun,
        data_roles=" ".join(ROLES) if roles else None,
    )
    legend = tag("legend", safe(f"{noun}s"))
    return html(
        elem_id,
        list(value),
        html_template=tag("fieldset", legend + root, class_="boxed"),
        js_on_load="spex.boxes(element, props, trigger, watch)",
    )


def documents_of(given: object) -> tuple[str, ...]:
    """The texts of the boxes, without empty ones; what a client sends is not to be trusted."""
    return tuple(text for text in _listed(given) if isinstance(text, str) and text.strip())


def turns_of(given: object) -> tuple[tuple[str, str], ...]:
    """(role, text) of the boxes of a chat, without empty ones. Raises InputError for an unknown role."""
    found: list[tuple[str, str]] = []
    for turn in _listed(given):
        if not isinstance(turn, Mapping):
            continue
        box = cast("Mapping[object, object]", turn)
        role, text = str(box.get("role", "user")), box.get("text", "")
        if role not in ROLES:
            raise InputError(f"a turn is {', '.join(ROLES)}, not {role!r}")
        if isinstance(text, str) and text.strip():
            found.append((role, text))
    return tuple(found)


def _listed(given: object) -> Sequence[object]:
    return cast("list[object]", given) if isinstance(given, list) else []
