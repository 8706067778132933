"""Behind the page: forms and their limits, runs that end, what is shown is text. The browser is in
test_page_browser.py."""

from __future__ import annotations

import ast
import asyncio
import json
import shlex
import time
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import view_samples as sample
from fake_backend import FakeBackend
from test_report import HOSTILE, Page

import spexapi
from spexapi.explanation.verification import Check, Verification
from spexapi.measurements import exact_values

pytest.importorskip("gradio")

from spexapi.page.forms.boxes import documents_of, turns_of
from spexapi.page.requests.model import Model
from spexapi.page.requests.request import ExplainOptions, Words
from spexapi.page.requests.text import Chat, Inside, Rag, TextRequest
from spexapi.page.requests.uploads import documents_from, explanation_from
from spexapi.page.result import selections, what_if
from spexapi.page.result.comparison import differences
from spexapi.page.result.downloads import as_file, command, python
from spexapi.page.result.panel import panel
from spexapi.page.result.run_view import RunView
from spexapi.page.result.shown import rest, top
from spexapi.page.result.status import banner, progress_line, status_line
from spexapi.page.runs.failures import plainly
from spexapi.page.runs.planned_run import planned
from spexapi.page.runs.run_loop import Progress, updates
from spexapi.page.runs.session_result import SessionResult
from spexapi.page.runs.stop_flags import StopFlags
from spexapi.page.site import PUBLIC, Limits, Site
from spexapi.views.html.checked import checked
from spexapi.views.html.gauge import gauge

PAIR = (
    "The key is in the box.",
    "John has the coin.",
    "The box is in the cellar.",
    "The lamp is in the attic.",
)
HOME = Site()


# -- forms


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


def test_places_are_in_the_order_of_the_players():
    for form in (
        TextRequest(Rag("q?", ("One two. Three four.", "Five six.")), options=ExplainOptions("sentence")),
        TextRequest(
            Chat((("system", "Be brief."), ("user", "One two. Three."))), options=ExplainOptions("word")
        ),
    ):
        texts = [form.prompt.texts[part][a:b] for part, a, b in form.places()]
        assert texts == [player.text for player in form.game(HOME).players]


# -- runs


class Numbers:
    """A game of six players asked four masks at a time; the first two count together."""

    def __init__(self, wait: float = 0.0) -> None:
        self.wait, self.asked = wait, 0

    def __call__(self) -> spexapi.FunctionGame:
        def value(masks):
            self.asked += len(masks)
            time.sleep(self.wait)
            return masks[:, 0] * masks[:, 1] * 1.0

        return spexapi.FunctionGame(value, players=6, batch=4)


SOME = ExplainOptions(budget=64)


def test_a_run_ends_with_the_final_explanation():
    async def run():
        return [update async for update in updates(Numbers(), SOME, Event())]

    seen = asyncio.run(run())

    assert not seen[-1].stopped
    assert seen[-1].top(1)[0][0] == (0, 1)
    assert any(isinstance(update, Progress) for update in seen)


@pytest.mark.parametrize("leaves", [False, True])
def test_a_visitor_who_stops_or_leaves_ends_the_measuring(leaves):
    numbers, stop = Numbers(0.02), Event()

    async def run():
        running = updates(numbers, SOME, stop)
        while not (last := await anext(running)).done:
            pass
        if leaves:
            await running.aclose()
            await asyncio.sleep(0.6)
        else:
            stop.set()
            *_, last = [update async for update in running]
        return last

    last = asyncio.run(run())

    assert numbers.asked < 64
    assert leaves or last.stopped


def test_two_runs_can_stand_under_one_flag():
    stop = Event()

    async def run():
        return [[u async for u in updates(Numbers(), SOME, stop)][-1] for _ in range(2)]

    assert [ex.stopped for ex in asyncio.run(run())] == [False, False]
    assert not stop.is_set()


def shares(game: spexapi.FunctionGame, options: ExplainOptions) -> tuple[int, int]:
    """The budget to explain from, and what is set aside for the checks."""
    run = planned(game, options)
    return run.plan.budget, run.kept


