"""Candidates for the name of the merchant: the lines at the top that look like a firm's name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from receipt_layout import Piece, Row

ROWS_MAX = 14
JOINED_MAX = 3
GAP_MAX = 0.12  # of the width of the text

_LEGAL_FORM = re.compile(
    r"\bsdn\.?\s*bhd|\bs/b\b|\bbhd\b|\bpte\.?\s*ltd|\bltd\b|\blimited\b|\binc\b|\bllc\b|"
    r"\bgmbh\b|\bplc\b|\bcorp|\bs\.?a\.?r\.?l|\bb\.?v\b|\bpty\b|\be\.?k\b|\bog\b|\bs\.?p\.?a\b",
    re.IGNORECASE,
)
_TRADE = re.compile(
    r"enterprise|trading|restau?ran|restoran|store|mart\b|shop|cafe|café|hardware|station|"
    r"bakery|company|\bco\b|supermarket|hotel"
    r"|pharmacy|klinik|clinic|kedai|perniagaan|syarikat|marketing|bar\b|grill|kitchen|bistro|"
    r"market|book|taxi|parking|inn\b|services",
    re.IGNORECASE,
)
_ADDRESS = re.compile(
    r"\bjalan\b|\bjln\b|\blot\b|\bno\s?[.:,]|\btaman\b|\bstreet\b|\bst\.|\broad\b|\brd\b|"
    r"\bavenue\b|\bave\b|\blorong\b|\bblok\b|\bblock\b|\bfloor\b"
    r"|\btel\b|\bphone\b|\bfax\b|\bph\b|selangor|johor|kuala|malaysia|www|http|@|\bunit\b|"
    r"stra(ss|ß)e|\bbandar\b|\bkampung\b|\bg-\d|\blevel\b|\bbatu\b|\bsuite\b|\blane\b|"
    r"singapore \d",
    re.IGNORECASE,
)
_PAPER = re.compile(
    r"invoice|receipt|\bbill\b|goods|shopping|welcome|thank|cash sales?|\bdate\b|\btime\b|"
    r"cashier|table|\bgst\b|\btax\b|\breg\b|\bvat\b|copy|\bco\.?\s*reg|resit|order|counter|"
    r"licensee|formerly|operated|reprint|customer|total|item|qty|price|server|trading as"
    r"|\broc\b|\bid\s*:",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"\(?\b[A-Z]{0,2}\d{4,}[- ]?[A-Z]?\)?")
_UNFINISHED = re.compile(r"(&|\band|,|-)\s*$", re.IGNORECASE)
_REST = re.compile(
    r"^\W*(\(?[a-z]{1,3}\)?\s*)?(sdn\.?\s*bhd|s/b|bhd|ltd|inc\b|gmbh|co\.|enterprise\b|[\w.]+\)\s*sdn)", re.IGNORECASE
)
# Legal forms as a reader of print disfigures them.
_DISFIGURED = (
    (re.compile(r"\bS[DO0]N\.?\s?[BDEH38][HBI][DO0]\b", re.IGNORECASE), "SDN BHD"),
    (re.compile(r"(?<=\s)[S5][/7][B8D](?=\W*$)", re.IGNORECASE), "S/B"),
)
_OWNER = re.compile(
    r"^.{0,24}?\b(own(ed)?|operated|managed|dimiliki|pemilik|trading as)\s*(by|oleh)?\s*[:.]?\s+", re.IGNORECASE
)


@dataclass(frozen=True, kw_only=True)
class MerchantCandidate:
    """One line, or a few that follow each other, that may be the merchant's name."""

    name: str
    rows: tuple[Row, ...]
    features: dict[str, float]


