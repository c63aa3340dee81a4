"""The number that the merchant gave the receipt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from receipt_layout import Piece, Row

_NO = r"(?:no|num(?:ber)?|nr|n°|id|#)(?:\s*/\s*date)?"
# The first name wins over the later ones, wherever it stands. A bare name ("Invoice", "Receipt") needs a sign or a space behind it,
# or it would eat the beginning of a number such as INV1234.
_NAMES = (
    rf"(?:tax\s*)?inv(?:oice|\.)?(?:\s*{_NO}(?![a-z])|(?=[\s:.#])|$)",
    rf"(?:receipt|rcpt|resit|recpt|rec|check|chk)(?:\s*{_NO}(?![a-z])|(?=[\s:.#])|$)",
    rf"(?:cash\s*)?bill\s*{_NO}(?![a-z])",
    rf"(?:doc(?:ument)?|beleg|bon|rechnungs?|facture|ticket|check|chk|slip|cs|trans(?:action)?|trn|trx|txn|order|ref(?:erence)?)\s*[-.]?\s*{_NO}(?![a-z])",
    r"(?:beleg|rechnungs|bon)\s*-?\s*(?:nr|nummer)",
    r"^no\s*[.:#]",
)
_BARE_DIGITS_MIN = 5  # after a mere "No." a shorter one is a house or a table
_NUMBER = r"(?P<number>[A-Z0-9][A-Z0-9/\-_.#]*\d[A-Z0-9/\-_]*)"
_SAME = tuple(re.compile(rf"(?<![A-Za-z]){name}\s*[.:#;]*\s*[.:#]*\s*{_NUMBER}", re.IGNORECASE) for name in _NAMES)
_LABEL = tuple(re.compile(rf"(?<![A-Za-z]){name}\s*[.:#;]*\s*$", re.IGNORECASE) for name in _NAMES)
_ALONE = re.compile(rf"^[:.#\s]*{_NUMBER}", re.IGNORECASE)
_NOT_THIS = re.compile(
    r"gst|tax\s*id|vat\s*(reg|no|id)|\btel|phone|fax|\breg|table|member|approval|card|terminal|\bid\b", re.IGNORECASE
)
_DATE_LIKE = re.compile(r"^\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}$|^\d+[.,]\d{2}$|^20\d{2}[/.-]\d{1,2}[/.-]\d{1,2}$")


@dataclass(frozen=True, kw_only=True)
class NumberFound:
    """A receipt number; `beside` tells that name and number are one piece of text, so that nothing was paired by position."""

    value: str
    beside: bool
    piece: Piece
    page: int


def receipt_number(rows: Sequence[Row]) -> NumberFound | None:
    """Find the number by its name: in the same text, in the next piece of the row, or first thing in the row below."""
    for strength, (same, label) in enumerate(zip(_SAME, _LABEL, strict=True)):
        for index, row in enumerate(rows):
            if strength == len(_SAME) - 1 and index > len(rows) * 0.6:
                break  # a bare "No" far down numbers something else
            for position, piece in enumerate(row.pieces):
                if match := same.search(piece.text):
                    digits = sum(ch.isdigit() for ch in match["number"])
                    if strength == len(_SAME) - 1 and digits < _BARE_DIGITS_MIN:
                        continue
                    if _usable(match["number"], piece.text[: match.start()]):
                        return _found(match["number"], piece, row, beside=True)
                elif label.search(piece.text) and not _NOT_THIS.search(piece.text):
                    beside = row.pieces[position + 1 : position + 3]
                    below = rows[index + 1].pieces if not beside and index + 1 < len(rows) else ()
                    for candidate in (*beside, *(other for other in below if _under(other, piece))):
                        alone = _ALONE.match(candidate.text)
                        if alone and _usable(alone["number"], ""):
                            return _found(alone["number"], candidate, row, beside=False)
    return None


def _found(number: str, piece: Piece, row: Row, *, beside: bool) -> NumberFound:
    """Capital letters: numbers are told apart by none, and a reader of print mixes them up."""
    return NumberFound(value=number.upper(), beside=beside, piece=piece, page=row.page)


def _under(other: Piece, label: Piece) -> bool:
    """Whether a piece of the row below stands under the label."""
    return min(other.x1, label.x1) - max(other.x0, label.x0) > 0.3 * min(other.x1 - other.x0, label.x1 - label.x0)


def _usable(number: str, before: str) -> bool:
    return (
        len(number) >= 3
        and sum(ch.isdigit() for ch in number) >= 2
        and not _DATE_LIKE.match(number)
        and not _NOT_THIS.search(next((word for word in before.split()[-1:] if not re.search(r"\d", word)), ""))
    )
