"""The company's rules, as pure functions."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from automations.expenses import rules
from automations.expenses.schema import Assessment, Claim, Expense, Form
from automations.expenses.tests.cases import CLAIM, DOCUMENT, FOLDER, read
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from interlock import Document
from interlock.orchestration.submit import field_errors

BOOK = rules.load(FOLDER / "data")
TODAY = dt.date(2018, 3, 10)


def assess(
    claim: dict[str, object] | None = CLAIM, *, submitter: str = "user:amir", today: dt.date = TODAY, **changed: object
) -> Assessment:
    stated = Claim.model_validate(claim) if claim else None
    return rules.assess(BOOK, stated, read(**changed), [Document.model_validate(DOCUMENT)], today, submitter)


def test_an_honest_claim_matches() -> None:
    facts = assess().facts
    assert facts.claim_matches
    assert not facts.claim_contradicted
    assert (facts.amount, facts.limit, facts.age_days) == (Decimal("12.30"), Decimal("150.00"), 6)


@given(st.decimals(min_value="0.06", max_value="9999", places=2))
def test_an_inflated_claim_never_matches(more: Decimal) -> None:
    facts = assess({**CLAIM, "amount": str(Decimal("12.30") + more)}).facts
    assert facts.claim_contradicted
    assert not facts.claim_matches


@pytest.mark.parametrize(
    "changed",
    [{"date": "2018-03-05"}, {"currency": "SGD"}, {"amount": "123.00"}, {"amount": "1.23"}],
    ids=["another day", "another currency", "a digit more", "less"],
)
def test_what_differs_contradicts(changed: dict[str, str]) -> None:
    assert assess({**CLAIM, **changed}).facts.claim_contradicted


def test_what_was_not_read_supports_no_claim() -> None:
    assert assess(total=None).facts.claim_contradicted
    assert assess(date=None).facts.claim_contradicted


@pytest.mark.parametrize("claim", [CLAIM, None], ids=["with a claim", "without one"])
@pytest.mark.parametrize(
    ("field", "read_as"),
    [
        ("merchant", "KEDAI " * 40),
        ("receipt_number", "9" * 120),
        ("total", "99999999999999.00"),
        ("total", "9999999999999.999"),
        ("tax", "1" * 20),
    ],
)
def test_what_the_form_cannot_hold_is_as_good_as_not_read(
    claim: dict[str, object] | None, field: str, read_as: str
) -> None:
    """A bar code, or the lines of a letter: a person looks, and the task does not fail."""
    found: dict[str, Any] = {field: read_as}
    nothing: dict[str, Any] = {field: None}
    assert assess(claim, **found) == assess(claim, **nothing)


def test_a_currency_that_is_none_is_not_known() -> None:
    assert assess(None, currency="RM").form.currency is None


def test_without_a_claim_the_reading_stands_alone() -> None:
    facts = assess(None).facts
    assert (facts.has_claim, facts.claim_matches, facts.claim_contradicted) == (False, False, False)
    assert facts.age_days == 6


@pytest.mark.parametrize("missing", ["merchant", "date", "total", "receipt_number"])
def test_a_fingerprint_needs_every_part(missing: str) -> None:
    changed: dict[str, Any] = {missing: None}
    assessment = assess(None, **changed)
    assert not assessment.facts.complete
    assert [k.partition(":")[0] for k in assessment.keys] == ["picture"]
    assert len(assessment.similar) == (missing == "receipt_number")


def test_the_fingerprint_sees_through_spelling() -> None:
    def form(**changed: object) -> Form:
        values = {"merchant": "Kedai Kopi Sdn. Bhd.", "date": "2018-03-04", "total": "12.30", "currency": "MYR"}
        return Form.model_validate({**values, "receipt_number": "a 100", **changed})

    same = rules.fingerprint(form())
    assert same == rules.fingerprint(form(merchant="KEDAI KOPI", receipt_number="A-100"))
    for other in ({"total": "12.31"}, {"date": "2018-03-05"}, {"receipt_number": "A-101"}, {"currency": "SGD"}):
        assert same != rules.fingerprint(form(**other))


def test_the_rate_of_the_day_counts() -> None:
    hundred = Decimal("100.00")
    assert rules.to_base(BOOK, hundred, "USD", dt.date(2018, 3, 4)) == Decimal("404.00")
    assert rules.to_base(BOOK, hundred, "USD", dt.date(2016, 12, 31)) == Decimal("415.00")
    assert rules.to_base(BOOK, hundred, "MYR", dt.date(1999, 1, 1)) == hundred
    assert rules.to_base(BOOK, hundred, "USD", dt.date(1999, 1, 1)) is None
    assert rules.to_base(BOOK, hundred, "XYZ", TODAY) is None


@given(st.sampled_from(["user:amir", "user:mei", "user:priya", "user:nobody", None]), st.text(max_size=8))
def test_everybody_has_a_limit(person: str | None, category: str) -> None:
    assert rules.limit(BOOK, person, category) > 0


def test_unreadable_values_are_not_found() -> None:
    assessment = assess(None, total="12,3o", date="someday")
    assert assessment.form.total is None
    assert assessment.form.date is None


@pytest.mark.parametrize(
    "employee",
    [
        "amir",
        "admin",
        "User:amir",
        "user:",
        "user:amir ",
        " user:amir",
        "user:amir\n",
        "service:amir",
        "user:" + "a" * 100,
        "",
    ],
)
def test_an_employee_is_a_persons_id_or_the_submission_is_refused(employee: str) -> None:
    """Another spelling of oneself would be somebody else to the rule that nobody answers about themselves."""
    with pytest.raises(ValidationError) as refused:
        Expense.model_validate({"documents": [DOCUMENT], "claim": {**CLAIM, "employee": employee}})
    assert [error.pointer for error in field_errors(refused.value, "/input")] == ["/input/claim/employee"]


@pytest.mark.parametrize("submitter", ["service:watched-folder", "agent:bot", "user:amir"])
def test_who_submits_is_to_be_paid_where_nobody_is_stated(submitter: str) -> None:
    assessment = assess(None, submitter=submitter)
    assert assessment.form.employee == submitter
    assert assessment.facts.employee_known == (submitter == "user:amir")


days = st.dates(dt.date(2015, 1, 1), dt.date(2030, 1, 1))


@given(stated=days, today=days, submitted_on=st.none() | days)
def test_no_day_of_the_claim_makes_the_future_the_past(
    stated: dt.date, today: dt.date, submitted_on: dt.date | None
) -> None:
    claim = {**CLAIM, "date": stated, "submitted_on": submitted_on}
    facts = assess(claim, today=today, date=str(stated)).facts
    assert facts.in_future == (stated > today)
    odd = submitted_on is not None and (submitted_on > today or submitted_on < stated)
    assert facts.in_future or facts.claim_dates_odd == odd
    assert facts.age_days == max(((submitted_on or today) - stated).days, 0)


def test_a_currency_that_was_not_read_supports_no_claimed_one() -> None:
    """Else a claim of the same number in a dearer currency would pass."""
    assert assess(currency=None).facts.claim_contradicted


def test_a_reviewer_is_told_whose_question_it_is() -> None:
    assert assess().notes[-1] == "amir's manager is mei."
    assert assess(submitter="user:nobody", claim=None).notes[-1:] != ["nobody's manager is mei."]


@pytest.mark.parametrize(
    "day", [20181019, 1539907200, "20181019", "2018-10-19T00:00:00Z", "19/10/2018", "2018-W42-5", ""]
)
@pytest.mark.parametrize("model", [Claim, Form])
def test_a_day_is_written_in_one_way(model: type[Claim | Form], day: object) -> None:
    with pytest.raises(ValidationError, match="write the day as YYYY-MM-DD"):
        model.model_validate({"date": day})


def test_a_day_that_the_calendar_does_not_have_is_refused() -> None:
    assert Claim.model_validate({"date": "2020-02-29"}).date == dt.date(2020, 2, 29)
    with pytest.raises(ValidationError, match="day value is outside"):
        Claim.model_validate({"date": "2018-02-30"})
