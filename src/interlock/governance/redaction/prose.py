"""Finding by the words around it: names after a title, dates after "born", postal addresses, licences and passports.

Rules find what is introduced. A name in the middle of a sentence needs the model of the extra `pii`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from interlock.governance.redaction.findings import Found
from interlock.governance.redaction.structured import before

_NAME: Final = r"[^\W\d_][\w'’.-]{0,40}"
_NAMES: Final = rf"({_NAME}(?: {_NAME}){{0,3}})"
_TITLED: Final = re.compile(
    rf"(?<!\w)(?:mr|mrs|ms|miss|mx|dr|prof|herr|frau|sir|madam|mme|sig|sr|sra)\b\.? {{1,2}}{_NAMES}", re.IGNORECASE
)
_INTRODUCED: Final = re.compile(
    r"(?<!\w)(?:my (?:full |first |last |legal |sur)?name(?: is|:|'s)|name(?: is)?:|signed(?: by)?:?|dear|call me|kind regards,|best regards,"
    rf"|regards,|sincerely,|yours,|patient|claimant|employee|customer|attn:?|attention:?|i am called|mein name ist)\s{{1,3}}{_NAMES}",
    re.IGNORECASE,
)
_DATE: Final = (
    r"(?:\d{4}[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./]\d{2,4}"
    r"|\d{1,2}(?:st|nd|rd|th)?\.? (?:of )?[^\W\d_]{3,9}\.?,? \d{4}|[^\W\d_]{3,9}\.? \d{1,2}(?:st|nd|rd|th)?,? \d{4})"
)
_BORN: Final = re.compile(
    rf"(?<!\w)(?:born|birth(?:day|date)?|date of birth|\bdob\b|d\.o\.b|geboren|geburtsdatum|né|née|nacimiento|nascita)"
    rf"[^\d\n]{{0,40}}?({_DATE})(?!\d)",
    re.IGNORECASE,
)
_LICENCE: Final = re.compile(
    r"driv(?:er|ing|ers|er's)[' ]{0,2}s? licen[cs]e[^\d\n]{0,30}?(?<!\w)((?=[\w-]{0,15}\d)[A-Z0-9][\w-]{4,18})(?!\w)",
    re.IGNORECASE,
)
_PASSPORT: Final = re.compile(r"passport[^\d\n]{0,24}?(?<!\w)((?=\w{0,3}\d)[A-Z0-9]{6,10})(?!\w)", re.IGNORECASE)

_STREET_WORD: Final = (
    r"(?:street|st|avenue|ave|av|road|rd|boulevard|blvd|lane|ln|drive|dr|court|ct|way|square|sq|terrace|place|pl|close|crescent|highway|hwy"
    r"|parkway|pkwy|circle|row|walk|mews|hill|gardens|grove|quay|streets|alley|plaza)"
)
_UNIT: Final = r"(?:[,\s]{1,4}(?:apt|apartment|suite|ste|unit|flat|floor|room)\b\.? ?#?\w{1,6})?"
_WORD: Final = r"[^\W\d_][\w'’.-]{0,30}"
# Up to eight words and then a postal code, the way an address goes on after its street.
_TOWN: Final = (
    r"(?:(?:[,\s]{1,4}[\w.'’()/∆-]{1,30}){0,7}?[,\s]{1,4}(?:[A-Z]{1,2}-?)?\d{2,3}[- ]?\d{2,3}(?:-\d{4})?(?!\w))?"
)
_ADDRESSES: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), score)
    for pattern, score in (
        (rf"(?<![\w.])(?:\d{{1,6}}[a-z]? ){{1,2}}(?:{_WORD} ){{1,4}}?{_STREET_WORD}\b\.?{_UNIT}{_TOWN}", 0.75),
        (
            rf"(?<!\w)(?:\d{{1,6}} ){{0,2}}(?:{_WORD} ){{0,2}}?[^\W\d_]{{0,30}}?"
            r"(?:straße|strasse|str\.|gasse|weg|platz|allee|vej|gade|gatan|gata|vägen|stígur|laan|straat"
            rf"|gracht|katu|utca|veien|vænget|u\.|út|rkp\.)\s{{1,2}}\d{{1,5}}[a-z]?(?!\w){_UNIT}{_TOWN}",
            0.75,
        ),
        (rf"(?<!\w)(?:rue|via|calle|avenida|av\.|rua|praça|piazza|viale|ul\.|ulica|plaza|carrer)"
            rf"(?: {_WORD}){{1,4}}[, ]{{1,2}}\d{{1,5}}(?!\w){_TOWN}", 0.7),
        (rf"(?<![\w.])\d{{1,6}} (?:\d{{1,5}} )?(?:{_WORD} ){{1,4}}?\d{{1,5}}[a-z]?(?!\w){_UNIT}{_TOWN}", 0.45),
        (r"(?<!\w)(?:psc|unit|cmr) \d{1,5},? box \d{1,6}(?:[,\s]{1,4}[AFD]PO [A-Z]{2} \d{5})?(?!\w)", 0.9),
        (r"(?<!\w)(?:[AFD]PO [A-Z]{2} \d{5}|p\.? ?o\.? ?box \d{1,6})(?!\w)", 0.9),
        (r"(?<!\w)(?:apt|apartment|suite|ste)\b\.? ?#?\d{1,6}(?!\w)", 0.7),
        (r"(?<!\w)(?-i:[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2})(?!\w)", 0.7),
        (r"(?<!\w)(?-i:[A-Z][a-z]{2,20},? [A-Z]{2} \d{5}(?:-\d{4})?)(?!\w)", 0.6),
    )
)  # fmt: skip
_PLACED: Final = re.compile(
    r"(?:address\S{0,3}|(?<!\w)(?:at|on|of|to|is|with|from|are|in|and))\s{1,3}\Z|\n\s{0,4}\Z", re.IGNORECASE
)
_DAY: Final = re.compile(
    r"\d{1,2} (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[^\W\d_]{0,6}\.? \d{4}\Z", re.IGNORECASE
)
_ZIP: Final = re.compile(
    r"(?:zip|post ?code|postal code|plz)(?: code)?(?: is|:)? {0,3}(\w{2,5}[- ]?\w{0,4})(?!\w)", re.IGNORECASE
)
_LOWER_OK: Final = frozenset(
    {"de", "da", "di", "van", "von", "der", "den", "la", "le", "el", "bin", "al", "du", "dos", "del", "ter"}
)


def find(text: str) -> Iterator[Found]:
    """Find what is introduced by words. Finds may overlap."""
    for pattern, score in ((_TITLED, 0.7), (_INTRODUCED, 0.6)):
        for match in pattern.finditer(text):
            if (end := _name_end(text, match.start(1), match.end(1))) > match.start(1):
                yield Found("PERSON", match.start(1), end, score)
    for kind, pattern, score in (
        ("DATE_OF_BIRTH", _BORN, 0.9),
        ("DRIVER_LICENSE", _LICENCE, 0.85),
        ("PASSPORT", _PASSPORT, 0.85),
        ("ADDRESS", _ZIP, 0.7),
    ):
        for match in pattern.finditer(text):
            if any(c.isdigit() for c in match[1]):
                yield Found(kind, match.start(1), match.end(1), score)
    for pattern, score in _ADDRESSES:
        for match in pattern.finditer(text):
            if score > 0.5 or (_PLACED.search(before(text, match.start())) and not _DAY.match(match[0])):
                yield Found("ADDRESS", match.start(), match.end(), score)


def _name_end(text: str, start: int, end: int) -> int:
    """Give where a name ends: after its last word with a capital, before the first that is plain prose."""
    last = start
    for word in re.finditer(r"\S+", text[start:end]):
        name = word[0].rstrip(".,;:!?")
        if not name:
            break
        if name[0].isupper():
            possessive = name.endswith(("'s", "’s"))
            last = start + word.start() + len(name) - (2 if possessive else 0)
            if possessive or (name != word[0] and len(name) > 1):
                break
        elif name.lower() not in _LOWER_OK:
            break
    return last
