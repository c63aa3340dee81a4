"""What an answer is judged by: the amount and the fields as they would stand."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from automations.expenses.schema import Form
from hypothesis import given
from hypothesis import strategies as st

from interlock.domain.errors import ConfigurationError
from interlock.domain.reviews import ReviewRequest, Verdict
from interlock.orchestration.answers import amount_after, answer_facts, unknown_amount

TODAY = date(2018, 3, 10)
VALUES: dict[str, Any] = {"total": "100.00", "currency": "MYR", "date": "2018-03-04"}


def request(**changed: Any) -> ReviewRequest:
    given: dict[str, Any] = {
        "title": "A receipt", "values": VALUES, "model": f"{Form.__module__}:{Form.__name__}", "amount": "100.00",
        "amount_field": "/total", "currency_field": "/currency", "policy_fields": ("total", "currency", "date", "tax"),
    }  # fmt: skip
    return ReviewRequest(**{**given, **changed})


money = st.decimals(min_value="0.01", max_value="99999999", places=2).map(str)


@given(total=money, currency=st.sampled_from(["MYR", "USD", "JPY"]), shown=st.none() | st.sampled_from(["MYR", "USD"]))
def test_no_limit_is_passed_by_an_amount_that_nobody_knows(total: str, currency: str, shown: str | None) -> None:
    """The amount at stake was not known (no rate, no total): then it is not known either to whatever it is amended."""
    asked = request(amount=None, values={**VALUES, "total": None, "currency": shown})
    after = {**asked.values, "total": total, "currency": currency}
    assert unknown_amount(asked, Verdict.AMEND, after)
    assert unknown_amount(asked, Verdict.APPROVE, asked.values)
    assert not unknown_amount(asked, Verdict.REJECT, asked.values)


@given(total=money, currency=st.sampled_from(["MYR", "USD", "JPY"]))
def test_a_known_amount_stays_known_in_its_currency_only(total: str, currency: str) -> None:
    after = {**VALUES, "total": total, "currency": currency}
    assert unknown_amount(request(), Verdict.AMEND, after) == (currency != "MYR")
    assert amount_after(request(), after) == (Decimal(total) if currency == "MYR" else None)


def test_a_review_without_an_amount_has_no_limit() -> None:
    assert not unknown_amount(request(amount=None, amount_field=None), Verdict.APPROVE, VALUES)


def test_the_policy_is_asked_with_the_named_fields_as_they_would_stand() -> None:
    facts = answer_facts(request(), Verdict.AMEND, {**VALUES, "total": "12.00", "category": "meals"}, today=TODAY)
    values = {"total": Decimal("12.00"), "currency": "MYR", "date": date(2018, 3, 4), "tax": None}
    assert (facts["values"], facts["today"], facts["amount"]) == (values, TODAY, Decimal("12.00"))
    assert facts["changed"] == ["/category", "/total"]


def test_where_no_fields_are_named_none_are_sent() -> None:
    assert answer_facts(request(policy_fields=()), Verdict.APPROVE, VALUES, today=TODAY).keys() == {
        "verdict", "amount", "changed",
    }  # fmt: skip


@pytest.mark.parametrize("model", [None, "json:JSONDecoder", "automations.expenses.schema:Money"])
def test_a_form_that_cannot_be_loaded_is_no_answer(model: str | None) -> None:
    with pytest.raises(ConfigurationError, match="cannot judge"):
        answer_facts(request(model=model), Verdict.APPROVE, VALUES, today=TODAY)
