"""National numbers beside those of `structured`: each by its form and its check digits, some only where a word before says what it is.

A form that an order number may have too, with one check digit, needs the word: one in ten of such would pass. Sources: the issuers' own
specifications, as gathered in the documentation of python-stdnum (https://arthurdejong.org/python-stdnum/), whose code is not used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Final

from interlock.governance.redaction import checksums
from interlock.governance.redaction.findings import Found

CONTEXT_CHARS: Final = 48
_NOT_ALNUM: Final = re.compile(r"[^0-9A-Za-z]+")
_FINNISH: Final = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_CHINESE: Final = "10X98765432"
_SINGAPORE: Final = {"S": "JZIHGFEDCBA", "T": "GFEDCBAJZIH", "F": "XWUTRQPNMLK", "G": "RQPNMLKXWUT"}
_MEXICAN: Final = "0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ"
_IRISH: Final = "WABCDEFGHIJKLMNOPQRSTUV"


def _day(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def _either(year: int, month: int, day: int) -> bool:
    """Tell whether it is a day of this century or the last one, of a year in two digits."""
    return _day(1900 + year, month, day) or _day(2000 + year, month, day)


def _sum(digits: str, weights: Sequence[int], by: int) -> int:
    return checksums.weighted(digits, weights, by)


def norwegian(c: str) -> bool:
    """A fødselsnummer: a day (40 more for a D number) and two check digits mod 11."""
    one = (11 - _sum(c[:9], (3, 7, 6, 1, 8, 9, 4, 5, 2), 11)) % 11
    two = (11 - _sum(c[:10], (5, 4, 3, 2, 7, 6, 5, 4, 3, 2), 11)) % 11
    return _either(int(c[4:6]), int(c[2:4]), int(c[:2]) % 40) and c[9:] == f"{one}{two}"


def finnish(c: str) -> bool:
    """A henkilötunnus: a day, a serial number, and a letter of the rest by 31."""
    return _either(int(c[4:6]), int(c[2:4]), int(c[:2])) and _FINNISH[int(c[:6] + c[-4:-1]) % 31] == c[-1]


def danish(c: str) -> bool:
    """A CPR number: a day and a serial number; since 2007 without a check digit."""
    return _either(int(c[4:6]), int(c[2:4]), int(c[:2]))


def belgian(c: str) -> bool:
    """A rijksregisternummer: a day, a serial number, and 97 less the rest by 97."""
    return any(97 - int(lead + c[:9]) % 97 == int(c[9:]) for lead in ("", "2"))


def swiss(c: str) -> bool:
    """An AHV number: 756 and twelve more digits, the last one as in EAN-13."""
    return (10 - _sum(c[:12], (1, 3) * 6, 10)) % 10 == int(c[12])


def austrian(c: str) -> bool:
    """A Sozialversicherungsnummer: a serial number, a check digit and a day."""
    return _sum(c[:3] + c[4:], (3, 7, 9, 5, 8, 4, 2, 1, 6), 11) == int(c[3]) and int(c[6:8]) <= 15


def romanian(c: str) -> bool:
    """A CNP: sex and century, a day, a county, a serial number and a check digit mod 11."""
    return _either(int(c[1:3]), int(c[3:5]), int(c[5:7])) and _sum(
        c[:12], (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9), 11
    ) % 10 == int(c[12])


def czech(c: str) -> bool:
    """A rodné číslo: a day (50 more for women), and a multiple of 11."""
    return _either(int(c[:2]), int(c[2:4]) % 50 % 20, int(c[4:6])) and int(c) % 11 == 0


def chinese(c: str) -> bool:
    """A resident identity number (GB 11643): a region, a day, a serial number and ISO 7064 mod 11,2."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return _day(int(c[6:10]), int(c[10:12]), int(c[12:14])) and _CHINESE[_sum(c[:17], weights, 11)] == c[17]


def korean(c: str) -> bool:
    """A resident registration number: a day, sex and century; its check digit is not given any more since 2020."""
    return _either(int(c[:2]), int(c[2:4]), int(c[4:6]))


def singaporean(c: str) -> bool:
    """An NRIC or FIN: a letter, seven digits and a letter of their sum."""
    return _SINGAPORE[c[0]][_sum(c[1:8], (2, 7, 6, 5, 4, 3, 2), 11)] == c[8]


def mexican(c: str) -> bool:
    """A CURP: letters of the names, a day, sex and state, and a check digit."""
    total = sum(_MEXICAN.index(char) * (18 - place) for place, char in enumerate(c[:17]))
    return _either(int(c[4:6]), int(c[6:8]), int(c[8:10])) and str((10 - total % 10) % 10) == c[17]


def argentine(c: str) -> bool:
    """A CUIT or CUIL: a kind, a number and a check digit mod 11."""
    return str((11 - _sum(c[:10], (5, 4, 3, 2, 7, 6, 5, 4, 3, 2), 11)) % 11) == c[10]


def irish(c: str) -> bool:
    """A PPS number: seven digits, a check letter and perhaps another letter."""
    more = 9 * _IRISH.index(c[8]) if len(c) > 8 and c[8] in _IRISH else 0
    return _IRISH[(_sum(c[:7], (8, 7, 6, 5, 4, 3, 2), 23) + more) % 23] == c[7]


