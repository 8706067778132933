"""Models that are loaded already, quantised, with adapters or in pieces give their own numbers, unchanged."""

import asyncio
import importlib.util
import warnings

import numpy as np
import peft
import pytest
import tiny_models
import torch
import transformers
from local_models import ANSWER, PROMPTS, logprobs, plain, read
from transformers import AutoModelForCausalLM, AutoTokenizer

import spexapi
from spexapi.backends.huggingface.open import open_hf
from spexapi.errors import InputError

__all__ = ["plain"]  # fixture

# PEFT asks transformers by a name that will go
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")

LORA = {"task_type": "CAUSAL_LM", "lora_dropout": 0.5, "init_lora_weights": False}
IN_PIECES = {
    "model.embed_tokens": "disk",
    "model.layers.0": "cpu",
    "model.layers.1": "disk",
    "model.norm": "cpu",
    "model.rotary_emb": "cpu",
    "lm_head": "disk",
}


def single(folder):
    return read(folder, torch.float32)


def with_adapter(folder, *, alpha=8, targets=("q_proj", "o_proj", "down_proj")):
    model, tokenizer = single(folder)
    torch.manual_seed(1)
    config = peft.LoraConfig(r=2, lora_alpha=alpha, target_modules=list(targets), **LORA)
    return peft.get_peft_model(model, config), tokenizer


def by_hand(model, tokenizer, answer=ANSWER):
    """One full pass a token: no batch, no padding, no mask."""
    found = []
    for prompt in PROMPTS:
        before = [0, *tokenizer(prompt, add_special_tokens=False)["input_ids"]]
        ids = tokenizer(answer, add_special_tokens=False)["input_ids"]
        found.append(tiny_models.logprobs_by_loop(model, [*before, *ids], len(before)))
    return found


def identity(backend):
    asyncio.run(backend.open())
    return backend.identity


def near(found, wanted, within=1e-4):
    return all(a == pytest.approx(b, abs=within) for a, b in zip(found, wanted, strict=True))


def test_a_model_loaded_by_hand_gives_what_its_folder_gives(plain):
    given, folder = spexapi.from_transformers(*single(plain)), open_hf(str(plain), device="cpu")
    assert [list(a) for a in logprobs(given)] == [list(b) for b in logprobs(folder)]
    assert given.identity == folder.identity
    assert given.name == folder.name == f"hf:{plain}"
    assert spexapi.from_transformers(*single(plain), name="mine").name == "mine"


def test_the_store_knows_it_by_its_weights(plain, tmp_path):
    def paid(backend):
        terms = spexapi.RequestPolicy(store=tmp_path / "store")
        game = spexapi.PromptGame(backend, "the key is here", "yes", terms=terms)
        return spexapi.explain(game, budget=16).cost.calls

    assert paid(open_hf(str(plain), device="cpu")) == 16
    assert paid(spexapi.from_transformers(*single(plain))) == 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_its_dtype_is_kept(plain, dtype):
    model, tokenizer = read(plain, dtype)
    backend = spexapi.from_transformers(model, tokenizer)
    assert near(logprobs(backend), by_hand(model, tokenizer), 0.1 if dtype is torch.bfloat16 else 1e-9)
    assert {weight.dtype for weight in model.parameters()} == {dtype}


def test_every_game_takes_it(plain):
    backend = spexapi.from_transformers(*single(plain))
    documents = ["The key is in the box.", "The box is in the cellar."]
    games = [
        spexapi.RagGame(backend, "Which room?", documents, "cellar"),
        spexapi.PromptGame(backend, "the key is", "here"),
        spexapi.HeadGame(backend, "the key is", "here", unit="layer"),
    ]
    for game in games:
        assert np.isfinite(spexapi.explain(game, budget=16).observations.values).all()


def test_a_model_in_training_mode_is_asked_without_dropout_and_left_in_it(plain):
    model, tokenizer = with_adapter(plain)
    before = [module.training for module in model.modules()]
    assert any(before)
    backend = spexapi.from_transformers(model, tokenizer)
    assert near(logprobs(backend), logprobs(backend), 1e-9)
    assert near(logprobs(backend), by_hand(model.eval(), tokenizer))
    model.train()
    logprobs(backend)
    assert all(module.training for module in model.modules())


# --- adapters


