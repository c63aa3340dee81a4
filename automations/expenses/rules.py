"""The company's rules as pure functions: a reading, a claim and the rule book in, an assessment out."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from difflib import SequenceMatcher
from pathlib import Path

from pydantic import ValidationError

from interlock import Document

from .schema import AnsweredForm, Assessment, Claim, ConfirmFacts, Facts, Form, Reading, Text

SAME_AMOUNT = Decimal("0.05")  # cash is rounded to 5 cents in several countries
CENT = Decimal("0.01")
AMOUNT_END = Decimal(10) ** 13  # the form's amounts have 15 digits
SAME_MERCHANT = (
    0.7  # of the letters in common: a name is often read with a few of them wrong, another shop shares fewer
)
_COMPANY = re.compile(r"\b(SDN|BHD|PTE|PTY|LTD|LIMITED|LLC|INC|CORP|CO|COMPANY|GMBH|AG|SA|BV|PLC|M)\b")


@dataclass(frozen=True, kw_only=True)
class RuleBook:
    """The data files of the automation, parsed."""

    base_currency: str
    age_days_max: int
    default_category: str
    categories: dict[str, dict[str, object]]
    people: dict[str, dict[str, str]]
    limits: dict[str, dict[str, Decimal]]
    rates: list[tuple[dt.date, dict[str, Decimal]]]


def load(folder: Path) -> RuleBook:
    """Read the data files; raises KeyError, ValueError or OSError for a wrong one."""
    rules = tomllib.loads((folder / "rules.toml").read_text())
    people = tomllib.loads((folder / "people.toml").read_text())
    rates = tomllib.loads((folder / "rates.toml").read_text())
    return RuleBook(
        base_currency=rules["base_currency"],
        age_days_max=rules["age_days_max"],
        default_category=rules["default_category"],
        categories=rules["categories"],
        people={f"user:{name}": person for name, person in people.items()},
        limits={role: {c: Decimal(v) for c, v in table.items()} for role, table in rules["limits"].items()},
        rates=sorted(
            (dt.date.fromisoformat(day), {c: Decimal(v) for c, v in table.items()}) for day, table in rates.items()
        ),
    )


def to_base(book: RuleBook, amount: Decimal, currency: str, day: dt.date) -> Decimal | None:
    """Convert at the rate of the latest table that is not after the day; None where there is none."""
    if currency == book.base_currency:
        return amount
    tables = [table for since, table in book.rates if since <= day and currency in table]
    if not tables:
        return None
    return (amount * tables[-1][currency]).quantize(CENT, rounding=ROUND_HALF_UP)


def limit(book: RuleBook, employee: str | None, category: str) -> Decimal:
    """Give the amount, in the base currency, up to which the policy may approve alone. Unknown people get the lowest role's."""
    role = book.people.get(employee or "", {}).get("role", "staff")
    table = book.limits.get(role, book.limits["staff"])
    return table.get(category, table["other"])


def fingerprint(form: Form) -> str | None:
    """Give what makes two receipts the same one, None where a part is missing (which means: ask a person)."""
    number = re.sub(r"[^A-Z0-9]", "", (form.receipt_number or "").upper())
    return _digest("fingerprint", form, number) if form.receipt_number else None


def likeness(form: Form) -> str | None:
    """Give what two receipts have in common that may be the same one: the fingerprint without the number, which is often misread."""
    return _digest("similar", form)


def _digest(kind: str, form: Form, *more: str) -> str | None:
    if not form.merchant or form.date is None or form.total is None or not form.currency:
        return None
    amount = format(form.total.quantize(CENT), "f")
    text = "|".join((normal_merchant(form.merchant), str(form.date), amount, form.currency, *more))
    return f"{kind}:{hashlib.sha256(text.encode()).hexdigest()}"


def normal_merchant(name: str) -> str:
    """Give a merchant's name without case, punctuation and company suffixes."""
    letters = re.sub(r"[^A-Z0-9 ]", " ", name.upper())
    return " ".join(_COMPANY.sub(" ", letters).split())


def same_merchant(one: str, other: str) -> bool:
    """Tell whether two names may be those of one merchant; those that cannot be compared (another script) may."""
    a, b = sorted((normal_merchant(one), normal_merchant(other)))
    if not a:
        return bool(b) or one.casefold().split() == other.casefold().split()
    words, others = set(a.split()), set(b.split())
    if words <= others or others <= words:  # "Starbucks", and "STARBUCKS COFFEE KLCC"
        return True
    a, b = sorted((a.replace(" ", ""), b.replace(" ", "")))
    if b.startswith(a):  # "MR DIY", and "MR. D.I.Y. (JOHOR)"
        return True
    return SequenceMatcher(None, a, b, autojunk=False).ratio() >= SAME_MERCHANT


