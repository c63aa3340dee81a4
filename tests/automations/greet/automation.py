"""Greet somebody; ask a person first where it is dear."""

from __future__ import annotations

from datetime import timedelta

from interlock import Task, Verdict, automation

from .schema import Facts, Form, Greeted, Greeting
from .steps import compose


@automation
async def greet(task: Task, greeting: Greeting) -> Greeted:
    if greeting.wait_s:
        await task.sleep(greeting.wait_s)
    text = await task.step(compose, greeting.name, greeting.fail, greeting.padding, greeting.says)
    decision = await task.decide("send", Facts(amount=greeting.amount))
    if decision.answer == "allow":
        await task.emit("greeting.sent", {"text": text[:100]})
        return Greeted(text=text, decision="sent", by="policy", amount=greeting.amount)
    answer = await task.review(
        "check-greeting",
        Form(name=greeting.name, amount=greeting.amount),
        title=f"Greet {greeting.name}?",
        role="reviewer",
        reasons=[reason.text for reason in decision.reasons],
        documents=[greeting.document.id] if greeting.document else [],
        subject=greeting.subject,
        amount=greeting.amount if greeting.rate_known else None,
        amount_field="/amount",
        currency_field="/currency",
        deadline=timedelta(days=1),
        escalate_after=timedelta(hours=20),
        escalate_to="boss",
        policy="answer",
        policy_fields=["name", "amount"],
        approvals=max(greeting.approvals, decision.approvals),
        also=greeting.also,
    )
    if answer.verdict == Verdict.EXPIRED:
        return Greeted(text=text, decision="expired", by="policy", amount=greeting.amount)
    verdict = "sent" if answer.approved else "rejected"
    return Greeted(text=text, decision=verdict, by=answer.by or "", amount=answer.values.amount)
