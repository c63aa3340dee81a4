"""Where a receipt comes from and in which currency it is: only by what is printed on it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from receipt_amounts import Amount, amounts
from receipt_layout import Box, Row

_MARKS = {
    "RM": "MYR",
    "MYR": "MYR",
    "USD": "USD",
    "US$": "USD",
    "S$": "SGD",
    "SGD": "SGD",
    "€": "EUR",
    "EUR": "EUR",
    "£": "GBP",
    "GBP": "GBP",
    "AUD": "AUD",
    "A$": "AUD",
    "C$": "CAD",
    "CAD": "CAD",
    "CHF": "CHF",
    "JPY": "JPY",
    "¥": "JPY",
    "￥": "JPY",
    "NZD": "NZD",
}
_MARK_WORD = re.compile(
    r"(?<![A-Za-z])(RM|MYR|USD|US\$|S\$|SGD|EUR|GBP|AUD|A\$|C\$|CAD|CHF|JPY|NZD)(?![A-Za-z])|([€£¥￥])|(?<![A-Za-z])(RM)(?=\d)"
)

# Words that stand for one country; each is a firm's legal form, a place, an authority or a tax. Two of them are evidence.
_COUNTRIES: tuple[tuple[str, str, bool, re.Pattern[str]], ...] = (
    (
        "MY",
        "MYR",
        True,
        re.compile(
            r"\bsdn\b|\bbhd\b|sdn\.? ?bhd|malaysia|selangor|johor|kuala ?lumpur|putrajaya|melaka|"
            r"penang|pulau pinang|perak\b|kedah|pahang|sabah|sarawak|terengganu|kelantan|\bjalan\b|"
            r"\bjln\b|\btaman\b|\bkampung\b|petaling|\bbandar\b|shah alam|tarikh|tunai|jumlah"
        ),
    ),
    ("SG", "SGD", True, re.compile(r"singapore|pte\.? ?ltd|\bs\d{6}\b|orchard|uen\b")),
    (
        "GB",
        "GBP",
        True,
        re.compile(
            r"united kingdom|\bengland\b|\bscotland\b|\bwales\b|\blondon\b|\bvat (reg|no|number)|"
            r"\b[a-z]{1,2}\d{1,2}[a-z]? ?\d[a-z]{2}\b"
        ),
    ),
    (
        "US",
        "USD",
        False,
        re.compile(
            r"sales tax|\busa\b|united states|\b(al|az|ca|co|fl|ga|il|ma|md|mi|mn|nc|nj|nv|ny|oh|or|pa|"
            r"tn|tx|va|wa)\.?,? \d{5}(-\d{4})?\b|\bllc\b|\bzip\b|gratuity"
        ),
    ),
    (
        "DE",
        "EUR",
        True,
        re.compile(r"\bgmbh\b|\bmwst\b|deutschland|ust-?id|stra(ss|ß)e\b|rechnung|summe|germany|steuer"),
    ),
    ("FR", "EUR", True, re.compile(r"\btva\b|\bsarl\b|\bttc\b|france|siret|\brue\b")),
    ("AU", "AUD", True, re.compile(r"\babn\b|australia|pty\.? ?ltd")),
    ("CA", "CAD", False, re.compile(r"\bhst\b|\bqst\b|canada|ontario|toronto")),
    ("IT", "EUR", True, re.compile(r"\bs\.?r\.?l\b|partita iva|\bvia\b|\bitalia\b|scontrino|\bcontante?i?\b|totale\b")),
    ("ES", "EUR", True, re.compile(r"\bs\.l\b|\bnif\b|espa(n|ñ)a|\bcalle\b|\befectivo\b|\bfecha\b|\bfactura\b")),
    ("NZ", "NZD", True, re.compile(r"new zealand|auckland|wellington|\bnzbn\b")),
    ("JP", "JPY", False, re.compile(r"\bjapan\b|\btokyo\b|\bosaka\b|consumption tax|\bk\.k\.")),
)
_DOLLAR_COUNTRIES = frozenset({"SG", "US", "AU", "CA", "MY", "NZ"})


@dataclass(frozen=True, kw_only=True)
class Currency:
    """The currency and the kind of evidence: "mark+country", "mark" or "country"."""

    code: str
    evidence: str
    page: int
    box: Box


def country(rows: Sequence[Row]) -> tuple[str, bool] | None:
    """Name the country (ISO 3166) with the most evidence, and whether it writes the day first; None without or in a tie."""
    counts = _country_counts(rows)
    if not counts:
        return None
    ranked = counts.most_common(2)
    if len(ranked) == 2 and ranked[0][1] == ranked[1][1]:
        return None
    code = ranked[0][0]
    return code, next(day_first for name, _, day_first, _ in _COUNTRIES if name == code)


def currency(rows: Sequence[Row]) -> Currency | None:
    """Read the currency from printed marks, else from the country; None where nothing tells it, or marks contradict each other."""
    places = country(rows)
    place_currency = next((money for name, money, _, _ in _COUNTRIES if places and name == places[0]), None)
    marks, where, dollar = _marks(rows)
    if marks:
        (best, count), *others = marks.most_common(2)
        if others and others[0][1] == count and place_currency not in (best, others[0][0]):
            return None
        if others and others[0][1] == count and place_currency == others[0][0]:
            best = others[0][0]
        page, box = where[best]
        return Currency(code=best, evidence="mark+country" if best == place_currency else "mark", page=page, box=box)
    if place_currency is None or places is None:
        return None
    if dollar and places[0] not in _DOLLAR_COUNTRIES:
        return None
    page, box = dollar or _first_place(rows, places[0])
    return Currency(code=place_currency, evidence="country", page=page, box=box)


def own_amounts(rows: Sequence[Row]) -> list[Amount]:
    """The amounts of a receipt without those that name another currency than its own: a total in the customer's, a rate."""
    found, money = amounts(rows), currency(rows)
    if money is None:
        return found
    return [
        a
        for a in found
        if not {_MARKS[m.group().upper()] for m in _MARK_WORD.finditer(f"{a.label} {a.mark}")} - {money.code}
    ]


def _marks(rows: Sequence[Row]) -> tuple[Counter[str], dict[str, tuple[int, Box]], tuple[int, Box] | None]:
    marks: Counter[str] = Counter()
    where: dict[str, tuple[int, Box]] = {}
    dollar: tuple[int, Box] | None = None
    for row in rows:
        for piece in row.pieces:
            for match in _MARK_WORD.finditer(piece.text):
                code = _MARKS[match.group().upper()]
                marks[code] += 1
                where.setdefault(code, (row.page, piece.box))
    for amount in amounts(rows):
        if amount.mark == "$":
            dollar = dollar or (amount.page, amount.piece.box)
    return marks, where, dollar


def _country_counts(rows: Sequence[Row]) -> Counter[str]:
    text = " \n ".join(row.text.lower() for row in rows)
    counts: Counter[str] = Counter()
    for name, _, _, pattern in _COUNTRIES:
        words = {match.group() for match in pattern.finditer(text)}
        if words:
            counts[name] = len(words)
    return counts


def _first_place(rows: Sequence[Row], name: str) -> tuple[int, Box]:
    pattern = next(pattern for code, _, _, pattern in _COUNTRIES if code == name)
    for row in rows:
        for piece in row.pieces:
            if pattern.search(piece.text.lower()):
                return row.page, piece.box
    return rows[0].page, rows[0].pieces[0].box
