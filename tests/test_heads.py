"""HeadGame: parts of a model taken out, row by row of one batch, are what a plain pass without them says."""

from __future__ import annotations

import asyncio
import copy
import itertools
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tiny_models
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_decoders import (
    FAMILIES,
    HEADS,
    LAYERS,
    blank_inputs,
    circuit,
    decoder,
    projection,
    read_width,
    tokenizer,
)

import spexapi
from spexapi.backends.huggingface.head_ablation import local_model
from spexapi.errors import BackendError, InputError
from spexapi.fourier.optimize import best_mask, sufficient_set
from spexapi.fourier.spectrum import Spectrum

PROMPT, ANSWER = "The key is in the box. Which room is the key in?", "the attic"
OTHER = "The lamp is in the box. Which room is the lamp in?"


def game_of(
    model: Any, *, prompt: Any = PROMPT, answer: str | None = ANSWER, **more: Any
) -> spexapi.HeadGame:
    return spexapi.HeadGame(model, prompt, answer, tokenizer=tokenizer(), **more)


def values_of(game: spexapi.HeadGame, masks: np.ndarray) -> np.ndarray:
    async def run() -> np.ndarray:
        await game.prepare()
        try:
            return (await game.measure(masks)).values
        finally:
            await game.close()

    return asyncio.run(run())


def plainly(model: Any, prompt: str = PROMPT, answer: str = ANSWER) -> float:
    """log p of the answer: one text, no batch, no mask, no hook."""
    before = len(tokenizer()(prompt, add_special_tokens=False).input_ids)
    ids = tokenizer()(f"{prompt} {answer}", add_special_tokens=False).input_ids
    return float(sum(tiny_models.logprobs_by_loop(model, ids, before)))


def all_but(n: int, *gone: int) -> np.ndarray:
    mask = np.ones((1, n), dtype=np.bool_)
    mask[0, list(gone)] = False
    return mask


@pytest.mark.parametrize("family", FAMILIES)
def test_heads_out_are_zeros_in_the_weights(family):
    model = decoder(family)
    n = HEADS * LAYERS
    masks = np.concatenate(
        [all_but(n), *(all_but(n, i) for i in range(n)), all_but(n, 0, 3, 5), all_but(n, *range(n))]
    )

    found = values_of(game_of(model), masks)

    for mask, value in zip(masks, found, strict=True):
        changed = copy.deepcopy(model)
        for layer, head in itertools.product(range(LAYERS), range(HEADS)):
            if not mask[HEADS * layer + head]:
                module = projection(changed, family, layer)
                each = read_width(module) // HEADS
                blank_inputs(module, each * head, each * (head + 1))
        assert value == pytest.approx(plainly(changed), abs=1e-5)
    assert np.ptp(found) > 0.01


@pytest.mark.parametrize("family", FAMILIES)
def test_mlp_blocks_and_neurons_out_are_zeros_in_the_weights(family):
    model = decoder(family)
    names = ["layer 0 MLP", "layer 1 MLP", "layer 1 neuron 7", "layer 0 neuron 47"]
    found = values_of(game_of(model, parts=names), np.concatenate([all_but(4, i) for i in range(4)]))

    for i, value in enumerate(found):
        changed = copy.deepcopy(model)
        module = projection(changed, family, (0, 1, 1, 0)[i], mlp=True)
        if i < 2:
            with torch.no_grad():
                for weight in module.parameters():
                    weight.zero_()
        else:
            neuron = (7, 47)[i - 2]
            blank_inputs(module, neuron, neuron + 1)
        assert value == pytest.approx(plainly(changed), abs=1e-5)


def test_a_layer_out_is_a_model_without_it():
    model = decoder("llama")
    found = values_of(game_of(model, unit="layer"), np.concatenate([all_but(2, 0), all_but(2, 1)]))
    for i, value in enumerate(found):
        changed = copy.deepcopy(model)
        changed.model.layers = torch.nn.ModuleList([changed.model.layers[1 - i]])
        changed.model.layers[0].self_attn.layer_idx = 0
        changed.config.num_hidden_layers = 1
        assert value == pytest.approx(plainly(changed), abs=1e-5)


def seen_at(module: Any, model: Any, text: str) -> torch.Tensor:
    """What a projection reads while the model reads a text."""
    kept: list[torch.Tensor] = []
    handle = module.register_forward_pre_hook(lambda _, args: kept.append(args[0][0]))
    with torch.no_grad():
        model(input_ids=torch.tensor([tokenizer()(text, add_special_tokens=False).input_ids]))
    handle.remove()
    return kept[0]