def test_an_adapter_is_the_model_with_the_adapter_merged(plain, tmp_path):
    model, tokenizer = with_adapter(plain)
    model.save_pretrained(tmp_path / "lora")
    integrated = single(plain)[0]
    integrated.load_adapter(str(tmp_path / "lora"))
    apart = [
        spexapi.from_transformers(model, tokenizer),
        open_hf(str(plain), device="cpu", adapter=str(tmp_path / "lora")),
        spexapi.from_transformers(integrated, tokenizer),
    ]
    found = [logprobs(backend) for backend in apart]
    wanted = by_hand(model.merge_and_unload(), tokenizer)
    assert not near(wanted, by_hand(*single(plain)), 0.1)
    assert all(near(each, wanted) for each in found)
    assert apart[0].identity == apart[1].identity
    assert apart[1].name == f"hf:{plain} + {tmp_path / 'lora'}"


def test_heads_of_a_model_with_an_adapter_are_those_of_the_merged_one(plain):
    masks = np.random.default_rng(0).random((6, 8)) < 0.5

    def values(model, tokenizer):
        game = spexapi.HeadGame(model, "The key is in the", "cellar", tokenizer=tokenizer)

        async def run():
            await game.prepare()
            try:
                return (await game.measure(masks)).values
            finally:
                await game.close()

        return asyncio.run(run())

    model, tokenizer = with_adapter(plain)
    found = values(model, tokenizer)
    assert found == pytest.approx(values(model.merge_and_unload(), tokenizer), abs=1e-4)
    assert np.ptp(found) > 0.01


def test_another_adapter_or_another_strength_is_another_model(plain):
    seen = {identity(spexapi.from_transformers(*single(plain)))}
    for more in ({}, {"alpha": 4}, {"targets": ("q_proj",)}):
        seen.add(identity(spexapi.from_transformers(*with_adapter(plain, **more))))
    model, tokenizer = with_adapter(plain)
    same = identity(spexapi.from_transformers(model, tokenizer))
    assert same in seen
    with model.disable_adapter():
        seen.add(identity(spexapi.from_transformers(model, tokenizer)))
    assert len(seen) == 5


def test_an_adapter_with_virtual_tokens_is_refused(plain):
    model, tokenizer = single(plain)
    config = peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2)
    with pytest.raises(InputError, match="adds virtual tokens"):
        spexapi.from_transformers(peft.get_peft_model(model, config), tokenizer)


# --- in pieces


@pytest.mark.parametrize("device_map", ["auto", {"": "cpu"}])
def test_a_device_map_changes_no_number(plain, device_map):
    whole = open_hf(str(plain), device="cpu")
    split = open_hf(str(plain), device_map=device_map)
    assert near(logprobs(split), logprobs(whole), 1e-6)
    assert split.identity == whole.identity


def test_a_model_in_pieces_is_left_where_it_is(plain, tmp_path):
    model = AutoModelForCausalLM.from_pretrained(
        plain, dtype=torch.float32, device_map=IN_PIECES, offload_folder=tmp_path
    )
    away = [name for name, weight in model.named_parameters() if weight.is_meta]
    assert "model.embed_tokens.weight" in away
    tokenizer = AutoTokenizer.from_pretrained(plain)
    backend, whole = spexapi.from_transformers(model, tokenizer), open_hf(str(plain), device="cpu")
    assert near(logprobs(backend), logprobs(whole), 1e-6)
    assert backend.identity == whole.identity
    assert [name for name, weight in model.named_parameters() if weight.is_meta] == away


# --- quantised


