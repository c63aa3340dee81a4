"""Every branch of the automation, in milliseconds, with its real policy."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from automations.expenses.schema import Form, Posting
from automations.expenses.tests.cases import expense, harness, read

from interlock.domain.errors import Refused
from interlock.domain.tasks import State
from interlock.testing import Answered


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def entries(ledger: Path) -> list[tuple[Any, ...]]:
    if not ledger.exists():
        return []
    with sqlite3.connect(ledger) as db:
        return db.execute("select amount, currency, debit_account from entries").fetchall()


async def test_an_honest_claim_goes_straight_through(ledger: Path) -> None:
    result = await harness(ledger=ledger).run(expense())
    assert result.state is State.SUCCEEDED
    assert (result.output["decision"], result.output["by"]) == ("approved", "policy")
    assert entries(ledger) == [("12.30", "MYR", "expenses:meals")]
    assert result.names == [
        "read-receipt", "now", "assess-expense", "find-duplicates", "approve", "reserve", "post-to-ledger", "emit",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("claim", "reading", "reason"),
    [
        ({"amount": "99.00"}, {}, "does not say what the claim says"),
        ({"date": "2018-03-05"}, {}, "does not say what the claim says"),
        ({}, {"trusted": False, "confidence": 0.5}, "too unsure"),
        ({}, {"trusted": False, "confidence": 0.99}, "too unsure"),
        ({}, {"several_receipts": True, "supports_claim": True}, "different receipts"),
        ({"amount": "50.00"}, {"printed": [{"value": "50.00", "role": "cash"}]}, "asks for more"),
        ({"merchant": "Hotel Ritz"}, {}, "asks for more"),
        ({}, {"receipt_number": None}, "could not be told"),
        ({"submitted_on": "2018-12-01"}, {}, "older than the rules allow"),
        ({"date": "2018-04-01", "submitted_on": "2018-03-10"}, {"date": "2018-04-01"}, "in the future"),
        ({"date": "2018-04-01", "submitted_on": "2018-04-02"}, {"date": "2018-04-01"}, "in the future"),
        ({"submitted_on": "2018-04-02"}, {}, "cannot tell how old"),
        ({"submitted_on": "2018-03-03"}, {}, "cannot tell how old"),
        ({"amount": "900.00"}, {"total": "900.00"}, "over the limit"),
        ({"category": "yachts"}, {}, "not one of the company's"),
        ({"currency": "XYZ"}, {"currency": "XYZ"}, "base currency"),
    ],
)
async def test_what_a_person_is_asked_about(claim: dict[str, Any], reading: dict[str, Any], reason: str) -> None:
    run = harness(read(**reading))
    result = await run.run(expense(**claim))
    assert result.state is State.WAITING
    (review,) = run.open_reviews
    assert any(reason in text for text in review.request.reasons), review.request.reasons
    assert review.request.role == "manager"
    assert review.request.subject == "user:amir"


async def test_an_employee_whom_nobody_knows_is_for_a_person() -> None:
    run = harness()
    await run.run(expense(employee="user:ghost"))
    (review,) = run.open_reviews
    assert review.request.reasons == ("Who is to be paid is not in the people file.",)
    assert review.request.subject == "user:ghost"


@pytest.mark.parametrize("submitter", ["service:watched-folder", "agent:bot"])
async def test_what_no_person_handed_in_is_about_nobody(submitter: str) -> None:
    run = harness(submitted_by=submitter)
    await run.run(expense(None))
    (review,) = run.open_reviews
    assert review.request.subject is None
    assert review.request.values["employee"] == submitter


async def test_large_amounts_are_for_finance() -> None:
    run = harness(read(total="20000.00"))
    await run.run(expense(amount="20000.00"))
    assert run.open_reviews[0].request.role == "finance"


async def test_some_categories_nobody_may_approve() -> None:
    result = await harness().run(expense(category="fines"))
    assert (result.output["decision"], result.output["by"]) == ("rejected", "policy")
    assert result.output["reasons"] == ["This category is not reimbursed."]


async def test_a_claim_is_believed_where_the_reading_supports_it(ledger: Path) -> None:
    supported = read(trusted=False, confidence=0.6, supports_claim=True)
    assert (await harness(supported, ledger=ledger).run(expense())).output["by"] == "policy"
    assert (await harness(supported, ledger=ledger).run(expense(None))).state is State.WAITING


async def test_a_manager_reads_how_a_claim_asks_for_more() -> None:
    run = harness(read(printed=[{"value": "20.00", "role": "cash"}]))
    await run.run(expense(amount="20.00"))
    (review,) = run.open_reviews
    assert review.request.evidence["notes"][0] == "20.00 is the cash that was given; 12.30 was to be paid."


@pytest.mark.parametrize(("trusted", "state"), [(True, State.SUCCEEDED), (False, State.WAITING)])
async def test_without_a_claim_only_a_trusted_reading_passes(trusted: bool, state: State, ledger: Path) -> None:
    result = await harness(read(trusted=trusted), ledger=ledger).run(expense(None))
    assert result.state is state


async def test_a_person_approves_rejects_amends(ledger: Path) -> None:
    run = harness(read(trusted=False, confidence=0.3), ledger=ledger)
    await run.run(expense())
    approved = await run.answer("approve-expense", "approve", by="user:mei")
    assert (approved.output["decision"], approved.output["by"]) == ("approved", "user:mei")

    run = harness(read(trusted=False, confidence=0.3), ledger=ledger)
    await run.run(expense())
    rejected = await run.answer("approve-expense", "reject", by="user:mei", reason="private")
    assert (rejected.output["decision"], rejected.output["reasons"]) == ("rejected", ["private"])

    run = harness(read(trusted=False, confidence=0.3), ledger=ledger)
    await run.run(expense())
    amended = await run.answer("approve-expense", "amend", values={"total": "12.00"}, by="user:mei")
    assert (amended.output["decision"], amended.output["amount"]) == ("approved", "12.00")
    assert [entry[0] for entry in entries(ledger)] == ["12.30", "12.00"]


async def test_nobody_answers_and_it_expires(ledger: Path) -> None:
    run = harness(read(trusted=False, confidence=0.3), ledger=ledger)
    await run.run(expense())
    waiting = await run.advance(timedelta(days=4))
    assert waiting.state is State.WAITING
    expired = await run.advance(timedelta(days=11))
    assert (expired.state, expired.output["decision"]) == (State.SUCCEEDED, "expired")
    assert entries(ledger) == []


async def test_the_same_receipt_twice_asks_a_person_who_may_override(ledger: Path) -> None:
    run = harness(ledger=ledger)
    await run.run(expense())
    second = await run.run(expense())
    assert second.state is State.WAITING
    assert "approved before" in run.open_reviews[0].request.reasons[0]
    overridden = await run.answer("approve-expense", "approve", by="user:mei", reason="two coffees")
    assert overridden.output["overridden_duplicate"]
    assert len(entries(ledger)) == 2


async def test_two_at_once_the_second_asks_a_person(ledger: Path) -> None:
    """Nothing was approved when it looked; while the policy decides, another task reserves the same keys."""

    def meanwhile(action: str, facts: Any) -> str:
        run.registers.held |= {("approved-expenses", key): "task_other" for key in keys}
        return "allow"

    run = harness(ledger=ledger)
    taken = await run.run(expense())
    keys = taken.effect("reserve").input["keys"]
    run = harness(ledger=ledger, decide=meanwhile)
    result = await run.run(expense())
    assert result.state is State.WAITING
    assert run.open_reviews[0].request.reasons == ("The same receipt was approved a moment ago.",)


async def test_each_effect_may_fail_once(ledger: Path, tmp_path: Path) -> None:
    seen = 0
    async for case in harness(ledger=ledger).each_effect_failing_once(expense()):
        seen += 1
        retried = case.effect.name in ("assess-expense", "post-to-ledger")
        expected = State.SUCCEEDED if retried and not case.for_good else State.FAILED
        assert case.result.state is expected, str(case)
    assert seen >= 6


class Ledger:
    """A ledger that may be down."""

    def __init__(self) -> None:
        self.down = True
        self.entries: list[Form] = []

    def post(self, form: Form) -> Posting:
        if self.down:
            raise OSError("the ledger is down")
        self.entries.append(form)
        return Posting.model_validate({"id": "led_1", "amount": form.total, "currency": form.currency, "account": "a"})


async def test_a_failed_posting_is_retried_and_posts_once() -> None:
    """Nothing follows the failure, so a retry begins at it and not before; and it knows its receipt still."""
    books = Ledger()
    run = harness(steps={"post-to-ledger": books.post})
    failed = await run.run(expense())
    assert failed.state is State.FAILED
    assert failed.names[-1] == "post-to-ledger"
    books.down = False
    retried = await run.retry()
    assert retried.output["decision"] == "approved"
    again = await run.run(expense())
    assert again.state is State.WAITING
    assert run.open_reviews[0].request.evidence["approved_before"] == [failed.task_id]
    assert len(books.entries) == 1


async def test_what_is_handed_in_again_after_a_failed_posting_is_for_a_person() -> None:
    books = Ledger()
    run = harness(steps={"post-to-ledger": books.post})
    failed = await run.run(expense())
    books.down = False
    again = await run.run(expense())
    assert again.state is State.WAITING
    assert run.open_reviews[0].request.evidence["approved_before"] == [failed.task_id]
    assert books.entries == []


UNSURE: dict[str, Any] = {"trusted": False, "confidence": 0.3}


@pytest.mark.parametrize(
    ("reading", "values", "policy"),
    [
        ({"total": None}, None, "expense-answer-without-amount"),
        ({"currency": None}, None, "expense-answer-without-amount"),
        ({}, {"total": None}, "expense-answer-without-amount"),
        ({}, {"currency": None}, "expense-answer-without-amount"),
        ({}, {"date": "2018-03-11"}, "expense-answer-in-future"),
        ({}, {"employee": "user:mei"}, "expense-answer-keeps-employee"),
    ],
)
async def test_an_answer_that_the_form_speaks_against_is_refused_and_the_review_stays(
    reading: dict[str, Any], values: dict[str, Any] | None, policy: str, ledger: Path
) -> None:
    run = harness(read(**UNSURE, **reading), ledger=ledger)
    await run.run(expense(None))
    with pytest.raises(Refused, match=policy):
        await run.answer("approve-expense", "amend" if values else "approve", values=values, by="user:mei")
    assert len(run.open_reviews) == 1
    rejected = await run.answer("approve-expense", "reject", by="user:mei", reason="no")
    assert rejected.output["decision"] == "rejected"
    assert entries(ledger) == []


@pytest.mark.parametrize(
    ("values", "reason", "role"),
    [
        ({"category": "fines"}, "not reimbursed", "manager"),
        ({"category": "yachts"}, "not one of the company's", "manager"),
        ({"currency": "XYZ"}, "no exchange rate", "manager"),
        ({"currency": "USD", "date": None}, "no day", "manager"),
        ({"total": "10000.01"}, "for finance", "finance"),
        ({"total": "2500.00", "currency": "USD"}, "for finance", "finance"),
    ],
)
async def test_an_answer_that_the_rule_book_speaks_against_is_asked_again_and_not_posted(
    values: dict[str, Any], reason: str, role: str, ledger: Path
) -> None:
    run = harness(read(**UNSURE), ledger=ledger)
    await run.run(expense())
    again = await run.answer("approve-expense", "amend", values=values, by="user:mei")
    assert again.state is State.WAITING
    assert entries(ledger) == []
    (review,) = run.open_reviews
    assert review.request.role == role
    assert reason in review.request.reasons[0]
    assert review.request.values | values == review.request.values
    approved = await run.answer(
        "approve-expense", "amend", values={"category": "meals", "total": "12.00", "currency": "MYR"}
    )
    assert approved.output["decision"] == "approved"
    assert [entry[:2] for entry in entries(ledger)] == [("12.00", "MYR")]


async def test_finance_may_approve_what_is_large(ledger: Path) -> None:
    run = harness(read(total="20000.00"), ledger=ledger)
    await run.run(expense(amount="20000.00"))
    approved = await run.answer("approve-expense", "approve", by="user:priya")
    assert approved.output["decision"] == "approved"


async def test_answers_outside_of_the_rules_end_in_a_rejection(ledger: Path) -> None:
    answers = [Answered(verdict="amend", values={"category": "fines"})] * 9
    result = await harness(read(**UNSURE), reviews=answers, ledger=ledger).run(expense())
    assert (result.output["decision"], result.output["by"]) == ("rejected", "policy")
    assert result.names.count("approve-expense") == 5
    assert entries(ledger) == []


async def test_an_amended_receipt_is_known_as_it_was_read_and_as_it_was_amended(ledger: Path) -> None:
    """Handed in again on another picture: with the number as read, and with the number as a person corrected it."""
    readings = iter(
        [read(receipt_number="A-1O0", **UNSURE), read(receipt_number="A-1O0"), read(receipt_number="A-100")]
    )
    run = harness(lambda: next(readings), ledger=ledger)
    await run.run(expense())
    first = await run.answer("approve-expense", "amend", values={"receipt_number": "A-100"}, by="user:mei")
    assert first.output["decision"] == "approved"
    for picture in ("b" * 64, "c" * 64):
        again = await run.run(expense(picture=picture))
        assert again.state is State.WAITING
        assert run.open_reviews[0].request.reasons == ("The same receipt was approved before.",)
        assert run.open_reviews[0].request.evidence["approved_before"] == [first.task_id]
    assert len(entries(ledger)) == 1


async def test_an_amendment_into_a_duplicate_is_shown_before_it_overrides(ledger: Path) -> None:
    other: dict[str, Any] = {"receipt_number": "B-7", "total": "99.00"}
    readings = iter([read(), read(**other, **UNSURE), read(**other)])
    run = harness(lambda: next(readings), ledger=ledger)
    first = await run.run(expense())
    await run.run(expense(picture="b" * 64))
    asked = await run.answer(
        "approve-expense", "amend", values={"receipt_number": "A-100", "total": "12.30"}, by="user:mei"
    )
    assert asked.state is State.WAITING
    (review,) = run.open_reviews
    assert review.request.reasons == ("As approved, it is a receipt that was approved before, or one like it.",)
    assert review.request.evidence["approved_before"] == [first.task_id]
    overridden = await run.answer("approve-expense", "approve", by="user:mei")
    assert overridden.output["overridden_duplicate"]
    third = await run.run(expense(picture="b" * 64, amount="99.00"))
    assert third.state is State.WAITING
    assert run.open_reviews[0].request.evidence["approved_before"] == [overridden.task_id]


async def test_a_receipt_like_one_that_was_approved_is_for_a_person_who_sees_both(ledger: Path) -> None:
    """The same receipt photographed again, its number read otherwise or not at all; or a second coffee of the same price."""
    readings = iter(
        [read(), read(receipt_number="A-1O0"), read(receipt_number=None), read(receipt_number="A-200", total="12.40")]
    )
    run = harness(lambda: next(readings), ledger=ledger)
    first = await run.run(expense())
    await run.run(expense(picture="b" * 64))
    (review,) = run.open_reviews
    assert review.request.reasons == ("A receipt of the same merchant, day and amount was approved before.",)
    assert review.request.evidence["approved_before"] == [first.task_id]
    second = await run.answer("approve-expense", "approve", by="user:mei", reason="a second coffee")
    assert (second.output["decision"], second.output["overridden_duplicate"]) == ("approved", False)
    await run.run(expense(picture="c" * 64))
    assert run.open_reviews[0].request.evidence["approved_before"] == [first.task_id]
    another = await run.run(expense(picture="d" * 64, amount="12.40"))
    assert another.output["by"] == "policy"


async def test_cancelling_while_a_person_is_asked() -> None:
    run = harness(read(trusted=False, confidence=0.3))
    await run.run(expense())
    cancelled = await run.cancel()
    assert cancelled.state is State.CANCELLED


async def test_a_scripted_answer() -> None:
    run = harness(
        read(trusted=False, confidence=0.3), reviews=[Answered(verdict="reject", reason="no", after=timedelta(days=1))]
    )
    result = await run.run(expense())
    assert result.output["decision"] == "rejected"
