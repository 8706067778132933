"""A local model's replies are kept under its weights and dtype: the same are found again, others are not."""

import asyncio
import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from safetensors.numpy import load_file, save_file

from spexapi.backends.huggingface.open import open_hf
from spexapi.games.prompt import PromptGame
from spexapi.measure import collect
from spexapi.sampling.policy import RequestPolicy
from spexapi.sampling.store import Store

MASKS = np.array([[1, 1, 1, 1], [1, 0, 1, 1], [0, 0, 1, 0]], dtype=bool)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tiny_models.llama(tmp_path_factory.mktemp("model"), adds_bos=True)


@pytest.fixture
def copied(folder, tmp_path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "moved" / "elsewhere"))


def paid(model: Path, store: Path, **options) -> tuple[int, str]:
    """Masks that the model was asked for, with this store; and who it says it is."""
    backend = open_hf(str(model), device="cpu", **options)

    async def run() -> int:
        game = PromptGame(backend, "the key is here", "yes", terms=RequestPolicy(store=store))
        await game.prepare()
        await collect(game, MASKS)
        await game.close()
        return game.spent.calls

    return asyncio.run(run()), backend.identity


def flip_one_bit(folder: Path) -> None:
    """The last bit of one number of one weight."""
    path = folder / "model.safetensors"
    weights = load_file(path)
    changed = weights["model.layers.1.mlp.up_proj.weight"].copy()
    changed.view(np.uint32)[7, 3] ^= 1
    save_file({**weights, "model.layers.1.mlp.up_proj.weight": changed}, path, metadata={"format": "pt"})


def test_the_same_weights_in_another_folder_are_not_paid_for_again(folder, copied, tmp_path):
    calls, identity = paid(folder, tmp_path / "store")
    assert calls == len(MASKS)
    assert paid(copied, tmp_path / "store") == (0, identity)


def test_one_bit_of_one_weight_makes_another_model(folder, copied, tmp_path):
    flip_one_bit(copied)
    _, one = paid(folder, tmp_path / "store")
    calls, other = paid(copied, tmp_path / "store")
    assert (calls, one == other) == (len(MASKS), False)
    with Store(tmp_path / "store") as store:
        assert {kept.identity: kept.replies for kept in store.stats()} == {one: 3, other: 3}


@pytest.mark.parametrize("options", [{"dtype": "bfloat16"}, {"dtype": "float16"}, {"joiner": "\n"}])
def test_another_dtype_or_joiner_is_another_model(folder, tmp_path, options):
    _, one = paid(folder, tmp_path / "store")
    calls, other = paid(folder, tmp_path / "store", **options)
    assert (calls, one == other) == (len(MASKS), False)


def test_another_template_is_another_model_and_what_changes_no_reply_is_not(folder, tmp_path):
    first = {"chat_template": tiny_models.WITH_BOS}
    _, one = paid(folder, tmp_path / "store", **first)
    assert paid(folder, tmp_path / "store", chat_template=tiny_models.CHATML)[0] == len(MASKS)
    same = paid(folder, tmp_path / "store", **first, batch_tokens=64, placeholder="_", padding_side="right")
    assert same == (0, one)
