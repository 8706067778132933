"""HeadGame: a planted circuit is found by all that stands on a game; bad input; the store."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tiny_models
from head_games import ANSWER, OTHER, PROMPT, game_of, values_of
from tiny_decoders import (
    circuit,
    decoder,
    tokenizer,
)

import spexapi
from spexapi.backends.huggingface.head_ablation import local_model
from spexapi.errors import InputError
from spexapi.fourier.optimize import best_mask, sufficient_set
from spexapi.fourier.spectrum import Spectrum

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
