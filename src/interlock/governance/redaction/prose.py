"""Finding by the words around it: dates after "born", postal addresses, licences and passports."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from interlock.governance.redaction.findings import Found
from interlock.governance.redaction.structured import before

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
    r"(?:street|st|str|avenue|ave|av|road|rd|boulevard|blvd|lane|ln|drive|dr|court|ct|way|square|sq|terrace|place|pl|close|crescent|highway|hwy"
    r"|parkway|pkwy|circle|row|walk|mews|hill|gardens|grove|quay|streets|alley|plaza)"
)
# Between the parts of an address: commas, and lines, which mail quotes with a mark before each.
_GAP: Final = r"[,\s>?|]{1,8}"
_UNIT_OF: Final = (
    rf"\.?{_GAP}(?:apt|apartment|suite|ste|unit|flat|floor|room)\b\.? ?#?(?:\d\w{{0,5}}|[a-z]\d{{0,4}}(?!\w))"
)
_WORD: Final = r"[^\W\d_][\w'’.-]{0,30}"
_CAPITAL: Final = r"(?-i:(?![a-zà-öø-ÿα-ωа-я])[^\W\d_][\w'’.∆()-]{0,30})"
_CODE: Final = r"(?:[A-Z]{1,2}-?)?\d{2,3}[- ]?\d{2,3}(?:-\d{4})?(?!\w)"
# Up to eight words and then a postal code, the way an address goes on after its street.
_TOWN: Final = rf"(?:(?:{_GAP}[\w.'’()/∆-]{{1,30}}){{0,7}}?{_GAP}{_CODE})?"
# Without one: a town, and perhaps a country, each between commas or on a line of its own.
_PARTS: Final = (
    rf"(?:[,\s>?|]{{0,3}}[,\n][,\s>?|]{{0,5}}{_CAPITAL}(?: {_CAPITAL}){{0,2}}(?=\s{{0,3}}(?:[,.;?!\n]|\Z))){{0,3}}"
)
# After a unit come words with capitals and perhaps a code, whatever stands between.
_TAIL: Final = rf"(?:{_UNIT_OF}(?:{_GAP}\(?{_CAPITAL}){{1,6}}(?:{_GAP}{_CODE})?|{_UNIT_OF}{_TOWN}|{_TOWN}{_PARTS})"
_RUE: Final = r"(?:rue|via|calle|c/|avenida|avenue|boulevard|chemin|impasse|allée|cours|av\.?|rua|praça|piazza|viale|ul\.|ulica|plaza|carrer|route)"
_OF: Final = r"(?:(?:de|du|des|della|del|di|la|le|les|los|las|da|do|dos|e|y) ){0,2}"
_ADDRESSES: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), score)
    for pattern, score in (
        (rf"(?<![\w.])(?:\d{{1,6}}[a-z]? ){{1,2}}(?:{_WORD} ){{1,4}}?{_STREET_WORD}\b\.?(?: (?-i:[A-Z])[^\W\d_]{{1,20}}){{0,2}}{_TAIL}", 0.75),
        (
            rf"(?<!\w)(?:\d{{1,6}} ){{0,2}}(?:{_WORD} ){{0,2}}?[^\W\d_]{{0,30}}?"
            r"(?:straße|strasse|str\.|gasse|weg|platz|allee|vej|vegen|gade|gatan|gata|vägen|stígur|stræti|laan|straat|stræde|plein|brücke|stieg|ufer"
            rf"|gracht|katu|kuja|tie|utca|veien|vænget|u\.|út|rkp\.|tér)\s{{1,2}}\d{{1,5}}[a-z]?(?!\w){_TAIL}",
            0.75,
        ),
        (rf"(?<!\w)(?:\d{{1,6}} ){{0,2}}{_RUE}(?:(?<=[./]) ?| ){_OF}(?:{_WORD}[ ,]{{1,2}}){{1,4}}?\d{{1,5}}(?!\w){_TAIL}", 0.7),
        (rf"(?<![\w.])(?:\d{{1,6}} ){{1,2}}{_RUE} {_OF}{_CAPITAL}(?:[ -](?:(?:de|du|des|la|le) ){{0,2}}{_CAPITAL}){{0,3}}{_TAIL}", 0.7),
        (rf"(?<![\w.])(?:\d{{1,6}} ){{1,2}}rue {_OF}(?:{_WORD} ?){{1,3}}", 0.6),
        # The name of a street and a house number, where a flat follows: no word for street is needed.
        (
            rf"(?<![\w.])(?:(?:\d{{1,6}} ){{1,2}}(?:{_WORD} ){{0,4}}?(?:\d{{1,5}}[a-z]?|{_WORD})|{_CAPITAL}(?: {_CAPITAL}){{0,3}} \d{{1,5}}[a-z]?)"
            rf"{_UNIT_OF}(?:{_GAP}\(?{_CAPITAL}){{0,6}}(?:{_GAP}{_CODE})?", 0.55,
        ),
        (rf"(?<![\w.])(?:\d{{1,6}} ){{1,2}}(?:{_WORD} ){{1,4}}?\d{{1,5}}[a-z]?(?!\w){_TAIL}", 0.45),
        (rf"(?<!\w)(?:the )?corner of (?:{_WORD} |\d{{1,5}} ){{1,6}}?(?:and|&) {_CAPITAL}(?: {_CAPITAL}){{0,2}}", 0.75),
        (rf"(?<!\w)(?:the )?corner of (?:{_WORD} ){{1,4}}?\d{{1,5}} and (?:{_WORD}(?: {_WORD})?)", 0.7),
        (
            r"(?<!\w)(?:live|lives|living|lived|located|moved|moving|resides?|residing|stays?|staying|office is|house is|home is"
            r"|station is) (?:in |at |on |to ){1,2}"
            rf"((?:\d{{1,6}} )?{_CAPITAL}(?: {_CAPITAL}){{0,3}} \d{{1,5}}[a-z]?(?!\w){_PARTS})", 0.65,
        ),
        (r"(?<!\w)(?:psc|unit|cmr) \d{1,5},? box \d{1,6}(?:[,\s]{1,4}[AFD]PO [A-Z]{2} \d{5})?(?!\w)", 0.9),
        (r"(?<!\w)(?:(?:uss|usns|uscgc|hms) \w{2,30}[,\s>?|]{1,6})?[AFD]PO [A-Z]{2} \d{5}(?!\w)", 0.9),
        (rf"(?<!\w)(?:\d{{1,6}} )?p\.? ?o\.? ?box \d{{1,6}}(?!\w)"
         rf"(?:(?: {_CAPITAL}){{0,3}}{_UNIT_OF}(?:{_GAP}{_CAPITAL}){{0,6}}(?:{_GAP}{_CODE})?)?", 0.9),
        (r"(?<!\w)(?:apt|apartment|suite|ste)\b\.? ?#?\d{1,6}(?!\w)", 0.7),
        (r"(?<!\w)(?-i:[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2})(?!\w)", 0.7),
        (r"(?<!\w)(?-i:[A-Z][a-z]{2,20},? [A-Z]{2} \d{5}(?:-\d{4})?)(?!\w)", 0.6),
    )
)  # fmt: skip
_PLACED: Final = re.compile(
    r"(?:address\S{0,3}|are:|user:|(?<!\w)(?:at|on|to|is|with|from|are|in|and))\s{1,3}\Z|\n[>?|\s]{0,6}\Z",
    re.IGNORECASE,
)
# Numbers with words of reckoning, hours or dates between them are no house and no flat.
_RECKONED: Final = re.compile(
    r"\d (?:to|times|plus|minus|x|by|of|and|or|am|pm|percent|divided|multiplied|over|than|more|less|for|in|days?|hours?|minutes?|weeks?|months?"
    r"|years?|st|nd|rd|th)\b|\b(?:after|before|between|from|until|times|in|within) \d",
    re.IGNORECASE,
)
_DAY: Final = re.compile(
    r"\d{1,2} (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[^\W\d_]{0,6}\.? \d{4}\Z", re.IGNORECASE
)
_ZIP: Final = re.compile(
    r"(?:zip|post ?code|postal code|plz)(?: code)?(?: is|:)? {0,3}(\w{2,5}[- ]?\w{0,4})(?!\w)", re.IGNORECASE
)


def find(text: str) -> Iterator[Found]:
    """Find what is introduced by words. Finds may overlap."""
    for kind, pattern, score in (
        ("DATE_OF_BIRTH", _BORN, 0.9),
        ("DRIVER_LICENSE", _LICENCE, 0.85),
        ("PASSPORT", _PASSPORT, 0.85),
        ("ADDRESS", _ZIP, 0.7),
    ):
        for match in pattern.finditer(text):
            if any(c.isdigit() for c in match[1]):
                yield Found(kind, match.start(1), match.end(1), score)
    small = text.islower()
    for pattern, score in _ADDRESSES:
        for match in pattern.finditer(text):
            group = 1 if pattern.groups else 0
            weak = score < 0.5
            if weak and not (
                _PLACED.search(before(text, match.start())) and (small or any(c.isupper() for c in match[0]))
            ):
                continue
            if score < 0.6 and (_DAY.match(match[0]) or _RECKONED.search(match[0])):
                continue
            yield Found("ADDRESS", match.start(group), match.start(group) + len(match[group].rstrip(" .,;")), score)
