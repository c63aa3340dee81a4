"""Reviews: opened by an effect, answered once, expired by the database's clock.

An answer is one transaction: lock the task, then the review; both open and before the deadline; policy on the amended values; then answer,
audit leaf, event and wake-up. Expiry and withdrawal lock in the same order, so the first valid one wins and nothing deadlocks.
Rows are read and written in `review_rows`, and who may answer is asked in `review_rights`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from interlock.domain import canonical
from interlock.domain.approvals import Approval, counted
from interlock.domain.decisions import Entity
from interlock.domain.errors import AlreadyAnswered, Conflict, FieldError, InvalidInput, Refused
from interlock.domain.persons import is_person
from interlock.domain.reviews import ReviewState, Verdict, changes, lost
from interlock.governance import audit
from interlock.governance.audit import SubjectKeys
from interlock.governance.identity import Principal
from interlock.governance.tenant_policies import TenantPolicies
from interlock.infra.clock import Clock
from interlock.infra.database import Connection, Database
from interlock.orchestration import review_rows as rows
from interlock.orchestration.answers import merge_patch, model_of
from interlock.orchestration.automations import Automations
from interlock.orchestration.delegations import acting
from interlock.orchestration.duplicates import Duplicate, duplicates
from interlock.orchestration.held_rights import people
from interlock.orchestration.review_rights import ReviewRights, persons_behind
from interlock.orchestration.review_rows import Review
from interlock.orchestration.store import log, notify, tell
from interlock.orchestration.submit import field_errors, subject_key

REASON_CHARS_MAX = 4000


class Reviews:
    """What people do with reviews, through the API."""

    def __init__(
        self,
        *,
        database: Database,
        automations: Automations,
        policies: TenantPolicies,
        keys: SubjectKeys,
        clock: Clock,
        hold_s_max: float,
    ) -> None:
        self._rights = ReviewRights(automations, policies)
        self._database = database
        self._keys = keys
        self._clock = clock
        self._hold_s_max = hold_s_max

    async def answer(
        self,
        principal: Principal,
        review_id: str,
        verdict: Verdict,
        *,
        values: Any = None,
        reason: str | None = None,
        hold_s: float = 0.0,
        revision: int | None = None,
        on_behalf_of: str | None = None,
    ) -> Review:
        """Answer a review; stored, audited and its task woken when it returns. The first valid answer wins.

        Args:
            values: with amend, the changed fields (merged into what was shown; RFC 7396).
            hold_s: seconds during which only its author may take the answer back; it takes effect after them.
            revision: of the values that were looked at; needed once an approver before has amended them.
            on_behalf_of: who lent the caller their rights; the answer then counts for both, and neither counts again.

        Raises:
            AlreadyAnswered: names who and when. Refused: names the policy. InvalidInput: names each field.
        """
        if not 0 <= hold_s <= self._hold_s_max:
            raise InvalidInput(f"hold_s should be from 0 to {self._hold_s_max:g} seconds.")
        if reason is not None and len(reason) > REASON_CHARS_MAX:
            raise InvalidInput(f"The reason has over {REASON_CHARS_MAX} characters.")
        try:
            await self._settle_lapsed(principal, review_id)
            await self._answer(
                principal,
                review_id,
                verdict,
                values=values,
                reason=reason,
                hold_s=hold_s,
                revision=revision,
                on_behalf_of=on_behalf_of,
            )
        except Refused as refused:
            await self.note_refusal(principal, review_id, verdict, refused)
            raise
        return await self.get(principal.tenant, review_id)

    async def _answer(
        self,
        principal: Principal,
        review_id: str,
        verdict: Verdict,
        *,
        values: Any,
        reason: str | None,
        hold_s: float,
        revision: int | None,
        on_behalf_of: str | None,
    ) -> None:
        async with self._database.tenant(principal.tenant) as conn:
            review, now = await rows.locked(conn, review_id)
            self._check_open(review, now)
            if any(a.lapsed for a in review.approvals):
                raise Conflict("An approval before yours lapsed just now.", fix="Look at the review and answer again.")
            if on_behalf_of is not None:
                principal = await acting(conn, principal, on_behalf_of)
            if review.assignee not in (None, principal.id, principal.on_behalf_of):
                raise Conflict(
                    f"The review is claimed by {review.assignee}.", fix="Ask them to release it, or escalate it."
                )
            if verdict not in review.request.allow or verdict is Verdict.EXPIRED:
                allowed = ", ".join(v.value for v in review.request.allow)
                raise InvalidInput(f"This review cannot be answered with {verdict.value}.", fix=f"It allows {allowed}.")
            if verdict is Verdict.REJECT and not (reason or "").strip():
                raise InvalidInput("A rejection needs a reason.", fix="Say why: it goes back to whoever asked.")
            self._check_revision(review, verdict, revision)
            after = self._amended(review, values) if verdict is Verdict.AMEND else review.values
            if verdict is Verdict.APPROVE and changes(review.request.values, after):
                verdict = Verdict.AMEND  # an earlier approver amended them, and whoever approves now approves that
            persons = await persons_behind(
                conn, [principal.id, *([principal.on_behalf_of] if principal.on_behalf_of else [])]
            )
            decision = await self._rights.judge(conn, principal, review, verdict, after, now, persons=persons)
            answer = {
                "verdict": verdict.value,
                "values": after,
                "changes": [c.model_dump(mode="json") for c in changes(review.request.values, after)],
                "reason": reason,
                "by": principal.id,
                "at": now.isoformat(),
                "decision": decision.as_json(),
                **_lent(principal),
            }
            needed = max(review.approvals_needed, decision.approvals)
            given = review.counted
            if verdict is not Verdict.REJECT and (needed > 1 or review.approvals):
                given, hold_s = await self._approve(conn, principal, review, answer, persons, needed, hold_s, now)
                if len(given) < needed:
                    return
            if given:
                answer["approvals"] = [
                    a.model_dump(mode="json", include={"by", "verdict", "reason", "at"})
                    | ({"on_behalf_of": a.on_behalf_of} if a.on_behalf_of else {})
                    for a in given
                ]
            await self._write(conn, principal, review, answer, hold_s)

    async def _settle_lapsed(self, principal: Principal, review_id: str) -> None:
        """Put on record which approvals count no more, since their key was revoked or an account behind them disabled.

        A transaction of its own: what lapsed has lapsed, also where the answer that comes next is refused.
        """
        if not any(a.lapsed for a in (await self.get(principal.tenant, review_id)).approvals):
            return
        async with self._database.tenant(principal.tenant) as conn:
            review, _ = await rows.locked(conn, review_id)
            for number in [a.number for a in review.approvals if a.lapsed]:
                # Read anew each time: with an amendment what others approved of it has gone already.
                review = await rows.get(conn, review_id)
                approval = next(a for a in review.approvals if a.number == number)
                if approval.lapsed:
                    await rows.revoke_approval(conn, review, approval)
                    await self._done(conn, principal, review, "lapsed", {"approval": approval.number}, by="interlock")

    async def _approve(
        self,
        conn: Connection,
        principal: Principal,
        review: Review,
        answer: Mapping[str, Any],
        persons: frozenset[str],
        needed: int,
        hold_s: float,
        now: datetime,
    ) -> tuple[list[Approval], float]:
        """Record one of several approvals; gives those that count now, and for how long one of them may still be taken back (seconds).

        An amendment begins a new revision of the values: what was approved before were others, and does not count any more.
        """
        amended = answer["values"] != review.values
        approval = Approval(
            number=len(review.approvals) + 1,
            revision=review.revision + amended,
            by=principal.id,
            persons=persons,
            verdict=answer["verdict"],
            reason=answer["reason"],
            on_behalf_of=principal.on_behalf_of,
            at=now,
            hold_until=now + timedelta(seconds=hold_s) if hold_s else None,
        )
        text, salt = canonical.dumps(answer).decode(), audit.new_salt()
        key = await self._key(conn, principal.tenant, review)
        await rows.add_approval(
            conn, review, approval, text, salt, by_key=principal.key_id, needed=needed, values=answer["values"]
        )
        facts = {
            "verdict": approval.verdict,
            "approval": approval.number,
            "revision": approval.revision,
            "needed": needed,
            **_lent(principal, ("delegation",)),
        }
        committed = {"salt": salt.hex(), "commit": audit.commit(key, salt, rows.approval_parts(approval, text))}
        whom = _lent(principal, ("on_behalf_of",))
        await self._done(
            conn, principal, review, "approved", {**facts, **whom}, quiet=("on_behalf_of",), committed=committed
        )
        given = counted((*review.approvals, approval), approval.revision)
        held = [(a.hold_until - now).total_seconds() for a in given if a.hold_until is not None]
        return given, max(0.0, *held) if held else 0.0

    def _check_revision(self, review: Review, verdict: Verdict, revision: int | None) -> None:
        """Refuse an answer to other values than stand now. Whoever says nothing of a revision has seen what was asked at first."""
        if verdict is Verdict.REJECT or (revision or 0) == review.revision:
            return
        raise Conflict(
            f"The values were amended since: they are at revision {review.revision} now.",
            fix=f'Look at them again, and send {{"revision": {review.revision}}} with your answer.',
            extra={"revision": review.revision},
        )

    async def note_refusal(self, principal: Principal, review_id: str, verdict: Verdict, refused: Refused) -> None:
        """Put on record that somebody was refused an answer: who is committed to, and which policies refused is said."""
        async with self._database.tenant(principal.tenant) as conn:
            review = await rows.get(conn, review_id)
            key, salt = await self._key(conn, principal.tenant, review), audit.new_salt()
            said = (refused.extra.get("decision") or {}).get("reasons", ())
            facts = {
                "task": review.task_id,
                "about": review.id,
                "verdict": verdict.value,
                "policies": [reason["policy"] for reason in said] or [refused.extra.get("reason", "refused")],
                "by_key": principal.key_id,
                "salt": salt.hex(),
                "commit": audit.commit(key, salt, (principal.id,)),
            }
            leaf = audit.leaf("answer.refused", tenant=principal.tenant, at=self._clock.now(), facts=facts)
            await log(conn, tenant=principal.tenant, task_id=review.task_id, leaf=leaf)

    def _check_open(self, review: Review, now: datetime) -> None:
        if review.state is ReviewState.OPEN:
            if review.deadline is not None and review.deadline <= now:
                raise AlreadyAnswered(
                    f"The review expired at {review.deadline.isoformat()}.",
                    extra={"state": "expired", "at": review.deadline.isoformat()},
                )
            return
        at = review.answered_at or review.closed_at
        by = f" by {review.answered_by}" if review.answered_by else ""
        raise AlreadyAnswered(
            f"The review was {review.state.value}{by} at {at.isoformat() if at else 'an unknown time'}, and takes no answer any more.",
            extra={
                "state": review.state.value,
                "answered_by": review.answered_by,
                "answered_at": at.isoformat() if at else None,
                "verdict": (review.answer or {}).get("verdict"),
            },
        )

    def _amended(self, review: Review, values: Any) -> Any:
        """Merge the amended fields into what was shown, and validate them as the automation will."""
        if not isinstance(values, dict) or not values:
            raise InvalidInput(
                "An amendment needs the changed fields.",
                fields=[FieldError(pointer="/values", detail="missing", kind="missing")],
                fix='Send {"values": {"field": …}}.',
            )
        merged = merge_patch(review.values, values)
        model = model_of(review.request.model)
        if model is None:
            return merged
        try:
            kept = model.model_validate(merged).model_dump(mode="json", by_alias=True)
        except ValidationError as error:
            raise InvalidInput("The amended values are not valid.", fields=field_errors(error, "/values")) from error
        # A form that ignores what it does not know would take a misspelt field for an approval as shown.
        if unknown := lost(values, kept, "/values"):
            wrong = [
                FieldError(pointer=at, detail="the form has no such field", kind="extra_forbidden") for at in unknown
            ]
            raise InvalidInput("The amended values are not valid.", fields=wrong)
        return kept

    async def _write(
        self, conn: Connection, principal: Principal, review: Review, answer: Mapping[str, Any], hold_s: float
    ) -> None:
        tenant = principal.tenant
        text = canonical.dumps(answer).decode()
        salt = audit.new_salt()
        key = await self._key(conn, tenant, review)
        await conn.execute(
            "update reviews set state = 'answered', answer = %s::json, answer_salt = %s, answered_by = %s, answered_at = time_now(),"
            " closed_at = time_now(), hold_until = case when %s > 0 then time_now() + make_interval(secs => %s) end"
            " where tenant = current_tenant() and id = %s",
            (text, salt, principal.id, hold_s, hold_s, review.id),
        )
        shown = {"verdict": answer["verdict"], "hold_s": hold_s, **_lent(principal)}
        line = await rows.event(conn, review.id, "answered", principal.id, shown, key=key)
        facts = {
            "task": review.task_id,
            "review": review.id,
            "verdict": answer["verdict"],
            "policy_version": answer["decision"]["policy_version"],
            **_lent(principal, ("delegation",)),
            "commit": audit.commit(key, salt, (text,)),
            **line,
        }
        leaf = audit.leaf("review.answered", tenant=tenant, at=self._clock.now(), facts=facts)
        await log(conn, tenant=tenant, task_id=review.task_id, leaf=leaf)
        told = {"verdict": answer["verdict"], **_lent(principal, ("delegation",))}
        await self._tell(conn, principal, review, "answered", told)
        await conn.execute(
            "update tasks set due_at = least(due_at, case when %s > 0 then time_now() + make_interval(secs => %s)"
            " else queue_time(priority) end) where tenant = current_tenant() and id = %s",
            (hold_s, hold_s, review.task_id),
        )
        await notify(conn)

    async def revoke(self, principal: Principal, review_id: str) -> Review:
        """Take back one's own answer, or one's approval among several, while it is held. Raises Conflict afterwards."""
        async with self._database.tenant(principal.tenant) as conn:
            review, now = await rows.locked(conn, review_id)
            if review.state not in (ReviewState.OPEN, ReviewState.ANSWERED):
                raise Conflict("The answer can no longer be taken back.")
            rejected = (review.answer or {}).get("verdict") == Verdict.REJECT.value
            if review.approvals and not rejected:
                approval = self._own_approval(principal, review, now)
                await rows.revoke_approval(conn, review, approval)
                facts = {"approval": approval.number}
            else:
                if review.state is ReviewState.OPEN:
                    raise Conflict("The review has no answer that could be taken back.")
                if review.hold_until is None or review.hold_until <= now:
                    raise Conflict("The answer can no longer be taken back.")
                if review.answered_by != principal.id:
                    raise Refused("Only its author may take an answer back.", extra={"answered_by": review.answered_by})
                facts = {}
            await rows.reopen(conn, review_id)
            await self._done(conn, principal, review, "revoked", facts)
        return await self.get(principal.tenant, review_id)

    def _own_approval(self, principal: Principal, review: Review, now: datetime) -> Approval:
        """Give the caller's approval that counts and may still be taken back."""
        own = next((a for a in review.counted if a.by == principal.id), None)
        if own is None:
            raise Refused("Only its author may take an approval back.", extra={"by": [a.by for a in review.counted]})
        if own.hold_until is None or own.hold_until <= now:
            raise Conflict("The approval can no longer be taken back.")
        if review.state is ReviewState.ANSWERED and (review.hold_until is None or review.hold_until <= now):
            raise Conflict("The answer has taken effect already.")
        return own

    async def claim(self, principal: Principal, review_id: str, *, release: bool = False) -> Review:
        """Take an open review for oneself, or give it back."""
        async with self._database.tenant(principal.tenant) as conn:
            review, now = await rows.locked(conn, review_id)
            self._check_open(review, now)
            self._rights.require(principal, review, "review.claim")
            if review.assignee not in (None, principal.id):
                raise Conflict(f"The review is claimed by {review.assignee}.", extra={"assignee": review.assignee})
            given = {person for a in review.counted for person in a.persons}
            if not release and not given.isdisjoint(await persons_behind(conn, [principal.id])):
                raise Conflict(
                    "You have approved this review already, so another person has to answer it.",
                    fix="Leave it to them. You may still reject it, without a claim.",
                )
            await rows.assign(conn, review_id, None if release else principal.id)
            await self._done(conn, principal, review, "released" if release else "claimed", {})
        return await self.get(principal.tenant, review_id)

    async def assign(self, principal: Principal, review_id: str, to: str) -> Review:
        """Give an open review to a person, from whoever has it; on record when it returns. To whom has it already, nothing is done.

        Raises:
            Refused: the caller may not. InvalidInput: names `/to`, and why that person could not approve it, with the policies.
        """
        async with self._database.tenant(principal.tenant) as conn:
            review, now = await rows.locked(conn, review_id)
            self._check_open(review, now)
            self._rights.require(principal, review, "review.assign", {"to": Entity(type="User", id=to)})
            if not is_person(to):
                raise InvalidInput.of("/to", "A review is given to a person.", "Write it as user:NAME.")
            try:
                await self._rights.check_assignee(conn, principal.tenant, review, to)
            except Refused as refused:
                raise InvalidInput(
                    f"{to} could not approve this review. {refused.detail}",
                    fix="Name somebody who may answer it; see `GET /v1/reviews/{id}/assignees`.",
                    fields=[FieldError(pointer="/to", detail=refused.detail, kind="refused")],
                    extra=refused.extra,
                ) from refused
            if review.assignee != to:
                await rows.assign(conn, review_id, to)
                await self._done(conn, principal, review, "assigned", {"assignee": to}, quiet=("assignee",))
        return await self.get(principal.tenant, review_id)

    async def assignees(self, principal: Principal, review_id: str, *, lists_people: bool) -> list[str]:
        """Give whom an open review could be given to, by name; who may list people need not be one who gives.

        Raises Refused, and AlreadyAnswered where it is open no more.
        """
        async with self._database.tenant(principal.tenant) as conn:
            review, now = await rows.locked(conn, review_id)
            self._check_open(review, now)
            if not lists_people:
                self._rights.require(principal, review, "review.assign")
            found = []
            for user in await people(conn):
                with suppress(Refused):
                    await self._rights.check_assignee(conn, principal.tenant, review, user)
                    found.append(user)
        return found

    async def ask(self, principal: Principal, review_id: str, text: str, *, reply: bool = False) -> Review:
        """Ask back, or answer such a question; the review stays open."""
        if not text.strip() or len(text) > REASON_CHARS_MAX:
            raise InvalidInput(f"The text should have 1 to {REASON_CHARS_MAX} characters.")
        async with self._database.tenant(principal.tenant) as conn:
            review, now = await rows.locked(conn, review_id)
            self._check_open(review, now)
            if not (reply and principal.id in (review.task_submitted_by, review.subject)):
                self._rights.require(principal, review, "review.ask")
            await self._done(conn, principal, review, "replied" if reply else "asked", {"text": text}, quiet=("text",))
        return await self.get(principal.tenant, review_id)

    async def escalate(self, principal: Principal, review_id: str) -> Review:
        """Give an open review to the role that it escalates to, before its time."""
        async with self._database.tenant(principal.tenant) as conn:
            review, now = await rows.locked(conn, review_id)
            self._check_open(review, now)
            self._rights.require(principal, review, "review.escalate")
            if review.request.escalate_to is None or review.escalated_at is not None:
                raise Conflict("There is nobody to escalate this review to.")
            await rows.escalate(conn, review)
            await self._done(conn, principal, review, "escalated", {"role": review.request.escalate_to})
        return await self.get(principal.tenant, review_id)

    async def get(self, tenant: str, review_id: str) -> Review:
        """Give a review; raises NotFound."""
        async with self._database.tenant(tenant) as conn:
            return await rows.get(conn, review_id)

    async def history(self, tenant: str, review_id: str) -> list[dict[str, Any]]:
        """Give what was done with a review, oldest first."""
        async with self._database.tenant(tenant) as conn:
            return await rows.history(conn, review_id)

    async def find(self, tenant: str, narrowed: rows.ReviewFilter, **which: Any) -> list[Review]:
        """List reviews; `which` as in `review_rows.find`."""
        async with self._database.tenant(tenant) as conn:
            return await rows.find(conn, narrowed, **which)

    async def similar(self, tenant: str, review: Review, field: str | None, *, limit: int) -> list[Review]:
        """List cases like this one, newest first; see `review_rows.similar`."""
        async with self._database.tenant(tenant) as conn:
            return await rows.similar(conn, review, field, limit=limit)

    async def duplicates(self, tenant: str, review: Review, *, limit: int) -> list[Duplicate]:
        """List tasks that are likely the same matter; see `duplicates.duplicates`."""
        async with self._database.tenant(tenant) as conn:
            return await duplicates(conn, review, limit=limit)

    async def _done(
        self,
        conn: Connection,
        principal: Principal,
        review: Review,
        kind: str,
        data: Mapping[str, Any],
        quiet: tuple[str, ...] = (),
        committed: Mapping[str, str] | None = None,
        by: str | None = None,
    ) -> None:
        """Write history, audit leaf and event; `quiet` stands in the history only, `committed` in the leaf only."""
        key = await self._key(conn, principal.tenant, review)
        line = await rows.event(conn, review.id, kind, by or principal.id, data, key=key)
        facts = {name: value for name, value in data.items() if name not in quiet}
        leaf = audit.leaf(
            f"review.{kind}",
            tenant=principal.tenant,
            at=self._clock.now(),
            facts={"task": review.task_id, "review": review.id, **facts, **(committed or {}), **line},
        )
        await log(conn, tenant=principal.tenant, task_id=review.task_id, leaf=leaf)
        await self._tell(conn, principal, review, kind, facts)

    async def _key(self, conn: Connection, tenant: str, review: Review) -> bytes:
        """Give the key of the subject whom the review's task is about."""
        row = await (
            await conn.execute(
                "select subject from tasks where tenant = current_tenant() and id = %s", (review.task_id,)
            )
        ).fetchone()
        assert row is not None
        return await subject_key(conn, self._keys, tenant, row[0])

    async def _tell(
        self, conn: Connection, principal: Principal, review: Review, kind: str, facts: Mapping[str, Any]
    ) -> None:
        await tell(
            conn,
            tenant=principal.tenant,
            kind=f"review.{kind}",
            task_id=review.task_id,
            correlation_id=review.correlation_id,
            data={"review": review.id, **facts},
        )


def _lent(principal: Principal, names: tuple[str, ...] = ("on_behalf_of", "delegation")) -> dict[str, str]:
    """Give what is said of lent rights: whose, and by which delegation; nothing of one's own. Leaves and events name the delegation only."""
    if principal.on_behalf_of is None or principal.delegation_id is None:
        return {}
    said = {"on_behalf_of": principal.on_behalf_of, "delegation": principal.delegation_id}
    return {name: said[name] for name in names}
