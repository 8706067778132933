"""The tab for the inside of a model: which heads act together, and what is left when only k of them are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import gradio
import numpy as np

from spexapi.errors import SpexError
from spexapi.explanation.pruned import Pruned
from spexapi.page.forms.fields import ModelFields, how_fields, how_of, model_fields, model_of
from spexapi.page.forms.heads_request import HeadsForm, heads_form
from spexapi.page.result.alive import alive
from spexapi.page.result.held import SessionResult
from spexapi.page.result.panel import MODEL, QUIET, Panel, Shown, failed, panel, running, working
from spexapi.page.runs.forecast import forecast_of
from spexapi.page.runs.run_loop import StopFlags
from spexapi.page.site import Site
from spexapi.verification.prune import aprune
from spexapi.views.html.heads import head_map
from spexapi.views.html.pruned import pruned_table
from spexapi.views.html.safe import safe, tag

gr = cast("Any", gradio)  # its stubs leave most types unknown

FIRST = """Documents:

The lamp is in the attic.

The key is in the box.

Mary is in the garden.

The box is in the cellar.

Question: Which room is the key in?"""
EMPTY = tag(
    "div",
    tag("b", "Which parts of the model made the answer?")
    + "Attention heads are taken out in many different selections, all in one pass of the model, to see which"
    " of them the answer hangs on, and which only work together. Press Explain: it takes seconds.",
    class_="empty",
)
UNITS = [
    ("Heads", "head"),
    ("MLP blocks", "MLP block"),
    ("Heads and MLP blocks", "part"),
    ("Layers", "layer"),
]
SHOW_RESULT = "() => { if (innerWidth < 700) document.getElementById('h-map').scrollIntoView(); }"
_SIZES, _SOLVER = 12, 2.0  # sizes a pruned model is measured at, seconds of the solver for each


@dataclass(frozen=True, slots=True)
class _Parts:
    """The components this tab has beside a panel. found: what pruning measured, for the slider."""

    map: Any
    more: Any
    prune: Any
    status: Any
    slider: Any
    table: Any
    found: Any

    @property
    def all(self) -> list[Any]:
        return [self.map, self.more, self.prune, self.status, self.slider, self.table, self.found]

    def show(self, held: SessionResult | None) -> Shown:
        """The map of a new explanation; what was pruned before is gone."""
        if held is None:
            return {self.map: "", self.more: gr.update(visible=False)}
        return {
            self.map: tag("div", head_map(held.shown), class_="spex"),
            self.more: gr.update(visible=True),
            self.status: "",
            self.slider: gr.update(visible=False),
            self.table: "",
            self.found: None,
        }

    def pruned(self, held: SessionResult, found: Sequence[Pruned], asked: int, size: int) -> Shown:
        """The map and the table for the measured size that is nearest to `size`."""
        near = min(found, key=lambda each: abs(len(each.labels) - size))
        kept = len(near.labels)
        return {
            self.map: tag("div", head_map(held.shown, near.optimum.players), class_="spex"),
            self.table: tag("div", pruned_table(held.shown, found, asked, kept), class_="spex"),
        }


def heads_tab(demo: Any, site: Site, stops: StopFlags) -> Panel | None:
    """The form on the left, the result on the right; None where this page has no model of its own."""
    site = _local(site)
    if not site.kinds:
        gr.HTML(tag("p", "This page has no model of its own: install spexapi to look inside one at home."))
        return None
    with gr.Row():
        with gr.Column(scale=5, min_width=300):
            prompt = gr.Textbox(FIRST, label="Prompt", lines=9, max_lines=18, elem_id="h-prompt")
            with gr.Row():
                run = gr.Button("Explain", variant="primary", elem_id="h-run")
                stop = gr.Button("Stop", interactive=False, elem_id="h-stop")
            forecast = gr.HTML("", elem_id="h-forecast", apply_default_css=False)
            answer = gr.Textbox(
                label="Answer to explain", placeholder="empty: the model writes it", lines=1, max_lines=4
            )
            how = how_fields(site, UNITS)
            how.budget.value = min(256, site.limits.budget)
            model = model_fields(site)
        with gr.Column(scale=7, min_width=300, elem_classes="results"):
            parts = _parts()
            here = panel(EMPTY, "h-")
    fields = [prompt, answer, *how.all, *model.all]
    _runs(run, stop, fields, model, here, parts, site, stops)
    _prunes(stop, here, parts, site, stops)
    _forecasts(demo, fields, forecast, site)
    return here


def form_of(prompt: str, answer: str, *rest: Any) -> HeadsForm:
    """The form from the values of the fields."""
    *how, where, name, base_url, max_cost, _ = rest
    return heads_form(
        prompt or "", answer or "", model=model_of(where, name, base_url, max_cost), how=how_of(*how)
    )


def _local(site: Site) -> Site:
    """The site with the models that run in this process alone."""
    named = ("embedded", "hf") if site.allowed is None else site.allowed
    return replace(site, allowed=tuple(n for n in named if n in ("embedded", "hf") or n.startswith("hf:")))


def _parts() -> _Parts:
    shown = gr.HTML("", elem_id="h-map", apply_default_css=False)
    with gr.Column(visible=False) as more:
        prune = gr.Button("Prune: what do fewer parts still do?", size="sm", elem_id="h-prune")
        status = gr.HTML("", elem_id="h-prune-status", apply_default_css=False)
        slider = gr.Slider(
            1, 32, step=1, label="Parts kept", info="The measured size next to it.", visible=False,
            elem_id="h-kept",
        )  # fmt: skip
        table = gr.HTML("", elem_id="h-pruned", apply_default_css=False)
    return _Parts(shown, more, prune, status, slider, table, gr.State(None, time_to_live=3600))


def _runs(
    run: Any,
    stop: Any,
    fields: list[Any],
    model: ModelFields,
    here: Panel,
    parts: _Parts,
    site: Site,
    stops: StopFlags,
) -> None:
    def busy(asking: bool) -> Shown:
        return {run: gr.update(interactive=not asking), stop: gr.update(interactive=asking)}

    async def explain(request: gradio.Request, *values: Any) -> AsyncIterator[Shown]:
        yield busy(True) | parts.show(None)
        try:
            form = form_of(*values)
            async for change in running(form, "", None, "everything", here, site, stops, request):
                held = change.get(here.held)
                yield change | (parts.show(held) if isinstance(held, SessionResult) else {})
        except Exception as error:  # shown as a banner, logged if it is none of ours
            yield {here.status: failed(error)}
        yield busy(False)

    def end(request: gradio.Request) -> None:
        stops.ask(str(request.session_hash))

    asked = run.click(explain, fields, [*here.all, run, stop, *parts.all], **MODEL)
    asked.then(None, None, None, js=SHOW_RESULT)
    stop.click(end, None, None, concurrency_limit=None, **QUIET)
    alive(here, model, site, stops, busy, [run, stop])


def _prunes(stop: Any, here: Panel, parts: _Parts, site: Site, stops: StopFlags) -> None:
    async def prune(held: SessionResult | None, request: gradio.Request) -> AsyncIterator[Shown]:
        if held is None or not isinstance(held.form, HeadsForm):
            return
        yield {stop: gr.update(interactive=True), parts.slider: gr.update(visible=False)}
        try:
            async for change in _pruning(held, held.form, request):
                yield change
        except Exception as error:  # shown as a banner, logged if it is none of ours
            yield {parts.status: failed(error)}
        yield {stop: gr.update(interactive=False)}

    async def _pruning(held: SessionResult, form: HeadsForm, request: gradio.Request) -> AsyncIterator[Shown]:
        ex, others = held.shown, form.other_questions(site)
        sizes = np.unique(np.linspace(1, ex.n_players, min(_SIZES, ex.n_players)).round().astype(int))
        game: Any = form.answering(held.whole.target.answer).game(site)
        on, asked = others if others is not None else (None, 0)
        found: list[Pruned] = []
        with stops.run(request, len(sizes) * (1 + asked)) as (flag, _):
            for size in sizes[::-1].tolist():
                if flag.is_set():
                    break
                yield {parts.status: working(f"Looking for the best {size} of {ex.n_players}…")}
                found += await aprune(game, ex, size, on=on, time_limit=_SOLVER)
                yield parts.pruned(held, found, asked, size)
        least = _least(held, found)
        yield {
            parts.status: tag("p", safe(_said(held, found)), class_="about", role="status"),
            parts.slider: gr.update(visible=True, maximum=ex.n_players, value=len(least.labels)),
            parts.found: (tuple(found), asked),
            **parts.pruned(held, found, asked, len(least.labels)),
        }

    def slide(held: SessionResult | None, found: Any, size: int) -> Shown:
        if held is None or found is None:
            return {parts.status: gr.skip()}
        measured, asked = found
        return parts.pruned(held, measured, asked, int(size))

    parts.prune.click(prune, here.held, [*parts.all, stop], **MODEL)
    parts.slider.input(slide, [here.held, parts.found, parts.slider], parts.all, **QUIET)


def _least(held: SessionResult, found: Sequence[Pruned]) -> Pruned:
    """The fewest parts whose value is nearer to that of all than to that of none."""
    middle = (held.shown.value_of(kept=True) + held.shown.value_of(kept=False)) / 2
    return min(
        (each for each in found if each.measured > middle),
        key=lambda each: len(each.labels),
        default=found[0],
    )


def _said(held: SessionResult, found: Sequence[Pruned]) -> str:
    """What was done, in a sentence."""
    proved = sum(each.optimum.proof == "optimal" for each in found)
    return (
        f"For each size the best set on the explanation, by mixed-integer programming ({proved} of"
        f" {len(found)} proved best), measured on the model itself."
    )


def _forecasts(demo: Any, fields: list[Any], forecast: Any, site: Site) -> None:
    def tell(*values: Any) -> str:
        try:
            said = forecast_of(form_of(*values), site, "")
        except SpexError as error:
            said = str(error)
        except Exception:  # a forecast is a courtesy: what is wrong is said when Explain is pressed
            return ""
        return tag("p", safe(said), class_="about", role="status")

    demo.load(tell, fields, forecast, queue=False, **QUIET)
    for field in fields[:-1]:  # the last is a key, which no local model has
        field.change(tell, fields, forecast, queue=False, trigger_mode="always_last", **QUIET)
