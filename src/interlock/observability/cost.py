"""What an effect cost: measured CPU time at a stated price. Pure."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

_PLACES = Decimal("0.000000001")
_MS_PER_HOUR = Decimal(3_600_000)


@lru_cache(maxsize=16)
def _usd_per_ms(price_usd_per_hour: float) -> Decimal:
    return Decimal(repr(price_usd_per_hour)) / _MS_PER_HOUR


def cpu_cost_usd(cpu_ms: float, price_usd_per_hour: float) -> str:
    """Give the cost of CPU milliseconds in US dollars, as a decimal string to a billionth."""
    cost = Decimal(repr(cpu_ms)) * _usd_per_ms(price_usd_per_hour)
    return format(cost.quantize(_PLACES, rounding=ROUND_HALF_UP), "f")
