"""What the review routes take and give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from interlock.api.values import At, Json
from interlock.domain.reviews import Change, ReviewState, Verdict
from interlock.orchestration.review_rows import Review as StoredReview
from interlock.orchestration.reviews import REASON_CHARS_MAX

Hold = Annotated[
    float,
    Field(
        ge=0,
        le=30,
        allow_inf_nan=False,
        description="Seconds during which you may take the answer back; it takes effect after them.",
    ),
]
Revision = Annotated[
    int | None,
    Field(
        ge=0,
        le=2**31 - 1,
        description="The review's `revision` that you have looked at; needed once an approver before you has amended the values.",
    ),
]
OnBehalfOf = Annotated[
    str | None,
    Field(
        pattern=r"^user:[A-Za-z0-9][A-Za-z0-9._@+-]{0,126}$",
        description="Who lent you their rights: the answer is given with these, and counts for both of you.",
    ),
]
Reason = Annotated[str, Field(max_length=REASON_CHARS_MAX)]
RequiredText = Annotated[str, Field(min_length=1, max_length=REASON_CHARS_MAX, pattern=r"\S")]


class ReviewAnswer(BaseModel):
    """How a review was answered."""

    verdict: Verdict
    values: Json = Field(None, description="As they stand after the answer.")
    changes: list[Change] = Field(default_factory=list, description="Each amended field, before and after.")
    reason: str | None = None
    by: str
    on_behalf_of: str | None = Field(None, description="Who lent the author their rights.")
    at: At
    approvals: list[dict[str, Any]] = Field(
        default_factory=list, description="Where several people had to approve: who did, when and why."
    )
    decision: dict[str, Any] = Field(description="Which policies let this person answer so.")


class ReviewQuestion(BaseModel):
    """What is asked, with all that is needed to answer it."""

    title: str
    reasons: list[str] = Field(description="Why a person is asked.")
    values: Json = Field(None, description="What was read, to be approved or amended.")
    form: dict[str, Any] | None = Field(description="JSON Schema of the values, to make a form from.")
    evidence: dict[str, Any]
    documents: list[str] = Field(description="IDs of the documents that it is about.")
    amount: str | None = Field(description="What is at stake; decimal string, in the currency of approval limits.")
    allow: list[Verdict] = Field(description="The answers that it takes.")
    escalate_to: str | None = Field(description="The role that it goes to where nobody answers in time.")


class ReviewApproval(BaseModel):
    """One approval among several."""

    number: int
    revision: int = Field(description="Of the values that it approves.")
    by: str
    on_behalf_of: str | None = Field(None, description="Who lent the author their rights.")
    verdict: Verdict
    reason: str | None
    at: At
    hold_until: At | None = Field(description="Until then its author may take it back.")
    counts: bool = Field(
        description="False where it was taken back, its key was revoked or its author's account disabled, or the values were amended since."
    )


Risk = Literal["high", "medium", "low"]


class ReviewSummary(BaseModel):
    """A review in a list."""

    id: str
    task_id: str
    effect_id: str
    correlation_id: str
    automation: str
    name: str
    state: ReviewState
    role: str = Field(description="Who may answer.")
    also: list[str] = Field(description="Further roles and people who may answer.")
    approvals_needed: int = Field(description="How many different people must approve the same values.")
    approvals: list[ReviewApproval] = Field(description="Those given so far, oldest first.")
    revision: int = Field(
        description="Counts amendments while approvals are collected; an approval says which it has seen."
    )
    values: Json = Field(None, description="As they stand: as amended by who has approved so far, else as shown.")
    assignee: str | None = Field(description="Who has claimed it, or was given it.")
    subject: str | None = Field(description="Whom it is about; that person may not answer.")
    task_submitted_by: str
    request: ReviewQuestion
    answer: ReviewAnswer | None
    deadline: At | None = Field(description="When it expires; null never does.")
    escalate_at: At | None
    escalated_at: At | None
    answered_by: str | None
    answered_at: At | None
    hold_until: At | None = Field(description="Until then its author may take the answer back.")
    opened_at: At
    closed_at: At | None
    risk: Risk = Field(
        description="High: several must approve, it was escalated, or is due within a day; medium: there is more than one reason."
    )


class HistoryLine(BaseModel):
    """Something that was done with a review."""

    kind: str
    by: str
    at: At
    data: dict[str, Any]


class Review(ReviewSummary):
    """A review with what was done with it."""

    history: list[HistoryLine] = Field(description="Oldest first.")


class ReviewPage(BaseModel):
    """A page of reviews, in the order that was asked for."""

    items: list[ReviewSummary]
    next_cursor: str | None = Field(None, description="Null on the last page.")


class LikelyDuplicate(BaseModel):
    """A task of the same automation that is likely the same matter. No verdict: lay both side by side."""

    task_id: str
    state: str
    submitted_by: str
    accepted_at: At
    same: list[str] = Field(description="What both share: `document`, or the fields that say the same.")


class SimilarReviews(ReviewPage):
    """Cases like a review's, and tasks that are likely the same matter."""

    duplicates: list[LikelyDuplicate] = Field(
        description="Among the automation's newest tasks: with the same file, or with the same name, day and amount in their fields."
    )


class ApproveReview(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Reason | None = None
    hold_s: Hold = 0.0
    on_behalf_of: OnBehalfOf = None
    revision: Revision = None


class RejectReview(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"reason": "The receipt is unreadable."}]}
    )

    reason: RequiredText = Field(description="Goes back to whoever asked.")
    hold_s: Hold = 0.0
    on_behalf_of: OnBehalfOf = None


class AmendReview(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"values": {"total": "12.30"}}]})

    values: dict[str, Any] = Field(
        min_length=1,
        description="The changed fields, merged into what was shown (RFC 7396, except that null sets null).",
    )
    reason: Reason | None = None
    hold_s: Hold = 0.0
    on_behalf_of: OnBehalfOf = None
    revision: Revision = None


class AssignReview(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"to": "user:mei"}]})

    to: str = Field(
        pattern=r"^user:[A-Za-z0-9][A-Za-z0-9._@+-]{0,126}$",
        description="Who shall have it: a person who may answer it.",
    )


class Assignees(BaseModel):
    """People whom a review could be given to, by name."""

    items: list[str]


class ReviewText(BaseModel):
    """A question back, or the reply to one."""

    model_config = ConfigDict(extra="forbid")

    text: RequiredText


StateFilter = Literal["open", "answered", "expired", "cancelled", "any"]


def summary(review: StoredReview) -> ReviewSummary:
    return ReviewSummary(**_summary(review))


def whole(review: StoredReview, history: Sequence[dict[str, Any]]) -> Review:
    return Review(**_summary(review), history=[HistoryLine(**line) for line in history])


def _summary(review: StoredReview) -> dict[str, Any]:
    fields = {name: getattr(review, name) for name in ReviewSummary.model_fields}
    counts = {approval.number for approval in review.counted}
    fields["approvals"] = [a.model_dump() | {"counts": a.number in counts} for a in review.approvals]
    question = {name: getattr(review.request, name) for name in ReviewQuestion.model_fields}
    return fields | {"request": question, "answer": None if review.answer is None else dict(review.answer)}
