"""Dates on a receipt, and the order of day and month by evidence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from receipt_layout import Piece, Row

YEAR_MIN, YEAR_MAX = 2000, 2049

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january januari januar janvier jän",
            "feb february februari februar fevrier fev",
            "mar march mac mär märz mars mrz",
            "apr april avril avr",
            "may mei mai",
            "jun june juni juin",
            "jul july julai juli juillet",
            "aug august ogos ogo out août aout",
            "sep sept september",
            "oct october okt oktober octobre",
            "nov november novembre",
            "dec december dis disember dez dezember decembre",
        ),
        start=1,
    )
    for name in names.split()
}
_NUMBER = r"[0-9OolI|]"
_FIRST, _SECOND = r"\s?(?P<s>[/.\-–])\s?", r"\s?(?P=s)\s?"  # the same sign twice: "#19- 02/03/2018" is not the 19th
_CUT_YEAR = rf"2[0Oo]\s{_NUMBER}{{2}}(?!\d|\s?[:.]\s?\d)"  # 20 17, but not 20 17:30
_YEAR = (
    rf"(?P<y>2[0Oo]{_NUMBER}{{2}}|{_CUT_YEAR}|{_NUMBER}{{2}})"
    rf"(?=$|{_NUMBER}{{1,2}}\s?:\s?\d|[^0-9:/]|:\D)(?![.\-]\d(?!\d?\s?[.:]\d{{2}}))"
)
_TWO = rf"{_NUMBER}{{1,2}}"
_PATTERNS = (
    re.compile(rf"(?<![0-9])(?P<y>20[0-9]{{2}}){_FIRST}(?P<m>{_TWO}){_SECOND}(?P<d>{_TWO})(?![0-9](?!\d?\s?:))"),
    re.compile(rf"(?<![0-9.,])(?P<a>{_TWO}){_FIRST}(?P<b>{_TWO}){_SECOND}{_YEAR}"),
    # Signs that differ are misread ones; only where the year is beyond doubt.
    re.compile(rf"(?<![0-9.,])(?P<a>{_TWO})[/.\-~](?P<b>{_TWO})[/.\-~](?P<y>20[0-4][0-9])(?![0-9])"),
    re.compile(
        rf"(?<![0-9])(?P<d>{_TWO})(?:st|nd|rd|th)?[\s.\-/,']{{0,3}}(?P<name>[A-Za-zäû0]{{3,9}})[\s.\-/,']{{0,3}}{_YEAR}"
    ),
    re.compile(
        rf"(?<![A-Za-z])(?P<name>[A-Za-z]{{3,9}})[\s.\-/]{{0,2}}(?P<d>{_TWO})(?:st|nd|rd|th)?[\s.,\-/]{{1,3}}{_YEAR}"
    ),
    re.compile(r"(?<![0-9])(?P<d>[0-3][0-9])(?P<m>[01][0-9])(?P<y>20[0-4][0-9])(?![0-9])"),
    re.compile(r"(?<![0-9])(?P<y>20[0-4][0-9])(?P<m>[01][0-9])(?P<d>[0-3][0-9])(?![0-9])"),
)
_COMPACT = _PATTERNS[5:]
_TIME = re.compile(r"(?<!\d)[0-2]?\d\s?:\s?[0-5]\d")
_CALLED_DATE = re.compile(r"date|tarikh|datum|fecha|data\b|dato\b", re.IGNORECASE)
_OTHER_DATE = re.compile(
    r"expir|valid|until|before|due|effective|since|member|birth|dob|delivery|from|w\.?e\.?f|version|until|exchange|return|refund",
    re.IGNORECASE,
)
_GLUED = re.compile(r"(?<![A-Za-z])(?!\w*(?:date|tarikh|datum|fecha|data|dato|at|on)$)[A-Za-z]{1,4}$", re.IGNORECASE)
_DIGITS = str.maketrans("OolI|", "00111")


@dataclass(frozen=True, kw_only=True)
class DateFound:
    """A date where it is printed.

    Attributes:
        value: read with the day first where both orders are possible, until `in_order` decides.
        swapped: the date with day and month exchanged, where that is a date too and another one.
        glued: letters stand directly before it, and do not say that a date follows: it may be an article's number.
        shape: "name" (month as a word), "iso", "numeric" or "compact" (digits only).
    """

    value: date
    swapped: date | None
    shape: str
    long_year: bool
    called: bool
    other: bool
    with_time: bool
    glued: bool
    row: int
    y: float
    piece: Piece
    page: int


def dates(rows: Sequence[Row]) -> list[DateFound]:
    """List all dates, in reading order; what cannot be a date of 2000 to 2049 is left out."""
    found: list[DateFound] = []
    for index, row in enumerate(rows):
        above = rows[index - 1].text if index and not any(ch.isdigit() for ch in rows[index - 1].text) else ""
        seen: list[tuple[str, Piece]] = [(piece.text, piece) for piece in row.pieces]
        before = len(found)
        for text, piece in seen:
            found += _in_text(text, piece, row, index, above)
        if len(found) == before and len(row.pieces) > 1:  # a date that the detector cut in two
            found += _in_text(" ".join(text for text, _ in seen), row.pieces[0], row, index, above)
    return found


def _in_text(text: str, piece: Piece, row: Row, index: int, above: str) -> list[DateFound]:
    result, taken = [], [False] * len(text)
    for pattern in _PATTERNS:
        at = 0
        while match := pattern.search(text, at):
            values = _values(match)
            if values is None or any(taken[match.start() : match.end()]):
                at = match.start() + 1  # a date may begin inside what looked like one
                continue
            at = match.end()
            taken[match.start() : match.end()] = [True] * (match.end() - match.start())
            shape = (
                "compact"
                if pattern in _COMPACT
                else "name"
                if "name" in pattern.groupindex
                else "numeric"
                if "a" in pattern.groupindex
                else "iso"
            )
            result.append(
                DateFound(
                    value=values[0],
                    swapped=values[1],
                    shape=shape,
                    long_year=len(match["y"]) >= 4,
                    called=bool(_CALLED_DATE.search(row.text) or _CALLED_DATE.search(above)),
                    other=bool(_OTHER_DATE.search(row.text)),
                    with_time=bool(_TIME.search(row.text.replace(match.group(), " "))),
                    glued=bool(_GLUED.search(text[: match.start()])),
                    row=index,
                    y=row.y,
                    piece=piece,
                    page=row.page,
                )
            )
    return result


def _values(match: re.Match[str]) -> tuple[date, date | None] | None:
    """Turn a match into the date and its other reading."""
    groups = match.groupdict()
    try:
        year = int(groups["y"].replace(" ", "").translate(_DIGITS))
        year += 2000 if year < 100 else 0
        if not YEAR_MIN <= year <= YEAR_MAX:
            return None
        if groups.get("name"):
            month = _MONTHS.get(groups["name"].lower().replace("0", "o"))
            return (date(year, month, int(groups["d"].translate(_DIGITS))), None) if month else None
        if groups.get("a"):
            first, second = int(groups["a"].translate(_DIGITS)), int(groups["b"].translate(_DIGITS))
            day_first, month_first = _date(year, second, first), _date(year, first, second)
            if day_first is None:
                return (month_first, None) if month_first else None
            return day_first, month_first if month_first != day_first else None
        return date(year, int(groups["m"].translate(_DIGITS)), int(groups["d"].translate(_DIGITS))), None
    except ValueError:
        return None


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def day_first(found: Sequence[DateFound], country_day_first: bool | None) -> bool | None:
    """Decide the order of day and month.

    Evidence, best first: another date of the same receipt that has only one reading and is one of the readings of this one, the
    order of its unambiguous numeric dates, the country. None when there is no evidence.
    """
    clear = {item.value for item in found if item.swapped is None}
    for item in found:
        if item.swapped is not None:
            if item.value in clear:
                return True
            if item.swapped in clear:
                return False
    return country_day_first


def in_order(item: DateFound, order: bool | None) -> date:
    """The date under the decided order; day first where nothing is known, which is how most of the world writes."""
    return item.swapped if order is False and item.swapped is not None else item.value


@dataclass(frozen=True, kw_only=True)
class DateCandidate:
    """One date that may be that of the purchase. `order_known` is False where day and month could be either way round."""

    value: date
    order_known: bool
    best: DateFound
    features: dict[str, float]


def date_candidates(rows: Sequence[Row], country_day_first: bool | None) -> list[DateCandidate]:
    """List the dates, each once, with features for ranking."""
    found = dates(rows)
    order = day_first(found, country_day_first)
    by_value: dict[date, list[DateFound]] = {}
    for item in found:
        by_value.setdefault(in_order(item, order), []).append(item)
    result = []
    for position, (value, places) in enumerate(by_value.items()):
        best = max(places, key=lambda place: (place.called, place.with_time, place.piece.score))
        features = {
            f"shape_{best.shape}": 1.0,
            "long_year": float(any(place.long_year for place in places)),
            "called": float(any(place.called for place in places)),
            "other": float(all(place.other for place in places)),
            "with_time": float(any(place.with_time for place in places)),
            "glued": float(all(place.glued for place in places)),
            "first": float(position == 0),
            "y": min(place.y for place in places),
            "printed_again": float(min(len(places), 3) - 1),
            "score": 1.0 - best.piece.score,
        }
        result.append(
            DateCandidate(
                value=value,
                order_known=best.swapped is None or order is not None,
                best=best,
                features={name: v for name, v in features.items() if v},
            )
        )
    return result
