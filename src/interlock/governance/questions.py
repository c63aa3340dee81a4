"""Ready questions, as the product itself asks them, for people who want to know before they do."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from interlock.domain.decisions import Entity, Question
from interlock.governance import ask

SOMEBODY: Final = "user:somebody"


def access(tenant: str, *, role: str, verb: str, automation: str | None, amount: str | None = None) -> Question:
    """May somebody who holds this role alone trigger an automation, approve a review of it, or promote a model version?"""
    person = Entity(type="User", id="user:holder", attrs={"tenant": tenant, "roles": [role]})
    name = automation or ""
    if verb == "trigger":
        return Question(
            principal=person, action="task.submit", resource=ask.automation_entity(tenant, name), context={}
        )
    if verb == "approve":
        stake = None if amount is None else Decimal(amount)
        review = ask.review(tenant, "review_any", automation=name, role=role, submitted_by=SOMEBODY, amount=stake)
        return Question(
            principal=person,
            action="review.answer",
            resource=review,
            context={"verb": "approve", "single_operator": False},
        )
    version = Entity(
        type="ModelVersion", id=f"{tenant}/any", attrs={"tenant": tenant, "model": "any", "version": "any"}
    )
    return Question(principal=person, action="model.release", resource=version, context={})


def sending(
    tenant: str,
    *,
    automation: str,
    effects: tuple[str, ...],
    model: str,
    region: str,
    data_class: str,
    redacted: bool,
) -> Question:
    """May this class of data go to this model in this region? Exactly what the boundary asks before it sends.

    `model` is what the automation calls the inference: `read-receipt` of `infer:read-receipt`.
    """
    facts = (("data_class", data_class), ("region", region), ("redacted", redacted))
    return ask.effect_question(tenant, automation, effects, "infer", model, facts)
