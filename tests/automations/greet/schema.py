"""What the greeting takes and gives."""

from __future__ import annotations

from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field

from interlock import Document


class Greeting(BaseModel):
    """Whom to greet. Over 100 a person is asked; `fail` makes the step fail; `wait_s` sleeps first; `says` is what the step logs."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=80)
    amount: Decimal = Field(default=Decimal(0), ge=0, le=1_000_000)
    rate_known: bool = True
    subject: str | None = None
    document: Document | None = None
    fail: bool = False
    approvals: int = 1
    also: list[str] = []
    wait_s: float = Field(default=0, ge=0)
    padding: str = ""
    says: str = ""


class Form(BaseModel):
    """What a person checks."""

    name: str = Field(min_length=1, max_length=80)
    amount: Decimal = Field(ge=0)
    currency: str = "EUR"


class Facts(BaseModel):
    """What the policy is told."""

    amount: Decimal


class Greeted(BaseModel):
    """How it went."""

    text: str
    decision: str
    by: str
    amount: Decimal
