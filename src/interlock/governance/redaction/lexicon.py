"""What names are made of: given and family names of many countries, endings of family names, and the words that are no names.

The lists stand in `names/*.txt`, those of names with where they are from. Everything is compared without case and accents.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from importlib import resources
from typing import Final

_LETTERS: Final = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ß": "ss", "ı": "i", "’": "'"}
)
PARTICLES: Final = frozenset({
    "af", "al", "ap", "av", "bin", "bint", "da", "das", "de", "degli", "dei", "del", "della", "den", "der", "di", "do", "dos", "du",
    "el", "ibn", "la", "las", "le", "los", "of", "ten", "ter", "und", "van", "vom", "von", "y", "zu", "zum", "zur",
})  # fmt: skip
# Endings that only family names have, of seven letters and more.
_FAMILY_ENDINGS: Final = (
    "adze", "akis", "bergsen", "chuk", "czyk", "datter", "dottir", "enko", "escu", "evic", "evich", "evna", "ewicz", "ewska", "ewski", "gaard",
    "idis", "idze", "inska", "inski", "lund", "oglu", "opoulos", "opoulou", "ovic", "ovich", "ovna", "owicz", "owska", "owski", "qvist", "quist",
    "shvili", "sson", "ssen", "stad", "strom", "sen", "yan",
)  # fmt: skip
_SPELT_ENDINGS: Final = ("ić", "ič", "ová", "ský", "ská", "ńska", "ński", "ez", "ov", "ev", "yev", "dóttir", "sdotter")
_FAMILY_CHARS_MIN: Final = 6


def fold(word: str) -> str:
    """Give a word without case, accents and a possessive ending."""
    low = word.lower()
    low = low[:-2] if low.endswith(("'s", "’s")) else low
    if low.isascii():
        return low
    return "".join(c for c in unicodedata.normalize("NFKD", low.translate(_LETTERS)) if not unicodedata.combining(c))


@cache
def _names(which: str) -> frozenset[str]:
    text = resources.files(__package__).joinpath("names", f"{which}.txt").read_text("utf-8")
    return frozenset(word for line in text.splitlines() if not line.startswith("#") for word in line.split())


def given(word: str) -> bool:
    """Tell whether a folded word is a given name."""
    return _any(word, "given")


def family(word: str) -> bool:
    """Tell whether a folded word is a family name that is listed."""
    return _any(word, "family")


def sure(word: str) -> bool:
    """Tell whether a folded name is nothing but a name: `mark` and `london` are not."""
    return word not in _names("ambiguous") and word not in _names("everyday")


def _any(word: str, which: str) -> bool:
    listed = _names(which)
    return word in listed or ("-" in word and all(part in listed for part in word.split("-")))


def ends_as_family(word: str) -> bool:
    """Tell whether a word with a capital ends the way only family names do."""
    low = word.lower()
    if len(low) < _FAMILY_CHARS_MIN or "-" in low:
        return False
    return low.endswith(_SPELT_ENDINGS) or fold(word).endswith(_FAMILY_ENDINGS)


def plain(word: str) -> bool:
    """Tell whether a folded word is one of everyday's, which begins a sentence or a line of a form."""
    return word in _names("everyday")


def organisation(word: str) -> bool:
    """Tell whether what stands before this folded word is a firm, a street or a place."""
    return word in _names("organisations")


def before_place(word: str) -> bool:
    """Tell whether what stands after this folded word is a street, a place or a firm."""
    return word in _names("places")
