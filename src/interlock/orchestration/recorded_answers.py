"""Recorded answers to reviews, as the automation's own policy was asked about each: what `interlock policy diff` asks again.

Whether that person might answer is not asked again: what roles and keys they held then is not kept. An answer that was erased, one of a form
that the automation has no more, and one of an automation that is not deployed, cannot be asked about and are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from interlock.domain import canonical
from interlock.domain.decisions import Question
from interlock.domain.errors import ConfigurationError
from interlock.domain.reviews import ReviewRequest, Verdict
from interlock.governance import ask
from interlock.infra.database import Connection
from interlock.orchestration.answers import answer_facts

# Of several approvals each was asked about by itself; the answer that they make was asked about with the last of them.
_ANSWERS: Final = """
select r.task_id, r.effect_id, r.automation, r.request::text, r.task_submitted_by, a.answer::text, a.at
from (
    select review_id, answer, given_at as at from review_approvals where tenant = current_tenant() and answer is not null
    union all
    select id, answer, answered_at from reviews v where v.tenant = current_tenant() and answer is not null and answered_at is not null
        and (answer->>'verdict' = 'reject'
            or not exists (select from review_approvals p where p.tenant = v.tenant and p.review_id = v.id))
) a join reviews r on r.tenant = current_tenant() and r.id = a.review_id
where r.request->>'policy' is not null order by a.at desc limit %s"""


async def recorded_answers(conn: Connection, limit: int) -> Sequence[tuple[Any, ...]]:
    """Give the newest answers that a policy was asked about, as rows for `questions`."""
    return await (await conn.execute(_ANSWERS.encode(), (limit,))).fetchall()


def questions(
    tenant: str, rows: Sequence[tuple[Any, ...]], effects: Mapping[str, tuple[str, ...]]
) -> Iterator[tuple[Question, dict[str, Any]]]:
    """Give what the policy was asked about each answer, and where it stands. `effects`: those declared, of the automations that are deployed."""
    for task_id, effect_id, automation, request_text, submitted_by, text, at in rows:
        if automation not in effects:
            continue
        try:
            request = ReviewRequest.model_validate(canonical.loads(request_text))
            answer = canonical.loads(text)
            today = datetime.fromisoformat(answer["at"]).date()
            facts = answer_facts(request, Verdict(answer["verdict"]), answer["values"], today=today)
        except (ValidationError, ConfigurationError, KeyError):
            continue
        question = Question(
            principal=ask.service(tenant, automation, effects[automation]),
            action=f"{automation}.{request.policy}",
            resource=ask.task(tenant, task_id, automation=automation, submitted_by=submitted_by),
            context=facts,
        )
        yield question, {"task_id": task_id, "effect": effect_id, "automation": automation, "at": at}
