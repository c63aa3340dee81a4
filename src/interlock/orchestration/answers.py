"""What an answer to a review is judged by: the values as they would stand, as facts for the policies."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from pydantic import BaseModel

from interlock.domain.errors import ConfigurationError
from interlock.domain.manifests import at_pointer
from interlock.domain.reviews import ReviewRequest, Verdict, changes
from interlock.infra.modules import PACKAGE


def answer_facts(request: ReviewRequest, verdict: Verdict, after: Any, *, today: date) -> Mapping[str, Any]:
    """Give what the automation's own policy is asked with about an answer.

    Always the verdict, the changed fields and, where it is known, the amount. Where the review names fields of its form for the
    policy, also `values`, those fields as they would stand in the types of the form's model (a field that is empty is absent), and
    `today`. Fields are named and not all sent, since Cedar takes exactly what the automation's schema declares.

    Raises:
        ConfigurationError: fields are named, and the form's model does not stand in the automations' folder.
    """
    facts: dict[str, Any] = {"verdict": verdict.value, "amount": amount_after(request, after)}
    facts["changed"] = [c.pointer for c in changes(request.values, after)]
    if not request.policy_fields:
        return facts
    model = model_of(request.model)
    if model is None:
        raise ConfigurationError(
            f"The review's form {request.model} cannot be loaded, so the policy cannot judge its fields.",
            fix="Declare the form at the top level of a module of the automation.",
        )
    form = model.model_validate(after)
    return facts | {"values": {name: getattr(form, name) for name in request.policy_fields}, "today": today}


def unknown_amount(request: ReviewRequest, verdict: Verdict, after: Any) -> bool:
    """Tell whether an answer would let an amount through that nobody can hold against a person's approval limit."""
    stakes = request.amount is not None or request.amount_field is not None
    return stakes and verdict is not Verdict.REJECT and amount_after(request, after) is None


def amount_after(request: ReviewRequest, after: Any) -> Decimal | None:
    """Give what is at stake after the answer, in the currency of approval limits; None where that cannot be said."""
    if request.amount is None:
        return None
    amount = Decimal(request.amount)
    if request.amount_field is None:
        return amount
    if request.currency_field is not None:
        before, now = at_pointer(request.values, request.currency_field), at_pointer(after, request.currency_field)
        if before != now:
            return None
    try:
        shown, amended = (Decimal(str(at_pointer(v, request.amount_field))) for v in (request.values, after))
    except InvalidOperation:
        return None
    if not (shown.is_finite() and amended.is_finite() and amended >= 0):
        return None
    if shown == amended:
        return amount
    return None if shown <= 0 else (amount * amended / shown).quantize(Decimal("0.01"))


def merge_patch(target: Any, patch: Any) -> Any:
    """Apply a JSON merge patch (RFC 7396), except that null sets a field to null: a form has no fields to remove."""
    if not isinstance(patch, dict):
        return patch
    base = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        base[name] = merge_patch(base.get(name), value) if isinstance(value, dict) else value
    return base


def model_of(label: str | None) -> type[BaseModel] | None:
    """Give the model of a review's values, which stands in the automation's own folder."""
    if label is None:
        return None
    module, _, name = label.partition(":")
    if not module.startswith(f"{PACKAGE}."):
        return None
    found = getattr(importlib.import_module(module), name, None)
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None
