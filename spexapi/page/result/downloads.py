"""What a visitor takes away: files, and the same run as a program and as a command."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass

from spexapi.explanation.explanation import Explanation
from spexapi.page.components import QUIET, Changes, Component, gr, html
from spexapi.page.requests.request import RunRequest
from spexapi.page.requests.training import training_code
from spexapi.page.runs.planned_run import CHECKED
from spexapi.page.runs.session_result import SessionResult
from spexapi.views.code import Arguments, as_command, as_python
from spexapi.views.spreadsheet import to_csv
from spexapi.views.svg.picture import picture

FILES = {
    "report": ("Report (HTML)", "report.html", "text/html"),
    "data": ("Data (JSON)", "explanation.json", "application/json"),
    "csv": ("Table (CSV)", "interactions.csv", "text/csv"),
    "svg": ("Picture (SVG)", "picture.svg", "image/svg+xml"),
    "png": ("Picture (PNG)", "picture.png", "image/png"),
}
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Downloads:
    """Buttons, the place a file passes through, and the code."""

    buttons: dict[str, Component]
    file: Component
    code: Component
    shown: Component
    python: Component
    command: Component

    @property
    def all(self) -> list[Component]:
        return [self.shown]

    def reset(self) -> Changes:
        """Code of an older run is not shown any more."""
        return {self.shown: gr.update(visible=False)}

    def wire(self, session: Component) -> None:
        """Makes a file, or the code, of the result that the session holds."""
        for kind, button in self.buttons.items():
            button.click(_giver(kind), session, self.file, **QUIET)

        def show(result: SessionResult | None) -> tuple[object, str, str]:
            return gr.update(visible=True), *code_of(result)

        self.code.click(show, session, [self.shown, self.python, self.command], **QUIET)


def downloads(name: str) -> Downloads:
    """The components."""
    with gr.Accordion("Keep it", open=True, elem_id=f"{name}keep"):
        with gr.Row(elem_classes="try"):
            buttons = {
                kind: gr.Button(label, size="sm", elem_id=f"{name}{kind}")
                for kind, (label, _, _) in FILES.items()
            }
            code = gr.Button("Show as code", size="sm", elem_id=f"{name}code")
        file = html(
            html_template="<i hidden></i>",
            js_on_load="spex.file(element, props, trigger, watch)",
            elem_classes="nothing",
        )
        with gr.Column(visible=False) as shown:
            python_code = gr.Code(label="Python", language="python", interactive=False)
            command_line = gr.Code(label="Command line", language="shell", interactive=False)
    return Downloads(buttons, file, code, shown, python_code, command_line)


def _giver(kind: str) -> Callable[[SessionResult | None], str]:
    def give(result: SessionResult | None) -> str:
        return "" if result is None else as_file(kind, result.shown)

    return give


def as_file(kind: str, explanation: Explanation) -> str:
    """JSON for the page's script, which makes the file: nothing is written on the server."""
    text = {
        "report": explanation.to_html,
        "data": explanation.to_json,
        "csv": lambda: to_csv(explanation),
    }.get(kind, lambda: picture(explanation))()
    _, name, mime = FILES[kind]
    # the number makes two equal files two values: else the second press would change nothing
    return json.dumps({"name": name, "type": mime, "text": text, "number": next(_numbers)})


def code_of(result: SessionResult | None) -> tuple[str, str]:
    """The run of a result as a program and as a command."""
    if result is not None and result.request is not None:
        return python(result.request, result.kept), command(result.request, result.kept)
    if result is None or result.shown.target.kind != "training":
        said = "# This came from a file: it does not say what was asked of which documents.\n"
        return said, said
    code, budget, seed = training_code(), result.shown.recipe.budget, result.shown.seed
    return (
        as_python(code, {"budget": budget, "max_order": 2, "seed": seed}),
        as_command(code, [("budget", budget), ("seed", seed)]),
    )


def python(request: RunRequest, kept: int = 0) -> str:
    """The run as a program. kept: masks of the budget that checked the strongest combinations."""
    options = request.options
    run = {
        "engine": options.engine,
        "budget": options.budget - kept,
        "index": options.index,
        "seed": options.seed,
    }
    return as_python(request.code(), run, {"k": CHECKED, "budget": kept} if kept else None)


def command(request: RunRequest, kept: int = 0) -> str:
    """The run as a command. kept: as in python()."""
    options = request.options
    run: Arguments = [("engine", options.engine), ("budget", options.budget), ("index", options.index)]
    run += [("seed", options.seed), ("verify", CHECKED if kept else None)]
    return as_command(request.code(), run)
