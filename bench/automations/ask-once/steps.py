"""A step that gives back what it got."""

from __future__ import annotations

from interlock import step


@step(name="before")
async def before(number: int) -> int:
    return number


@step(name="after")
async def after(number: int) -> int:
    return number
