"""Where the policy says "needs review" of an effect itself: people are asked before it is performed, and it is not before they agree.

The question is a review like any other, under the effect's own ID, so that it stands in the inbox, in the timeline beside the effect, and in
the audit log. It is no effect of the automation: a replay does not know of it, and finds the outcome of the effect. The policy is asked again
when the answer is there. Should it demand other people by then, the open question is another one than is asked, and the task is parked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from interlock.domain import canonical
from interlock.domain.decisions import Decision
from interlock.domain.effects import UNGOVERNED, Effect, Kind, Status
from interlock.domain.ports import Executed
from interlock.domain.reviews import ReviewRequest, Verdict
from interlock.domain.tasks import Claimed

REVIEWER: Final = "reviewer"
ESCALATED: Final = "owner"
TITLE_CHARS_MAX: Final = 300


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What people said: `why` is None where they agreed."""

    by: str | None
    why: str | None = None


def may_ask(effect: Effect) -> bool:
    """Tell whether an effect may have a question before it; a review asks people anyway, and nobody decides about what is ungoverned."""
    return effect.kind is not Kind.REVIEW and effect.kind not in UNGOVERNED


def question(effect: Effect, task: Claimed, decision: Decision) -> Effect:
    """Give the review to ask: who may answer and how many must, by the decision's obligations; what would be done, by the effect's input."""
    said = [o.removeprefix("review:") for o in decision.obligations if o.startswith("review:")]
    roles = [role for role in said if not role.isdigit()]
    role = roles[0] if roles else ESCALATED if "escalate" in decision.obligations else REVIEWER
    also = sorted({*roles[1:]} - {role})
    request = ReviewRequest(
        title=f"{task.info.automation}: {effect.kind.value} {effect.name}"[:TITLE_CHARS_MAX],
        role=role,
        also=tuple(also),
        reasons=tuple(reason.text for reason in decision.reasons),
        values=effect.input,
        allow=(Verdict.APPROVE, Verdict.REJECT),
        approvals=decision.approvals,
    )
    demanded = canonical.dumps([role, also, decision.approvals])
    return Effect(
        id=effect.id,
        kind=Kind.REVIEW,
        name=f"before-{effect.name}",
        target=role,
        input=request.model_dump(mode="json"),
        input_digest=hashlib.sha256(effect.input_digest + demanded).digest(),
    )


def answered(executed: Executed) -> Answered:
    """Read how the review ended. Everything but an approval is a no."""
    value: Mapping[str, Any] = executed.value if isinstance(executed.value, Mapping) else {}
    if executed.status is Status.OK and value.get("verdict") == Verdict.APPROVE:
        return Answered(by=executed.by)
    if executed.status is Status.OK:
        return Answered(
            by=executed.by, why=f"{executed.by or 'A person'} said no: {value.get('reason') or 'no reason given'}"
        )
    return Answered(by=None, why=f"Nobody agreed: the question is {executed.status.value}.")
