"""A text field for a key: what is typed into it goes with one request and is kept nowhere."""

from __future__ import annotations

from gradio.data_classes import GradioRootModel

from spexapi.page.components import Component, gr


class Secret(GradioRootModel):
    """What is typed into a field whose value is kept nowhere."""

    root: str

    def model_dump(self, *given: object, **options: object) -> str:
        """Nothing: Gradio dumps each input to keep it in the session, for links that bring a form back."""
        return ""


def key_field(info: str) -> Component:
    """The field, read as a Secret.

    The reading is set on the object: for a class of its own Gradio would write a file next to this one. An
    update of the field makes a new one without it, so hide the column around it instead.
    """
    field = gr.Textbox(label="Key", type="password", info=info, max_lines=1)
    field.data_model = Secret
    field.preprocess = _read
    return field


def _read(given: Secret | None) -> str:
    return given.root if given is not None else ""
