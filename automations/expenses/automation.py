"""Expenses: a receipt becomes an approved, posted, provable expense, or a question in a manager's inbox."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from interlock import Answer, Decision, Endpoint, Task, Verdict, automation

from .schema import Assessment, Expense, Form, Outcome, Reading, ReceiptRequest
from .steps import assess_answer, assess_expense, post_to_ledger

APPROVED = "approved-expenses"  # the register of what was approved once
MEANWHILE = "The same receipt was approved a moment ago."
KNOWN = "As approved, it is a receipt that was approved before, or one like it."
ASKED_MAX = 5  # times that one expense is put to a person
receipt_reader = Endpoint("receipt-reader", ReceiptRequest, Reading)


@automation
async def expenses(task: Task, expense: Expense) -> Outcome:
    prediction = await task.infer(receipt_reader, ReceiptRequest(documents=expense.documents), name="read-receipt")
    today = (await task.now()).date()
    case = await task.step(assess_expense, expense.claim, prediction.value, expense.documents, today, task.submitted_by)

    approved_before = await task.lookup(APPROVED, [*case.keys, *case.similar], name="find-duplicates")
    duplicate, similar = (any(key in approved_before for key in keys) for keys in (case.keys, case.similar))
    facts = case.facts.model_copy(update={"duplicate": duplicate, "similar": similar})
    decision = await task.decide("approve", facts)
    reasons = [reason.text for reason in decision.reasons]
    if decision.answer == "deny":
        return Outcome(decision="rejected", by="policy", reasons=reasons, **shown(case.form))

    if decision.answer == "allow":
        reservation = await task.reserve(APPROVED, [*case.keys, *case.similar])
        if reservation.held:
            return await post(task, case.form, by="policy", reasons=reasons)
        reasons = [MEANWHILE]  # two of them at once: the second is for a person
        approved_before = dict(reservation.holders)

    return await by_a_person(task, expense, case, prediction.value, decision, reasons, approved_before)


async def by_a_person(
    task: Task,
    expense: Expense,
    case: Assessment,
    reading: Reading,
    decision: Decision,
    reasons: list[str],
    approved_before: dict[str, str],
) -> Outcome:
    """Ask until an answer holds against the rule book, a few times at most; nothing is posted on one that does not."""
    role, approvals = "manager", 1
    for _ in range(ASKED_MAX):
        role = "finance" if "review:finance" in decision.obligations else role  # once for finance, it stays there
        approvals = max(approvals, decision.approvals)
        answer = await ask(task, expense, case, reading, role, reasons, approved_before, approvals)
        if answer.verdict == Verdict.EXPIRED:
            reasons = ["Nobody answered in time.", *reasons]
            return Outcome(decision="expired", by="policy", reasons=reasons, **shown(case.form))
        by = answer.by or "unknown"
        if not answer.approved:
            return Outcome(decision="rejected", by=by, reasons=[answer.reason or "rejected"], **shown(answer.values))

        answered = await task.step(assess_answer, answer.values, case.keys, answer.at.date())
        case = case.model_copy(update={"form": answer.values, "amount_base": answered.amount_base})
        decision = await task.decide("confirm", answered.facts.model_copy(update={"asked_finance": role == "finance"}))
        if decision.answer != "allow":
            reasons = [reason.text for reason in decision.reasons]
            continue

        # Only what a person was shown can have been overridden; what they were not is asked again.
        seen = set(approved_before.values())
        found = await task.lookup(APPROVED, [*answered.keys, *answered.similar], name="find-duplicates-as-approved")
        if not set(found.values()) <= seen:
            reasons, approved_before = [KNOWN], approved_before | found
            continue
        reservation = await task.reserve(APPROVED, answered.keys)
        if not reservation.held and not set(reservation.holders.values()) <= seen:
            reasons, approved_before = [MEANWHILE], approved_before | dict(reservation.holders)
            continue
        # What is new of it must be known when it comes again, also where a person has overridden what it shares with another.
        free = [key for key in [*answered.keys, *answered.similar] if key not in {*found, *reservation.holders}]
        if free:
            await task.reserve(APPROVED, free, name="reserve-rest")
        reasons = [answer.reason or "approved by a person", *reasons]
        return await post(task, case.form, by=by, reasons=reasons, overridden=not reservation.held)
    reasons = [f"{ASKED_MAX} answers were not within the rules.", *reasons]
    return Outcome(decision="rejected", by="policy", reasons=reasons, **shown(case.form))


async def ask(
    task: Task,
    expense: Expense,
    case: Assessment,
    reading: Reading,
    role: str,
    reasons: Sequence[str],
    approved_before: dict[str, str],
    approvals: int,
) -> Answer[Form]:
    """Put the case into the inbox of a role, with everything that is known about it."""
    form = case.form
    return await task.review(
        "approve-expense",
        form,
        title=f"{form.merchant or 'Receipt'}: {form.total or 'no amount'} {form.currency or ''}".strip(),
        role=role,
        reasons=reasons,
        evidence={
            "reading": reading,
            "claim": expense.claim,
            "notes": case.notes,
            "approved_before": sorted(set(approved_before.values())),
        },
        documents=[document.id for document in expense.documents],
        subject=person(form.employee),
        amount=case.amount_base,
        amount_field="/total",
        currency_field="/currency",
        deadline=timedelta(days=14),
        escalate_after=timedelta(days=3),
        escalate_to="finance",
        policy="answer",
        policy_fields=["total", "currency", "date"],
        approvals=approvals,
    )


async def post(task: Task, form: Form, *, by: str, reasons: list[str], overridden: bool = False) -> Outcome:
    """Post to the ledger. If that fails, the keys stay taken: the task can be retried, and would post what somebody else has by then."""
    posting = await task.step(post_to_ledger, form)
    await task.emit("expense.approved", {"posting": posting.id, "amount": posting.amount, "currency": posting.currency})
    return Outcome(
        decision="approved", by=by, reasons=reasons, posting=posting, overridden_duplicate=overridden, **shown(form)
    )


def person(who: str | None) -> str | None:
    """Give the person whom a review is about; a folder or an agent that handed something in cannot answer one."""
    return who if who is not None and who.startswith("user:") else None


def shown(form: Form) -> dict[str, object]:
    """What of the form goes into the outcome."""
    return {"merchant": form.merchant, "date": form.date, "amount": form.total, "currency": form.currency}
