"""The tab that asks twice: two models, two engines or two questions, side by side on the same units."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from threading import Event
from typing import Any, cast

import gradio

from spexapi.engines.registry import known_engines
from spexapi.errors import InputError
from spexapi.explanation.explanation import Explanation
from spexapi.explanation.reading import Reading
from spexapi.narrative.meaning import said
from spexapi.narrative.wording import name, names, one_line, signed
from spexapi.page.forms.fields import model_fields, model_of
from spexapi.page.forms.requests import Rag, RunRequest
from spexapi.page.result.held import SessionResult, top
from spexapi.page.result.panel import MODEL, QUIET, Shown, failed, on_the_way, working
from spexapi.page.runs.keys import key_of
from spexapi.page.runs.run_loop import Progress, StopFlags, ask
from spexapi.page.site import Site
from spexapi.page.tabs.rag import form_of
from spexapi.views.html.safe import safe, tag
from spexapi.views.svg.drawing import combinations_of

gr = cast("Any", gradio)  # its stubs leave most types unknown

SAME = "as in Documents"
HINT = tag(
    "div",
    tag("b", "Same documents, something else changed.")
    + "A is what the Documents tab says. B takes the same, but for what you change here.",
    class_="empty",
)


def compare_tab(site: Site, stops: StopFlags, fields: list[Any]) -> None:
    """What B has of its own, and both results. fields: those of the Documents tab."""
    gr.HTML(HINT, apply_default_css=False)
    with gr.Row():
        engine = gr.Dropdown([SAME, *known_engines()], value=SAME, label="Engine of B")
        question = gr.Textbox(
            label="Question of B",
            placeholder="empty: the same question",
            lines=1,
            max_lines=4,
            elem_id="c-question",
        )
    other = gr.Checkbox(False, label="B asks another model")
    with gr.Column(visible=False) as models:
        model = model_fields(site)
    with gr.Row():
        run = gr.Button("Compare", variant="primary", elem_id="c-run")
        stop = gr.Button("Stop", interactive=False, elem_id="c-stop")
    status = gr.HTML("", elem_id="c-status", apply_default_css=False)
    with gr.Row():
        with gr.Column(min_width=300, elem_classes="results"):
            left = _side("c-a")
        with gr.Column(min_width=300, elem_classes="results"):
            right = _side("c-b")
    with gr.Column(elem_classes="results"):
        table = gr.HTML("", elem_id="c-table", apply_default_css=False)

    def shown(on: bool) -> Any:
        return gr.update(visible=on)

    other.change(shown, other, models, queue=False, api_visibility="private")

    async def compare(
        request: gradio.Request, login: gradio.OAuthToken | None, *values: Any
    ) -> AsyncIterator[Shown]:
        busy = {run: gr.update(interactive=False), stop: gr.update(interactive=True)}
        yield {**busy, status: working("Getting ready…"), table: "", left: "", right: ""}
        try:
            forms = _forms(*values)
            both: list[SessionResult] = []
            with stops.run(request, sum(form.how.budget for form, _ in forms)) as (flag, bill):
                for letter, place, (form, typed) in zip("AB", (left, right), forms, strict=True):
                    key, called = key_of(form.model, typed, login), _called(letter, form, forms[0][0])
                    async for update in _asked(form, key, flag, site):
                        if isinstance(update, Progress):
                            yield {status: working(None, update, letter)}
                        else:
                            both.append(update)
                            yield {place: called + await asyncio.to_thread(top, update)}
                    if both[-1].ended:
                        break
                bill.calls = sum(held.whole.cost.calls for held in both)
            if len(both) < 2:
                yield {status: tag("p", "A broke off, so B was not asked.", class_="about", role="status")}
            else:
                compared = await asyncio.to_thread(differences, *(held.whole for held in both))
                yield {status: "", table: compared}
        except Exception as error:  # shown as a banner, logged if it is none of ours
            yield {status: failed(error)}
        yield {run: gr.update(interactive=True), stop: gr.update(interactive=False)}

    def end(request: gradio.Request) -> None:
        stops.ask(str(request.session_hash))

    inputs = [engine, question, other, *model.all, *fields]
    run.click(compare, inputs, [run, stop, status, table, left, right], **MODEL)
    stop.click(end, None, None, concurrency_limit=None, **QUIET)


async def _asked(
    form: RunRequest, key: str, stop: Event, site: Site
) -> AsyncIterator[Progress | SessionResult]:
    """Progress, then what there is in the end. Raises SpexError where that is nothing."""
    last, ended = None, ""
    try:
        async for update in ask(lambda: form.game(site, key), form.how, stop, site.limits.seconds):
            if isinstance(update, Progress):
                yield update
            else:
                last = update
    except Exception as error:  # told beside what was measured by then
        if last is None:
            raise
        ended = on_the_way(error, site)
    if last is None:
        raise InputError("Stopped before both were measured.")
    yield SessionResult(None, last, last, ended=ended)


def _called(letter: str, form: RunRequest, first: RunRequest) -> str:
    """The heading of a side: what it has that A has not."""
    own = [f"{form.how.engine} engine"] * (form.how != first.how)
    own += ["another question"] * (form.asks != first.asks)
    own += [form.model.spec] * (form.model != first.model)
    said = f"{letter}: {', '.join(own) or 'as in Documents'}"
    return tag("p", safe(said), class_="side", dir="auto")


def _side(elem_id: str) -> Any:
    return gr.HTML(
        "",
        elem_id=elem_id,
        apply_default_css=False,
        js_on_load="spex.result(element, props, trigger, watch)",
    )


def _forms(engine: str, question: str, other: bool, *rest: Any) -> list[tuple[RunRequest, str]]:
    """A as the Documents tab has it, and B. Raises InputError where B is no other."""
    (*model, key), fields = rest[:5], rest[5:]
    first, first_key = form_of(*fields)
    second, second_key = first, first_key
    if engine != SAME:
        second = replace(second, how=replace(second.how, engine=engine))
    if question.strip() and isinstance(second.asks, Rag):
        second = replace(second, asks=replace(second.asks, question=question.strip()))
    if other:
        second, second_key = replace(second, model=model_of(*model)), key or ""
    if second == first:
        raise InputError("A and B are the same: choose another engine, question or model for B.")
    return [(first, first_key), (second, second_key)]


def differences(a: Explanation, b: Explanation) -> str:
    """What the units and the combinations do in A and in B, the largest differences first."""
    if tuple(p.text for p in a.players) != tuple(p.text for p in b.players):
        return tag(
            "p", "A and B were not taken apart into the same units, so there is no table.", class_="about"
        )
    shares = [Reading.of(ex).shares for ex in (a, b)]
    order = sorted(range(a.n_players), key=lambda i: -abs(shares[0][i] - shares[1][i]))[:20]
    rows = [
        (
            _called_by_text(a, i),
            signed(shares[0][i]),
            signed(shares[1][i]),
            signed(shares[1][i] - shares[0][i]),
        )
        for i in order
    ]
    same = a.target.answer.strip() == b.target.answer.strip()
    said = (
        f"Both answer “{a.target.answer}”."
        if same
        else f"A answers “{a.target.answer}”, B answers “{b.target.answer}”."
    )
    lede = "What each part adds to the answer, " + (
        f"in {a.target.unit}. " if a.target.unit else "by value. "
    )
    lede += "The largest differences come first."
    if cut := [letter for letter, ex in zip("AB", (a, b), strict=True) if ex.stopped]:
        lede += f" {' and '.join(cut)} {'are partial results' if len(cut) > 1 else 'is a partial result'}."
    parts = tag("p", safe(f"{said} {lede}"), class_="lede") + _table(("Part", "A", "B", "B less A"), rows)
    body = tag("h3", "Where they differ") + parts + _combinations(a, b)
    return tag("div", tag("section", body), class_="spex")


def _called_by_text(ex: Explanation, i: int) -> str:
    """A unit by its name and its text: beside each other the pictures have no room for that."""
    own, text = name(ex.players, i), one_line(ex.players[i].text, 60)
    return own if not text or one_line(text, 28) in own else f"{own}: {text}"


def _combinations(a: Explanation, b: Explanation) -> str:
    readings = [Reading.of(ex) for ex in (a, b)]
    drawn = [{c.players for c in combinations_of(ex)[0]} for ex in (a, b)]
    strong = [c.players for ex in (a, b) for c in combinations_of(ex)[0]]
    rows: list[tuple[str, ...]] = []
    for s in dict.fromkeys(strong):
        cells = [
            f"{said(reading, s, ex.interactions.get(s, 0.0)) if s in own else 'next to nothing'}"
            f" ({signed(ex.interactions.get(s, 0.0))})"
            for ex, reading, own in zip((a, b), readings, drawn, strict=True)
        ]
        rows.append((names(a.players, s), *cells))
    return _table(("Combination", "A", "B"), rows[:12]) if rows else ""


def _table(titles: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    head = tag("thead", tag("tr", "".join(tag("th", safe(t), scope="col") for t in titles)))
    lines = "".join(tag("tr", "".join(tag("td", tag("bdi", safe(c))) for c in row)) for row in rows)
    return tag("div", tag("table", head + tag("tbody", lines), class_="numbers"), class_="scroll", tabindex=0)
