"""Which key goes with which model: a key is passed with each request and kept nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradio.data_classes import GradioRootModel

from spexapi.page.forms.requests import Model
from spexapi.page.result.held import SessionResult

if TYPE_CHECKING:
    import gradio


class Secret(GradioRootModel):
    """What is typed into a field whose value nobody keeps."""

    root: str

    def model_dump(self, *given: Any, **options: Any) -> str:
        """Nothing: Gradio dumps each input to keep it in the session, for links that bring a form back."""
        return ""


def kept_nowhere(textbox: Any) -> Any:
    """The text box, read as a Secret.

    On the object and not a class of its own, for which Gradio would write a file beside this one. An update
    of the box makes a new one without this: hide what is around it.
    """
    textbox.data_model = Secret
    textbox.preprocess = _read
    return textbox


def _read(given: Secret | None) -> str:
    return given.root if given is not None else ""


def key_of(model: Model, typed: str | None, login: gradio.OAuthToken | None) -> str:
    """The typed one; for Inference Providers without one that of the login, which goes nowhere else."""
    if model.local:
        return ""
    if typed:
        return typed
    return login.token if login is not None and model.where == "providers" else ""


def key_for(held: SessionResult, where: str, base_url: str, typed: str | None, login: Any) -> str:
    """The key to ask the model of an explanation again: a typed one only at the address it is typed for."""
    model = held.form.model if held.form else Model()
    here = Model(where, model.name, (base_url or "").strip())
    return key_of(model, typed if here.address == model.address else "", login)