def merchant_candidates(rows: Sequence[Row]) -> list[MerchantCandidate]:
    """List the first lines with letters of the first page, each with features for ranking."""
    first = [row for row in rows if row.page == rows[0].page] if rows else []
    lines = [row for row in first if sum(ch.isalpha() for ch in row.text) >= 3][:ROWS_MAX]
    tallest = max((row.height for row in lines), default=1.0)
    result = []
    seen_form = False
    for position in range(len(lines)):
        for length in range(1, JOINED_MAX + 1):
            block = lines[position : position + length]
            name = _cleaned(" ".join(piece.text for row in block for piece in _together(row)))
            if len(block) < length or sum(ch.isalnum() for ch in name) < 2:
                continue
            following = lines[position + length].text if position + length < len(lines) else ""
            features = _features(name, block, position, following, tallest, seen_form)
            result.append(MerchantCandidate(name=name, rows=tuple(block), features=features))
        seen_form = seen_form or bool(_LEGAL_FORM.search(lines[position].text))
    return result


def _features(
    name: str, block: Sequence[Row], position: int, following: str, tallest: float, seen_form: bool
) -> dict[str, float]:
    characters = [ch for ch in name if not ch.isspace()]
    first, last = block[0].text, block[-1].text
    form = bool(_LEGAL_FORM.search(name))
    heights = [row.height for row in block]
    features = {
        f"line_{min(position, 5)}": 1.0,
        "legal_form": float(form),
        "first_legal_form": float(form and not seen_form),
        "trade": float(bool(_TRADE.search(name))),
        "address": float(any(_ADDRESS.search(row.text) for row in block)),
        "paper": float(any(_PAPER.search(row.text) for row in block)),
        "digits": sum(ch.isdigit() for ch in characters) / len(characters),
        "letters": sum(ch.isalpha() for ch in characters) / len(characters),
        "height": max(heights) - 1.0,
        "tallest": float(max(heights) >= 0.97 * tallest),
        "short": float(len(characters) <= 5),
        "long": float(len(characters) >= 34),
        "upper": float(name.upper() == name),
        f"lines_{len(block)}": 1.0,
        "cut_inside": float(bool(_UNFINISHED.search(last)) or (last.count("(") > last.count(")") and len(block) == 1)),
        "joins_unfinished": float(
            len(block) > 1 and bool(_UNFINISHED.search(first) or first.count("(") > first.count(")"))
        ),
        "joins_form": float(form and len(block) > 1 and not _LEGAL_FORM.search(first)),
        "form_inside": float(len(block) > 1 and any(_LEGAL_FORM.search(row.text) for row in block[:-1])),
        "uneven": (max(heights) - min(heights)) if len(block) > 1 else 0.0,
        "begins_as_rest": float(bool(_REST.match(name))),
        "rest_follows": float(bool(_REST.match(_cleaned(following)))),
        "number_follows": float("(" in following and bool(_NUMBERED.search(following))),
        "score": 1.0 - min(piece.score for row in block for piece in row.pieces),
    }
    return {key: value for key, value in features.items() if value}


def _together(row: Row) -> tuple[Piece, ...]:
    """The pieces up to the first wide gap: what stands far to the right of a name is not part of it."""
    for index in range(1, len(row.pieces)):
        if row.pieces[index].x0 - row.pieces[index - 1].x1 > GAP_MAX:
            return row.pieces[:index]
    return row.pieces


def _cleaned(text: str) -> str:
    """Drop the registration number beside a name, and spaces and signs around it."""
    text = re.sub(r"\((?:[A-Z]{0,2}\d{4,}[^)]*|\d[^)]*)\)?", " ", text)
    text = re.sub(
        r"\(?\b(?:co\.?\s*)?(?:(?:reg|roc|company)\.?\s*(?:no)?|(?<=\()co\.?\s*no|(?<=co\s)no)\b\.?\s*[:.]?\s*(?:[\w-]*\d[\w-]*|$)",
        " ",
        text,
        flags=re.IGNORECASE,
    )
    text = re.sub(r"\b\d{5,}\s?-\s?[A-Z]\b.*$", " ", _OWNER.sub("", text))
    text = text.replace("_", " ")  # of lines that touch the letters
    for disfigured, form in _DISFIGURED:
        text = disfigured.sub(form, text)
    text = re.sub(r"\s{2,}", " ", text)
    return text.strip(" -:;,*=_#|~\"'")
