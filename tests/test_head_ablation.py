"""Components removed row by row of one batch are what a plain pass without them says."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import numpy as np
import pytest
import torch
from head_games import ANSWER, OTHER, PROMPT, all_but, game_of, plainly, values_of
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_decoders import (
    FAMILIES,
    HEADS,
    LAYERS,
    blank_inputs,
    decoder,
    projection,
    read_width,
    tokenizer,
)

import spexapi
from spexapi.errors import BackendError, InputError


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
    model, masks = decoder("gpt2"), np.array(rows)
    alone = [values_of(game_of(model), mask[None])[0] for mask in masks]  # by a game of its own
    assert values_of(game_of(model), masks) == pytest.approx(alone, abs=1e-5)


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
    explanation = spexapi.explain(game_of(model, answer=None, max_new_tokens=3), budget=256, writes=0)
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


def test_a_model_in_training_mode_is_asked_without_dropout_and_left_in_it():
    model = decoder("gpt2")
    wanted = values_of(game_of(model), all_but(8, 3))
    assert values_of(game_of(model.train()), all_but(8, 3)) == pytest.approx(wanted)
    assert all(module.training for module in model.modules())


def test_resampling_wants_prompts_of_one_length():
    game = game_of(decoder("llama"), masking="resample", reference=["yes"])
    with pytest.raises(InputError, match="give one of the same length"):
        values_of(game, all_but(8))


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
