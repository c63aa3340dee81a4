"""Finding what has a form: cards, accounts, addresses of machines and mail, telephone and national numbers.

Every pattern is linear: repetitions are bounded, and what may repeat is disjoint from what follows it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from typing import Final

from interlock.governance.redaction import checksums, national_ids
from interlock.governance.redaction.findings import Found

CONTEXT_CHARS: Final = 48
_LOCAL_CHARS_MAX: Final = 254
_NOT_DIGITS: Final = re.compile(r"\D+")
_NOT_WORD: Final = re.compile(r"[\s.-]+")

# An address of mail also where its @ is written as an address of a page, a page or a program writes it, or as people hide it from those.
_AT = re.compile(
    r"(?:@|%40|&#64;|&#x40;|&commat;|\\u0040| ?[(\[{] ?at ?[)\]}] ?)((?:[\w-]{1,63}(?:\.| ?[(\[{] ?dot ?[)\]}] ?| dot )){1,8}[^\W\d_]{2,24})",
    re.IGNORECASE,
)
_LOCAL = frozenset("!#$%&'*+/=?^_`{|}~-.")
_BETWEEN_FIELDS = frozenset("&=?/'")  # of what an encoded @ stands in
_SCHEME = re.compile(r"(?<!\w)(?:https?|ftps?|wss?|s3|sftp)://[^\s<>\"'`\\^{|}]{1,2000}", re.IGNORECASE)
_WWW = re.compile(
    r"(?<![\w./@-])www\.(?:[\w-]{1,63}\.){1,6}[^\W\d_]{2,24}(?:/[^\s<>\"'`\\^{|}]{0,2000})?", re.IGNORECASE
)
_HOST = re.compile(
    r"(?<![\w./@-])(?:[a-z0-9-]{1,63}\.){1,4}(?:com|org|net|edu|gov|info|biz|dev|app|eu|co\.uk|de|fr|ch|nl|se|dk|fi|pl|cz|jp|cn|au|ca|us)"
    r"(?![\w@-])(?:/[^\s<>\"'`\\^{|}]{0,2000})?",
    re.IGNORECASE,
)  # fmt: skip
_V4 = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?!\.?\d)")
_V6 = re.compile(r"(?<![\w:.])[0-9a-f:.]{2,45}(?![\w:])", re.IGNORECASE)
_MAC = re.compile(r"(?<![\w:-])[0-9a-f]{2}(?:([:-])[0-9a-f]{2})(?:\1[0-9a-f]{2}){4}(?![\w:-])", re.IGNORECASE)
# What may stand between two digits of one number: a space, a dash, the end of a line (which mail quotes with a mark), and an underscore.
_BREAK: Final = r"(?:[ _-]?\r?\n[ >\t]{0,3}|[ _-])?"
_CARD = re.compile(rf"(?<!\d)(?<!\d[.,_-])(?=(\d(?:{_BREAK}\d){{11,18}}))")
# In the groups that cards of 14 to 19 digits are printed in, with one mark between all of them. Four fours with a mark that also stands
# between numbers of a list are a card only where words say so.
_CARD_MARK: Final = r"((?:[ \t]{0,2}[./,:;|*+\xb7\u2022][ \t]{0,2}|[ \t]-[ \t]|[ \t]{2,4}|\t))"
_CARD_GROUPS = tuple(
    re.compile(rf"(?<!\d)(?<!\d[.,/:]){form.replace('#', _CARD_MARK, 1).replace('#', chr(92) + '1')}(?![.,/:]?\d)")
    for form in (
        r"\d{4}#\d{4}#\d{4}#\d{4}(?:#\d{3})?",
        r"\d{4}#\d{4}#\d{4}#\d\d",
        r"\d{4}#\d{6}#\d{4,5}",
        r"\d{6}#\d{13}",
    )
)
_CARD_WORD = re.compile(r"(?<![a-z])(?:card|visa|mastercard|amex|maestro|diners|pan|cc)(?![a-z])", re.IGNORECASE)
_LISTS = re.compile(r"[,;:|\t]| {2}")
# A number that is called a card is taken for one without its check digit too: a slip of the pen makes it no less personal.
_CALLED_CARD = re.compile(
    r"(?<![^\W_])(?:card|visa|mastercard|amex|maestro|cc)(?![a-z])(?:[ _]?(?:number|no\.?))?(?:[^\w\n]|_){0,5}(?:is |number )?[^\w\n]{0,3}"
    r"(\d(?:[ _-]?\d){11,18})(?!\d)",
    re.IGNORECASE,
)
_IBAN = re.compile(rf"(?=([A-Za-z]{{2}}\d{{2}}(?:(?:[.]|[ ]{{2}}|{_BREAK})[A-Za-z0-9]){{11,30}}))")
_GLUED_LETTERS_MAX: Final = 20
_SSN_BREAK: Final = r"([-_ ]?\r?\n[ >\t]{0,3}|[-_ .])"
_SSN = re.compile(rf"(?<!\d)(?<!\d[-_.])(\d{{3}}){_SSN_BREAK}(\d{{2}}){_SSN_BREAK}(\d{{4}})(?!\d|[-_.]\d)")
_NINE = re.compile(r"(?<!\d)(?<!\d-)(\d{3})(\d{2})(\d{4})(?!\d|-\d)")
_NINO = re.compile(r"(?<!\w)[A-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D](?!\w)", re.IGNORECASE)
_NHS = re.compile(r"(?<![\w-])\d{3}[ -]?\d{3}[ -]?\d{4}(?![\w-])")
_SPANISH = re.compile(r"(?<!\w)(?:\d{8}|[XYZ]\d{7})-?[A-Z](?!\w)", re.IGNORECASE)
_FISCAL = re.compile(
    r"(?<!\w)[A-Z]{6}[0-9LMNPQRSTUV]{2}[A-EHLMPRST][0-9LMNPQRSTUV]{2}[A-Z][0-9LMNPQRSTUV]{3}[A-Z](?!\w)", re.IGNORECASE
)
_FRENCH = re.compile(r"(?<!\w)[12] ?\d\d ?\d\d ?(?:\d\d|2[AB]) ?\d{3} ?\d{3} ?\d\d(?!\w)", re.IGNORECASE)
_CPF = re.compile(r"(?<!\w)\d{3}\.\d{3}\.\d{3}-\d{2}(?!\w)")
_ELEVEN = re.compile(r"(?<![\w.,-])\d{11}(?![\w-])")
_SWEDISH = re.compile(r"(?<!\w)(?:19|20)?\d{6}[-+]\d{4}(?!\w)")
_AADHAAR = re.compile(r"(?<![\w.,-])[2-9]\d{3}([ -])\d{4}\1\d{4}(?![\w-])")
_SIN = re.compile(r"(?<![\w-])\d{3}[ -]\d{3}[ -]\d{3}(?![\w-])")

# A number as people write one for the telephone: perhaps +, groups of digits with single separators, perhaps an extension.
_PHONE = re.compile(
    r"(?<![\w.,:/@#$€£%=-])\+?\(?\d{1,16}\)?(?:(?:(?: ?[-./] ?| {1,2})\(?|(?<=\))|\()\d{1,16}\)?){0,7}(?:\s?(?:x|ext\.?)\s?\d{1,6})?(?!\w)",
    re.IGNORECASE,
)
_DATE = re.compile(r"\(?(?:\d{4}[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./](?:\d{4}|\d{2}))(?![\d./-])")
_THOUSANDS = re.compile(r"\d{1,3}(?:[. ]\d{3}){2,}\Z")
_YEARS = re.compile(r"(?:19|20)\d\d ?[-/] ?(?:19|20)?\d\d\Z")
_PHONE_WORD = re.compile(
    r"phone|call|tel\b|telefon|mobile|mobil|cell|fax|desk|reach|answer|sms|text(?:ed)? me|whatsapp|messag|voicemail|dial|hotline|contact|handy"
    r"|registered",
    re.IGNORECASE,
)
_PHONE_AFTER = re.compile(r"(?:office|fax|mobile|mob|cell|home|work|desk|tel|phone)\b", re.IGNORECASE)
_NOT_PHONE_WORD = re.compile(
    r"(?:invoice|order|ref(?:erence)?|receipt|ticket|account|acct|case|serial|sku|article|item|vat|tax|batch|po|no\.?|number|nr\.?)"
    r"[\s.:#-]{0,4}\Z",
    re.IGNORECASE,
)
_SSN_WORD = re.compile(r"(?<![a-z])ssn(?![a-z])|social security|\bitin\b|taxpayer", re.IGNORECASE)
_NHS_WORD = re.compile(r"\bnhs\b", re.IGNORECASE)
_GERMAN_WORD = re.compile(r"steuer|\bidnr\b|tax id|\btin\b", re.IGNORECASE)
_SIN_WORD = re.compile(r"\bsin\b|social insurance", re.IGNORECASE)
_DUTCH_WORD = re.compile(r"\bbsn\b|burgerservice|sofi", re.IGNORECASE)


def before(text: str, start: int) -> str:
    """Give the words right before a place: what may say what stands there."""
    return text[max(0, start - CONTEXT_CHARS) : start]


def find(text: str) -> Iterator[Found]:
    """Find what has a form, whatever stands around it. Finds may overlap."""
    yield from _mail(text)
    yield from _links(text)
    yield from _machines(text)
    yield from _cards(text)
    yield from _accounts(text)
    yield from _national(text)
    yield from national_ids.find(text)
    yield from _phones(text)


def _mail(text: str) -> Iterator[Found]:
    for match in _AT.finditer(text):
        start, least = match.start(), max(0, match.start() - _LOCAL_CHARS_MAX)
        local = _LOCAL if match[0].startswith("@") else _LOCAL - _BETWEEN_FIELDS
        while start > least and (text[start - 1].isalnum() or text[start - 1] in local):
            start -= 1
        while start < match.start() and not (text[start].isalnum() or text[start] == "_"):
            start += 1
        if start < match.start():
            yield Found("EMAIL_ADDRESS", start, match.end(), 0.95)


def _links(text: str) -> Iterator[Found]:
    for pattern, score in ((_SCHEME, 0.9), (_WWW, 0.85), (_HOST, 0.6)):
        for match in pattern.finditer(text):
            end = match.end()
            while text[end - 1] in ".,;:!?)]'":
                end -= 1
            yield Found("URL", match.start(), end, score)


def _machines(text: str) -> Iterator[Found]:
    for pattern in (_V4, _V6):
        for match in pattern.finditer(text):
            found = match[0].rstrip(".:") if pattern is _V6 and not match[0].endswith("::") else match[0]
            if (pattern is _V6 and found.count(":") < 2) or found == "::":
                continue
            try:
                ipaddress.ip_address(found)
            except ValueError:
                continue
            yield Found("IP_ADDRESS", match.start(), match.start() + len(found), 0.9)
    for match in _MAC.finditer(text):
        yield Found("MAC_ADDRESS", match.start(), match.end(), 0.9)


def _cards(text: str) -> Iterator[Found]:
    for match in _CALLED_CARD.finditer(text):
        yield Found("CREDIT_CARD", match.start(1), match.end(1), 0.7)
    for pattern in _CARD_GROUPS:
        for match in pattern.finditer(text):
            listed = pattern is _CARD_GROUPS[0] and _LISTS.search(match[1])
            if checksums.issued(_NOT_DIGITS.sub("", match[0])) and not (
                listed and not _CARD_WORD.search(before(text, match.start()))
            ):
                yield Found("CREDIT_CARD", match.start(), match.end(), 0.92)
    for match in _CARD.finditer(text):
        candidate, at = match[1], match.start(1)
        glued = text[at - 1 : at].isalpha() or text[at - 1 : at] == "_"
        for length in range(19, 11, -1):
            if (end := _after_digits(candidate, length)) is None or text[at + end : at + end + 1].isdigit():
                continue
            digits = _NOT_DIGITS.sub("", candidate[:end])
            plainly = not (glued or _UNPLAIN.search(candidate[:end]) or _joined(text, at + end))
            if checksums.card(digits) if plainly else checksums.issued(digits):
                yield Found("CREDIT_CARD", at, at + end, 0.92)
                break


_UNPLAIN: Final = re.compile(r"[_\n]")


def _joined(text: str, end: int) -> bool:
    """Tell whether a letter or an underscore follows at once."""
    return text[end : end + 1].isalpha() or text[end : end + 1] == "_"


def _after_digits(candidate: str, count: int) -> int | None:
    """Give where the candidate's `count`-th digit ends; None where it has fewer."""
    for place, char in enumerate(candidate):
        count -= char.isdigit()
        if count == 0:
            return place + 1
    return None