def test_the_plan_of_the_forecast_is_the_plan_that_runs():
    asked = []

    def value(masks):
        asked.extend(map(tuple, masks.tolist()))
        return masks[:, 0] * 1.0

    def make():
        return spexapi.FunctionGame(value, players=12, batch=16)

    options = ExplainOptions(budget=128, engine="proxyspex", seed=3)
    shown = planned(make(), options)
    assert asked == []

    async def run():
        return [update async for update in updates(make, options, Event())]

    seen = asyncio.run(run())

    masks = [tuple(mask) for mask in shown.plan.masks.tolist()]
    assert asked[: len(masks)] == masks
    assert {update.kept for update in seen if isinstance(update, Progress)} == {shown.kept}


def test_the_strongest_combinations_are_measured_within_the_budget():
    asked = []

    def value(masks):
        asked.extend(masks)
        pair, single = masks[:, 0] & masks[:, 1], masks[:, 5]
        return 3.0 * pair + 1.0 * single

    def make():
        return spexapi.FunctionGame(value, players=12, batch=16)

    options = ExplainOptions(budget=128)

    async def run():
        return [update async for update in updates(make, options, Event())]

    seen = asyncio.run(run())
    last = seen[-1]

    assert shares(make(), options) == (96, 32)
    assert any(isinstance(update, Progress) and update.checking for update in seen)
    assert (0, 1) in last.verification.interactions
    assert last.verification.verdict((0, 1)) is True
    assert all(len(players) > 1 for players in last.verification.interactions)
    assert len(asked) == last.cost.calls <= 128
    assert "confirmed by direct ablation" in Page(top(SessionResult(None, last, last))).text


def test_nothing_is_set_aside_where_all_selections_are_tried_or_the_engine_needs_them_all():
    six = spexapi.FunctionGame(lambda masks: masks[:, 0] * 1.0, players=6)
    sixty = spexapi.FunctionGame(lambda masks: masks[:, 0] * 1.0, players=60)
    assert shares(six, ExplainOptions(budget=64)) == (64, 0)
    assert shares(sixty, ExplainOptions(budget=64)) == (64, 0)  # 48 are too few for 60 players


def test_snapshots_carry_how_much_they_explain():
    async def run():
        make = lambda: spexapi.FunctionGame(lambda m: m[:, 0] * 1.0 + m[:, 3], players=10, batch=8)  # noqa: E731
        return [
            u
            async for u in updates(make, ExplainOptions(budget=128), Event())
            if isinstance(u, spexapi.Explanation)
        ]

    *early, last = asyncio.run(run())
    snapshots = [ex for ex in early if ex.stopped]

    assert snapshots[-1].audit.r2 > 0.9
    assert (
        "So far it explains" in Page(top(SessionResult(None, snapshots[-1], snapshots[-1], done=False))).text
    )
    assert (
        "Stopped early" not in Page(top(SessionResult(None, snapshots[-1], snapshots[-1], done=False))).text
    )
    assert not last.stopped


def test_a_run_ends_when_its_time_is_over():
    numbers = Numbers(0.25)

    async def run():  # a second, for a busy machine that begins late
        return [update async for update in updates(numbers, SOME, Event(), seconds=1.0)]

    assert asyncio.run(run())[-1].stopped
    assert numbers.asked < 64


def test_calls_in_flight_are_given_up_and_what_was_measured_is_explained(monkeypatch):
    monkeypatch.setattr("spexapi.page.runs.run_loop.PATIENCE", 0.1)
    stop, ended = Event(), []

    class Stuck(spexapi.FunctionGame):
        concurrency = 2

        async def measure(self, masks):
            if self.spent.calls < 16:
                return await super().measure(masks)
            stop.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("given up")

    def value(masks):
        return masks[:, 0] * masks[:, 1] * 1.0

    async def run():
        return [u async for u in updates(lambda: Stuck(value, players=6, batch=4), SOME, stop)]

    last = asyncio.run(asyncio.wait_for(run(), 20))[-1]

    assert ended
    assert last.stopped
    assert last.observations.ok.sum() >= 16


