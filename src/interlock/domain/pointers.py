"""JSON pointers (RFC 6901): where a value stands in a document."""

from __future__ import annotations


def step(key: str | int) -> str:
    """Give one step of a pointer, `/key`, with its two characters escaped."""
    return "/" + str(key).replace("~", "~0").replace("/", "~1")


def parts(pointer: str) -> list[str]:
    """Give the keys that a pointer walks through, unescaped; the empty pointer has none."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
