"""What a visitor takes away: files, and the same run as a program and as a command."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import Any, cast

import gradio

from spexapi.explanation.explanation import Explanation
from spexapi.page.forms.heads_request import HeadsForm
from spexapi.page.forms.requests import Rag, RunRequest
from spexapi.page.result.held import SessionResult
from spexapi.page.runs.run_loop import CHECKED
from spexapi.views.code import Made, as_command, as_python
from spexapi.views.html.table import to_csv
from spexapi.views.svg.picture import picture

gr = cast("Any", gradio)  # its stubs leave most types unknown

FILES = {
    "report": ("Report (HTML)", "report.html", "text/html"),
    "data": ("Data (JSON)", "explanation.json", "application/json"),
    "csv": ("Table (CSV)", "interactions.csv", "text/csv"),
    "svg": ("Picture (SVG)", "picture.svg", "image/svg+xml"),
    "png": ("Picture (PNG)", "picture.png", "image/png"),
}
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Keeping:
    """Buttons, the place a file passes through, and the code."""

    buttons: dict[str, Any]
    file: Any
    code: Any
    shown: Any
    python: Any
    command: Any

    @property
    def all(self) -> list[Any]:
        return [self.shown]

    def reset(self) -> dict[Any, Any]:
        """Code of an older run is not shown any more."""
        return {self.shown: gr.update(visible=False)}

    def wire(self, held: Any) -> None:
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        for kind, button in self.buttons.items():
            button.click(_giver(kind), held, self.file, **quiet)

        def show(held: SessionResult | None) -> Any:
            if held is None or held.form is None:
                return gr.update(visible=True), *_without_form(held)
            return gr.update(visible=True), python(held.form, held.kept), command(held.form, held.kept)

        self.code.click(show, held, [self.shown, self.python, self.command], **quiet)


def keeping(name: str) -> Keeping:
    """The components."""
    with gr.Accordion("Keep it", open=True, elem_id=f"{name}keep"):
        with gr.Row(elem_classes="try"):
            buttons = {
                kind: gr.Button(label, size="sm", elem_id=f"{name}{kind}")
                for kind, (label, _, _) in FILES.items()
            }
            code = gr.Button("Show as code", size="sm", elem_id=f"{name}code")
        file = gr.HTML(
            "",
            html_template="<i hidden></i>",
            js_on_load="spex.file(element, props, trigger, watch)",
            elem_classes="nothing",
        )
        with gr.Column(visible=False) as shown:
            python_code = gr.Code(label="Python", language="python", interactive=False)
            command_line = gr.Code(label="Command line", language="shell", interactive=False)
    return Keeping(buttons, file, code, shown, python_code, command_line)


def _without_form(held: SessionResult | None) -> tuple[str, str]:
    """Program and command for an explanation of training data, or from a file."""
    if held is None or held.shown.target.kind != "training":
        said = "# This came from a file: it does not say what was asked of which documents.\n"
        return said, said
    budget, seed = held.shown.recipe.budget, held.shown.seed
    game = "game = spexapi.TrainingGame.of_estimator(estimator, X, y, X_test, y_test)\n"
    run = f"explanation = spexapi.explain(game, budget={budget}, max_order=2, seed={seed})\n"
    flags = f"--data FILE.csv --label COLUMN --budget {budget} --seed {seed}\n"
    return f"import spexapi\n\n{game}{run}", f"spexapi training {flags}"


def _giver(kind: str) -> Any:
    def give(held: SessionResult | None) -> Any:
        return "" if held is None else as_file(kind, held.shown)

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


def python(form: RunRequest, kept: int = 0) -> str:
    """The run as a program. kept: masks of the budget that checked the strongest combinations."""
    if isinstance(form, HeadsForm):
        return form.python(kept)
    how, asks = form.how, form.asks
    run = {"engine": how.engine, "budget": how.budget - kept, "index": how.index, "seed": how.seed}
    check = {"k": CHECKED, "budget": kept} if kept else None
    arguments: list[tuple[str, object]] = []
    if isinstance(asks, Rag):
        arguments += [("question", asks.question), ("documents", list(asks.documents))]
    else:
        arguments.append(("prompt", [{"role": role, "content": text} for role, text in asks.turns]))
    if asks.answer.strip():
        arguments.append(("answer", asks.answer.strip()))
    arguments.append(("unit", None if form.inside else how.unit))
    if form.inside:
        arguments.append(("spans", form.places()))
    if how.score:
        arguments.append(("score", how.score))
    if how.options:
        arguments.append(("options", list(how.options)))
    if form.model.max_cost:
        arguments.append(("terms", Made("Terms", {"max_cost": form.model.max_cost})))
    game = "RagGame" if isinstance(asks, Rag) else "PromptGame"
    return as_python(game, form.model.spec, arguments, run, form.model.opening, check)


def command(form: RunRequest, kept: int = 0) -> str:
    """The run as a command; documents and turns in a file made beside it. kept: as in python()."""
    if isinstance(form, HeadsForm):
        return form.command(kept)
    how, asks = form.how, form.asks
    verb, file = ("rag", "documents.jsonl") if isinstance(asks, Rag) else ("prompt", "prompt.json")
    flags: list[tuple[str, object]] = [("backend", form.model.spec)]
    flags += [(name.replace("_", "-"), value) for name, value in form.model.opening.items()]
    if isinstance(asks, Rag):
        flags += [("question", asks.question), ("documents", file)]
        lines = [json.dumps({"text": text}, ensure_ascii=False) for text in asks.documents]
    else:
        flags.append(("file", file))
        turns = [{"role": role, "content": text} for role, text in asks.turns]
        lines = [json.dumps(turns, ensure_ascii=False)]
    flags += [("answer", asks.answer.strip()), ("unit", how.unit), ("score", how.score)]
    flags += [("option", option) for option in how.options]
    flags += [("engine", how.engine), ("budget", how.budget), ("index", how.index), ("seed", how.seed)]
    flags += [("verify", CHECKED if kept else None), ("max-cost", form.model.max_cost)]
    end = _ending(lines)
    note = "# looking inside one part needs the Python program\n" if form.inside else ""
    written = "\n".join(lines)
    return f"{note}cat > {file} <<'{end}'\n{written}\n{end}\n" + as_command(verb, flags)


def _ending(lines: list[str]) -> str:
    """A line that ends the file in the shell and is none of its lines."""
    word = "END"
    while word in lines:
        word += "_"
    return word