def quantised(folder):
    """All layers with eight-bit weights, as torch quantises them on the CPU."""
    model, tokenizer = single(folder)
    names = {n for n, m in model.named_modules() if isinstance(m, torch.nn.Linear) and n != "lm_head"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch wants torchao in its place, a download
        return torch.ao.quantization.quantize_dynamic(model, names, torch.qint8), tokenizer


def test_a_quantised_model_gives_its_own_numbers(plain):
    model, tokenizer = quantised(plain)
    backend = spexapi.from_transformers(model, tokenizer)
    found = logprobs(backend, PROMPTS[:1])
    # its activations are quantised by the batch, so a pass of the same text alone is the truth
    before = [0, *tokenizer(PROMPTS[0], add_special_tokens=False)["input_ids"]]
    ids = [*before, *tokenizer(ANSWER, add_special_tokens=False)["input_ids"]]
    with torch.no_grad():
        odds = torch.log_softmax(model(input_ids=torch.tensor([ids])).logits[0].double(), -1)
    truth = [float(odds[k - 1, ids[k]]) for k in range(len(before), len(ids))]
    assert near(found, [truth])
    assert not near(found, logprobs(spexapi.from_transformers(*single(plain)), PROMPTS[:1]), 1e-3)
    assert identity(backend) == identity(spexapi.from_transformers(*quantised(plain)))
    assert identity(backend) != identity(spexapi.from_transformers(*single(plain)))


def test_options_of_quantisation_reach_transformers(plain, monkeypatch):
    seen, model = {}, single(plain)[0]

    def spy(source, **options):
        seen.update(options)
        return model

    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_pretrained", spy)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    asyncio.run(open_hf(str(plain), device="cpu", quantization="4bit").open())
    assert seen["quantization_config"].load_in_4bit
    assert seen["device_map"] == {"": "cpu"}
    asyncio.run(open_hf(str(plain), quantization="8bit", device_map="auto").open())
    assert seen["quantization_config"].load_in_8bit
    assert seen["device_map"] == "auto"
    own = object()
    asyncio.run(open_hf(str(plain), device="cpu", quantization=own).open())
    assert seen["quantization_config"] is own


# --- what cannot work


@pytest.mark.parametrize("make", [spexapi.RagGame, spexapi.PromptGame])
def test_a_bare_model_is_told_what_it_lacks(plain, make):
    model, tokenizer = single(plain)
    more = (["a", "b"],) if make is spexapi.RagGame else ()
    with pytest.raises(
        InputError, match=r"LlamaForCausalLM .* spexapi\.from_transformers\(model, tokenizer\)"
    ):
        make(model, "Which room?", *more)
    pipeline = transformers.pipeline("text-generation", model=model, tokenizer=tokenizer)
    with pytest.raises(InputError, match=r"from_transformers\(pipeline\.model, pipeline\.tokenizer\)"):
        make(pipeline, "Which room?", *more)
    with pytest.raises(InputError, match="object with `name` and `score`; got int"):
        make(3, "Which room?", *more)


def test_what_is_no_model_or_no_fast_tokenizer_is_told(plain):
    model, tokenizer = single(plain)
    with pytest.raises(InputError, match="the model must be a loaded causal model"):
        spexapi.from_transformers(tokenizer, model)
    with pytest.raises(InputError, match="the tokenizer must be a loaded one of transformers, got str"):
        spexapi.from_transformers(model, str(plain))
    with pytest.raises(InputError, match="needs a fast one"):
        spexapi.from_transformers(model, transformers.ByT5Tokenizer())
    small = {"d_model": 16, "d_kv": 4, "d_ff": 16, "num_layers": 1, "num_heads": 2, "vocab_size": 512}
    with pytest.raises(InputError, match="has an encoder"):
        spexapi.from_transformers(
            transformers.T5ForConditionalGeneration(transformers.T5Config(**small)), tokenizer
        )


@pytest.mark.parametrize(
    ("options", "missing", "said"),
    [
        ({"quantization": "4bit"}, "bitsandbytes", "quantization '4bit' needs bitsandbytes: pip install"),
        ({"quantization": "3bit"}, "", "unknown quantization '3bit': use 4bit, 8bit"),
        ({"adapter": "me/lora"}, "peft", "adapter needs peft: pip install peft"),
        ({"adapter": "./nowhere"}, "", r"there is no folder \./nowhere with an adapter"),
        ({"device_map": "auto"}, "accelerate", "device_map needs accelerate"),
        ({"device_map": "auto", "device": "cpu"}, "", "both given"),
    ],
)
def test_options_that_cannot_work_are_told_before_anything_is_loaded(
    plain, monkeypatch, options, missing, said
):
    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == missing else find(name))
    with pytest.raises(InputError, match=said):
        spexapi.open_backend(f"hf:{plain}", **options)


def test_a_folder_with_an_adapter_alone_says_what_else_is_needed(plain, tmp_path):
    with_adapter(plain)[0].save_pretrained(tmp_path)
    with pytest.raises(InputError, match="holds an adapter and no model"):
        open_hf(str(tmp_path))
    (tmp_path / "adapter_model.safetensors").unlink()
    with pytest.raises(InputError, match="cannot be loaded"):
        asyncio.run(open_hf(str(plain), device="cpu", adapter=str(tmp_path)).open())