def test_a_model_that_never_gets_ready_can_be_left():
    class Never(spexapi.FunctionGame):
        async def prepare(self):
            await asyncio.Event().wait()

    stop = Event()
    stop.set()

    async def run():
        return [u async for u in updates(lambda: Never(len, players=6), SOME, stop)]

    assert asyncio.run(asyncio.wait_for(run(), 20)) == []


def test_one_visitor_does_not_stop_another_and_a_new_run_ends_the_older():
    stops = StopFlags()
    mine, yours = stops.begin("me"), stops.begin("you")
    stops.stop("me")
    stops.stop("nobody")
    assert mine.is_set()
    assert not yours.is_set()
    assert not stops.begin("you").is_set()
    assert yours.is_set()


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("the prompt does not fit", "The prompt does not fit."),
        ("http://a/v1: HTTP 500", "http://a/v1: HTTP 500."),
        ("other.json holds no text", "other.json holds no text."),
        ("Is it there?", "Is it there?"),
        ("HTTP 401 (the key is wrong)", "HTTP 401 (the key is wrong)."),
    ],
)
def test_a_banner_is_a_sentence(said, shown):
    assert Page(banner(said)).text == f"This did not work.{shown}"


def test_what_is_compared_is_named_by_its_text():
    ex = sample.documents(sample.and_of_two)
    assert "document 2: The red box is in the cellar." in Page(differences(ex, ex)).text


def test_progress_says_rate_and_money():
    said = Page(progress_line(Progress(60, 120, 2.0, 0.5), Words(""))).text
    assert "asked 60 of 120 times · 30 a second · about $0.5000" in said


# -- what is shown


def hostile() -> SessionResult:
    ex = sample.documents(
        sample.and_of_two, texts=(*HOSTILE, *sample.TEXTS[2:]), answer=HOSTILE[1], question=HOSTILE[0]
    )
    tokens = np.stack([ex.observations.values] * 2, axis=1) / 2
    seen = exact_values(ex.observations.masks, ex.observations.values, token_values=tokens)
    ex = replace(ex, observations=seen, target=replace(ex.target, answer_offsets=((0, 5), (5, 40))))
    return SessionResult(TextRequest(Rag(HOSTILE[0], HOSTILE)), ex, ex, HOSTILE[0])


def test_hostile_text_stays_text_in_every_part_of_the_page():
    held = hostile()
    inside = SessionResult(held.request, held.whole, held.whole, HOSTILE[1], held)
    found = selections.Answered(selections.smallest(held.whole), -0.1, True, HOSTILE[0])
    parts = {
        "top": top(inside),
        "rest": rest(held),
        "what if": what_if.form(held),
        "told": what_if.told(held, found),
        "compared": differences(held.whole, held.whole),
        "banner": banner(HOSTILE[1]),
        "status": status_line(HOSTILE[0]),
        "svg": json.loads(as_file("svg", held.whole))["text"],
    }
    from spexapi.views.html.table import table
    from spexapi.views.svg.upset import upset

    parts |= {"table": table(held.whole), "sets": upset(held.whole)}
    for name, written in parts.items():
        page = Page(written)
        assert not {"script", "img", "iframe", "a", "style", "link"} & {t for t, _ in page.elements}, name
        assert not [a for _, a in page.elements if any(key.startswith("on") for key in a)], name
        assert "${" not in written, name
        assert "{{" not in written, name


def test_the_script_gets_what_predicts_every_selection():
    held = hostile()
    page = Page(top(held))
    data = json.loads(next(a["data-live"] for _, a in page.elements if a.get("data-live")))
    masks = np.random.default_rng(0).random((20, 10)) < 0.5

    for mask, value in zip(masks, held.whole.spectrum.predict(masks), strict=True):
        kept = set(np.flatnonzero(mask).tolist())
        mine = sum(c * (-1) ** len(kept & set(s)) for s, c in data["terms"])
        assert mine == pytest.approx(value)
    assert data["combos"][0]["words"] == "both needed"
    assert data["likely"] == "exp"


def test_the_gauge_says_how_much_is_explained_and_warns_where_little_is():
    good = Page(gauge(sample.documents(sample.and_of_two))).text
    poor = Page(gauge(sample.documents(sample.and_of_two, found=sample.audit(0.3, 0.1, 0.5)))).text
    assert "Explains 94% (90% interval 88–97%) of how the answer’s log-probability changes" in good
    assert "too little to rely on" in poor


