"""Who may do what with a review: the facts that the policies are asked with, and the question itself.

Duties are held apart by persons and not by names: whoever made the keys of a service or an agent stands behind what it does, and names that an
owner linked are one person.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from interlock.domain.decisions import Answer, Decision, Entity, Question
from interlock.domain.errors import Refused
from interlock.domain.persons import KINDS, is_person, person_of
from interlock.domain.reviews import Verdict
from interlock.governance import ask
from interlock.governance.identity import Principal
from interlock.governance.tenant_policies import TenantPolicies
from interlock.infra.database import Connection
from interlock.orchestration.answers import amount_after, answer_facts, unknown_amount
from interlock.orchestration.automations import Automations
from interlock.orchestration.held_rights import held_by
from interlock.orchestration.review_rows import Review

MAKERS_DEPTH_MAX: Final = 16


async def persons_behind(conn: Connection, names: Iterable[str]) -> frozenset[str]:
    """Give who stands behind names, in the form of `person_of`: themselves, and of services and agents whoever ever made them an account or a key.

    Each person comes with all the names that are linked to theirs.

    Raises:
        Refused: services that made keys for services go deeper than is followed; nothing is let through that was not looked at.
    """
    found = frozenset(person_of(name) for name in names)
    asked = {name for name in found if not is_person(name)}
    for _ in range(MAKERS_DEPTH_MAX):
        if not asked:
            row = await (await conn.execute("select with_links(%s)", (sorted(found),))).fetchone()
            return found | frozenset(row[0] if row else ())
        rows = await (
            await conn.execute(
                "select created_by from api_keys where tenant = current_tenant() and lower(user_id) = any(%(asked)s)"
                " union select created_by from accounts where tenant = current_tenant() and lower(id) = any(%(asked)s)",
                {"asked": sorted(asked)},
            )
        ).fetchall()
        # The first key of an installation was made by nobody of the tenant.
        made = {person_of(row[0]) for row in rows if row[0].casefold().startswith(KINDS)}
        asked = {name for name in made - found if not is_person(name)}
        found |= made
    raise Refused(
        f"Who stands behind this cannot be told: its keys were made by keys of services, {MAKERS_DEPTH_MAX} deep.",
        fix="Let a person make the service a key.",
        extra={"reason": "owner-not-known"},
    )


class ReviewRights:
    """Asks the policies about reviews."""

    def __init__(self, automations: Automations, policies: TenantPolicies) -> None:
        self._automations = automations
        self._policies = policies

    def require(
        self, principal: Principal, review: Review, action: str, context: Mapping[str, Any] | None = None
    ) -> Decision:
        """Ask whether somebody may do something with a review, but for answering it. Raises Refused."""
        bundle = self._policies.held(principal.tenant).bundle(review.automation)
        return ask.require(bundle, principal, action, entity(principal.tenant, review), context=context)

    async def judge(
        self,
        conn: Connection,
        principal: Principal,
        review: Review,
        verdict: Verdict,
        after: Any,
        now: datetime,
        *,
        persons: frozenset[str],
    ) -> Decision:
        """Ask the policies whether this person may give this answer, with the values as they would stand. Raises Refused.

        Where a policy asks for several people (`@remedy("review:2")`), the decision is `needs_review` and says how many in `approvals`.

        Args:
            persons: who stands behind the answer (`persons_behind`).
        """
        registered = self._automations.get(review.automation)
        decision = await self._person(conn, principal, review, verdict, after, persons=persons)
        if review.request.policy is None:
            return decision
        question = Question(
            principal=ask.service(principal.tenant, review.automation, registered.manifest.effects),
            action=f"{review.automation}.{review.request.policy}",
            resource=ask.task(
                principal.tenant,
                review.task_id,
                automation=review.automation,
                submitted_by=review.task_submitted_by,
            ),
            context=answer_facts(review.request, verdict, after, today=now.date()),
        )
        bundle = self._policies.held(principal.tenant).bundle(review.automation)
        own = _passed(bundle.decide(question), "The automation's policy refuses this answer")
        return Decision(
            answer=max(decision.answer, own.answer, key=lambda a: a is Answer.NEEDS_REVIEW),
            reasons=decision.reasons + own.reasons,
            policy_version=own.policy_version,
            obligations=tuple(sorted({*decision.obligations, *own.obligations})),
        )

    async def check_assignee(self, conn: Connection, tenant: str, review: Review, user: str) -> None:
        """Raise Refused where somebody could not approve a review as it stands, with any right that they hold by themselves.

        What the automation's own policy says of the values is left out: it would say the same of anybody.
        """
        verdict = next((v for v in (Verdict.APPROVE, Verdict.AMEND) if v in review.request.allow), Verdict.REJECT)
        persons = await persons_behind(conn, [user])
        refused = Refused(f"There is no {user} who could act.", fix="Name somebody who has a key or an account.")
        for rights in await held_by(conn, user):
            one = Principal(
                tenant=tenant, id=user, roles=tuple(sorted(rights.roles)), key_id="", approval_limit=rights.limit
            )
            try:
                await self._person(conn, one, review, verdict, review.values, persons=persons)
                return
            except Refused as error:
                refused = error
        raise refused

    async def _person(
        self,
        conn: Connection,
        principal: Principal,
        review: Review,
        verdict: Verdict,
        after: Any,
        *,
        persons: frozenset[str],
    ) -> Decision:
        """Ask whether this person may give this answer, whatever the automation's own policy says of the values. Raises Refused."""
        if principal.approval_limit is not None and unknown_amount(review.request, verdict, after):
            raise Refused(
                "The amount as it would stand cannot be compared with your approval limit: it was not known, or its currency changed.",
                fix="Ask somebody without a limit, or reject it with the right amount as the reason.",
                extra={"reason": "amount-not-comparable"},
            )
        subject = [review.subject] if review.subject else []
        resource = entity(
            principal.tenant,
            review,
            amount=amount_after(review.request, after),
            submitters=await persons_behind(conn, [review.task_submitted_by]),
            subjects=await persons_behind(conn, subject),
            # Who amends approves other values, so what was approved before does not count any more.
            approved_by={p for a in review.counted for p in a.persons} if after == review.values else (),
        )
        context = {
            "verb": verdict.value,
            "single_operator": principal.single_operator,
            "persons": sorted(persons),
            **ask.behalf(principal),
        }
        if (why := principal.scope.refusal("review.answer", resource)) is not None:
            raise Refused(
                f"review.answer is refused: the API key does not reach so far, {why}.",
                fix="Use a key that is not narrowed, or that is narrowed to this.",
                extra={"reason": "key-narrowed", "action": "review.answer"},
            )
        bundle = self._policies.held(principal.tenant).bundle(review.automation)
        question = Question(principal=principal.entity(), action="review.answer", resource=resource, context=context)
        return _passed(bundle.decide(question), "review.answer is refused")


def _passed(decision: Decision, otherwise: str) -> Decision:
    """Give a decision that lets the answer through, alone or as one of several (`review:N`). Raises Refused."""
    if decision.allowed or decision.only_counts:
        return decision
    reasons = "; ".join(f"{r.text} [{r.policy}]" for r in decision.reasons)
    raise Refused(f"{otherwise}: {reasons}", extra={"decision": decision.as_json(), "action": "review.answer"})


def entity(tenant: str, review: Review, **facts: Any) -> Entity:
    """Give a review as the policies know it; `facts` are what only an answer needs."""
    return ask.review(
        tenant,
        review.id,
        automation=review.automation,
        role=review.role,
        submitted_by=review.task_submitted_by,
        subject=review.subject,
        also=review.also,
        assignee=review.assignee,
        **facts,
    )
