"""What a run would ask and cost, said before anything is paid."""

from __future__ import annotations

from spexapi.cli.console import note, say
from spexapi.cli.options import RunOptions
from spexapi.cli.progress import Work
from spexapi.games.base import Game
from spexapi.narrative.wording import outside
from spexapi.plan import Plan
from spexapi.sampling.forecast import Forecast


def no_price(plan: Plan, ask: RunOptions) -> str:
    """Why --max-cost cannot be kept, "" if it can."""
    found = plan.forecast
    if ask.max_cost is None or found is None or not found.paid or found.price is not None:
        return ""
    return (
        f"--max-cost is given, but no price of {ask.backend} is known: give one (--price-in, --price-out),"
        " or cap --max-tokens instead"
    )


def say_forecast(plan: Plan) -> None:
    """Prints the forecast of a model that costs money; a local one costs nothing."""
    if plan.forecast is not None and plan.forecast.paid:
        note(f"forecast: {plan.forecast.line}")


def say_unknown(game: Game) -> None:
    """Warns of words that the model does not know, on stderr."""
    if unknown := getattr(game, "unknown_words", ()):
        note(outside(unknown))


def say_plan(plan: Plan, ask: RunOptions, kept: int, keepers: str, work: Work) -> None:
    """Prints all that is known of a run before it starts. kept: calls set aside for the options keepers."""
    more = ", ..." if plan.n_players > 8 else ""
    say(f"{plan.n_players} players: {', '.join(plan.labels[:8])}{more}")
    say(f"engine {plan.engine}: {plan.calls} {work.things} would be {work.done}")
    if kept:
        say(f"{kept} more are kept for {keepers}")
    for remark in plan.notes:
        say(f"  {remark}")
    if plan.forecast is not None:
        _say_prompts(plan.forecast)
    if ask.max_cost is not None:
        say(no_price(plan, ask) or f"stops at {ask.max_cost} US dollars")
    say("nothing was asked")


def _say_prompts(forecast: Forecast) -> None:
    say(f"forecast: {forecast.line}")
    for number, messages in enumerate(forecast.prompts, 1):
        say(f"--- prompt {number} ---")
        for message in messages:
            say(f"[{message.role}] {message.content}")
    say("---")