def test_the_gauge_says_how_many_of_the_strongest_were_confirmed():
    def checked(*verdicts):
        checks = tuple(Check((0, i), (), 1.0, 1.0, 0.1, ok, 2) for i, ok in enumerate(verdicts, 1))
        ex = sample.documents(sample.and_of_two)
        return Page(gauge(replace(ex, verification=Verification(checks, (), 10, 0.1, 8, 0)))).text

    assert "strong evidence; 3 of the top 5 combinations confirmed by direct ablation." in checked(
        True, True, False, True, False
    )
    assert "2 of the top 2" in checked(True, None, True)
    assert "the strongest of the combinations not confirmed" in checked(False)
    assert "confirmed" not in checked(None)


def test_what_no_effect_would_pass_too_confirms_nothing():
    checks = (
        Check((0, 1), (), 0.4, 1.0, 2.0, True, 4),
        Check((0, 2), (), 0.9, 1.0, 0.3, True, 4),
        Check((1, 2), (), 0.1, 1.0, 0.3, False, 4),
    )
    found = Verification(checks, ("a", "b", "c"), 10, 0.1, 12, 0)
    assert [found.verdict(c.players) for c in checks] == [None, True, False]
    assert "too wide a margin to confirm" in found.said((0, 1))
    assert found.summary().startswith("1 of the 3 strongest")
    ex = replace(sample.documents(sample.and_of_two), verification=found)
    assert "1 of the top 3 combinations confirmed" in Page(gauge(ex)).text


def test_a_budget_that_is_too_small_is_told_without_our_words():
    form = TextRequest(Rag("q?", ("one two three four five six",)), options=ExplainOptions("word", 4))
    with pytest.raises(spexapi.BudgetError) as refused:
        spexapi.explain(form.game(HOME), budget=4, engine="proxyspex")
    said = plainly(refused.value)
    assert "player" not in said
    assert "6 parts" in said


def test_values_that_are_all_certain_have_a_story_too():
    ex = sample.documents(lambda kept: 5.0 + 2.0 * (0 in kept) + 1.0 * (1 in kept) + 0.9 * (2 in kept))
    assert "document" in Page(top(SessionResult(None, ex, ex))).text


def test_a_span_of_the_answer_and_back():
    held = hostile()
    part = held.of_span(0, 5)
    assert part.shown.target.span == (0, 5)
    assert part.whole is held.whole
    assert part.of_span(0, len(HOSTILE[1])).shown.target.span is None
    for start, end in ((5, 5), (-1, 3), (0, 10_000)):
        with pytest.raises(spexapi.InputError, match="not in the answer"):
            held.of_span(start, end)


# -- what if


def test_a_selection_is_measured_on_the_model_which_answers_anew(monkeypatch):
    def log_p(prompt, answer):
        return -0.1 if "box." in prompt and "cellar" in prompt else -6.0

    backend = FakeBackend(log_p, writes="the attic")
    monkeypatch.setattr(spexapi, "open_backend", lambda name: backend)
    form = TextRequest(Rag("Where is the key?", PAIR, "the cellar"), options=ExplainOptions(budget=16))
    ex = spexapi.explain(form.game(HOME), budget=16)
    held = SessionResult(form, ex, ex)

    found = asyncio.run(selections.answer(held, selections.chosen(ex, [1, 2, 3, "x", 99]), HOME, ""))
    enough = asyncio.run(selections.answer(held, selections.smallest(ex), HOME, ""))
    fewest = selections.fewest(ex)

    assert found.measured == pytest.approx(-6.0)
    assert "The model now answers" in what_if.told(held, found)
    assert "the attic" in what_if.told(held, found)
    assert enough.optimum.players == (0, 2)
    assert enough.measured == pytest.approx(-0.1)
    assert fewest.players in ((0,), (2,))
    said = Page(checked(asyncio.run(selections.verified(held, HOME, "")))).text
    assert "documents 1 and 3" in said
    assert "The strongest interaction was confirmed" in said


