"""Check digits: what tells a card, an account or a person's number from any other digits. Pure; each names its source."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

# Lengths of an IBAN by country (SWIFT IBAN registry).
IBAN_LENGTHS: Final = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28, "CH": 21, "CR": 22,
    "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22,
    "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30,
    "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31,
    "MU": 30, "NL": 18, "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SC": 31, "SE": 24,
    "SI": 19, "SK": 24, "SM": 27, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
}  # fmt: skip
_DNI: Final = "TRWAGMYFPDXBNJZSQVHLCKE"
_FISCAL_ODD: Final = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
_VERHOEFF_TURN: Final = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def card(digits: str) -> bool:
    """A payment card: a length and first digits that an issuer uses, and Luhn. All the same digit is no card."""
    first = digits[0] in "23456" or (digits[0] == "1" and len(digits) == 15)  # 1: airlines' cards, and old ones of JCB
    return 12 <= len(digits) <= 19 and first and len(set(digits)) > 1 and luhn(digits)


_MAESTRO: Final = (5018, 5020, 5038, 5893, 6304, 6759, 6761, 6762, 6763)


def issued(digits: str) -> bool:
    """A payment card whose length is the one of its issuer: for numbers that stand less plainly, where Luhn alone is right one time in ten."""
    four, two = int(digits[:4]), int(digits[:2])
    named = {
        14: two in (36, 38, 39) or 3000 <= four <= 3059 or four == 3095,  # Diners Club
        15: two in (34, 37),  # American Express
        16: digits[0] == "4" or 51 <= two <= 55 or 2221 <= four <= 2720 or two in (35, 60, 62, 64, 65),
        19: two in (62, 64, 65) or four in (6011, *_MAESTRO),  # UnionPay and Discover have longer ones too
    }
    return named.get(len(digits), False) and card(digits)


def iban(compact: str) -> bool:
    """ISO 13616: the country's length, and 97-10 of ISO/IEC 7064."""
    if IBAN_LENGTHS.get(compact[:2]) != len(compact):
        return False
    turned = compact[4:] + compact[:4]
    return int("".join(str(int(c, 36)) for c in turned)) % 97 == 1


def ssn(area: str, group: str, serial: str) -> bool:
    """A US Social Security number (as given since 2011), or a taxpayer number of the IRS, which begins with 9."""
    if group == "00" or serial == "0000" or area in ("000", "666"):
        return False
    return area < "900" or 50 <= int(group) <= 99


def nino(compact: str) -> bool:
    """A UK National Insurance number (HMRC NIM39110). It has no check digit: prefixes that are not given are refused."""
    prefix = compact[:2]
    return (
        prefix not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ")
        and not set(prefix) & set("DFIQUV")
        and prefix[1] != "O"
        and compact[8] in "ABCD"
    )


def nhs(digits: str) -> bool:
    """A UK NHS number: mod 11 over ten digits."""
    check = 11 - sum(int(d) * w for d, w in zip(digits[:9], range(10, 1, -1), strict=True)) % 11
    return len(set(digits)) > 1 and check != 10 and check % 11 == int(digits[9])


def spanish(compact: str) -> bool:
    """A Spanish DNI or NIE: eight digits (X, Y, Z stand for 0, 1, 2) and the letter of the rest by 23."""
    digits = compact[:-1].replace("X", "0").replace("Y", "1").replace("Z", "2")
    return digits.isdigit() and _DNI[int(digits) % 23] == compact[-1]


def fiscal(compact: str) -> bool:
    """An Italian codice fiscale: 16 characters, the last one a check letter (DM 23/12/1976)."""
    total = 0
    for place, char in enumerate(compact[:15]):
        value = int(char) if char.isdigit() else ord(char) - ord("A")
        total += value if place % 2 else _FISCAL_ODD[value]
    return chr(ord("A") + total % 26) == compact[15]


def french(compact: str) -> bool:
    """A French NIR: 13 characters (2A and 2B for Corsica) and 97 less the rest by 97."""
    body = compact[:13].replace("2A", "19").replace("2B", "18")
    return body.isdigit() and 97 - int(body) % 97 == int(compact[13:])


def german(digits: str) -> bool:
    """A German tax ID: eleven digits, ISO/IEC 7064 mod 11,10."""
    product = 10
    for digit in digits[:10]:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    return digits[0] != "0" and (11 - product) % 10 == int(digits[10])


def weighted(digits: str, weights: Sequence[int], by: int) -> int:
    """Give the sum of digits times weights, modulo `by`."""
    return sum(int(d) * w for d, w in zip(digits, weights, strict=False)) % by


def polish(digits: str) -> bool:
    """A Polish PESEL: a date of birth, a serial number and a check digit."""
    month = int(digits[2:4]) % 20
    return (
        _is_day(1900 + int(digits[:2]), month, int(digits[4:6]))
        and (10 - weighted(digits[:10], (1, 3, 7, 9, 1, 3, 7, 9, 1, 3), 10)) % 10 == int(digits[10])
    )  # fmt: skip


def brazilian(digits: str) -> bool:
    """A Brazilian CPF: nine digits and two check digits mod 11."""
    first = weighted(digits[:9], range(10, 1, -1), 11)
    second = weighted(digits[:10], range(11, 1, -1), 11)
    return len(set(digits)) > 1 and digits[9:] == "".join("0" if r < 2 else str(11 - r) for r in (first, second))


def swedish(digits: str) -> bool:
    """A Swedish personnummer: a date of birth (day + 60 for a coordination number) and Luhn over ten digits."""
    day = int(digits[4:6])
    return _is_day(1900 + int(digits[:2]), int(digits[2:4]), day - 60 if day > 60 else day) and luhn(digits)


def dutch(digits: str) -> bool:
    """A Dutch BSN: the eleven-test over nine digits."""
    return len(set(digits)) > 1 and weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1), 11) == 0


def verhoeff(digits: str) -> bool:
    """An Indian Aadhaar number's check digit (Verhoeff 1969): digits as the dihedral group of a pentagon."""
    state = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit)
        for _ in range(place % 8):
            value = _VERHOEFF_TURN[value]
        state = _dihedral(state, value)
    return state == 0


def _dihedral(a: int, b: int) -> int:
    turned, turning = a % 5, b % 5
    if a < 5:
        return (turned + turning) % 5 + (5 if b >= 5 else 0)
    return (turned - turning) % 5 + (0 if b >= 5 else 5)


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True