def _accounts(text: str) -> Iterator[Found]:
    for match in _IBAN.finditer(text):
        candidate, left = match[1], checksums.IBAN_LENGTHS.get(match[1][:2].upper(), 0)
        at = match.start(1)
        glued = text[at - 1 : at].isalnum()
        # Behind a word ("IBANDE89…") the whole must end there: in a long row of letters and digits, something always fits.
        if not left or (glued and not _behind_a_word(text, at)):
            continue
        for place, char in enumerate(candidate):
            left -= char.isalnum()
            if left == 0:
                compact = "".join(c for c in candidate[: place + 1] if c.isalnum()).upper()
                ends = not (glued and text[at + place + 1 : at + place + 2].isalnum())
                if ends and compact.isascii() and checksums.iban(compact):
                    yield Found("IBAN_CODE", at, at + place + 1, 0.97)
                break


def _behind_a_word(text: str, at: int) -> bool:
    start = at
    while start > 0 and at - start <= _GLUED_LETTERS_MAX and text[start - 1].isalpha():
        start -= 1
    return (
        0 < at - start <= _GLUED_LETTERS_MAX
        and not text[start - 1 : start].isdigit()
        and text[start - 1 : start] not in {"+", "/", "="}
    )


_Check = Callable[[str], bool]
# Pattern, type, check over the compact form (upper case, without separators), words that must stand before it (None: none).
_NATIONAL: Final[tuple[tuple[re.Pattern[str], str, _Check, re.Pattern[str] | None], ...]] = (
    (_NINO, "UK_NINO", checksums.nino, None),
    (_NHS, "UK_NHS", checksums.nhs, _NHS_WORD),
    (_SPANISH, "NATIONAL_ID", checksums.spanish, None),
    (_FISCAL, "NATIONAL_ID", checksums.fiscal, None),
    (_FRENCH, "NATIONAL_ID", checksums.french, None),
    (_CPF, "NATIONAL_ID", checksums.brazilian, None),
    (_ELEVEN, "NATIONAL_ID", checksums.polish, None),
    (_ELEVEN, "NATIONAL_ID", checksums.german, _GERMAN_WORD),
    (_SWEDISH, "NATIONAL_ID", lambda c: checksums.swedish(c[-10:]), None),
    (_AADHAAR, "NATIONAL_ID", checksums.verhoeff, None),
    (_SIN, "NATIONAL_ID", checksums.luhn, _SIN_WORD),
    (_NINE, "NATIONAL_ID", checksums.dutch, _DUTCH_WORD),
)