def suspicions(claim: Claim, reading: Reading) -> Mapping[str, str]:
    """Name how a claim asks for more than the receipt says: a stable word, and what a manager should know.

    Only what is claimed and read is compared, and less than was paid is nobody's gain. These are the moves that somebody who wants more
    can make without forging the picture; a claim that makes one of them by accident is for a person too.
    """
    found = dict(_amount_suspicion(claim, reading))
    read_date, merchant = _date(reading.date), _value(reading.merchant)
    if claim.date is not None and read_date is not None and claim.date > read_date:
        found["later-date"] = f"The claim states the day {claim.date}; {read_date} is printed, which is earlier."
    if claim.merchant and merchant and not same_merchant(claim.merchant, merchant):
        found["other-merchant"] = f"The claim names {claim.merchant}; the receipt is from {merchant}."
    return found


def _amount_suspicion(claim: Claim, reading: Reading) -> dict[str, str]:
    total, claimed, currency = _amount(reading.total), claim.amount, _value(reading.currency)
    if total is None or total <= 0 or claimed is None or claimed - total <= SAME_AMOUNT:
        return {}
    if claim.currency is not None and currency is not None and claim.currency != currency:
        return {}  # amounts of two currencies say nothing about each other, and the claim is contradicted anyway
    printed = [(amount, p.role) for p in reading.printed if (amount := _amount_of(p.value)) is not None]
    taxes = {_amount(reading.tax), *(amount for amount, role in printed if role == "tax")} - {None}
    if (claimed, "cash") in printed:
        return {"cash-tendered": f"{claimed} is the cash that was given; {total} was to be paid."}
    if any(tax and tax > 0 and abs(total + tax - claimed) <= SAME_AMOUNT for tax in taxes):
        return {"tax-twice": f"{claimed} is the total of {total} with its tax added once more."}
    roles = [role for amount, role in printed if amount == claimed]
    if roles:
        called = f" as {roles[0]}" if roles[0] else ""
        return {"other-amount": f"{claimed} is on the receipt{called}, but its total is {total}."}
    if _one_digit_apart(_digits(total), _digits(claimed)):
        return {"digit-changed": f"{claimed} is the total of {total} with a digit changed, added or moved."}
    return {}


def _digits(amount: Decimal) -> str:
    return format(amount.quantize(CENT), "f").replace(".", "")


def _one_digit_apart(short: str, long: str) -> bool:
    """Tell whether one digit was changed or added, or two beside each other were swapped."""
    if len(long) == len(short) + 1:
        return any(long[:n] + long[n + 1 :] == short for n in range(len(long)))
    if len(long) != len(short):
        return False
    differ = [n for n, (a, b) in enumerate(zip(short, long, strict=True)) if a != b]
    swapped = len(differ) == 2 and differ[1] == differ[0] + 1 and short[differ[0]] == long[differ[1]]
    return len(differ) == 1 or (swapped and short[differ[1]] == long[differ[0]])


def assess(
    book: RuleBook, claim: Claim | None, reading: Reading, documents: Sequence[Document], today: dt.date, submitter: str
) -> Assessment:
    """Hold a reading against the claim and the rules."""
    claim = claim or Claim()
    read_total, read_date = _amount(reading.total), _date(reading.date)
    employee = claim.employee or submitter
    category = claim.category or book.default_category
    form = Form(
        merchant=_fitting("merchant", reading.merchant),
        date=read_date or claim.date,
        total=_positive(read_total) or claim.amount,
        currency=_fitting("currency", reading.currency) or claim.currency,
        tax=_not_negative(_amount(reading.tax)),
        receipt_number=_fitting("receipt_number", reading.receipt_number),
        category=category,
        employee=employee,
    )
    compared, suspected = _compare(claim, reading, read_total, read_date), suspicions(claim, reading)
    stated = claim.date or read_date
    base = None
    if form.total is not None and form.currency is not None and stated is not None:
        base = to_base(book, form.total, form.currency, stated)
    print_of = fingerprint(form)
    submitted_on = claim.submitted_on or today
    facts = Facts(
        has_claim=claim.amount is not None,
        claim_matches=not compared and None not in (claim.amount, claim.currency, claim.date),
        claim_contradicted=bool(compared),
        suspicions=sorted(suspected),
        trusted=reading.trusted,
        reading_supports_claim=reading.supports_claim,
        several_receipts=reading.several_receipts,
        confidence_pct=int(reading.confidence * 100),
        larger_amount_present=bool(reading.larger_amounts),
        complete=print_of is not None,
        date_known=stated is not None,
        in_future=stated is not None and stated > today,  # whatever day the claim gives itself
        claim_dates_odd=submitted_on > today or (stated is not None and submitted_on < stated <= today),
        age_days=max((submitted_on - stated).days, 0) if stated else 0,
        age_days_max=book.age_days_max,
        amount_known=base is not None,
        amount=base or Decimal("0.00"),
        limit=limit(book, employee, category),
        employee_known=employee in book.people,
        category_known=category in book.categories,
        reimbursable=bool(book.categories.get(category, {}).get("reimbursable", True)),
    )
    return Assessment(
        form=form,
        facts=facts,
        notes=[*suspected.values(), *compared, *_missing(form), *reading.reasons, *_manager(book, employee)],
        keys=sorted({f"picture:{d.sha256}" for d in documents if d.sha256} | ({print_of} if print_of else set())),
        similar=[alike] if (alike := likeness(form)) else [],
        amount_base=base,
        base_currency=book.base_currency,
    )


