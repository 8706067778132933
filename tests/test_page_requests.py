"""What a visitor asks, as a value: read from the form and checked against the limits, in plain words."""

from __future__ import annotations

import pytest
from page_samples import HOME, PAIR

import spexapi

pytest.importorskip("gradio")

from spexapi.page.forms.boxes import documents_of, turns_of
from spexapi.page.requests.model import Model
from spexapi.page.requests.request import ExplainOptions
from spexapi.page.requests.text import Chat, Inside, Rag, TextRequest
from spexapi.page.runs.failures import plainly
from spexapi.page.site import PUBLIC, Site


def test_boxes_hold_texts_and_nothing_else():
    assert documents_of([" ", "a", 3, None, "b\n\nc"]) == ("a", "b\n\nc")
    assert documents_of("not a list") == ()
    assert turns_of([{"role": "system", "text": "s"}, {"text": ""}, 5]) == (("system", "s"),)
    with pytest.raises(spexapi.InputError, match="not 'admin'"):
        turns_of([{"role": "admin", "text": "x"}])


def test_a_space_offers_only_the_models_its_owner_names():
    assert Site.here({}).kinds == ("embedded", "hf", "providers", "openai")
    assert Site.here({"SPACE_ID": "me/page"}).kinds == ("embedded", "providers", "openai")
    space = Site.here({"SPACE_ID": "me/page", "SPEXAPI_BACKENDS": "embedded, hf:x/y"})
    assert space.kinds == ("embedded", "hf")
    with pytest.raises(spexapi.InputError, match="this page runs embedded, hf:x/y only"):
        TextRequest(Rag("q?", PAIR), Model("hf", "somebody/large")).game(space)


@pytest.mark.parametrize(
    ("asks", "message"),
    [
        (Rag(" ", PAIR), "no question yet"),
        (Rag("q?", ()), "no documents yet"),
        (Chat(()), "no prompt yet"),
        (Rag("q?", ("one",)), "only one word to take away"),
        (Chat((("system", "Be brief."), ("user", "Go!"))), "only one word"),
        (Rag("q?", ("x" * 60_001,)), "more than this page takes"),
        (Rag("q?", ("x",) * 61), "61 documents"),
        (Rag("q?", tuple("a b c d e f g" for _ in range(50))), "350 parts"),
    ],
)
def test_what_cannot_be_asked_is_answered_in_plain_words(asks, message):
    site = Site(("embedded",), PUBLIC, local_urls=False)
    with pytest.raises(spexapi.InputError, match=message):
        TextRequest(asks, options=ExplainOptions("word")).game(site)


def test_a_budget_that_is_too_small_is_told_without_our_words():
    form = TextRequest(Rag("q?", ("one two three four five six",)), options=ExplainOptions("word", 4))
    with pytest.raises(spexapi.BudgetError) as refused:
        spexapi.explain(form.game(HOME), budget=4, engine="proxyspex")
    said = plainly(refused.value)
    assert "player" not in said
    assert "6 parts" in said


@pytest.mark.parametrize(
    ("where", "like"), [("hf", "Qwen/"), ("providers", "meta-llama/"), ("openai", "gpt")]
)
def test_a_model_without_a_name_is_asked_for_one_of_its_kind(where, like):
    with pytest.raises(spexapi.InputError, match=f"Which model.*“{like}"):
        TextRequest(Rag("q?", PAIR), Model(where)).game(HOME, "key")


def test_a_page_at_home_pays_for_nothing_twice_and_a_shared_one_keeps_nothing(
    openai_server, tmp_path, monkeypatch
):
    monkeypatch.setenv("SPEXAPI_STORE", str(tmp_path / "replies.sqlite"))
    assert Site.here({}).keeps
    assert not Site.here({"SPACE_ID": "me/page"}).keeps
    model = Model("openai", "table", openai_server.base_url)
    form = TextRequest(Rag("Where is the key?", PAIR, "the cellar"), model, ExplainOptions(budget=16))

    def calls(site: Site) -> tuple[int, int]:
        before = openai_server.counts()["calls"]
        explained = spexapi.explain(form.game(site, "sk-x"), budget=16)
        return explained.cost.calls, openai_server.counts()["calls"] - before

    bought, _ = calls(Site(keeps=True))
    assert bought == 16
    assert calls(Site(keeps=True))[0] == 0
    assert calls(Site())[0] == 16
    assert b"sk-x" not in (tmp_path / "replies.sqlite").read_bytes()


def test_a_hosted_model_on_a_public_page_needs_the_visitors_own_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "the owner's")
    site = Site(("openai",), PUBLIC, local_urls=False)
    with pytest.raises(spexapi.InputError, match="needs a key"):
        TextRequest(Rag("q?", PAIR), Model("openai", "small")).game(site)
    with pytest.raises(spexapi.InputError, match="own field"):
        TextRequest(Rag("q?", PAIR), Model("openai", "small", "https://me:secret@x.org/v1")).game(site, "k")


def test_the_inside_of_a_unit_is_sentences_then_words():
    form = TextRequest(Rag("q?", ("One two. Three four.", "Five.")), options=ExplainOptions("document"))
    inside = form.within(0)
    assert inside.inside == Inside(0, 0, 20, "sentence")
    words = inside.within(1)
    assert words.inside == Inside(0, 9, 20, "word")
    assert words.places() == [(0, 9, 14), (0, 15, 20)]
    assert form.within(0).game(HOME).players[1].text == "Three four."
    with pytest.raises(spexapi.InputError, match="single word"):
        form.within(1)
    with pytest.raises(spexapi.InputError, match="not there any more"):
        form.within(7)


@pytest.mark.parametrize("choices", [(), ("attic",), ("attic", "attic")])
def test_a_choice_needs_two_answers(choices):
    options = ExplainOptions(score="choice", choices=choices)
    with pytest.raises(spexapi.InputError, match="Write at least two answers to choose between, one a line"):
        TextRequest(Rag("q?", PAIR), options=options).game(HOME)


def test_places_are_in_the_order_of_the_players():
    for form in (
        TextRequest(Rag("q?", ("One two. Three four.", "Five six.")), options=ExplainOptions("sentence")),
        TextRequest(
            Chat((("system", "Be brief."), ("user", "One two. Three."))), options=ExplainOptions("word")
        ),
    ):
        texts = [form.prompt.texts[part][a:b] for part, a, b in form.places()]
        assert texts == [player.text for player in form.game(HOME).players]
