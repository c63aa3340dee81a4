"""What an effect cost: measured CPU time at a stated price. Pure."""

from __future__ import annotations

_MS_PER_HOUR = 3_600_000


def cpu_cost_usd(cpu_ms: float, price_usd_per_hour: float) -> str:
    """Give the cost of CPU milliseconds in US dollars, as a decimal string to a billionth."""
    return f"{cpu_ms * price_usd_per_hour / _MS_PER_HOUR:.9f}"