def portuguese(c: str) -> bool:
    """A NIF: nine digits, the last one mod 11."""
    return max(0, 11 - _sum(c[:8], range(9, 1, -1), 11)) % 11 % 10 == int(c[8])


def australian(c: str) -> bool:
    """A tax file number: nine digits, a multiple of 11 in their weights."""
    return _sum(c, (1, 4, 3, 7, 5, 8, 6, 9, 10), 11) == 0


def turkish(c: str) -> bool:
    """A TC kimlik number: eleven digits, two of them checks."""
    odd, even = sum(map(int, c[0:9:2])), sum(map(int, c[1:8:2]))
    return c[9] == str((odd * 7 - even) % 10) and c[10] == str((odd + even + int(c[9])) % 10)


def south_african(c: str) -> bool:
    """An identity number: a day, sex, citizenship and Luhn."""
    return _either(int(c[:2]), int(c[2:4]), int(c[4:6])) and checksums.luhn(c)


def greek(c: str) -> bool:
    """An AMKA: a day, a serial number and Luhn."""
    return _either(int(c[4:6]), int(c[2:4]), int(c[:2])) and checksums.luhn(c)


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.,-])(?:{text})(?![\w-]|[.,]\d)", re.IGNORECASE)


def _word(text: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z])(?:{text})", re.IGNORECASE)


# Pattern, check over the compact form, words that must stand before it (None: none).
_NUMBERS: Final[tuple[tuple[re.Pattern[str], Callable[[str], bool], re.Pattern[str] | None], ...]] = (
    (_pattern(r"\d{6} ?\d{5}"), norwegian, None),
    (_pattern(r"\d{6}[-+A-FU-Y]\d{3}[0-9A-FHJ-NPR-Y]"), finnish, None),
    (_pattern(r"\d{6}-?\d{4}"), danish, _word(r"cpr|personnummer")),
    (_pattern(r"\d\d\.\d\d\.\d\d-\d{3}\.\d\d"), belgian, None),
    (_pattern(r"\d{11}"), belgian, _word(r"niss|insz|rijksregister|registre national|national number")),
    (_pattern(r"756[. ]?\d{4}[. ]?\d{4}[. ]?\d\d"), swiss, None),
    (_pattern(r"\d{4} ?\d{6}"), austrian, _word(r"sv[- ]?n|svnr|sozialversicherung|versicherungsnummer")),
    (_pattern(r"[1-8]\d{12}"), romanian, None),
    (_pattern(r"\d{6}/\d{4}"), czech, None),
    (_pattern(r"[1-9]\d{16}[\dX]"), chinese, None),
    (_pattern(r"\d{6}-[1-8]\d{6}"), korean, None),
    (_pattern(r"[STFG]\d{7}[A-Z]"), singaporean, None),
    (_pattern(r"[A-Z]{4}\d{6}[HMX][A-Z]{5}[A-Z\d]\d"), mexican, None),
    (_pattern(r"(?:20|2[3457]|30|3[34])-\d{8}-\d"), argentine, None),
    (_pattern(r"\d{7}[A-W][A-IW]?"), irish, None),
    (_pattern(r"[12356789]\d\d ?\d{3} ?\d{3}"), portuguese, _word(r"nif|contribuinte|fiscal")),
    (_pattern(r"\d{3} ?\d{3} ?\d{3}"), australian, _word(r"tfn|tax file")),
    (_pattern(r"[1-9]\d{10}"), turkish, _word(r"tckn|kimlik|t\.?c\.? ?no")),
    (_pattern(r"\d{13}"), south_african, _word(r"id|identity|rsa")),
    (_pattern(r"\d{11}"), greek, _word(r"amka")),
    (_pattern(r"\d{12}"), checksums.verhoeff, _word(r"aadhaar|aadhar|uidai")),
    (_pattern(r"\d{11}"), checksums.brazilian, _word(r"cpf")),
    (_pattern(r"\d{2} \d{3} \d{3} \d{3}"), checksums.german, _word(r"steuer|id-?nr|tax id|tin")),
    (
        _pattern(r"\d{3}\.\d{3}\.\d{3}|\d{3} \d{3} \d{3}|\d{4}\.\d{2}\.\d{3}"),
        checksums.dutch,
        _word(r"bsn|burgerservice|sofi"),
    ),
    (_pattern(r"\d{1,2}\.\d{3}\.\d{3}-?[A-Z]"), lambda c: checksums.spanish(c.rjust(9, "0")), None),
)


def find(text: str) -> Iterator[Found]:
    """Find them. Finds may overlap."""
    for pattern, check, word in _NUMBERS:
        for match in pattern.finditer(text):
            compact = _NOT_ALNUM.sub("", match[0]).upper()
            said = word is None or word.search(text[max(0, match.start() - CONTEXT_CHARS) : match.start()])
            if said and compact.isascii() and len(set(compact)) > 1 and check(compact):
                yield Found("NATIONAL_ID", match.start(), match.end(), 0.93)
