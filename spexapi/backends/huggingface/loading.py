"""A model's name or folder -> tokenizer, configuration and weights, or an error in plain words."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar, cast

from spexapi.backends.huggingface.pretrained import CausalModel, Config, Tokenizer
from spexapi.errors import BackendError, InputError
from spexapi.prompts.segments import shorten

if TYPE_CHECKING:
    import torch
    from torch import nn

Found = TypeVar("Found")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?$")

# transformers changes torch's defaults for the whole process while it loads: two loads at once break both
_ONE_AT_A_TIME = Lock()


@dataclass(frozen=True, slots=True)
class Pretrained:
    """A model in a folder or on the Hub and how it is to be loaded, checked when built; nothing is loaded.

    device        auto (a GPU if there is one), cpu, cuda, cuda:<number>
    dtype         auto (as stored; float32 on the CPU), float32, bfloat16, float16
    device_map    in place of device, over several: "auto", "balanced", ... or {module: device}
    quantization  4bit, 8bit (bitsandbytes), or a configuration object of transformers
    adapter       of PEFT, a folder or an id on the Hub

    Raises InputError for a folder that holds no model and for an option whose library is not installed.
    """

    source: str
    revision: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    device_map: str | Mapping[str, int | str] | None = None
    quantization: object = None
    adapter: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "source", _checked_source(self.source))
        if isinstance(self.quantization, str) and self.quantization not in _BITS:
            raise InputError(
                f"unknown quantization {self.quantization!r}: use 4bit, 8bit, or a configuration object of"
                " transformers such as TorchAoConfig(...)"
            )
        if self.device_map is not None and self.device != "auto":
            raise InputError(f"device {self.device!r} and a device_map are both given: give one of them")
        if isinstance(self.quantization, str):
            _must_have("bitsandbytes", f"quantization {self.quantization!r}")
        if self.quantization is not None or self.device_map is not None:
            _must_have("accelerate", "quantization" if self.device_map is None else "device_map")
        if self.adapter is not None:
            _must_have("peft", "adapter")
            if not Path(self.adapter).expanduser().is_dir() and not _HUB_ID.match(self.adapter):
                raise InputError(f"there is no folder {self.adapter} with an adapter")

    @property
    def name(self) -> str:
        return f"hf:{self.source}" + (f" + {self.adapter}" if self.adapter else "")

    def texts(self) -> tuple[Tokenizer, Config]:
        return load_tokenizer(self.source, self.revision)

    def model(self) -> CausalModel:
        return load_model(self)

    def skeleton(self) -> CausalModel:
        return load_skeleton(self.source, self.revision)


_BITS = ("4bit", "8bit")


def library(name: str) -> Any:
    """torch or transformers. Raises InputError that says how to install it."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise InputError(f'local models need {name}: pip install "spexapi[local]"') from None


def load_tokenizer(source: str, revision: str | None) -> tuple[Tokenizer, Config]:
    """Tokenizer and configuration; a few files. Raises BackendError or InputError."""
    with _loading():
        config: Config = _fetched("AutoConfig", source, revision=revision)
        tokenizer: Tokenizer = _fetched("AutoTokenizer", source, revision=revision)
    return tokenizer, config


def load_model(wanted: Pretrained) -> CausalModel:
    """The weights on their device, ready to be asked. Raises BackendError or InputError."""
    library("torch")
    source, revision = wanted.source, wanted.revision
    device = _device(wanted.device)
    options: dict[str, object] = {"revision": revision, "dtype": _dtype(wanted.dtype, device)}
    with _loading():
        config: Config = _fetched("AutoConfig", source, revision=revision)
        if wanted.quantization is not None:
            options["quantization_config"] = _quantization(wanted.quantization, device)
        if wanted.device_map is not None:
            options["device_map"] = wanted.device_map
        elif wanted.quantization is not None or getattr(config, "quantization_config", None) is not None:
            options["device_map"] = {"": device}  # quantised weights refuse to be moved
        model: nn.Module = _fetched("AutoModelForCausalLM", source, **options)
        model = model if "device_map" in options else _moved(model, source, device)
        model = model if wanted.adapter is None else _adapted(model, wanted.adapter)
    return cast("CausalModel", model.eval())


def load_encoder(source: str) -> nn.Module:
    """A model without its language head, for embeddings; on the CPU. Raises BackendError or InputError."""
    library("torch")
    with _loading():
        model: nn.Module = _fetched("AutoModel", source)
    return model.float().eval()


