"""The rows of reviews and of their history. Each statement runs inside a transaction of one tenant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from interlock.domain import canonical
from interlock.domain.approvals import Approval, counted
from interlock.domain.errors import Conflict, NotFound
from interlock.domain.reviews import ReviewRequest, ReviewState
from interlock.governance import audit
from interlock.infra.database import Connection

SIMILAR_AMONG = 2_000
NEVER = datetime(9998, 12, 31, tzinfo=UTC)  # what is never due is due last
DUE_SOON_S = 86_400
# How much is at stake, as far as the question says: several people, an escalation, a deadline that is near; then more than one reason.
RISK = (
    f"case when approvals_needed > 1 or escalated_at is not null or deadline < time_now() + interval '{DUE_SOON_S} seconds' then 'high'"
    " when coalesce(json_array_length(request->'reasons'), 0) > 1 then 'medium' else 'low' end"
)
COLUMNS = (
    "id, task_id, effect_id, automation, name, state, request::text, role, assignee, subject, task_submitted_by, correlation_id,"
    " deadline, escalate_at, escalated_at, answer::text, answered_by, answered_at, hold_until, opened_at, closed_at, input_digest,"
    " approvals_needed, also, revision, standing::text,"
    " (select json_agg(json_build_object('number', a.number, 'revision', a.revision, 'by', a.by_whom,"
    " 'persons', with_links(a.persons), 'verdict', a.verdict, 'reason', a.answer->>'reason', 'on_behalf_of', a.answer->>'on_behalf_of',"
    " 'at', a.given_at, 'hold_until', a.hold_until,"
    " 'revoked', a.revoked_at is not null, 'lapsed', a.revoked_at is null and reviews.state = 'open' and a.revision = reviews.revision and ("
    " exists (select from api_keys k where k.tenant = a.tenant and k.id = a.by_key and k.revoked_at is not null) or"
    " exists (select from accounts o where o.tenant = a.tenant and lower(o.id) = any(a.persons) and o.disabled_at is not null)"
    ")) order by a.number) from review_approvals a"
    " where a.tenant = reviews.tenant and a.review_id = reviews.id)::text,"
    f" {RISK}"
)
# What stands in a list of reviews, for words that are looked for.
_TEXT = (
    "lower(concat_ws(' ', id, task_id, correlation_id, automation, name, role, assignee, subject, task_submitted_by,"
    " request->>'title', request->'reasons', request->'values'))"
)
_NEVER = f"'{NEVER.isoformat()}'::timestamptz"


@dataclass(frozen=True, kw_only=True)
class Review:
    """A review as it stands."""

    id: str
    task_id: str
    effect_id: str
    automation: str
    name: str
    state: ReviewState
    request: ReviewRequest
    role: str
    assignee: str | None
    subject: str | None
    task_submitted_by: str
    correlation_id: str
    deadline: datetime | None
    escalate_at: datetime | None
    escalated_at: datetime | None
    answer: Mapping[str, Any] | None
    answered_by: str | None
    answered_at: datetime | None
    hold_until: datetime | None
    opened_at: datetime
    closed_at: datetime | None
    input_digest: bytes
    approvals_needed: int
    also: tuple[str, ...]
    revision: int
    standing: Any
    approvals: tuple[Approval, ...]
    risk: str

    @property
    def values(self) -> Any:
        """The values as they stand: as amended by who has approved so far, else as shown."""
        return self.request.values if self.standing is None else self.standing

    @property
    def counted(self) -> list[Approval]:
        """The approvals that count now."""
        return counted(self.approvals, self.revision)


def from_row(row: tuple[Any, ...]) -> Review:
    """Read a row of `COLUMNS`."""
    names = list(Review.__dataclass_fields__)
    values = dict(zip(names, row, strict=True))
    values["state"] = ReviewState(values["state"])
    values["request"] = ReviewRequest.model_validate(canonical.loads(values["request"]))
    values["answer"] = None if values["answer"] is None else canonical.loads(values["answer"])
    values["also"] = tuple(values["also"])
    values["standing"] = None if values["standing"] is None else canonical.loads(values["standing"])
    given = canonical.loads(values["approvals"] or "[]")
    values["approvals"] = tuple(Approval.model_validate(one) for one in given)
    values["input_digest"] = bytes(values["input_digest"])
    return Review(**values)


async def escalate(conn: Connection, review: Review) -> None:
    """Give an open review to the role that it escalates to, and free it of its assignee."""
    await conn.execute(
        "update reviews set role = %s, also = '{}', assignee = null, escalated_at = time_now() where tenant = current_tenant() and id = %s",
        (review.request.escalate_to, review.id),
    )


async def assign(conn: Connection, review_id: str, to: str | None) -> None:
    """Give an open review to somebody, or free it."""
    await conn.execute("update reviews set assignee = %s where tenant = current_tenant() and id = %s", (to, review_id))


async def event(
    conn: Connection, review_id: str, kind: str, by: str, data: Mapping[str, Any], *, key: bytes
) -> dict[str, str]:
    """Write a line of the review's history; gives what its leaf says of it, under the key of the task's subject."""
    text = canonical.dumps(data).decode()
    await conn.execute(
        "insert into review_events (tenant, review_id, kind, by_whom, data) values (current_tenant(), %s, %s, %s, %s::json)",
        (review_id, kind, by, text),
    )
    return audit.history_line(key, by=by, data=text)


async def get(conn: Connection, review_id: str, *, lock: bool = False) -> Review:
    """Give a review; raises NotFound."""
    row = await (
        await conn.execute(
            f"select {COLUMNS} from reviews where tenant = current_tenant() and id = %s{' for update' if lock else ''}".encode(),
            (review_id,),
        )
    ).fetchone()
    if row is None:
        raise NotFound(f"There is no review {review_id}.")
    return from_row(row)


async def locked(conn: Connection, review_id: str) -> tuple[Review, datetime]:
    """Lock the task, then the review; gives the database's time after both. Raises NotFound, or Conflict where the task has ended."""
    row = await (
        await conn.execute("select task_id from reviews where tenant = current_tenant() and id = %s", (review_id,))
    ).fetchone()
    if row is None:
        raise NotFound(f"There is no review {review_id}.")
    task = await (
        await conn.execute(
            "select state from tasks where tenant = current_tenant() and id = %s for no key update", (row[0],)
        )
    ).fetchone()
    review = await get(conn, review_id, lock=True)
    if task is None or (task[0] in ("succeeded", "failed", "cancelled") and review.state is ReviewState.OPEN):
        raise Conflict("The task of this review has ended.")
    now = await (await conn.execute("select time_now()")).fetchone()
    assert now is not None
    return review, now[0]


