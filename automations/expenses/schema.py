"""What goes in, what is read, what a manager sees, what comes out."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from interlock import Document

Money = Annotated[Decimal, Field(gt=0, max_digits=15, decimal_places=2)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="ISO 4217")]
Confidence = Annotated[float, Field(ge=0, le=1)]


def _as_iso(value: object) -> object:
    """Take a day as it is written in ISO 8601 and no other way: as a number, 20181019 would be seconds since 1970."""
    if isinstance(value, dt.date) or (isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII)):
        return value
    raise ValueError("write the day as YYYY-MM-DD")


Day = Annotated[dt.date, BeforeValidator(_as_iso)]
# An employee is a person's ID and nothing else: four eyes compares it with who answers, so that another spelling would be another person.
Employee = Annotated[str, Field(pattern=r"^user:[A-Za-z0-9._@+-]+$", max_length=100)]


class Claim(BaseModel):
    """What the employee states. Each part may be missing; then the reading has to stand alone for it."""

    model_config = ConfigDict(extra="forbid")

    employee: Employee | None = Field(default=None, description="Who paid, as in the people file: user:NAME.")
    amount: Money | None = None
    currency: Currency | None = None
    date: Day | None = Field(default=None, description="The stated day of purchase.")
    merchant: str | None = Field(default=None, max_length=200)
    category: str | None = Field(default=None, max_length=100)
    purpose: str | None = Field(default=None, max_length=500)
    submitted_on: Day | None = Field(default=None, description="The day of the claim; by default today.")


class Expense(BaseModel):
    """The automation's input: the pages of one receipt, and the claim where there is one."""

    model_config = ConfigDict(extra="forbid")

    documents: list[Document] = Field(min_length=1, max_length=20)
    claim: Claim | None = None


class ReceiptRequest(BaseModel):
    """What the reader is given."""

    documents: list[Document]


class Text(BaseModel):
    """A field that was read: what, how surely, and where. `box` is [x0, y0, x1, y1] as fractions of the page."""

    value: str
    confidence: Confidence
    page: int = Field(ge=1)
    box: tuple[float, float, float, float] | None = None


class Printed(BaseModel):
    """An amount on the receipt, and what it is called there: cash, card, change, tax, subtotal, total, payable, excluding, saving, or ""."""

    value: str
    role: str = ""


class Reading(BaseModel):
    """What the reader found; null where it did not.

    `trusted`: good enough to stand without a claim, with reasons either way. `supports_claim`: good enough that a claim which says the
    same may be believed at the reader's stated risk. `several_receipts`: its pages, or papers on one picture, look like different receipts.
    """

    model_config = ConfigDict(extra="ignore")

    merchant: Text | None = None
    date: Text | None = None
    total: Text | None = None
    currency: Text | None = None
    tax: Text | None = None
    receipt_number: Text | None = None
    confidence: Confidence = 0.0
    trusted: bool = False
    supports_claim: bool = False
    several_receipts: bool = False
    printed: list[Printed] = Field(default_factory=list)
    reasons: list[str] = Field(default_factory=list)
    larger_amounts: list[str] = Field(default_factory=list)


class Facts(BaseModel):
    """What the policy is asked with: `policy/schema.cedarschema` names the same."""

    has_claim: bool
    claim_matches: bool
    claim_contradicted: bool
    suspicions: list[str]
    trusted: bool
    reading_supports_claim: bool
    several_receipts: bool
    confidence_pct: int
    larger_amount_present: bool
    complete: bool
    date_known: bool
    in_future: bool
    claim_dates_odd: bool
    age_days: int
    age_days_max: int
    amount_known: bool
    amount: Decimal
    limit: Decimal
    employee_known: bool
    category_known: bool
    reimbursable: bool
    duplicate: bool = False
    similar: bool = False


class Form(BaseModel):
    """What a manager sees and may amend."""

    model_config = ConfigDict(extra="forbid")

    merchant: str | None = Field(default=None, max_length=200)
    date: Day | None = None
    total: Money | None = None
    currency: Currency | None = None
    tax: Decimal | None = Field(default=None, ge=0, max_digits=15, decimal_places=2)
    receipt_number: str | None = Field(default=None, max_length=100)
    category: str | None = None
    employee: str | None = None


class Assessment(BaseModel):
    """The reading held against the claim and the company's rules.

    `keys` are unique among approved expenses: the pictures' digests, and the fingerprint where it is complete.
    `similar` holds what an approved expense may share with another one of the same shop, day and amount; then a person looks at both.
    """

    form: Form
    facts: Facts
    notes: list[str]
    keys: list[str]
    similar: list[str]
    amount_base: Decimal | None = None
    base_currency: Currency


class ConfirmFacts(BaseModel):
    """What the policy is asked with about the values as a person left them."""

    in_future: bool
    amount_known: bool
    amount: Decimal
    category_known: bool
    reimbursable: bool
    asked_finance: bool = False


class AnsweredForm(BaseModel):
    """A person's answer held against the company's rules. `keys`: the case's own and the fingerprint of the values as answered."""

    facts: ConfirmFacts
    keys: list[str]
    similar: list[str]
    amount_base: Decimal | None = None


class Posting(BaseModel):
    """An entry in the ledger."""

    id: str
    amount: Money
    currency: Currency
    account: str


class Outcome(BaseModel):
    """The automation's output."""

    decision: Literal["approved", "rejected", "expired"]
    by: str
    reasons: list[str]
    merchant: str | None = None
    date: dt.date | None = None
    amount: Decimal | None = None
    currency: str | None = None
    posting: Posting | None = None
    overridden_duplicate: bool = False
