"""A text as rules read it: what only looks like ASCII is ASCII, and what nobody sees is gone; and where each character stood.

Documents and web pages write numbers with no-break spaces, long dashes, full-width digits and marks of no width. A rule that knew all of
them in each of its patterns would miss one.
"""

from __future__ import annotations

import unicodedata
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import replace

from interlock.governance.redaction.findings import Found


def plain(text: str) -> tuple[str, array[int] | None]:
    """Give the plain text, and the place that each of its characters had; None where it is the text itself."""
    if text.isascii():
        return text, None
    shown: list[str] = []
    places = array("q")
    for place, char in enumerate(text):
        if seen := char if char.isascii() else _ascii(char):
            shown.append(seen)
            places.append(place)
    return "".join(shown), places


def back(found: Iterable[Found], places: array[int]) -> Iterator[Found]:
    """Give finds of a plain text as places of the text that it was made of."""
    for one in found:
        if one.start < one.end:
            yield replace(one, start=places[one.start], end=places[one.end - 1] + 1)


def _ascii(char: str) -> str:
    """Give the one character of ASCII that it stands for, nothing where nobody sees it, else itself."""
    category = unicodedata.category(char)
    if category == "Cf":
        return ""
    if category == "Zs":
        return " "
    if category == "Pd" or char == "\u2212":
        return "-"
    if category == "Nd":
        return str(unicodedata.decimal(char))
    form = unicodedata.normalize("NFKC", char)
    return form if len(form) == 1 and form.isascii() else char