async def history(conn: Connection, review_id: str) -> list[dict[str, Any]]:
    """Give what was done with a review, oldest first."""
    rows = await (
        await conn.execute(
            "select kind, by_whom, data, at from review_events where tenant = current_tenant() and review_id = %s order by id",
            (review_id,),
        )
    ).fetchall()
    return [{"kind": r[0], "by": r[1], "data": r[2], "at": r[3]} for r in rows]


@dataclass(frozen=True, kw_only=True)
class ReviewFilter:
    """What a list of reviews is narrowed to; None does not narrow.

    Attributes:
        roles: those that one of these roles or people may answer. unassigned: only those that nobody has.
        person: who has it, whom it is about, or who asked for it. due_within_s: due in so many seconds, or before.
        words: each stands in what the list says of it, in lower case.
    """

    state: ReviewState | None = None
    roles: Sequence[str] | None = None
    assignee: str | None = None
    unassigned: bool = False
    task_id: str | None = None
    correlation_id: str | None = None
    automation: str | None = None
    risk: str | None = None
    person: str | None = None
    due_within_s: float | None = None
    words: Sequence[str] = ()


class Order(StrEnum):
    """In which order reviews are listed: oldest first, newest first, soonest due first."""

    OLDEST = "oldest"
    NEWEST = "newest"
    DUE = "due"


def sorted_by(review: Review, order: Order) -> datetime:
    """Give the time by which a review stands where it does in a list."""
    if order is Order.DUE:
        return NEVER if review.deadline is None else review.deadline
    return review.opened_at