def assess_answer(book: RuleBook, form: Form, keys: Sequence[str], day: dt.date) -> AnsweredForm:
    """Hold the values as a person left them against the rules, on the day of the answer.

    The keys of the first reading are kept beside the fingerprint of the answer: the same receipt will be read the same way again.
    """
    base = None
    if form.total is not None and form.currency is not None and (form.date or form.currency == book.base_currency):
        base = to_base(book, form.total, form.currency, form.date or day)
    category = form.category or book.default_category
    print_of = fingerprint(form)
    return AnsweredForm(
        facts=ConfirmFacts(
            in_future=form.date is not None and form.date > day,
            amount_known=base is not None,
            amount=base or Decimal("0.00"),
            category_known=category in book.categories,
            reimbursable=bool(book.categories.get(category, {}).get("reimbursable", True)),
        ),
        keys=sorted({*keys} | ({print_of} if print_of else set())),
        similar=[alike] if (alike := likeness(form)) else [],
        amount_base=base,
    )


def _manager(book: RuleBook, employee: str) -> list[str]:
    """Say whose question it is, where the rule book knows."""
    manager = book.people.get(employee, {}).get("manager")
    return [f"{employee.removeprefix('user:')}'s manager is {manager}."] if manager else []


def _compare(claim: Claim, reading: Reading, total: Decimal | None, day: dt.date | None) -> list[str]:
    """Say where claim and reading differ; what was not read cannot support a claim, so it differs too."""
    found = []
    if claim.amount is not None and (total is None or abs(claim.amount - total) > SAME_AMOUNT):
        found.append(f"claimed {claim.amount}, read {total if total is not None else 'no total'}")
    if claim.date is not None and claim.date != day:
        found.append(f"claimed the day {claim.date}, read {day or 'no date'}")
    read_currency = _value(reading.currency)
    if claim.currency is not None and claim.currency != read_currency:
        found.append(f"claimed in {claim.currency}, read {read_currency or 'no currency'}")
    merchant = _value(reading.merchant)
    if claim.merchant and merchant and not same_merchant(claim.merchant, merchant):
        found.append(f"claimed of {claim.merchant}, read {merchant}")
    return found


def _missing(form: Form) -> list[str]:
    names = ("merchant", "date", "total", "currency", "receipt_number")
    return [f"{name.replace('_', ' ')} not found" for name in names if getattr(form, name) is None]


def _value(field: Text | None) -> str | None:
    return field.value if field and field.value else None


def _fitting(name: str, field: Text | None) -> str | None:
    """Give what was read; None where the form cannot hold it, such as a bar code for a receipt number: then a person looks."""
    value = _value(field)
    try:
        Form.model_validate({name: value})
    except ValidationError:
        return None
    return value


def _amount(field: Text | None) -> Decimal | None:
    return _amount_of(field.value) if field else None


def _amount_of(text: str) -> Decimal | None:
    try:
        amount = Decimal(text)
        rounded = amount.quantize(CENT) if amount.is_finite() else None
    except InvalidOperation:
        return None
    return rounded if rounded is not None and abs(rounded) < AMOUNT_END else None


def _positive(amount: Decimal | None) -> Decimal | None:
    return amount if amount is not None and amount > 0 else None


def _not_negative(amount: Decimal | None) -> Decimal | None:
    return amount if amount is not None and amount >= 0 else None


def _date(field: Text | None) -> dt.date | None:
    try:
        return dt.date.fromisoformat(field.value) if field else None
    except ValueError:
        return None
