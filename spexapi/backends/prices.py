"""What a hosted model costs: as the user says, or as the table of the package genai-prices has it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from spexapi.backends.base import Price
from spexapi.errors import InputError

if TYPE_CHECKING:
    from genai_prices.types import TieredPrices


def price_of(
    model: str,
    base_url: str,
    *,
    price_in: float | None = None,
    price_out: float | None = None,
    price_cached: float | None = None,
) -> Price | None:
    """US dollars for a million tokens, None if no price is known.

    price_in, price_out, price_cached  what the user says; then the table is not read. Without price_cached a
                                       cached token costs what any other does

    Raises InputError for a negative price, or for one of price_in and price_out without the other.
    """
    given = [price for price in (price_in, price_out, price_cached) if price is not None]
    if any(not 0 <= price < float("inf") for price in given):
        raise InputError(f"a price must be 0 or more US dollars a million tokens, got {given}")
    if price_in is not None and price_out is not None:
        return Price(price_in, price_out, price_cached, source="given by the user")
    if given:
        raise InputError("give both price_in and price_out (--price-in, --price-out), or neither")
    return _from_table(model, base_url)


def _from_table(model: str, base_url: str) -> Price | None:
    try:
        from genai_prices import Usage, calc_price
    except ModuleNotFoundError:
        return None
    try:
        # an address that the table does not know may be any server with a model of that name
        found = calc_price(Usage(input_tokens=1000), model_ref=model, provider_api_url=base_url)
    except (LookupError, ValueError):
        return None
    rates = found.model_price
    cost_in, cost_out, cached = (
        _of_million(getattr(rates, name, None)) for name in ("input_mtok", "output_mtok", "cache_read_mtok")
    )
    if cost_in is None or cost_out is None:
        return None
    source = f"genai-prices, {found.provider.name} {found.model.name}: an estimate"
    return Price(cost_in, cost_out, cached, source)


def _of_million(rate: Decimal | TieredPrices | None) -> float | None:
    """The rate; of one that grows with the prompt's length the lowest step."""
    if rate is None:
        return None
    return float(rate if isinstance(rate, Decimal) else rate.base)
