"""A step that gives back what it got."""

from __future__ import annotations

from interlock import step


@step
async def nothing(number: int) -> int:
    return number
