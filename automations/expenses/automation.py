"""Expenses: a receipt becomes an approved, posted, provable expense, or a question in a manager's inbox."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from interlock import Answer, Decision, EffectFailed, Endpoint, Task, Verdict, automation

from .schema import Assessment, Expense, Form, Outcome, Reading, ReceiptRequest
from .steps import assess_expense, post_to_ledger

APPROVED = "approved-expenses"  # the register of what was approved once
receipt_reader = Endpoint("receipt-reader", ReceiptRequest, Reading)


@automation
async def expenses(task: Task, expense: Expense) -> Outcome:
    prediction = await task.infer(receipt_reader, ReceiptRequest(documents=expense.documents), name="read-receipt")
    today = (await task.now()).date()
    case = await task.step(assess_expense, expense.claim, prediction.value, expense.documents, today, task.submitted_by)

    approved_before = await task.lookup(APPROVED, case.keys, name="find-duplicates")
    facts = case.facts.model_copy(update={"duplicate": bool(approved_before)})
    decision = await task.decide("approve", facts)
    reasons = [reason.text for reason in decision.reasons]
    if decision.answer == "deny":
        return Outcome(decision="rejected", by="policy", reasons=reasons, **shown(case.form))

    if decision.answer == "allow":
        reservation = await task.reserve(APPROVED, case.keys)
        if reservation.held:
            return await post(task, case.form, by="policy", reasons=reasons, keys=case.keys)
        reasons = ["The same receipt was approved a moment ago."]  # two of them at once: the second is for a person
        approved_before = dict(reservation.holders)

    answer = await ask_manager(task, expense, case, decision, reasons, prediction.value, approved_before)
    if answer.verdict == Verdict.EXPIRED:
        return Outcome(
            decision="expired", by="policy", reasons=["Nobody answered in time.", *reasons], **shown(case.form)
        )
    by = answer.by or "unknown"
    if not answer.approved:
        return Outcome(decision="rejected", by=by, reasons=[answer.reason or "rejected"], **shown(answer.values))

    reservation = await task.reserve(
        APPROVED, case.keys
    )  # a person may override a duplicate; that stands in the record
    return await post(
        task,
        answer.values,
        by=by,
        reasons=[answer.reason or "approved by a person", *reasons],
        keys=case.keys if reservation.held else [],
        overridden=not reservation.held,
    )


async def ask_manager(
    task: Task,
    expense: Expense,
    case: Assessment,
    decision: Decision,
    reasons: Sequence[str],
    reading: Reading,
    approved_before: dict[str, str],
) -> Answer[Form]:
    """Put the case into the inbox of the role that the policy names, a manager's by default."""
    role = "finance" if "review:finance" in decision.obligations else "manager"
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
    )


async def post(
    task: Task, form: Form, *, by: str, reasons: list[str], keys: list[str], overridden: bool = False
) -> Outcome:
    """Post to the ledger; if that fails for good, the receipt may be handed in again."""
    try:
        posting = await task.step(post_to_ledger, form)
    except EffectFailed:
        if keys:
            await task.release(APPROVED, keys)
        raise
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
