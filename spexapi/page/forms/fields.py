"""Form fields that several tabs have: the model with its key, and how to explain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import gradio

from spexapi.engines.registry import known_engines
from spexapi.page.forms.requests import NAMES, ExplainOptions, Model, options_of
from spexapi.page.runs.keys import kept_nowhere
from spexapi.page.site import Site

gr = cast("Any", gradio)  # its stubs leave most types unknown

INDICES = [
    ("FBII: faithful Banzhaf (default)", "fbii"),
    ("FSII: faithful Shapley", "fsii"),
    ("STII: Shapley-Taylor", "stii"),
    ("SII: Shapley interaction", "sii"),
    ("Möbius", "moebius"),
    ("Fourier", "fourier"),
]
WHERE = {
    "embedded": "Small model inside",
    "hf": "Hugging Face model",
    "providers": "Hugging Face Inference Providers",
    "openai": "Hosted model (API)",
}
SCORES = [
    ("the best that the model allows", ""),
    ("how likely the answer is (log-probability)", "logprob"),
    ("the same, per token", "mean_logprob"),
    ("log-odds of the answer", "logit"),
    ("choice between answers", "choice"),
]


@dataclass(frozen=True, slots=True)
class ModelFields:
    """Which model: kind, name, address, key. The key is passed with each event and stays nowhere."""

    where: Any
    name: Any
    base_url: Any
    max_cost: Any
    key: Any

    @property
    def all(self) -> list[Any]:
        return [self.where, self.name, self.base_url, self.max_cost, self.key]

    @property
    def place(self) -> list[Any]:
        """What tells whether a key is for the address of an explanation, and the key."""
        return [self.where, self.base_url, self.key]


@dataclass(frozen=True, slots=True)
class HowFields:
    """Unit, budget, and what stands under Advanced."""

    unit: Any
    budget: Any
    engine: Any
    index: Any
    seed: Any
    score: Any
    options: Any

    @property
    def all(self) -> list[Any]:
        return [self.unit, self.budget, self.engine, self.index, self.seed, self.score, self.options]


def model_fields(site: Site) -> ModelFields:
    """Fields that hide what the chosen kind of model does not need."""
    kinds = site.kinds
    where = gr.Radio([(WHERE[k], k) for k in kinds], value=kinds[0], label="Model", visible=len(kinds) > 1)
    name = gr.Textbox(label="Model name", visible=False, max_lines=1)
    base_url = gr.Textbox(
        label="Address", info="Empty: api.openai.com", placeholder="https://…/v1", visible=False, max_lines=1
    )
    max_cost = gr.Number(
        None, label="At most (US dollars)", info="0 or empty: no cap.", minimum=0, visible=False
    )
    with gr.Column(visible=False) as keys:
        key = kept_nowhere(gr.Textbox(label="Key", type="password", info=_keys_info(site), max_lines=1))

    def needs(kind: str) -> list[Any]:
        paid = gr.update(visible=kind in ("openai", "providers"))
        named = gr.update(visible=kind != "embedded", placeholder=NAMES.get(kind, ""))
        return [named, gr.update(visible=kind == "openai"), paid, paid]

    shown = [name, base_url, max_cost, keys]
    where.change(needs, where, shown, queue=False, api_visibility="private")
    return ModelFields(where, name, base_url, max_cost, key)


def _keys_info(site: Site) -> str:
    info = "For this run only; it is not kept."
    if "providers" in site.kinds:
        info += " For Inference Providers a Hugging Face token"
        info += "; none is needed when you are logged in." if site.login else "."
    return info


def how_fields(site: Site, units: Sequence[tuple[str, str]]) -> HowFields:
    """What is taken away and how often; the rest folded away."""
    unit = gr.Radio(list(units), value=units[0][1], label="Take away")
    budget = gr.Slider(
        16,
        min(1024, site.limits.budget),
        value=128,
        step=16,
        label="Budget",
        info="How many times the model may be asked; more is surer.",
    )
    with gr.Accordion("Advanced", open=False):
        engine = gr.Dropdown(list(known_engines()), value="auto", label="Engine")
        index = gr.Dropdown(INDICES, value="fbii", label="How combinations are counted")
        score = gr.Dropdown(SCORES, value="", label="Score")
        options = gr.Textbox(
            label="Answers to choose between",
            info="One a line; for the score “choice”.",
            lines=2,
            max_lines=8,
        )
        seed = gr.Number(0, label="Seed", precision=0)
    return HowFields(unit, budget, engine, index, seed, score, options)


def model_of(where: str, name: str, base_url: str, max_cost: float | None) -> Model:
    """The model that was chosen, without its key."""
    if where == "embedded":
        return Model()
    return Model(where, name or "", (base_url or "").strip(), max_cost or None)


def how_of(
    unit: str, budget: float, engine: str, index: str, seed: float, score: str, options: str
) -> ExplainOptions:
    """How it shall be explained."""
    return ExplainOptions(unit, int(budget), engine, index, int(seed or 0), score, options_of(options or ""))