def test_a_mean_head_writes_its_mean_over_the_reference():
    model = decoder("llama")
    texts = [OTHER, "once upon a time there was a little girl named Lily"]
    found = values_of(game_of(model, masking="mean", reference=texts), all_but(8, 6))

    module = projection(model, "llama", 1)
    mean = torch.cat([seen_at(module, model, text) for text in texts]).mean(dim=0)[16:24]
    changed = copy.deepcopy(model)
    where = projection(changed, "llama", 1)
    where.bias = torch.nn.Parameter(where.weight[:, 16:24].detach() @ mean)
    blank_inputs(where, 16, 24)
    assert found[0] == pytest.approx(plainly(changed), abs=1e-5)
    assert abs(found[0] - plainly(model)) > 1e-3


def test_ablation_is_the_older_name_of_masking():
    game = game_of(decoder("llama"), ablation="mean", reference=[OTHER])
    same = game_of(decoder("llama"), masking="mean", reference=[OTHER])
    masks = all_but(8, 6)
    assert values_of(game, masks) == values_of(same, masks)


def test_a_resampled_head_says_what_it_says_of_the_other_prompt():
    model = decoder("llama")
    found = values_of(game_of(model, masking="resample", reference=[OTHER]), all_but(8, 1))

    donor = seen_at(projection(model, "llama", 0), model, f"{OTHER} {ANSWER}")
    changed = copy.deepcopy(model)

    def other(_: Any, args: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        mine = args[0].clone()
        mine[0, :, 8:16] = donor[: mine.shape[1], 8:16]
        return (mine,)

    projection(changed, "llama", 0).register_forward_pre_hook(other)
    assert found[0] == pytest.approx(plainly(changed), abs=1e-5)
    assert abs(found[0] - plainly(model)) > 1e-3


@settings(deadline=None, max_examples=10)
@given(st.lists(st.lists(st.booleans(), min_size=8, max_size=8), min_size=2, max_size=6))
def test_a_row_does_not_depend_on_the_rows_beside_it(rows):
    game, masks = game_of(decoder("gpt2")), np.array(rows)
    alone = [values_of(game_of(decoder("gpt2")), mask[None])[0] for mask in masks]
    assert values_of(game, masks) == pytest.approx(alone, abs=1e-5)


def test_a_set_of_questions_is_their_mean_and_each_counts():
    model = decoder("qwen2")
    asked = [spexapi.Question(PROMPT, "attic"), spexapi.Question(OTHER, "the cellar")]
    game = game_of(model, prompt=asked, answer=None)
    masks = np.concatenate([all_but(8), all_but(8, 2, 3)])
    each = [values_of(game_of(model, prompt=q.prompt, answer=q.answer), masks) for q in asked]
    assert values_of(game, masks) == pytest.approx(np.mean(each, axis=0), abs=1e-5)
    assert (game.calls_per_mask, game.spent.calls) == (2, 4)


def test_accuracy_is_the_share_of_questions_answered_right():
    model = decoder("gpt2")
    pairs = [("attic", "cellar"), ("cellar", "attic"), ("yes", "no")]
    asked = [spexapi.Question(PROMPT, a, options=(a, b)) for a, b in pairs]
    found = values_of(game_of(model, prompt=asked, answer=None, score="accuracy"), all_but(8))
    right = [plainly(model, answer=a) > plainly(model, answer=b) for a, b in pairs]
    assert found[0] == pytest.approx(np.mean(right))
    assert 0 < sum(right) < 3


def test_the_whole_model_writes_an_answer_nobody_gave():
    model = decoder("llama")
    explanation = spexapi.explain(game_of(model, answer=None, max_new_tokens=3), budget=256)
    assert explanation.target.generated
    assert explanation.target.answer.strip()
    assert explanation.cost.setup_calls == 1


def test_hooks_leave_no_trace_whatever_happens(monkeypatch):
    model = decoder("llama")
    broken = projection(model, "llama", 1)

    def fail(_: Any) -> None:
        raise RuntimeError("no luck")

    game = game_of(model)
    monkeypatch.setattr(broken, "forward", fail)
    with pytest.raises(BackendError, match="no luck"):
        values_of(game, all_but(8, 0, 7))
    monkeypatch.undo()
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert values_of(game, all_but(8)) == pytest.approx(plainly(model), abs=1e-5)


def test_a_module_that_is_never_run_is_told():
    model = decoder("llama")
    attention = model.model.layers[0].self_attn
    kept = attention.o_proj
    # someone's fused code: the module is there, its weight is used by hand
    attention.forward = lambda hidden_states, **_: (hidden_states @ kept.weight.T, None)
    with pytest.raises(BackendError, match="layer 0 attention of LlamaForCausalLM was not run"):
        values_of(game_of(model), all_but(8, 0))


# --- a planted circuit, and all that stands on a game

A, B = (0, 1), (1, 2)  # players 1 and 6


@pytest.fixture(scope="module")
def planted() -> spexapi.HeadGame:
    attic = tokenizer()(" attic", add_special_tokens=False).input_ids
    return game_of(circuit(A, B, attic[0]), answer="attic")


@pytest.mark.parametrize("engine", ["exact", "proxyspex", "spex", "adaptive", "auto"])
def test_every_engine_finds_the_planted_pair(planted, engine):
    found = spexapi.explain(planted, engine=engine, budget=300, index="moebius")
    (pair, value), *others = found.top(20)
    assert pair == (1, 6)
    assert value > 1.0
    assert all(abs(other) < 0.02 * value for _, other in others)
    assert found.label(pair) == "layer 0 head 1 + layer 1 head 2"


@pytest.mark.parametrize("index", ["fourier", "sii", "stii", "fsii", "fbii"])
def test_every_index_gives_the_pair_first(planted, index):
    found = spexapi.explain(planted, budget=256, index=index, max_order=2)
    pairs = [s for s, _ in found.top(10) if len(s) == 2]
    assert pairs[0] == (1, 6)


def test_what_stands_on_a_game_works_unchanged(planted, tmp_path):
    found = spexapi.explain(planted, budget=256)
    assert spexapi.verify(planted, found, k=2).checks[0].confirmed
    assert set(sufficient_set(found.spectrum, 0.1).players) == {1, 6}
    assert {1, 6} <= set(best_mask(found.spectrum, 2).players)
    found.to_json(tmp_path / "heads.json")
    again = spexapi.Explanation.from_json(tmp_path / "heads.json")
    assert again.players == found.players
    assert again.target == found.target
    assert dict(again.interactions) == pytest.approx(dict(found.interactions))
    for text in (found.to_html(), str(found)):
        assert "layer 0 head 1" in text


def test_a_file_says_which_part_each_player_is_and_older_ones_say_it_in_the_label(planted, tmp_path):
    found = spexapi.explain(planted, budget=256)
    data = json.loads(found.to_json())
    assert data["players"][6] == {
        "label": "layer 1 head 2",
        "kind": "head",
        "text": "",
        "component": {"layer": 1, "kind": "head", "index": 2},
    }
    for player in data["players"]:
        del player["component"]
    (tmp_path / "old.json").write_text(json.dumps(data))
    assert spexapi.Explanation.from_json(tmp_path / "old.json").players == found.players


def test_pruning_to_two_keeps_the_pair(planted):
    found = spexapi.explain(planted, budget=256)
    (kept,) = spexapi.prune(planted, found, 2)
    assert kept.labels == ("layer 0 head 1", "layer 1 head 2")
    assert kept.measured == pytest.approx(found.value_of(kept=True), abs=0.05)
    with pytest.raises(InputError, match="8 players"):
        spexapi.prune(spexapi.FunctionGame(lambda m: m.sum(axis=1), 3), found, 2)


def test_pruning_measures_the_questions_it_is_given_and_not_the_old_ones(planted):
    found = spexapi.explain(planted, budget=256)
    attic = tokenizer()(" attic", add_special_tokens=False).input_ids
    others = game_of(circuit(A, B, attic[0] + 1), answer="attic")
    (kept,) = spexapi.prune(planted, found, [8], on=others)
    assert kept.measured == found.value_of(kept=True)
    assert kept.held_out < kept.measured - 1.0


def test_a_budget_finds_what_a_wrong_spectrum_missed(planted):
    """A spectrum that knows the players of the pair alone prefers another one."""
    found = spexapi.explain(planted, budget=256)
    wrong = replace(found, spectrum=Spectrum(8, {(): 0.0, (1,): -0.2, (6,): -0.1, (0,): -0.3, (7,): -0.25}))
    (first,) = spexapi.prune(planted, wrong, 2)
    assert first.optimum.players == (0, 7)
    *_, pair, _ = spexapi.prune(planted, wrong, [1, 2, 3], budget=60)
    assert {1, 6} <= set(pair.optimum.players)
    assert pair.measured > first.measured + 1.0


def test_a_thousand_heads_are_a_thousand_players():
    attic = tokenizer()(" attic", add_special_tokens=False).input_ids
    game = game_of(circuit((3, 30), (20, 1), attic[0], heads=32, layers=32), answer="attic")
    assert len(game.players) == 1024
    a, b = 3 * 32 + 30, 20 * 32 + 1
    masks = np.random.default_rng(0).random((8, 1024)) < 0.5
    masks[:, [a, b]] = [[i & 1, i >> 1 & 1] for i in range(4)] * 2
    found = values_of(game, masks)
    there = masks[:, a] & masks[:, b]
    assert found[there].min() > found[~there].max() + 1.0
    assert np.ptp(found[~there]) < 1e-3


# --- what cannot work


def test_names_of_parts_are_read_back():
    game = game_of(decoder("opt"), unit=("head", "mlp", "layer"), layers=[1])
    names = [p.label for p in game.players]
    assert names == [f"layer 1 head {i}" for i in range(4)] + ["layer 1 MLP", "layer 1"]
    assert [p.label for p in game_of(decoder("opt"), parts=names).players] == names
    assert {p.kind for p in game.players} == {"head", "MLP block", "layer"}


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({"unit": "word"}, "unknown unit 'word'"),
        ({"layers": [0, 2]}, "there is no layer 2: the model has 2, numbered from 0"),
        ({"parts": ["layer 0 head 4", "layer 1"]}, "there is no layer 0 head 4: layer 0 has 4 heads"),
        ({"parts": ["layer 0 head 1", "L0H1"]}, "'L0H1' is not understood"),
        ({"parts": ["layer 0", "layer 0"]}, "layer 0 is named twice"),
        ({"parts": ["layer 0"]}, "at least 2 players"),
        ({"parts": "layer 0"}, "must be a list"),
        ({"parts": ["layer 0", "layer 1"], "layers": [0]}, "both given"),
        ({"answer": " "}, "the answer is empty"),
        ({"prompt": [], "answer": None}, "there are no questions"),
        ({"prompt": [spexapi.Question(PROMPT, "")], "answer": None}, "question 1: the answer is empty"),
        (
            {"prompt": [spexapi.Question(PROMPT, "yes")], "answer": "no"},
            "answer and options belong to each Question",
        ),
        ({"score": "accuracy"}, "at least two different options"),
        ({"masking": "noise"}, "unknown masking 'noise'"),
        ({"masking": "mean"}, "needs prompts to take the mean over"),
        ({"masking": "resample", "reference": [OTHER, OTHER]}, "one other prompt for each question"),
        ({"reference": [OTHER]}, "masking is 'zero'"),
    ],
)
def test_bad_input_is_named_before_anything_runs(given_, said):
    with pytest.raises(InputError, match=said):
        game_of(decoder("llama"), **given_)


