"""Which key goes with which model: a key is passed with each request and kept nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spexapi.page.requests.model import Model
from spexapi.page.runs.session_result import SessionResult

if TYPE_CHECKING:
    import gradio


def key_of(model: Model | None, typed: str | None, login: gradio.OAuthToken | None) -> str:
    """The typed key; for Inference Providers without one that of the login, which goes nowhere else."""
    if model is None or model.local:
        return ""
    if typed:
        return typed
    return login.token if login is not None and model.where == "providers" else ""


def key_for(
    result: SessionResult,
    where: str = "",
    base_url: str = "",
    typed: str | None = None,
    *,
    login: gradio.OAuthToken | None,
) -> str:
    """The key to ask the model of a result again: a typed one goes only to the address it is typed for."""
    model = result.request.model if result.request else None
    if model is None:
        return ""
    here = Model(where, model.name, (base_url or "").strip())
    return key_of(model, typed if here.address == model.address else "", login)
