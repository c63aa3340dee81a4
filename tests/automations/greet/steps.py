"""The greeting's own code."""

from __future__ import annotations

import logging

from interlock import NonRetryable, step

log = logging.getLogger(__name__)


@step
async def compose(name: str, fail: bool, padding: str, says: str = "") -> str:
    """Write the greeting."""
    if says:
        log.info("composing for %s", name)
        print(says)
    if fail:
        raise NonRetryable(f"this greeting of {name} was told to fail")
    return f"Hello {name}{padding}"
