"""The vendor's own code."""

from __future__ import annotations

import hashlib

from interlock import NonRetryable, current_step, step


@step(secrets=["signing-key"])
async def sign(text: str, how: str) -> str:
    """Sign a text, or, as told by a test, do what a step should not."""
    key = current_step().secrets["signing-key"]
    if how == "return it":
        return f"the key is {key}"
    if how == "fail with it":
        raise NonRetryable(f"cannot sign with {key}")
    return hashlib.sha256(f"{key} {text}".encode()).hexdigest()
