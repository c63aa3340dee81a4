"""The questions that the product asks of its policies, each in one place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from interlock.domain.decisions import Decision, Entity, Question
from interlock.domain.errors import Refused
from interlock.governance.decide import Bundle
from interlock.governance.identity import Principal


def effect(
    bundle: Bundle,
    *,
    tenant: str,
    automation: str,
    effects: tuple[str, ...],
    kind: str,
    name: str,
    facts: tuple[tuple[str, Any], ...] = (),
) -> Decision:
    """May the automation perform this effect in its own tasks? The resource stands for any of them, so that answers can be remembered.

    `facts` are those of a cured effect: `redacted`, `region`.
    """
    return bundle.decide(effect_question(tenant, automation, effects, kind, name, facts))


def effect_question(
    tenant: str,
    automation: str,
    effects: tuple[str, ...],
    kind: str,
    name: str,
    facts: tuple[tuple[str, Any], ...] = (),
) -> Question:
    return Question(
        principal=service(tenant, automation, effects),
        action=f"effect.{kind}",
        resource=_tasks_of(tenant, automation),
        context={"kind": kind, "effect": f"{kind}:{name}", **dict(facts)},
    )


def business(
    bundle: Bundle, *, tenant: str, automation: str, effects: tuple[str, ...], action: str, facts: Mapping[str, Any]
) -> Decision:
    """What does the automation's own policy say to `AUTOMATION.action`, given these facts?"""
    return bundle.decide(business_question(tenant, automation, effects, action, facts))


def business_question(
    tenant: str, automation: str, effects: tuple[str, ...], action: str, facts: Mapping[str, Any]
) -> Question:
    return Question(
        principal=service(tenant, automation, effects),
        action=f"{automation}.{action}",
        resource=_tasks_of(tenant, automation),
        context=facts,
    )


def service(tenant: str, automation: str, effects: tuple[str, ...]) -> Entity:
    return Entity(
        type="Service",
        id=f"{tenant}/{automation}",
        attrs={"tenant": tenant, "automation": automation, "effects": sorted(effects)},
    )


def _tasks_of(tenant: str, automation: str) -> Entity:
    return Entity(type="Task", id=f"{tenant}/{automation}/any", attrs={"tenant": tenant, "automation": automation})


def require(
    bundle: Bundle,
    principal: Principal,
    action: str,
    resource: Entity,
    *,
    context: Mapping[str, Any] | None = None,
    entities: tuple[Entity, ...] = (),
) -> Decision:
    """Ask whether a caller may do something; gives the decision, or raises Refused that names the policies, or the key's scope."""
    if (why := principal.scope.refusal(action, resource)) is not None:
        raise Refused(
            f"{action} is refused: the API key does not reach so far, {why}.",
            fix="Use a key that is not narrowed, or that is narrowed to this.",
            extra={"action": action},
        )
    decision = bundle.decide(
        Question(
            principal=principal.entity(), action=action, resource=resource, context=context or {}, entities=entities
        )
    )
    if not decision.allowed:
        reasons = "; ".join(f"{r.text} [{r.policy}]" for r in decision.reasons)
        raise Refused(
            f"{action} is refused: {reasons}",
            extra={"decision": decision.as_json(), "action": action},
        )
    return decision


def system(tenant: str) -> Entity:
    return Entity(type="System", id=tenant, attrs={"tenant": tenant})


def model_version(tenant: str, *, automation: str, model: str, version: str, makers: Iterable[str] = ()) -> Entity:
    """Give a model version; `makers` are the persons behind those who registered and evaluated it."""
    attrs = {"tenant": tenant, "automation": automation, "model": model, "version": version, "makers": sorted(makers)}
    return Entity(type="ModelVersion", id=f"{tenant}/{automation}/{model}/{version}", attrs=attrs)


def automation_entity(tenant: str, name: str) -> Entity:
    return Entity(type="Automation", id=f"{tenant}/{name}", attrs={"tenant": tenant, "name": name})


def task(tenant: str, task_id: str, *, automation: str, submitted_by: str) -> Entity:
    attrs: dict[str, Any] = {"tenant": tenant, "automation": automation}
    if submitted_by.startswith("agent:"):
        attrs["submitted_by_agent"] = Entity(type="Agent", id=submitted_by)
    else:  # a key of `service:…` acts as a User too
        attrs["submitted_by"] = Entity(type="User", id=submitted_by)
    return Entity(type="Task", id=task_id, attrs=attrs)


