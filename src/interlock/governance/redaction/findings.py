"""What was found in a text: which kind of personal data, and where. Types and their order of precedence."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from interlock.domain.errors import InterlockError

# Kinds that a checksum or a strict form tells apart: they are promised a recall, rules alone find them.
STRUCTURED: Final = (
    "CREDIT_CARD", "IBAN_CODE", "EMAIL_ADDRESS", "PHONE_NUMBER", "US_SSN", "UK_NINO", "UK_NHS", "NATIONAL_ID", "IP_ADDRESS",
    "MAC_ADDRESS", "URL", "SECRET",
)  # fmt: skip
# Kinds that rules find only where the words around them say so. The extra's model finds more of the first two.
PROSE: Final = ("PERSON", "ADDRESS", "DATE_OF_BIRTH", "DRIVER_LICENSE", "PASSPORT")
# Kinds that only the extra's model finds.
TRAINED: Final = ("LOCATION",)
TYPES: Final = (*STRUCTURED, *PROSE, *TRAINED)
# What is never to come back, so no pseudonym is kept of it.
IRREVERSIBLE: Final = frozenset({"SECRET"})


class RedactionFailed(InterlockError):
    """Personal data could not be removed, so nothing leaves. No deny: the boundary tries it again some times, then the effect fails."""

    code, title, status, retryable = "redaction.failed", "Personal data could not be removed", 500, True


@dataclass(frozen=True, slots=True)
class Found:
    """One find: characters `start` up to `end`. `score` (0 to 1) says which of two that overlap names the place."""

    type: str
    start: int
    end: int
    score: float


def disjoint(found: Iterable[Found], text: str) -> list[Found]:
    """Give finds that do not overlap or touch, in order of place. Every letter and digit that any of them covered stays covered.

    Where two overlap, the surer one keeps its place whole, and the other what is left of it. Part of a word becomes the whole word, so
    that a pseudonym in its place stands apart from what is beside it.
    """
    ranked = sorted(found, key=lambda f: (f.score, f.end - f.start, -f.start))
    owner = array("i", [-1]) * (len(text) + 1)  # of each character, the surest find: linear however many overlap
    for number, one in enumerate(ranked):
        owner[one.start : one.end] = array("i", [number]) * (one.end - one.start)
    places = sorted({place for one in ranked for place in (one.start, one.end)})
    pieces: list[Found] = []
    for start, end in pairwise(places):
        if owner[start] < 0:
            continue
        one = ranked[owner[start]]
        last = pieces[-1] if pieces else None
        if last is not None and last.end == start and owner[start - 1] == owner[start]:
            pieces[-1] = Found(one.type, last.start, end, one.score)
        else:
            pieces.append(Found(one.type, start, end, one.score))
    apart: list[Found] = []
    for one in (_whole_words(piece, text) for piece in pieces):
        last = apart[-1] if apart else None
        if last is None or one.start > last.end:
            apart += [one] if any(c.isalnum() for c in text[one.start : one.end]) else []
        else:
            surer = max(last, one, key=lambda f: f.score)
            apart[-1] = Found(surer.type, last.start, max(last.end, one.end), surer.score)
    return apart


def _whole_words(one: Found, text: str) -> Found:
    start, end = one.start, one.end
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    while 0 < start < end and _joins(text[start - 1]) and _joins(text[start]):
        start -= 1
    while start < end < len(text) and _joins(text[end - 1]) and _joins(text[end]):
        end += 1
    return Found(one.type, start, end, one.score)


def _joins(char: str) -> bool:
    """Letters and digits of ASCII only: scripts without spaces have no words to complete."""
    return char.isascii() and char.isalnum()