def test_a_model_without_attention_is_told_with_what_it_is_made_of():
    config = {"vocab_size": 512, "hidden_size": 16, "num_hidden_layers": 2, "state_size": 4}
    from transformers import MambaConfig, MambaForCausalLM

    model = MambaForCausalLM(MambaConfig(**config)).eval()
    with pytest.raises(InputError, match=r"no attention heads .* whose layers hold .*mixer"):
        game_of(model)
    assert len(game_of(model, unit="layer").players) == 2


def test_a_hosted_model_lets_nobody_in():
    with pytest.raises(InputError, match="openai:gpt does not let anybody into the model"):
        spexapi.HeadGame("openai:gpt", PROMPT)
    with pytest.raises(InputError, match="comes with its tokenizer"):
        spexapi.HeadGame(decoder("llama"), PROMPT)
    with pytest.raises(InputError, match="got int"):
        local_model(3)


def test_a_model_in_training_mode_is_asked_without_dropout_and_left_in_it():
    model = decoder("gpt2")
    wanted = values_of(game_of(model), all_but(8, 3))
    assert values_of(game_of(model.train()), all_but(8, 3)) == pytest.approx(wanted)
    assert all(module.training for module in model.modules())


def test_resampling_wants_prompts_of_one_length():
    game = game_of(decoder("llama"), masking="resample", reference=["yes"])
    with pytest.raises(InputError, match="give one of the same length"):
        values_of(game, all_but(8))