def review(
    tenant: str,
    review_id: str,
    *,
    automation: str,
    role: str,
    submitted_by: str,
    subject: str | None = None,
    amount: Any = None,
    submitters: Iterable[str] | None = None,
    subjects: Iterable[str] | None = None,
    also: Iterable[str] = (),
    approved_by: Iterable[str] = (),
    assignee: str | None = None,
) -> Entity:
    """Give a review.

    Args:
        also: further roles and people who may answer. assignee: who has it.
        submitters, subjects, approved_by: persons (`person_of`), with those behind services; an answer needs them.
    """
    attrs: dict[str, Any] = {"tenant": tenant, "automation": automation, "role": role}
    if submitters is not None:
        attrs["submitters"] = sorted(submitters)
    if subjects is not None:
        attrs["subjects"] = sorted(subjects)
    if further := sorted({*also}):
        attrs["also_roles"] = [name for name in further if ":" not in name]
        attrs["also_people"] = [Entity(type="User", id=name) for name in further if ":" in name]
    if assignee is not None:
        attrs["assignee"] = Entity(type="User", id=assignee)
    if before := sorted({*approved_by}):
        attrs["approved_by"] = before
    if not submitted_by.startswith("agent:"):
        attrs["task_submitted_by"] = Entity(type="User", id=submitted_by)
    if subject:
        attrs["subject"] = Entity(type="User", id=subject)
    if amount is not None:
        attrs["amount"] = amount
    return Entity(type="Review", id=review_id, attrs=attrs)


def document(tenant: str, document_id: str, *, created_by: str | None = None) -> Entity:
    attrs: dict[str, Any] = {"tenant": tenant}
    if created_by is not None and not created_by.startswith("agent:"):
        attrs["created_by"] = Entity(type="User", id=created_by)
    return Entity(type="Document", id=document_id, attrs=attrs)


def audit_log(tenant: str) -> Entity:
    return Entity(type="AuditLog", id=tenant, attrs={"tenant": tenant})


def policy(tenant: str, *, proposed_by: str | None = None, proposers: Iterable[str] | None = None) -> Entity:
    """Give the tenant's policies; of a change, who proposed it, and which persons stand behind that."""
    attrs: dict[str, Any] = {"tenant": tenant}
    if proposers is not None:
        attrs["proposers"] = sorted(proposers)
    if proposed_by is not None:
        attrs["proposed_by"] = Entity(type="User", id=proposed_by)
    return Entity(type="Policy", id=tenant, attrs=attrs)


def api_key(tenant: str, key_id: str, *, user: str | None = None) -> Entity:
    attrs: dict[str, Any] = {"tenant": tenant}
    if user is not None and not user.startswith("agent:"):
        attrs["user"] = Entity(type="User", id=user)
    return Entity(type="ApiKey", id=key_id, attrs=attrs)


def account(tenant: str, account_id: str) -> Entity:
    user = Entity(type="User", id=account_id)
    return Entity(type="Account", id=account_id, attrs={"tenant": tenant, "user": user})


def delegation(tenant: str, delegation_id: str, *, from_user: str, to_user: str) -> Entity:
    attrs = {"tenant": tenant, "from": Entity(type="User", id=from_user), "to": Entity(type="User", id=to_user)}
    return Entity(type="Delegation", id=delegation_id, attrs=attrs)


def elevation(tenant: str, elevation_id: str, *, user: str) -> Entity:
    return Entity(type="Elevation", id=elevation_id, attrs={"tenant": tenant, "user": Entity(type="User", id=user)})


def view(tenant: str, view_id: str, *, owner: str | None = None, shared: bool = False) -> Entity:
    attrs: dict[str, Any] = {"tenant": tenant, "shared": shared}
    if owner is not None and not owner.startswith("agent:"):
        attrs["owner"] = Entity(type="User", id=owner)
    return Entity(type="View", id=view_id, attrs=attrs)


def behalf(principal: Principal) -> dict[str, Any]:
    """Give what a question's context says of whose lent rights are used."""
    if principal.on_behalf_of is None:
        return {}
    return {"on_behalf_of": Entity(type="User", id=principal.on_behalf_of)}


def session(tenant: str, session_id: str, *, user: str | None = None) -> Entity:
    attrs: dict[str, Any] = {"tenant": tenant}
    if user is not None and not user.startswith("agent:"):
        attrs["user"] = Entity(type="User", id=user)
    return Entity(type="Session", id=session_id, attrs=attrs)
