"""The journal in PostgreSQL: the system of record of every effect.

An outcome, its audit leaf and its event are written by one statement behind the fence, so that a fenced writer writes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from operator import attrgetter
from typing import Any, Final

from interlock.boundary.recorder import Recorder, Write, as_bytea
from interlock.domain import canonical
from interlock.domain.decisions import Decision
from interlock.domain.effects import Effect, Kind, Outcome, Recorded, Status
from interlock.domain.errors import Fenced, InvalidInput, Nondeterministic
from interlock.domain.ids import new_id
from interlock.domain.ports import Attempt, Journal, ObjectStore, Opening
from interlock.domain.tasks import Claimed
from interlock.governance import audit
from interlock.infra.clock import Clock
from interlock.infra.database import Connection, Database

_FENCE = """
fence as (
    select t.id, t.epoch, t.correlation_id from tasks t
    where t.tenant = current_tenant() and t.id = any(%(task_id)s) for share
)"""

RECORD = Write(
    name="record",
    key=("task_id", "effect_id", "epoch", "seq"),
    sql="""
with input as (
    select * from json_to_recordset($1::json) as i(task_id text, epoch bigint, generation int, effect_id text,
        seq int, kind text, name text, target text, input_digest bytea, input text, input_ref text, status text,
        value text, value_ref text, error text, decision text, meta text, salt bytea, started_at timestamptz,
        leaf text, event_type text, event text)
), fence as (
    select t.id, t.epoch, t.correlation_id from tasks t
    where t.tenant = current_tenant() and t.id = any(array(select task_id from input)) for share
), written as (
    insert into effects (tenant, task_id, generation, effect_id, seq, kind, name, target, input_digest, input, input_ref, status, value,
        value_ref, error, decision, meta, salt, epoch, started_at)
    select current_tenant(), i.task_id, i.generation, i.effect_id, i.seq, i.kind, i.name, i.target, i.input_digest, i.input::json,
        i.input_ref, i.status, i.value::json, i.value_ref, i.error::json, i.decision::json, i.meta::json, i.salt, i.epoch, i.started_at
    from input i join fence f on f.id = i.task_id and f.epoch = i.epoch
    on conflict do nothing
    returning task_id, effect_id, epoch, seq
), logged as (
    insert into audit_records (tenant, task_id, leaf)
    select current_tenant(), i.task_id, i.leaf from input i join written w using (task_id, effect_id, epoch, seq)
    returning id
), pending as (
    insert into audit_pending (record_id, tenant) select id, current_tenant() from logged
), told as (
    insert into outbox (tenant, type, task_id, correlation_id, data)
    select current_tenant(), i.event_type, i.task_id, f.correlation_id, i.event::json
    from input i join written w using (task_id, effect_id, epoch, seq) join fence f on f.id = i.task_id
)
select task_id, effect_id, epoch, seq from written""",
)  # fmt: skip

OPEN = f"""
with {_FENCE}, written as (
    insert into openings (tenant, task_id, generation, effect_id, kind, name, input_digest, wake_at, decision, epoch)
    select current_tenant(), f.id, %(generation)s, %(effect_id)s, %(kind)s, %(name)s, %(input_digest)s,
        time_now() + make_interval(secs => %(wake_after_s)s), %(decision)s::json, f.epoch
    from fence f where f.epoch = %(epoch)s
    on conflict do nothing returning opened_at, wake_at, input_digest
), logged as (
    insert into audit_records (tenant, task_id, leaf) select current_tenant(), %(one)s, %(leaf)s from written returning id
), pending as (
    insert into audit_pending (record_id, tenant) select id, current_tenant() from logged
)
select opened_at, wake_at, input_digest from written
union all
select o.opened_at, o.wake_at, o.input_digest from openings o join fence f on f.id = o.task_id and f.epoch = %(epoch)s
where o.tenant = current_tenant() and o.generation = %(generation)s and o.effect_id = %(effect_id)s"""

ATTEMPT = f"""
with {_FENCE}, written as (
    insert into attempts (tenant, task_id, generation, effect_id, attempt, error, next_attempt_at, epoch)
    select current_tenant(), f.id, %(generation)s, %(effect_id)s, %(attempt)s, %(error)s::json,
        time_now() + make_interval(secs => %(retry_after_s)s), f.epoch
    from fence f where f.epoch = %(epoch)s
    on conflict do nothing returning next_attempt_at
)
select next_attempt_at from written
union all
select a.next_attempt_at from attempts a join fence f on f.id = a.task_id and f.epoch = %(epoch)s
where a.tenant = current_tenant() and a.generation = %(generation)s and a.effect_id = %(effect_id)s and a.attempt = %(attempt)s"""

CUTS = "select generation, from_seq from journal_cuts where tenant = current_tenant() and task_id = %s"
RECORDED = """
select effect_id, kind, name, input_digest, seq, status, value::text, value_ref, error::text, decision::text, meta::text, generation
from effects where tenant = current_tenant() and task_id = %s order by seq, generation"""
OPENINGS = """
select effect_id, opened_at, wake_at from openings where tenant = current_tenant() and task_id = %s and generation = %s"""
ATTEMPTS = """
select effect_id, attempt, error::text, next_attempt_at from attempts
where tenant = current_tenant() and task_id = %s and generation = %s order by attempt"""


class PostgresJournal:
    """The journal behind the fence. See the port `JournalStore`."""

    def __init__(
        self,
        database: Database,
        recorder: Recorder,
        objects: ObjectStore,
        clock: Clock,
        *,
        inline_bytes_max: int,
        outcome_bytes_max: int,
    ) -> None:
        self._database = database
        self._recorder = recorder
        self._objects = objects
        self._clock = clock
        self._inline_bytes_max = inline_bytes_max
        self._outcome_bytes_max = outcome_bytes_max

    async def journal(self, task: Claimed) -> Journal:
        if task.epoch == 1:
            return Journal()  # nobody owned it before, so nothing is recorded
        async with self._database.tenant(task.info.tenant) as conn:
            return await read(conn, task, self._objects)

    async def record(self, task: Claimed, effect: Effect, seq: int, outcome: Outcome) -> Recorded:
        at, info = self._clock.now(), task.info
        kind, status = str(effect.kind), str(outcome.status)  # without the price of an enum's `value`
        input_text = input_ref = value_text = value_ref = None
        if effect.input is not None:
            data = canonical.dumps(effect.input) if effect.input_text is None else effect.input_text
            if len(data) <= self._inline_bytes_max:
                input_text = data.decode()
            else:
                input_ref = await self._put(task, data, "input")
        if outcome.value is not None:
            data = canonical.dumps(outcome.value)
            if len(data) <= self._inline_bytes_max:
                value_text = data.decode()
            else:
                value_ref = await self._put(task, data, "value")
        error, decision = _text(outcome.error), outcome.decision.text if outcome.decision else None
        meta = _text(meta_of(outcome))
        salt = audit.new_salt()
        asked = (effect.name, effect.target, effect.input_digest.hex(), input_text, input_ref)
        contents = (*asked, value_text, value_ref, error, decision, meta)
        facts = {
            "task": info.id,
            "generation": task.generation,
            "effect": effect.id,
            "seq": seq,
            "effect_kind": kind,
            "status": status,
            "policy_version": outcome.decision.policy_version if outcome.decision else None,
            "commit": audit.commit(task.subject_key, salt, contents),
        }
        row = {
            "task_id": info.id,
            "epoch": task.epoch,
            "generation": task.generation,
            "effect_id": effect.id,
            "seq": seq,
            "kind": kind,
            "name": effect.name,
            "target": effect.target,
            "input_digest": as_bytea(effect.input_digest),
            "input": input_text,
            "input_ref": input_ref,
            "status": status,
            "value": value_text,
            "value_ref": value_ref,
            "error": error,
            "decision": decision,
            "meta": meta,
            "salt": as_bytea(salt),
            "started_at": at,
            "leaf": audit.leaf("effect", tenant=info.tenant, at=at, facts=facts),
            **_event(task, effect, seq, kind, status),
        }
        if await self._recorder.write(info.tenant, RECORD, row) is None:
            raise Fenced
        return Recorded(
            id=effect.id,
            kind=effect.kind,
            name=effect.name,
            input_digest=effect.input_digest,
            seq=seq,
            outcome=outcome,
            generation=task.generation,
        )

    async def open(
        self, task: Claimed, effect: Effect, *, wake_after_s: float | None, decision: Decision | None
    ) -> Opening:
        facts = {
            "task": task.info.id,
            "generation": task.generation,
            "effect": effect.id,
            "effect_kind": effect.kind.value,
        }
        values = {
            **_fenced(task, effect),
            "kind": effect.kind.value,
            "name": effect.name,
            "input_digest": effect.input_digest,
            "wake_after_s": wake_after_s,
            "decision": decision.text if decision else None,
            "leaf": audit.leaf("effect.opened", tenant=task.info.tenant, at=self._clock.now(), facts=facts),
            "one": task.info.id,
        }
        async with self._database.tenant(task.info.tenant) as conn:
            row = await (await conn.execute(OPEN.encode(), values)).fetchone()
        if row is None:
            raise Fenced
        if bytes(row[2]) != effect.input_digest:
            raise Nondeterministic(
                f"{effect.id} began with another input than it is asked with now.",
                recorded={"id": effect.id, "input_digest": bytes(row[2]).hex()},
                asked={"id": effect.id, "input_digest": effect.input_digest.hex(), "input": effect.input},
            )
        return Opening(opened_at=row[0], wake_at=row[1])

    async def attempt(self, task: Claimed, effect: Effect, attempt: Attempt, *, retry_after_s: float | None) -> Attempt:
        values = {
            **_fenced(task, effect),
            "attempt": attempt.number,
            "error": _text(attempt.error),
            "retry_after_s": retry_after_s,
        }
        async with self._database.tenant(task.info.tenant) as conn:
            row = await (await conn.execute(ATTEMPT.encode(), values)).fetchone()
        if row is None:
            raise Fenced
        return Attempt(number=attempt.number, error=attempt.error, next_attempt_at=row[0])

    async def now(self) -> datetime:
        return self._clock.now()

    async def _put(self, task: Claimed, data: bytes, what: str) -> str:
        """Put a large text by reference, and give that; raises InvalidInput where it is too large for that."""
        if len(data) > self._outcome_bytes_max:
            raise InvalidInput(
                f"The {what} of an effect has {len(data)} bytes.",
                fix="Pass documents by reference, or raise INTERLOCK_OUTCOME_BYTES_MAX.",
                extra={"what": what},
            )
        key = f"tenants/{task.info.tenant}/tasks/{task.info.id}/{new_id('obj')}.json"
        await self._objects.put(key, data)
        digest = hashlib.sha256(data).hexdigest()
        return canonical.dumps({"ref": key, "size_bytes": len(data), "digest": digest}).decode()


async def read(conn: Connection, task: Claimed, objects: ObjectStore) -> Journal:
    """Read a task's journal inside its tenant's transaction: what its generation replays."""
    async with conn.pipeline():
        cuts = await conn.execute(CUTS, (task.info.id,))
        recorded = await conn.execute(RECORDED, (task.info.id,))
        openings = await conn.execute(OPENINGS, (task.info.id, task.generation))
        attempts = await conn.execute(ATTEMPTS, (task.info.id, task.generation))
    cut = [(int(g), int(s)) for g, s in await cuts.fetchall()]
    rows = [
        row
        for row in await recorded.fetchall()
        if not any(row[11] < generation and row[4] >= from_seq for generation, from_seq in cut)
    ]
    failed: dict[str, list[Attempt]] = {}
    for effect_id, number, error, next_at in await attempts.fetchall():
        failed.setdefault(effect_id, []).append(
            Attempt(number=number, error=canonical.loads(error), next_attempt_at=next_at)
        )
    return Journal(
        recorded=[await _recorded(row, objects) for row in rows],
        openings={row[0]: Opening(opened_at=row[1], wake_at=row[2]) for row in await openings.fetchall()},
        attempts=failed,
        next_seq=max((row[4] for row in rows), default=0) + 1,
    )


async def _recorded(row: tuple[Any, ...], objects: ObjectStore) -> Recorded:
    effect_id, kind, name, digest, seq, status, value, value_ref, error, decision, meta, generation = row
    content = _json(value)
    if value_ref is not None:
        content = canonical.loads(await objects.get(canonical.loads(value_ref)["ref"]))
    found = _json(meta)
    outcome = Outcome(
        status=Status(status),
        value=content,
        error=_json(error),
        decision=Decision.from_json(_json(decision)) if decision else None,
        model_version=found.get("model_version"),
        confidence=found.get("confidence"),
        cost_usd=found.get("cost_usd"),
        cpu_ms=found.get("cpu_ms"),
        duration_ms=found.get("duration_ms"),
        attempts=found.get("attempts", 1),
        redactions=tuple(found.get("redactions", ())),
        left_out=tuple(found.get("left_out", ())),
        secrets=tuple(found.get("secrets", ())),
        by=found.get("by"),
    )
    return Recorded(
        id=effect_id,
        kind=Kind(kind),
        name=name,
        input_digest=bytes(digest),
        seq=seq,
        outcome=outcome,
        generation=generation,
    )


_FACTS: Final = (
    "model_version", "confidence", "cost_usd", "cpu_ms", "duration_ms", "redactions", "left_out", "secrets", "by",
)  # fmt: skip
_facts_of: Final = attrgetter(*_FACTS)


def meta_of(outcome: Outcome) -> dict[str, Any]:
    """Give what is known of how an outcome came about; absent facts are left out."""
    facts: dict[str, Any] = {"attempts": outcome.attempts}
    for name, fact in zip(_FACTS, _facts_of(outcome), strict=True):
        if fact is not None and fact != ():
            facts[name] = fact
    return facts


def _event(task: Claimed, effect: Effect, seq: int, kind: str, status: str) -> dict[str, str]:
    """Give the event that tells of a recorded effect; an emitted one carries the author's type and data."""
    if effect.kind is Kind.EMIT and status == Status.OK:
        return {"event_type": effect.target, "event": canonical.dumps(effect.input).decode()}
    facts = {
        "effect": effect.id,
        "kind": kind,
        "name": effect.name,
        "status": status,
        "seq": seq,
        "generation": task.generation,
    }
    return {"event_type": "task.effect", "event": canonical.dumps(facts).decode()}


def _fenced(task: Claimed, effect: Effect) -> Mapping[str, Any]:
    return {
        "task_id": [task.info.id],
        "epoch": task.epoch,
        "generation": task.generation,
        "effect_id": effect.id,
    }


def _text(value: Any) -> str | None:
    return None if value is None else canonical.dumps(value).decode()


def _json(text: str | None) -> Any:
    return None if text is None else canonical.loads(text)
