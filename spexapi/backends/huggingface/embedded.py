"""The small model that comes with spexapi: the Hugging Face backend on the folder in the package."""

from __future__ import annotations

from pathlib import Path

from spexapi.backends.huggingface.backend import HuggingFace
from spexapi.backends.huggingface.embedded_words import unknown_words
from spexapi.backends.huggingface.loading import Pretrained
from spexapi.errors import InputError

FOLDER = Path(__file__).parent / "embedded_model"


class Embedded(HuggingFace):
    """The embedded reader, which can tell which words it never met."""

    def unknown_words(self, text: str) -> list[str]:
        """The words of a text that it does not know, as written, each once."""
        return unknown_words(text)


def open_embedded(rest: str = "", *, device: str = "cpu", batch_tokens: int | None = None) -> Embedded:
    """The embedded reader, not loaded yet. It reads short English documents about things, places and people.

    Raises InputError if `rest` is not empty or the package came without the model's files.
    """
    if rest:
        raise InputError(f"the embedded backend takes no model name, got 'embedded:{rest}': write 'embedded'")
    missing = [
        f for f in ("config.json", "model.safetensors", "tokenizer.json") if not (FOLDER / f).is_file()
    ]
    if missing:
        raise InputError(
            f"the embedded model lacks {', '.join(missing)}: install spexapi again, or use hf:<model>"
        )
    return Embedded(Pretrained(str(FOLDER), device=device), name="embedded", batch_tokens=batch_tokens)
