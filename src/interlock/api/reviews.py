"""Reviews: list, get, and what a person may do with one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Query

from interlock.api import pages, review_schemas, visible
from interlock.api.auth import Caller, CallerDep
from interlock.api.bodies import StrictRoute
from interlock.api.pages import LIMIT_DEFAULT, Cursor, Limit
from interlock.api.problems import responses
from interlock.api.review_schemas import (
    AmendReview,
    ApproveReview,
    Assignees,
    AssignReview,
    LikelyDuplicate,
    RejectReview,
    Review,
    ReviewPage,
    ReviewText,
    Risk,
    SimilarReviews,
    StateFilter,
)
from interlock.api.values import TEXT_CHARS_MAX, ReviewId
from interlock.domain.errors import InvalidInput, Refused
from interlock.domain.reviews import ReviewState, Verdict
from interlock.governance import ask
from interlock.orchestration.review_rights import entity
from interlock.orchestration.review_rows import Order, ReviewFilter, sorted_by
from interlock.orchestration.review_rows import Review as StoredReview

router = APIRouter(prefix="/v1/reviews", tags=["reviews"], route_class=StrictRoute)

# Each order has cursors of its own: one of another would lose or repeat what lies between.
_CURSORS = {Order.OLDEST: "reviews", Order.NEWEST: "reviews-newest", Order.DUE: "reviews-due"}
DUE_WITHIN_S_MAX = 366 * 86_400
_ANSWER = responses(404, 409, 413)
Text = Annotated[str | None, Query(max_length=TEXT_CHARS_MAX)]


@router.get(
    "",
    operation_id="list_reviews",
    response_model=ReviewPage,
    responses=responses(),
    summary="List reviews",
)
async def list_reviews(
    caller: CallerDep,
    cursor: Cursor = None,
    limit: Limit = LIMIT_DEFAULT,
    state: Annotated[StateFilter, Query(description="`any` for all.")] = "open",
    role: Text = None,
    assignee: Annotated[
        str | None, Query(max_length=TEXT_CHARS_MAX, description="`me`, `none`, or a person such as `user:amir`.")
    ] = None,
    task_id: Text = None,
    automation: Text = None,
    risk: Annotated[Risk | None, Query(description="As the list shows it.")] = None,
    person: Annotated[
        str | None,
        Query(
            max_length=TEXT_CHARS_MAX,
            description="Who has it, whom it is about, or who asked for it; `me` for yourself.",
        ),
    ] = None,
    due_within: Annotated[
        float | None,
        Query(gt=0, le=DUE_WITHIN_S_MAX, allow_inf_nan=False, description="Due in so many seconds, or before."),
    ] = None,
    find: Annotated[
        str | None,
        Query(max_length=TEXT_CHARS_MAX, description="Words; each stands in what the list says of a review."),
    ] = None,
    order: Annotated[Order, Query(description="`due`: soonest due first, what is never due last.")] = Order.OLDEST,
    newest: Annotated[bool, Query(description="The same as `order=newest`.")] = False,
) -> ReviewPage:
    """List reviews that the policy lets the caller read; without `review.list`, of those that their roles may answer."""
    roles = None if role is None else [role]
    all_of_them = [caller, *await caller.acting_for_others()]
    if not caller.may("review.list", ask.system(caller.tenant)):
        own = [
            name
            for one in all_of_them
            for name in (*one.principal.roles, one.principal.on_behalf_of or one.principal.id)
        ]
        if role is not None and role not in own:
            caller.require("review.list", ask.system(caller.tenant))
        roles = roles or own
    if newest and order is Order.DUE:
        raise InvalidInput.of("/newest", "The list has one order.", "Leave it out, or order by `newest`.")
    order = Order.NEWEST if newest else order
    count = min(limit, caller.app.settings.list_page_size_max)
    me = caller.principal.id
    found = await caller.app.reviews.find(
        caller.tenant,
        ReviewFilter(
            state=None if state == "any" else ReviewState(state),
            roles=roles,
            assignee=me if assignee == "me" else None if assignee == "none" else assignee,
            unassigned=assignee == "none",
            task_id=task_id,
            automation=automation,
            risk=risk,
            person=me if person == "me" else person,
            due_within_s=due_within,
            words=(find or "").lower().split(),
        ),
        order=order,
        after=pages.after_time(_CURSORS[order], cursor),
        limit=count + 1,
    )
    shown = found[:count]
    more = pages.encode(_CURSORS[order], sorted_by(shown[-1], order), shown[-1].id) if len(found) > count else None
    return ReviewPage(
        items=[review_schemas.summary(review) for review in visible.reviews(all_of_them, shown)], next_cursor=more
    )


@router.get(
    "/{review_id}", operation_id="get_review", response_model=Review, responses=responses(404), summary="Get a review"
)
async def get_review(caller: CallerDep, review_id: ReviewId) -> Review:
    """Give a review with its evidence, its form and its history."""
    return await _whole(caller, await readable(caller, review_id))


@router.get(
    "/{review_id}/similar",
    operation_id="list_similar_reviews",
    response_model=SimilarReviews,
    responses=responses(404),
    summary="List cases like this one",
)
async def list_similar_reviews(
    caller: CallerDep,
    review_id: ReviewId,
    field: Annotated[
        str | None, Query(max_length=TEXT_CHARS_MAX, description="The value that they share, such as `merchant`.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=50)] = 10,
) -> SimilarReviews:
    """List the newest closed reviews of the same automation and name that say the same in the field, if one is named, and how they ended.

    `duplicates` are tasks that are likely the same matter, reviewed or not.
    """
    review = await readable(caller, review_id)
    reviews, callers = caller.app.reviews, [caller, *await caller.acting_for_others()]
    alike = await reviews.similar(caller.tenant, review, field, limit=limit)
    twice = await reviews.duplicates(caller.tenant, review, limit=limit)
    return SimilarReviews(
        items=[review_schemas.summary(one) for one in visible.reviews(callers, alike)],
        next_cursor=None,
        duplicates=[
            LikelyDuplicate(
                task_id=one.id,
                state=one.state,
                submitted_by=one.submitted_by,
                accepted_at=one.accepted_at,
                same=list(one.same),
            )
            for one in visible.duplicates(callers, twice)
        ],
    )


@router.post(
    "/{review_id}:claim",
    operation_id="claim_review",
    response_model=Review,
    responses=_ANSWER,
    summary="Claim a review",
)
async def claim_review(caller: CallerDep, review_id: ReviewId) -> Review:
    """Take an open review for yourself: nobody else can answer it until it is released or escalated."""
    await readable(caller, review_id)
    return await _whole(caller, await caller.app.reviews.claim(caller.principal, review_id))


@router.post(
    "/{review_id}:release",
    operation_id="release_review",
    response_model=Review,
    responses=_ANSWER,
    summary="Release a claimed review",
)
async def release_review(caller: CallerDep, review_id: ReviewId) -> Review:
    """Give a review back that you had claimed."""
    await readable(caller, review_id)
    return await _whole(caller, await caller.app.reviews.claim(caller.principal, review_id, release=True))


@router.get(
    "/{review_id}/assignees",
    operation_id="list_assignees",
    response_model=Assignees,
    responses=responses(404, 409),
    summary="List whom a review could be given to",
)
async def list_assignees(caller: CallerDep, review_id: ReviewId) -> Assignees:
    """List who could approve an open review as the policies stand, for whoever may give it to them or may list people."""
    await readable(caller, review_id)
    lists_people = caller.may("account.list", ask.system(caller.tenant))
    found = await caller.app.reviews.assignees(caller.principal, review_id, lists_people=lists_people)
    return Assignees(items=found)


@router.post(
    "/{review_id}:assign",
    operation_id="assign_review",
    response_model=Review,
    responses=_ANSWER,
    summary="Give a review to somebody",
)
async def assign_review(caller: CallerDep, review_id: ReviewId, body: AssignReview) -> Review:
    """Give an open review to a person who may answer it, whoever has it now: nobody else can answer it then."""
    await readable(caller, review_id)
    return await _whole(caller, await caller.app.reviews.assign(caller.principal, review_id, body.to))


@router.post(
    "/{review_id}:approve",
    operation_id="approve_review",
    response_model=Review,
    responses=_ANSWER,
    summary="Approve a review as shown",
)
async def approve_review(
    caller: CallerDep, review_id: ReviewId, body: Annotated[ApproveReview | None, Body()] = None
) -> Review:
    """Approve. The first valid answer wins; a later one gets 409 with who and when. Where several must approve, this is one of them."""
    given = body or ApproveReview()
    await readable(caller, review_id, answer=Verdict.APPROVE, on_behalf_of=given.on_behalf_of)
    review = await caller.app.reviews.answer(
        caller.principal,
        review_id,
        Verdict.APPROVE,
        reason=given.reason,
        hold_s=given.hold_s,
        revision=given.revision,
        on_behalf_of=given.on_behalf_of,
    )
    return await _whole(caller, review)


@router.post(
    "/{review_id}:reject",
    operation_id="reject_review",
    response_model=Review,
    responses=_ANSWER,
    summary="Reject a review with a reason",
)
async def reject_review(caller: CallerDep, review_id: ReviewId, body: RejectReview) -> Review:
    """Reject. The first valid answer wins; a later one gets 409 with who and when."""
    await readable(caller, review_id, answer=Verdict.REJECT, on_behalf_of=body.on_behalf_of)
    review = await caller.app.reviews.answer(
        caller.principal,
        review_id,
        Verdict.REJECT,
        reason=body.reason,
        hold_s=body.hold_s,
        on_behalf_of=body.on_behalf_of,
    )
    return await _whole(caller, review)


@router.post(
    "/{review_id}:amend",
    operation_id="amend_review",
    response_model=Review,
    responses=_ANSWER,
    summary="Approve a review with changed fields",
)
async def amend_review(caller: CallerDep, review_id: ReviewId, body: AmendReview) -> Review:
    """Approve with changes. They are validated as the automation will, and the policy judges the values as they then stand."""
    await readable(caller, review_id, answer=Verdict.AMEND, on_behalf_of=body.on_behalf_of)
    review = await caller.app.reviews.answer(
        caller.principal,
        review_id,
        Verdict.AMEND,
        values=body.values,
        reason=body.reason,
        hold_s=body.hold_s,
        revision=body.revision,
        on_behalf_of=body.on_behalf_of,
    )
    return await _whole(caller, review)


@router.post(
    "/{review_id}:ask", operation_id="ask_review", response_model=Review, responses=_ANSWER, summary="Ask back"
)
async def ask_review(caller: CallerDep, review_id: ReviewId, body: ReviewText) -> Review:
    """Ask whoever submitted the task, or whom it is about; the review stays open."""
    await readable(caller, review_id)
    return await _whole(caller, await caller.app.reviews.ask(caller.principal, review_id, body.text))


@router.post(
    "/{review_id}:reply",
    operation_id="reply_review",
    response_model=Review,
    responses=_ANSWER,
    summary="Reply to a question",
)
async def reply_review(caller: CallerDep, review_id: ReviewId, body: ReviewText) -> Review:
    """Reply, as who submitted the task, as whom it is about, or as one who may ask."""
    return await _whole(caller, await caller.app.reviews.ask(caller.principal, review_id, body.text, reply=True))


@router.post(
    "/{review_id}:escalate",
    operation_id="escalate_review",
    response_model=Review,
    responses=_ANSWER,
    summary="Escalate a review",
)
async def escalate_review(caller: CallerDep, review_id: ReviewId) -> Review:
    """Give an open review to the role that it escalates to, before its time."""
    await readable(caller, review_id)
    return await _whole(caller, await caller.app.reviews.escalate(caller.principal, review_id))


@router.post(
    "/{review_id}:revoke",
    operation_id="revoke_review",
    response_model=Review,
    responses=_ANSWER,
    summary="Take back one's answer while it is held",
)
async def revoke_review(caller: CallerDep, review_id: ReviewId) -> Review:
    """Open the review again, as its author and within the hold."""
    await readable(caller, review_id)
    return await _whole(caller, await caller.app.reviews.revoke(caller.principal, review_id))


async def readable(
    caller: Caller, review_id: str, *, answer: Verdict | None = None, on_behalf_of: str | None = None
) -> StoredReview:
    """Give a review that the caller, or who lent them their rights, may read, so that a refusal says nothing of its state.

    A refusal of who wants to answer is put on record. Raises NotFound; Refused, also where `on_behalf_of` has lent nothing that lasts.
    """
    review = await caller.app.reviews.get(caller.tenant, review_id)
    try:
        if on_behalf_of is not None:
            await caller.app.access.delegations.check(caller.principal, on_behalf_of)
        if not visible.may_read_review(caller, review) and not any(
            visible.may_read_review(one, review) for one in await caller.acting_for_others()
        ):
            caller.require("review.read", entity(caller.tenant, review), automation=review.automation)
    except Refused as refused:
        if answer is not None:
            await caller.app.reviews.note_refusal(caller.principal, review_id, answer, refused)
        raise
    return review


async def _whole(caller: Caller, review: StoredReview) -> Review:
    return review_schemas.whole(review, await caller.app.reviews.history(caller.tenant, review.id))