def test_an_explanation_from_a_file_asks_no_model():
    held = replace(hostile(), request=None)
    assert "Ask the model" not in what_if.form(held)
    with pytest.raises(spexapi.InputError, match="came from a file"):
        held.inside(0)


# -- files


def test_documents_come_from_files_of_known_kinds(tmp_path):
    lines = tmp_path / "d.jsonl"
    lines.write_text('{"title": "T", "text": "a"}\n{"text": "c"}\n', encoding="utf-8")
    pdf = tmp_path / "d.pdf"
    pdf.write_bytes(a_pdf("The key is in the box."))

    assert documents_from(str(lines), Limits()) == ["T\na", "c"]
    assert documents_from(str(pdf), Limits()) == ["The key is in the box."]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("d.txt", "The key is in the box.\n\n\nThe box is\nin the cellar.\n"),
        ("d.MD", "The key is in the box.\n\nThe box is\nin the cellar."),
        ("d.json", '["The key is in the box.", {"text": "The box is\\nin the cellar."}]'),
        (
            "d.jsonl",
            '{"text": "The key is in the box."}\n{"id": "b", "text": "The box is\\nin the cellar."}\n',
        ),
    ],
)
def test_every_kind_of_file_gives_the_same_documents(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    assert documents_from(str(path), Limits()) == ["The key is in the box.", "The box is\nin the cellar."]


@pytest.mark.parametrize(
    ("name", "content", "limits", "message"),
    [
        ("d.exe", b"MZ", Limits(), "files here are"),
        ("d.txt", b"x" * 100, Limits(upload_bytes=50), "MB"),
        ("d.pdf", b"not one", Limits(), "is no PDF"),
        ("d.pdf", b"%PDF-1.4 broken", Limits(), "cannot be read as a PDF"),
        ("d.jsonl", b"{", Limits(), "line 1"),
        ("d.txt", b"\xff\xfe", Limits(), "UTF-8"),
        ("d.txt", b"a\n\nb\n\nc", Limits(documents=2), "3 documents"),
    ],
)
def test_a_file_that_will_not_do_is_refused_in_plain_words(tmp_path, name, content, limits, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(spexapi.InputError, match=message):
        documents_from(str(path), limits)


def test_a_pdf_has_a_limit_of_pages(tmp_path):
    path = tmp_path / "d.pdf"
    path.write_bytes(a_pdf("one", "two", "three"))
    with pytest.raises(spexapi.InputError, match="3 pages; at most 2"):
        documents_from(str(path), Limits(pages=2))


def test_a_kept_explanation_opens_again_and_a_broken_one_does_not(tmp_path):
    path = tmp_path / "explanation.json"
    hostile().whole.to_json(path)
    assert explanation_from(str(path), Limits()).n_players == 10
    data = json.loads(path.read_text(encoding="utf-8"))
    for key, value in (("players", []), ("spectrum", [{"players": [77], "value": 1}]), ("target", None)):
        path.write_text(json.dumps(data | {key: value}), encoding="utf-8")
        with pytest.raises(spexapi.InputError) as failure:
            explanation_from(str(path), Limits())
        assert str(tmp_path) not in str(failure.value)


def a_pdf(*pages: str) -> bytes:
    """The smallest PDF with these lines, a page each."""
    kids = " ".join(f"{3 + 2 * i} 0 R" for i in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
    ]
    font = "<< /Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"
    for i, text in enumerate(pages):
        stream = f"BT /F 12 Tf 20 100 Td ({text}) Tj ET"
        objects += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] /Contents {4 + 2 * i} 0 R"
            f" /Resources {font} >>",
            f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream",
        ]
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    end = f"trailer << /Size {len(places) + 1} /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF\n"
    return out + f"xref\n0 {len(places) + 1}\n0000000000 65535 f \n{table}{end}".encode()


# -- keep