async def find(
    conn: Connection,
    narrowed: ReviewFilter,
    *,
    order: Order = Order.OLDEST,
    after: tuple[datetime, str] | None = None,
    limit: int = 50,
) -> list[Review]:
    """List reviews in an order, after a cursor of (`sorted_by`, id)."""
    by = f"coalesce(deadline, {_NEVER})" if order is Order.DUE else "opened_at"
    beyond, way = ("<", " desc") if order is Order.NEWEST else (">", "")
    values = {name: getattr(narrowed, name) for name in ReviewFilter.__dataclass_fields__}
    values |= {
        "state": narrowed.state.value if narrowed.state else None,
        "roles": None if narrowed.roles is None else list(narrowed.roles),
        "words": list(narrowed.words),
        "at": after[0] if after else None,
        "id": after[1] if after else None,
        "limit": limit,
    }
    rows = await (
        await conn.execute(
            f"select {COLUMNS} from reviews where tenant = current_tenant()"
            " and (%(state)s::text is null or state = %(state)s) and (%(roles)s::text[] is null or role = any(%(roles)s) or also && %(roles)s)"
            " and (%(assignee)s::text is null or assignee = %(assignee)s) and (not %(unassigned)s or assignee is null)"
            " and (%(task_id)s::text is null or task_id = %(task_id)s)"
            " and (%(correlation_id)s::text is null or correlation_id = %(correlation_id)s)"
            " and (%(automation)s::text is null or automation = %(automation)s)"
            f" and (%(risk)s::text is null or {RISK} = %(risk)s)"
            " and (%(person)s::text is null or %(person)s in (assignee, subject, task_submitted_by))"
            " and (%(due_within_s)s::float8 is null or deadline <= time_now() + make_interval(secs => %(due_within_s)s))"
            f" and not exists (select from unnest(%(words)s::text[]) word where strpos({_TEXT}, word) = 0)"
            f" and (%(at)s::timestamptz is null or ({by}, id) {beyond} (%(at)s, %(id)s))"
            f" order by {by}{way}, id{way} limit %(limit)s".encode(),
            values,
        )
    ).fetchall()
    return [from_row(row) for row in rows]


async def similar(conn: Connection, review: Review, field: str | None, *, limit: int) -> list[Review]:
    """List closed reviews of the same automation and name, newest first; with `field` those whose values say the same there.

    Looks at the newest `SIMILAR_AMONG` of them.
    """
    value = review.values.get(field) if isinstance(review.values, dict) else None
    if field is not None and value is None:
        return []
    rows = await (
        await conn.execute(
            f"select {COLUMNS} from (select * from reviews where tenant = current_tenant() and automation = %(automation)s and name = %(name)s"
            " and state <> 'open' and id <> %(id)s order by opened_at desc limit %(among)s) reviews"
            " where %(field)s::text is null or request->'values'->>%(field)s = %(value)s order by opened_at desc, id limit %(limit)s".encode(),
            {
                "automation": review.automation,
                "name": review.name,
                "id": review.id,
                "among": SIMILAR_AMONG,
                "field": field,
                "value": str(value),
                "limit": limit,
            },
        )
    ).fetchall()
    return [from_row(row) for row in rows]


def approval_parts(approval: Approval, text: str) -> tuple[str | None, ...]:
    """Give what the leaf of an approval commits to: the answer, and by whom it was given."""
    return audit.approval_parts(answer=text, by=approval.by, persons=sorted(approval.persons))


async def add_approval(
    conn: Connection,
    review: Review,
    approval: Approval,
    text: str,
    salt: bytes,
    *,
    by_key: str,
    needed: int,
    values: Any,
) -> None:
    """Write one of several approvals, and what it makes of the review; a claim has served its purpose then."""
    await conn.execute(
        "insert into review_approvals (tenant, review_id, number, revision, by_whom, persons, verdict, answer, salt,"
        " given_at, hold_until, by_key) values (current_tenant(), %s, %s, %s, %s, %s, %s, %s::json, %s, %s, %s, %s)",
        (
            review.id,
            approval.number,
            approval.revision,
            approval.by,
            sorted(approval.persons),
            approval.verdict,
            text,
            salt,
            approval.at,
            approval.hold_until,
            by_key,
        ),
    )
    await conn.execute(
        "update reviews set approvals_needed = %s, revision = %s, standing = case when %s > 0 then %s::json end, assignee = null"
        " where tenant = current_tenant() and id = %s",
        (needed, approval.revision, approval.revision, canonical.dumps(values).decode(), review.id),
    )


async def revoke_approval(conn: Connection, review: Review, approval: Approval) -> None:
    """Take an approval back. With the one that amended the values its amendment goes too, and with that what others approved of it."""
    await conn.execute(
        "update review_approvals set revoked_at = time_now() where tenant = current_tenant() and review_id = %s and number = %s",
        (review.id, approval.number),
    )
    first = min(a.number for a in review.approvals if a.revision == approval.revision)
    if approval.revision > 0 and approval.number == first:
        await conn.execute(
            "update reviews set revision = revision + 1, standing = request->'values' where tenant = current_tenant() and id = %s",
            (review.id,),
        )


async def reopen(conn: Connection, review_id: str) -> None:
    """Make a review open again, without an answer."""
    await conn.execute(
        "update reviews set state = 'open', answer = null, answer_salt = null, answered_by = null, answered_at = null,"
        " closed_at = null, hold_until = null where tenant = current_tenant() and id = %s",
        (review_id,),
    )
