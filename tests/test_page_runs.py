"""What happens between Explain and the result: a run goes on, is stopped, breaks off, and ends."""

from __future__ import annotations

import asyncio
import json
import time
from threading import Event

import pytest
from page_samples import HOME, PAIR
from test_report import Page

import spexapi

pytest.importorskip("gradio")

from spexapi.page.requests.model import Model
from spexapi.page.requests.request import ExplainOptions
from spexapi.page.requests.text import Rag, TextRequest
from spexapi.page.result.downloads import as_file
from spexapi.page.result.panel import panel
from spexapi.page.result.run_view import RunView
from spexapi.page.result.shown import top
from spexapi.page.runs.failures import how_to_go_on
from spexapi.page.runs.planned_run import planned
from spexapi.page.runs.run_loop import Progress, updates
from spexapi.page.runs.session_result import SessionResult
from spexapi.page.runs.stop_flags import StopFlags
from spexapi.page.site import Site


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


class Twelve:
    """A run of a game of twelve players: the first two count together, the sixth alone."""

    options = ExplainOptions(budget=128, seed=3)

    def __init__(self) -> None:
        self.asked: list[tuple[bool, ...]] = []

    def game(self) -> spexapi.FunctionGame:
        def value(masks):
            self.asked.extend(map(tuple, masks.tolist()))
            return 3.0 * (masks[:, 0] & masks[:, 1]) + 1.0 * masks[:, 5]

        return spexapi.FunctionGame(value, players=12, batch=16)

    async def run(self) -> list[Progress | spexapi.Explanation]:
        return [update async for update in updates(self.game, self.options, Event())]


@pytest.fixture(scope="module")
def twelve() -> Twelve:
    twelve = Twelve()
    twelve.seen = asyncio.run(twelve.run())
    return twelve


def test_the_plan_of_the_forecast_is_the_plan_that_runs(twelve):
    shown = planned(Twelve().game(), Twelve.options)
    masks = [tuple(mask) for mask in shown.plan.masks.tolist()]

    assert len(masks) > 16
    assert twelve.asked[: len(masks)] == masks
    assert {update.kept for update in twelve.seen if isinstance(update, Progress)} == {shown.kept}


def test_the_strongest_combinations_are_measured_within_the_budget(twelve):
    last = twelve.seen[-1]

    assert shares(Twelve().game(), Twelve.options) == (96, 32)
    assert any(isinstance(update, Progress) and update.checking for update in twelve.seen)
    assert (0, 1) in last.verification.interactions
    assert last.verification.verdict((0, 1)) is True
    assert all(len(players) > 1 for players in last.verification.interactions)
    assert len(twelve.asked) == last.cost.calls <= 128
    assert "confirmed by direct ablation" in Page(top(SessionResult(None, last, last))).text


def test_snapshots_carry_how_much_they_explain(twelve):
    *early, last = (update for update in twelve.seen if isinstance(update, spexapi.Explanation))
    snapshot = [ex for ex in early if ex.stopped][-1]
    shown = Page(top(SessionResult(None, snapshot, snapshot, done=False))).text

    assert snapshot.audit.r2 > 0.9
    assert "So far it explains" in shown
    assert "Stopped early" not in shown
    assert not last.stopped


def test_nothing_is_set_aside_if_all_selections_are_tried_or_the_engine_needs_them_all():
    six = spexapi.FunctionGame(lambda masks: masks[:, 0] * 1.0, players=6)
    sixty = spexapi.FunctionGame(lambda masks: masks[:, 0] * 1.0, players=60)
    assert shares(six, ExplainOptions(budget=64)) == (64, 0)
    assert shares(sixty, ExplainOptions(budget=64)) == (64, 0)  # 48 are too few for 60 players


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


def test_a_model_that_never_gets_ready_can_be_left(monkeypatch):
    monkeypatch.setattr("spexapi.page.runs.run_loop.PATIENCE", 0.1)

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


def test_what_was_measured_before_the_endpoint_refused_is_shown(openai_server):
    pair = {"base": -4.5, "rules": [[["key", "cellar"], 4.4]]}
    openai_server.set(quota=80, latency=0.01, table=pair)
    model = Model("openai", "table", openai_server.base_url)
    form = TextRequest(Rag("Where is it?", KEYS, "the cellar"), model, ExplainOptions(budget=128))

    last = on_the_page(form)[-1]
    said = Page(last["result"]).text

    assert "The run broke off." in said
    assert "the quota is used up: add credit, or use another key" in said
    assert "run it again." in said
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


@pytest.mark.parametrize(
    ("error", "site", "said"),
    [
        (spexapi.Refused("no credit"), HOME, "No credit. Once that is mended, run it again."),
        (spexapi.Refused("no credit"), Site(keeps=True), "is not asked a second time"),
        (spexapi.RateLimited("too fast"), HOME, "Too fast. Some time later, run it again."),
        (spexapi.CapReached("the cap"), Site(keeps=True), "The cap."),
    ],
)
def test_a_run_that_broke_off_says_how_to_go_on(error, site, said):
    assert said in how_to_go_on(error, site)