def load_skeleton(source: str, revision: str | None) -> CausalModel:
    """The model's modules without their weights, from its configuration alone. Raises as load_model."""
    with _loading(), library("torch").device("meta"):
        config: Config = _fetched("AutoConfig", source, revision=revision)
        auto = library("transformers").AutoModelForCausalLM
        return _named(source, lambda: cast("CausalModel", auto.from_config(config)))


def context_length(config: Config, tokenizer: Tokenizer) -> int | None:
    """Tokens the model can read, None if neither its configuration nor its tokenizer says."""
    text = config.get_text_config()
    for name in ("max_position_embeddings", "n_positions", "max_seq_len"):
        limit = getattr(text, name, None)
        if isinstance(limit, int) and limit > 0:
            return limit
    limit = getattr(tokenizer, "model_max_length", None)
    return int(limit) if limit is not None and limit < 10**9 else None


def _checked_source(model: str) -> str:
    """A hub id, or a folder that can hold a model. Raises InputError saying what is wrong with it."""
    if not model:
        raise InputError("name a model: hf:<id on the Hugging Face Hub> or hf:<folder>")
    folder = Path(model).expanduser()
    if folder.is_dir():
        if (folder / "config.json").is_file():
            return str(folder)
        if (folder / "adapter_config.json").is_file():
            raise InputError(
                f"the folder {model} holds an adapter and no model: give the model it was trained on, and"
                f" adapter={model!r}"
            )
        raise InputError(f"the folder {model} holds no model: there is no config.json in it")
    if folder.is_file():
        raise InputError(f"{model} is a file: give the folder that holds config.json and the weights")
    if model.startswith((".", "/", "~", "\\")) or not _HUB_ID.match(model):
        raise InputError(f"there is no folder {model}")
    return model


def _must_have(name: str, option: str) -> None:
    if importlib.util.find_spec(name) is None:
        raise InputError(f"{option} needs {name}: pip install {name}")


def _device(device: str) -> str:
    import torch

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


def _dtype(dtype: str, device: str) -> torch.dtype | str:
    """ "auto": as stored on a GPU; float32 on the CPU, where half precision is slow and coarse."""
    import torch

    if dtype == "auto":
        return torch.float32 if device == "cpu" else "auto"
    found: object = getattr(torch, dtype, None)
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise InputError(f"unknown dtype {dtype!r}: use auto, float32, bfloat16 or float16")
    return found


def _quantization(wanted: object, device: str) -> object:
    """transformers' configuration; "4bit" is NF4 (Dettmers et al., 2023), computed in bfloat16 on a GPU."""
    if not isinstance(wanted, str):
        return wanted
    import torch

    config = library("transformers").BitsAndBytesConfig
    if wanted == "8bit":
        return config(load_in_8bit=True)
    inside = torch.float32 if device == "cpu" else torch.bfloat16
    return config(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=inside)


def _moved(model: nn.Module, source: str, device: str) -> nn.Module:
    try:
        return model.to(device)
    except (RuntimeError, AssertionError) as error:
        raise BackendError(
            f"cannot put {source} on {device}: {shorten(str(error), 200)}; try device='cpu'"
        ) from error


def _adapted(model: nn.Module, adapter: str) -> nn.Module:
    """The model with an adapter of PEFT, not merged: its weights stay apart."""
    peft = library("peft")
    return _named(adapter, lambda: cast("nn.Module", peft.PeftModel.from_pretrained(model, adapter)))


def _fetched(auto: str, source: str, **options: object) -> Any:
    """What the class `auto` of transformers makes of a folder or an id; its errors as ours."""
    load = getattr(library("transformers"), auto).from_pretrained
    return _named(source, lambda: load(source, **options))


def _named(source: str, load: Callable[[], Found]) -> Found:
    try:
        return load()
    except ImportError as error:
        raise InputError(f"{source} needs a library that is not there: {shorten(str(error), 300)}") from error
    except (OSError, ValueError, KeyError) as error:
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
def _loading() -> Generator[None]:
    """One load at a time, without progress bars and advice of transformers, whose settings are put back."""
    logging = library("transformers").utils.logging
    with _ONE_AT_A_TIME:
        level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        try:
            yield
        finally:
            logging.set_verbosity(level)
            if bars:
                logging.enable_progress_bar()
