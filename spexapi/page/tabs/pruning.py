"""What fewer parts of a model still do: for each size the best set, measured, and a slider over them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import gradio
import numpy as np

from spexapi.explanation.pruned import Pruned
from spexapi.fourier.ranking import exceeds
from spexapi.page.components import MODEL, QUIET, Changes, Component, gr, html
from spexapi.page.requests.heads import HeadsRequest
from spexapi.page.result.status import failed, note, status_line
from spexapi.page.runs.session_result import SessionResult
from spexapi.page.runs.stop_flags import StopFlags
from spexapi.page.site import Site
from spexapi.verification.prune import aprune
from spexapi.views.html.heads import head_map
from spexapi.views.html.pruned import pruned_table
from spexapi.views.presentation import Presentation
from spexapi.views.safe import tag

_SIZES, _SOLVER = 12, 2.0  # sizes a pruned model is measured at, seconds of the solver for each


@dataclass(frozen=True, slots=True)
class PrunedSizes:
    """What was measured for each size, and how many other questions were asked."""

    found: tuple[Pruned, ...]
    asked: int

    def nearest(self, size: int) -> Pruned:
        return min(self.found, key=lambda each: abs(len(each.labels) - size))

    def least(self, result: SessionResult) -> Pruned:
        """The fewest parts whose value is nearer to that of all than to that of none."""
        middle = (result.shown.value_of(kept=True) + result.shown.value_of(kept=False)) / 2
        return min(
            (each for each in self.found if exceeds(each.measured, middle)),
            key=lambda each: len(each.labels),
            default=self.found[0],
        )

    def said(self) -> str:
        """What was done, in a sentence."""
        proved = sum(each.optimum.proof == "optimal" for each in self.found)
        return (
            f"For each size the best set on the explanation, by mixed-integer programming ({proved} of"
            f" {len(self.found)} proved best), measured on the model itself."
        )


@dataclass(frozen=True, slots=True)
class Pruning:
    """The components. sizes: the PrunedSizes that this session holds."""

    more: Component
    button: Component
    status: Component
    slider: Component
    table: Component
    sizes: Component

    @property
    def all(self) -> list[Component]:
        return [self.more, self.button, self.status, self.slider, self.table, self.sizes]

    def hide(self) -> Changes:
        return {self.more: gr.update(visible=False)}

    def begin(self) -> Changes:
        """The button alone."""
        return {
            self.more: gr.update(visible=True),
            self.status: "",
            self.slider: gr.update(visible=False),
            self.table: "",
            self.sizes: None,
        }

    def wire(
        self, heads: Component, stop: Component, session: Component, site: Site, stops: StopFlags
    ) -> None:
        """heads: the map, where what is kept is framed; stop: the button that ends a run."""

        async def prune(caller: gradio.Request, result: SessionResult | None) -> AsyncIterator[Changes]:
            if result is None or not isinstance(result.request, HeadsRequest):
                return
            yield {stop: gr.update(interactive=True), self.slider: gr.update(visible=False)}
            try:
                async for changes in self.run(heads, result, caller, site, stops):
                    yield changes
            except Exception as error:  # shown as a banner, logged if it is none of ours
                yield {self.status: failed(error)}
            yield {stop: gr.update(interactive=False)}

        def slide(result: SessionResult | None, sizes: PrunedSizes | None, size: int) -> Changes:
            if result is None or sizes is None:
                return {self.status: gr.skip()}
            return self._show(heads, result, sizes, int(size))

        self.button.click(prune, session, [heads, *self.all, stop], **MODEL)
        self.slider.input(slide, [session, self.sizes, self.slider], [heads, *self.all], **QUIET)

    async def run(
        self, heads: Component, result: SessionResult, caller: object, site: Site, stops: StopFlags
    ) -> AsyncIterator[Changes]:
        """What changes while sizes are measured, the largest first. Raises SpexError."""
        ex = result.shown
        game = await asyncio.to_thread(result.again().game, site)
        others = result.request.other_questions(site) if isinstance(result.request, HeadsRequest) else None
        on, asked = others if others is not None else (None, 0)
        sizes = np.unique(np.linspace(1, ex.n_players, min(_SIZES, ex.n_players)).round().astype(int))
        pruned = PrunedSizes((), asked)
        with stops.run(caller, len(sizes) * (1 + asked)) as (flag, _):
            for size in sizes[::-1].tolist():
                if flag.is_set():
                    break
                yield {self.status: status_line(f"Looking for the best {size} of {ex.n_players}…")}
                found = await aprune(game, ex, size, on=on, time_limit=_SOLVER)
                pruned = PrunedSizes((*pruned.found, *found), asked)
                yield self._show(heads, result, pruned, size)
        if not pruned.found:
            yield {self.status: note("Stopped before anything was measured.")}
            return
        least = len(pruned.least(result).labels)
        yield {
            self.status: note(pruned.said()),
            self.slider: gr.update(visible=True, maximum=ex.n_players, value=least),
            self.sizes: pruned,
            **self._show(heads, result, pruned, least),
        }

    def _show(self, heads: Component, result: SessionResult, sizes: PrunedSizes, size: int) -> Changes:
        """The map and the table for the measured size that is nearest to `size`."""
        near = sizes.nearest(size)
        shown, kept = Presentation(result.shown), len(near.labels)
        table = pruned_table(shown.reading, sizes.found, sizes.asked, kept)
        return {
            heads: tag("div", head_map(shown, near.optimum.players), class_="spex"),
            self.table: tag("div", table, class_="spex"),
        }


def pruning() -> Pruning:
    """The components, hidden until there is a result."""
    with gr.Column(visible=False) as more:
        button = gr.Button("How few parts still work?", size="sm", elem_id="h-prune")
        status = html("h-prune-status")
        slider = gr.Slider(
            1, 32, step=1, label="Parts kept", info="The measured size next to it.", visible=False,
            elem_id="h-kept",
        )  # fmt: skip
        table = html("h-pruned")
    return Pruning(more, button, status, slider, table, gr.State(None, time_to_live=3600))