# --- from a folder: the store, and the name of a model


def test_a_folder_is_asked_once_and_known_afterwards(tmp_path):
    folder = tiny_models.llama(tmp_path / "model", adds_bos=False)
    store = tmp_path / "replies.sqlite"

    def run(**more: Any) -> spexapi.Explanation:
        terms = spexapi.Terms(store=store)
        return spexapi.explain(
            spexapi.HeadGame(f"hf:{folder}", PROMPT, ANSWER, terms=terms, **more), budget=256
        )

    first, again, others = run(), run(), run(layers=[1])
    assert (first.cost.calls, again.cost.calls) == (256, 0)
    assert again.observations.values.tolist() == first.observations.values.tolist()
    assert others.cost.calls == 16  # other players, other keys


def test_options_of_one_token_are_read_in_one_row():
    model = decoder("llama")
    options = ["attic", "cellar", "the attic"]
    game = game_of(model, answer="attic", options=options)
    ids = tokenizer()(" attic cellar", add_special_tokens=False).input_ids
    assert len(ids) == 2, "the test wants two options of one token"

    found = values_of(game, all_but(8))

    a, *others = (plainly(model, answer=each) for each in options)
    assert found[0] == pytest.approx(a - np.logaddexp(*others), abs=1e-5)
    before = len(tokenizer()(PROMPT, add_special_tokens=False).input_ids)
    assert game.spent.tokens_in == (before + 1) + (before + 2)
