"""JSON pointers (RFC 6901): where a value stands in a document."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pydantic import ValidationError

TOLD_MAX: Final = 10


def step(key: str | int) -> str:
    """Give one step of a pointer, `/key`, with its two characters escaped."""
    return "/" + str(key).replace("~", "~0").replace("/", "~1")


def of(keys: Iterable[str | int]) -> str:
    """Give the pointer that walks through some keys."""
    return "".join(map(step, keys))


def parts(pointer: str) -> list[str]:
    """Give the keys that a pointer walks through, unescaped; the empty pointer has none."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def wrong(error: ValidationError) -> str:
    """Give in one line which fields are wrong and why; none of their values, which may be personal, and are many."""
    found = [(of(one["loc"]), one["msg"]) for one in error.errors(include_url=False, include_input=False)]
    told = "; ".join(f"{at or 'the whole'}: {why}" for at, why in found[:TOLD_MAX])
    return f"{told}; and {len(found) - TOLD_MAX} more" if len(found) > TOLD_MAX else told
