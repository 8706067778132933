"""A model's name or folder -> tokenizer, configuration and weights, or an error in plain words."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from spexapi.errors import BackendError, InputError
from spexapi.prompts.segments import shorten

Loaded = TypeVar("Loaded")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?$")

# transformers changes torch's defaults for the whole process while it loads: two loads at once break both
_ONE_AT_A_TIME = Lock()


def library(name: str) -> Any:
    """torch or transformers. Raises InputError that says how to install it."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise InputError(f'local models need {name}: pip install "spexapi[local]"') from None


def checked_source(model: str) -> str:
    """A hub id, or a folder that can hold a model. Raises InputError saying what is wrong with it."""
    if not model:
        raise InputError("name a model: hf:<id on the Hugging Face Hub> or hf:<folder>")
    folder = Path(model).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise InputError(f"the folder {model} holds no model: there is no config.json in it")
        return str(folder)
    if folder.is_file():
        raise InputError(f"{model} is a file: give the folder that holds config.json and the weights")
    if model.startswith((".", "/", "~", "\\")) or not _HUB_ID.match(model):
        raise InputError(f"there is no folder {model}")
    return model


def load_tokenizer(source: str, revision: str | None) -> tuple[Any, Any]:
    """Tokenizer and configuration; a few files. Raises BackendError or InputError."""
    transformers = library("transformers")
    with _ONE_AT_A_TIME, _quiet(transformers):
        config = _load(source, lambda: transformers.AutoConfig.from_pretrained(source, revision=revision))
        tokenizer = _load(
            source, lambda: transformers.AutoTokenizer.from_pretrained(source, revision=revision)
        )
    return tokenizer, config


def load_model(source: str, revision: str | None, *, device: str, dtype: str) -> Any:
    """The weights on their device, ready to be asked. Raises BackendError or InputError."""
    torch, transformers = library("torch"), library("transformers")
    chosen = _device(torch, device)
    with _ONE_AT_A_TIME, _quiet(transformers):
        model = _load(
            source,
            lambda: transformers.AutoModelForCausalLM.from_pretrained(
                source, revision=revision, dtype=_dtype(torch, dtype, chosen)
            ),
        )
        try:
            return model.to(chosen).eval()
        except (RuntimeError, AssertionError) as error:
            raise BackendError(
                f"cannot put {source} on {chosen}: {shorten(str(error), 200)}; try device='cpu'"
            ) from error


def skeleton(source: str, revision: str | None) -> Any:
    """The model's modules without their weights, from its configuration alone. Raises as load_model."""
    torch, transformers = library("torch"), library("transformers")
    with _ONE_AT_A_TIME, _quiet(transformers), torch.device("meta"):
        config = _load(source, lambda: transformers.AutoConfig.from_pretrained(source, revision=revision))
        return _load(source, lambda: transformers.AutoModelForCausalLM.from_config(config))


def context_length(config: Any, tokenizer: Any) -> int | None:
    """Tokens the model can read, None where neither its configuration nor its tokenizer says."""
    text = config.get_text_config()
    for name in ("max_position_embeddings", "n_positions", "max_seq_len"):
        limit = getattr(text, name, None)
        if isinstance(limit, int) and limit > 0:
            return limit
    limit = getattr(tokenizer, "model_max_length", None)
    return int(limit) if limit is not None and limit < 10**9 else None


def _device(torch: Any, device: str) -> str:
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.device(device)
    except RuntimeError:
        raise InputError(f"unknown device {device!r}: use auto, cpu, cuda or cuda:<number>") from None
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(
            f"device {device!r} is asked for, but torch sees no GPU here: use device='cpu' or 'auto'"
        )
    return device


def _dtype(torch: Any, dtype: str, device: str) -> Any:
    """ "auto": as stored on a GPU; float32 on the CPU, where half precision is slow and coarse."""
    if dtype == "auto":
        return torch.float32 if device == "cpu" else "auto"
    found: Any = getattr(torch, dtype, None)
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise InputError(f"unknown dtype {dtype!r}: use auto, float32, bfloat16 or float16")
    return found


def _load(source: str, load: Callable[[], Loaded]) -> Loaded:
    try:
        return load()
    except (OSError, ValueError, KeyError, ImportError) as error:
        reason = shorten(str(error), 300)
        if Path(source).is_dir():
            raise InputError(f"the model in {source} cannot be loaded: {reason}") from error
        raise BackendError(
            f"cannot fetch {source!r} from the Hugging Face Hub: {reason}. Check name and network, or "
            "give the folder of a model that is here already"
        ) from error
    except Exception as error:  # a broken weights file raises the safetensors library's own error
        raise InputError(f"the model {source} cannot be loaded: {shorten(str(error), 300)}") from error


@contextmanager
def _quiet(transformers: Any) -> Generator[None]:
    """No progress bars and no advice from transformers while it loads; its settings are put back."""
    logging = transformers.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
