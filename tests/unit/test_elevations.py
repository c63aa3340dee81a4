"""What an emergency elevation opens: what the code lists and the policy permits are the same, and nothing else."""

from __future__ import annotations

import pytest

from interlock.domain.decisions import Entity, Question
from interlock.domain.elevations import ELEVATABLE
from interlock.governance.decide import Bundle
from interlock.governance.facts import PolicyError

BASE = Bundle.load([])
KINDS = ("System", "Automation", "Task", "Review", "Document", "AuditLog", "ApiKey", "Account", "Session", "Policy",
         "ModelVersion", "Delegation", "Elevation", "View")  # fmt: skip
ATTRS = {
    "Automation": {"name": "expenses"},
    "Task": {"automation": "expenses"},
    "Review": {"automation": "expenses", "role": "x"},
    "ModelVersion": {"model": "m", "version": "1"},
}


def allowed(action: str, *, elevated: bool) -> bool:
    """Whether somebody without a role may do it to any kind of thing."""
    attrs = {"tenant": "default", "roles": [], **({"elevation": "elv_1"} if elevated else {})}
    found = []
    for kind in KINDS:
        resource = Entity(type=kind, id="x", attrs={"tenant": "default", **ATTRS.get(kind, {})})
        context = {"verb": "approve"} if action == "review.answer" else {}
        principal = Entity(type="User", id="user:nils", attrs=attrs)
        try:
            found.append(BASE.decide(Question(principal=principal, action=action, resource=resource, context=context)))
        except PolicyError:
            continue  # not a resource of this action
    assert found, action
    return any(decision.allowed for decision in found)


ROUTES = sorted(a for a in BASE.rules.actions if not a.startswith("effect.") and "." in a)


@pytest.mark.parametrize("action", ROUTES)
def test_it_opens_exactly_what_is_listed(action: str) -> None:
    assert not allowed(action, elevated=False)
    assert allowed(action, elevated=True) is (action in ELEVATABLE)


def test_what_is_listed_is_there_and_never_touches_answers_the_log_or_rights() -> None:
    assert set(ROUTES) >= ELEVATABLE
    for action in ELEVATABLE:
        assert not action.startswith(("audit.", "privacy.", "elevation.", "delegation.", "tenant."))
    never = {"review.answer", "key.create", "key.rotate", "account.create", "account.change", "account.password",
             "secret.write", "policy.approve", "policy.propose", "model.release"}  # fmt: skip
    assert never.isdisjoint(ELEVATABLE)