def _national(text: str) -> Iterator[Found]:
    for match in _SSN.finditer(text):
        if checksums.ssn(match[1], match[3], match[5]) and _as_ssn(text, match):
            yield Found("US_SSN", match.start(), match.end(), 0.9)
    for match in _NINE.finditer(text):
        if checksums.ssn(match[1], match[2], match[3]) and _SSN_WORD.search(before(text, match.start())):
            yield Found("US_SSN", match.start(), match.end(), 0.9)
    for pattern, kind, check, word in _NATIONAL:
        for match in pattern.finditer(text):
            compact = _NOT_WORD.sub("", match[0]).replace("+", "").upper()
            if (word is None or word.search(before(text, match.start()))) and compact.isascii() and check(compact):
                yield Found(kind, match.start(), match.end(), 0.93)


def _as_ssn(text: str, match: re.Match[str]) -> bool:
    """Tell whether three groups are written as one number: the same mark twice, lines aside; points only where words say what it is."""
    one, other = (mark.strip("\r\n >\t") or mark[:1].strip("\r\n") for mark in (match[2], match[4]))
    broken = "\n" in match[2] + match[4]
    if one == other and one in ("-", "_", " ") and not (broken and one == " "):
        return True
    said = bool(_SSN_WORD.search(before(text, match.start())))
    return said or (broken and {one, other} <= {"-", ""} and one != other)


