"""Form fields that several tabs have: the model with its key, and how to explain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spexapi.engines.registry import known_engines
from spexapi.page.components import Component, Value, gr
from spexapi.page.forms.key_field import key_field
from spexapi.page.requests.model import EXAMPLES, Model
from spexapi.page.requests.request import ExplainOptions
from spexapi.page.site import Site

INDICES = [
    ("FBII: faithful Banzhaf (default)", "fbii"),
    ("FSII: faithful Shapley", "fsii"),
    ("STII: Shapley-Taylor", "stii"),
    ("SII: Shapley interaction", "sii"),
    ("Möbius", "moebius"),
    ("Fourier", "fourier"),
]
WHERE = {
    "embedded": "Built-in demo model",
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
    """Which model: kind, name, address, cap on the cost, and the key, which is part of no request."""

    where: Component
    name: Component
    base_url: Component
    max_cost: Component
    key: Component

    @property
    def all(self) -> list[Component]:
        """Without the key."""
        return [self.where, self.name, self.base_url, self.max_cost]

    @property
    def place(self) -> list[Component]:
        """The key, after what tells which address it is typed for."""
        return [self.where, self.base_url, self.key]


@dataclass(frozen=True, slots=True)
class OptionFields:
    """Unit, budget, and what stands under Advanced."""

    unit: Component
    budget: Component
    engine: Component
    index: Component
    seed: Component
    score: Component
    choices: Component

    @property
    def all(self) -> list[Component]:
        return [self.unit, self.budget, self.engine, self.index, self.seed, self.score, self.choices]


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
        key = key_field(_key_info(site))

    def needs(kind: str) -> list[object]:
        paid = gr.update(visible=kind in ("openai", "providers"))
        named = gr.update(visible=kind != "embedded", placeholder=EXAMPLES.get(kind, ""))
        return [named, gr.update(visible=kind == "openai"), paid, paid]

    shown = [name, base_url, max_cost, keys]
    where.change(needs, where, shown, queue=False, api_visibility="private")
    return ModelFields(where, name, base_url, max_cost, key)


def _key_info(site: Site) -> str:
    info = "For this run only; it is not kept."
    if "providers" in site.kinds:
        info += " For Inference Providers a Hugging Face token"
        info += "; none is needed when you are logged in." if site.login else "."
    return info


def option_fields(site: Site, units: Sequence[tuple[str, str]], budget: int = 128) -> OptionFields:
    """What is taken away and how often; the rest folded away."""
    unit = gr.Radio(list(units), value=units[0][1], label="Explain by")
    calls = gr.Slider(
        16,
        min(1024, site.limits.budget),
        value=min(budget, site.limits.budget),
        step=16,
        label="Thoroughness (calls)",
        info="How many times the model may be asked; more is surer.",
    )
    with gr.Accordion("Advanced", open=False):
        engine = engine_field()
        index = gr.Dropdown(INDICES, value="fbii", label="How combinations are counted")
        score = gr.Dropdown(SCORES, value="", label="Score")
        choices = gr.Textbox(
            label="Answers to choose between",
            info="One a line; for the score “choice”.",
            lines=2,
            max_lines=8,
        )
        seed = seed_field()
    return OptionFields(unit, calls, engine, index, seed, score, choices)


def engine_field() -> Component:
    return gr.Dropdown(list(known_engines()), value="auto", label="Engine")


def seed_field() -> Component:
    return gr.Number(0, label="Seed", precision=0)


def answer_field() -> Component:
    return gr.Textbox(
        label="Answer to explain", placeholder="empty: the model writes it", lines=1, max_lines=4
    )


def model_and_options(values: Sequence[Value]) -> tuple[Model, ExplainOptions]:
    """What was chosen, from the values of OptionFields.all and then ModelFields.all."""
    *options, where, name, base_url, max_cost = values
    return model_of(where, name, base_url, max_cost), options_of(*options)


def model_of(where: str, name: str, base_url: str, max_cost: float | None) -> Model:
    """The model that was chosen, without its key."""
    if where == "embedded":
        return Model()
    return Model(where, name or "", (base_url or "").strip(), max_cost or None)


def options_of(
    unit: str, budget: float, engine: str, index: str, seed: float, score: str, choices: str
) -> ExplainOptions:
    """How it shall be explained; choices: one a line."""
    lines = tuple(line.strip() for line in (choices or "").splitlines() if line.strip())
    return ExplainOptions(unit, int(budget), engine, index, int(seed or 0), score, lines)