def test_the_code_of_a_run_holds_texts_as_texts(tmp_path):
    nasty = "'); import os; os.system('x') #\n$(touch owned) `touch owned`\nEND"
    form = TextRequest(
        Rag(nasty, (nasty, "b"), nasty),
        Model("openai", "m", "https://x.org/v1"),
        ExplainOptions(choices=("a",)),
    )
    calls = [n for n in ast.walk(ast.parse(python(form))) if isinstance(n, ast.Call)]
    game = next(c for c in calls if getattr(c.func, "attr", "") == "RagGame")
    assert {k.arg: ast.literal_eval(k.value) for k in game.keywords if k.arg == "question"} == {
        "question": nasty
    }
    written = command(form)
    here, _, rest_ = written.partition("\n")
    end = here.split("'")[1]
    body, _, line = rest_.partition(f"\n{end}\n")
    assert [json.loads(text)["text"] for text in body.split("\n")] == [nasty, "b"]
    words = shlex.split(line.replace("\\\n", " "))
    assert words[words.index("--question") + 1] == nasty


def test_files_to_keep_are_complete_and_a_table_holds_no_formula(tmp_path):
    held = hostile()
    shown = replace(
        held.whole, players=(replace(held.whole.players[0], label="=1+1"), *held.whole.players[1:])
    )
    made = {kind: json.loads(as_file(kind, shown)) for kind in ("report", "data", "csv", "svg", "png")}
    path = tmp_path / "e.json"
    path.write_text(made["data"]["text"], encoding="utf-8")

    assert spexapi.Explanation.from_json(path).n_players == 10
    assert made["png"]["text"].startswith("<svg ")
    assert "'=1+1" in made["csv"]["text"]
    assert ",=" not in made["csv"]["text"]
    assert made["data"]["number"] != json.loads(as_file("data", shown))["number"]


def test_the_page_is_made_of_files_that_ship():
    folder = Path(spexapi.__file__).parent / "page"
    assert {"page.css", "page.js"} <= {p.name for p in folder.iterdir()}
    assert "innerHTML" not in (folder / "page.js").read_text(encoding="utf-8")


# -- a run that breaks off


KEYS = (*PAIR, "Mary is in the garden.", "The ring is in the bag.", "Anna is here.", "Tom has the map.")


def on_the_page(form: TextRequest, site: Site = HOME) -> list[dict[str, object]]:
    """What changes on the page in a run, by the names of the components."""
    import gradio as gr

    async def run():
        with gr.Blocks():
            here = panel("nothing yet", "")
        names = {id(getattr(here, name)): name for name in ("session", "status", "result", "more")}
        changes = RunView(site, StopFlags(), here).run(form, "sk-x", None)
        return [{names.get(id(c), "other"): v for c, v in change.items()} async for change in changes]

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("site", "goes_on"), [(HOME, "run it again."), (Site(keeps=True), "is not asked a second time")]
)
def test_what_was_measured_before_the_endpoint_refused_is_shown(openai_server, site, goes_on):
    pair = {"base": -4.5, "rules": [[["key", "cellar"], 4.4]]}
    openai_server.set(quota=80, latency=0.01, table=pair)
    model = Model("openai", "table", openai_server.base_url)
    form = TextRequest(Rag("Where is it?", KEYS, "the cellar"), model, ExplainOptions(budget=128))

    last = on_the_page(form, site)[-1]
    said = Page(last["result"]).text

    assert "The run broke off." in said
    assert "the quota is used up: add credit, or use another key" in said
    assert goes_on in said
    assert f"{last['session'].whole.cost.calls} model calls" in said
    assert 70 < last["session"].whole.cost.calls < 96  # more than in the last snapshot
    assert "documents 1 and 3" in said
    assert "Stopped early" not in said  # told once
    assert last["status"] == ""
    assert last["more"]["visible"]  # the downloads
    assert "sk-x" not in str(last)
    report = json.loads(as_file("report", last["session"].shown))["text"]
    assert "The reason: " in Page(report).text
    assert "partial result" in Page(top(last["session"].in_index("fsii"))).text


def test_an_endpoint_that_refuses_at_once_leaves_nothing_but_the_reason(openai_server):
    openai_server.set(key="another")
    model = Model("openai", "table", openai_server.base_url)
    last = on_the_page(
        TextRequest(Rag("Where is the key?", KEYS, "the cellar"), model, ExplainOptions(budget=128))
    )[-1]
    assert "the key is wrong" in Page(last["status"]).text
    assert last["session"] is None
    assert last["result"] == "nothing yet"