def _phones(text: str) -> Iterator[Found]:
    for match in _PHONE.finditer(text):
        start, end = match.span()
        while end > start and not (text[end - 1].isalnum() or text[end - 1] == ")"):
            end -= 1
        number = text[start:end]
        if number.count("(") != number.count(")"):
            start += number.startswith("(")
            number = text[start:end]
        score = _phone_score(text, start, end, number)
        if score:
            yield Found("PHONE_NUMBER", start, end, score)


def _phone_score(text: str, start: int, end: int, number: str) -> float:
    """Say how sure it is that digits are a telephone number, 0 for not at all: by its form, or by the words beside it."""
    main = re.split(r"[xe]", number, maxsplit=1, flags=re.IGNORECASE)[0]
    digits = _NOT_DIGITS.sub("", main)
    if not 6 <= len(digits) <= 16 or _DATE.match(number) or _YEARS.match(number):
        return 0.0
    said_before = before(text, start)
    named = bool(_PHONE_WORD.search(said_before[-32:]) or _PHONE_AFTER.match(text[end : end + 12].lstrip(" ,(")))
    grouped = len(digits) != len(main.strip())
    if main.startswith(("+", "00")) and len(digits) >= 8:
        return 0.85
    if named and (grouped or len(digits) >= 7):
        return 0.8
    if _NOT_PHONE_WORD.search(said_before) or _THOUSANDS.match(main.strip()):
        return 0.0
    return 0.6 if grouped and len(digits) >= 8 and _grouped_as_phone(main) else 0.0


def _grouped_as_phone(number: str) -> bool:
    """Two groups or more, none but the first under two digits: `1 2 3 4 5 6 7 8` is a row of figures."""
    groups = re.findall(r"\d+", number)
    if len(groups) == 2 and not any(mark in number for mark in "-.()+"):
        return False  # two numbers side by side, as before the name of a street
    return len(groups) >= 2 and all(len(group) >= 2 for group in groups[1:])
