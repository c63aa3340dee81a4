"""The greeting's own code."""

from __future__ import annotations

from interlock import NonRetryable, step


@step
async def compose(name: str, fail: bool, padding: str) -> str:
    """Write the greeting."""
    if fail:
        raise NonRetryable(f"this greeting of {name} was told to fail")
    return f"Hello {name}{padding}"
