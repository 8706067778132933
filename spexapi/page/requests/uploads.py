"""Files from visitors: documents and saved explanations, checked by kind and size before they are read."""

from __future__ import annotations

import importlib
from pathlib import Path

import spexapi
from spexapi.errors import InputError
from spexapi.page.site import Limits
from spexapi.prompts.inputs import load_documents

KINDS = (".jsonl", ".json", ".txt", ".md", ".pdf")


def documents_from(path: str, limits: Limits) -> list[str]:
    """The documents of a file as they stand in the prompt; a PDF gives one a page. Raises InputError."""
    file = _checked(path, KINDS, limits)
    found = _pages(file, limits) if file.suffix.lower() == ".pdf" else load_documents(file)
    texts = [text if isinstance(text, str) else text.written for text in found]
    limits.check(texts, 0)
    return texts


def csv_from(path: str, limits: Limits) -> Path:
    """A CSV file, by its name and size; what is in it is not read. Raises InputError."""
    return _checked(path, (".csv", ".tsv"), limits)


def explanation_from(path: str, limits: Limits) -> spexapi.Explanation:
    """A saved explanation. Raises InputError, whatever is wrong with the file."""
    file = _checked(path, (".json",), limits)
    try:
        found = spexapi.Explanation.from_json(file)
        found.spectrum.predict(found.observations.masks[:1])
        found.value_of(kept=True)
    except InputError as error:
        raise InputError(str(error).replace(str(file), file.name)) from error  # no path of this machine
    except Exception as error:  # a file made by hand can break in any place
        raise InputError(f"{file.name} is not an explanation of spexapi ({type(error).__name__})") from error
    limits.check_units(found.n_players)
    return found


def _checked(path: str, kinds: tuple[str, ...], limits: Limits) -> Path:
    file = Path(path)
    if file.suffix.lower() not in kinds:
        raise InputError(f"{file.name}: files here are {', '.join(kinds)}")
    size = file.stat().st_size
    if size > limits.upload_bytes:
        raise InputError(
            f"{file.name} has {size / 1e6:.1f} MB; at most {limits.upload_bytes / 1e6:.0f} MB are read"
        )
    return file


def _pages(file: Path, limits: Limits) -> list[str]:
    """The text of each page that has any."""
    with file.open("rb") as opened:
        if opened.read(5) != b"%PDF-":
            raise InputError(f"{file.name} is no PDF")
    try:
        pypdf = importlib.import_module("pypdf")
    except ModuleNotFoundError as error:
        raise InputError('PDF files need pypdf: pip install "spexapi[ui]"') from error
    try:
        pages = list(pypdf.PdfReader(str(file)).pages)
        if len(pages) > limits.pages:
            raise InputError(f"{file.name} has {len(pages)} pages; at most {limits.pages} are read")
        texts = [" ".join(str(page.extract_text()).split()) for page in pages]
    except InputError:
        raise
    except Exception as error:  # broken and hostile PDFs fail in many ways
        raise InputError(f"{file.name} cannot be read as a PDF ({type(error).__name__})") from error
    if not any(texts):
        raise InputError(f"{file.name} holds no text, perhaps only pictures of pages")
    return [text for text in texts if text]
