"""Accepting a task: everything that is stored of it, in one transaction. With the workers down it is accepted all the same."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from pydantic import ValidationError

from interlock.data.document_store import DocumentStore
from interlock.domain import canonical, pointers
from interlock.domain.documents import Document
from interlock.domain.errors import (
    Conflict,
    FieldError,
    IdempotencyConflict,
    InterlockError,
    InvalidInput,
    Refused,
    TooLarge,
    TooManyRequests,
    Unavailable,
)
from interlock.domain.ids import new_correlation_id, new_id
from interlock.domain.manifests import at_pointer
from interlock.domain.ports import ObjectStore
from interlock.governance import audit
from interlock.governance.audit import SubjectKeys
from interlock.governance.residency import Residency
from interlock.infra.clock import Clock
from interlock.infra.database import Connection, Database
from interlock.infra.http import GuardedClient
from interlock.infra.settings import Settings
from interlock.orchestration.automations import Automations, Registered
from interlock.orchestration.store import log, notify, tell

_DOCUMENT = re.compile(r"doc_[0-9a-f]{32}\Z")
_OPEN_COUNT_AGE_S = 2.0
IDEMPOTENCY_KEY_CHARS_MAX = 255


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A wish for a task, as it came in. `deadline` or `complete_within_s`, not both; priority 0 to 100 (0 is ordinary)."""

    automation: str
    input: Any
    deadline: datetime | None = None
    complete_within_s: float | None = None
    priority: int = 0
    callback_url: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    correlation_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """What the submitter is told. `repeated`: this key was used before with the same body, and this is that task."""

    task_id: str
    correlation_id: str
    repeated: bool = False


class Submit:
    """`accept` is the verb."""

    def __init__(
        self,
        *,
        database: Database,
        automations: Automations,
        documents: DocumentStore,
        objects: ObjectStore,
        keys: SubjectKeys,
        outgoing: GuardedClient,
        clock: Clock,
        settings: Settings,
        residency: Residency,
    ) -> None:
        self._database = database
        self._automations = automations
        self._documents = documents
        self._objects = objects
        self._keys = keys
        self._outgoing = outgoing
        self._clock = clock
        self._settings = settings
        self._residency = residency
        self._open: dict[str, tuple[float, int]] = {}

    async def accept(
        self,
        tenant: str,
        submission: Submission,
        *,
        by: str,
        idempotency_key: str | None = None,
        check_document: Callable[[str], object] | None = None,
    ) -> Accepted:
        """Validate and store a task; durable, with its audit record and event, when it returns.

        What was accepted under an idempotency key is answered the same for the same body, whatever would stand against it by now.

        Args:
            check_document: asked for each document that somebody else uploaded; raises Refused where the submitter may not read it, since
                what the task makes of it is theirs to see. None: only their own are taken.

        Raises:
            Refused: names a document that is not for the submitter.
            InvalidInput, TooLarge: names each field by JSON pointer; nothing is stored. IdempotencyConflict: the key was used with
            another body. ResidencyRefused: it may not stand here. OutgoingRefused: the callback's address. TooManyRequests: too many
            open tasks. Unavailable: no database.
        """
        try:
            return await self._accept(tenant, submission, by, idempotency_key, check_document or _not_of_others)
        except Unavailable:
            raise
        except InterlockError:
            if (
                idempotency_key is None
                or (found := await self._earlier(tenant, submission, by, idempotency_key)) is None
            ):
                raise
            return found

    async def _earlier(self, tenant: str, submission: Submission, by: str, idempotency_key: str) -> Accepted | None:
        """Give the task that this very request was accepted as before, None where there is none."""
        async with self._database.tenant(tenant) as conn:
            before = await _task_of_key(conn, tenant, by, idempotency_key)
        if before is None or before.body != _body_digest(submission):
            return None
        return Accepted(task_id=before.task_id, correlation_id=before.correlation_id, repeated=True)

    async def _accept(
        self,
        tenant: str,
        submission: Submission,
        by: str,
        idempotency_key: str | None,
        check_document: Callable[[str], object],
    ) -> Accepted:
        registered = self._automations.get(submission.automation)
        self._residency.check(tenant, "contents")
        self._check(submission, idempotency_key)
        value = await self._validated(tenant, registered, submission.input, by, check_document)
        data = canonical.dumps(value)
        if len(data) > self._settings.task_input_bytes_max:
            raise TooLarge(
                f"The input has {len(data)} bytes.",
                fix=f"At most {self._settings.task_input_bytes_max}; pass files as documents.",
                fields=[FieldError(pointer="/input", detail="too large", kind="too_large")],
            )
        if submission.callback_url is not None:
            await self._outgoing.check(submission.callback_url, "/callback_url")
        await self._check_load(tenant)
        return await self._store(tenant, registered, submission, value, data, by, idempotency_key)

    def _check(self, submission: Submission, idempotency_key: str | None) -> None:
        wrong: list[FieldError] = []
        if submission.deadline is not None and submission.complete_within_s is not None:
            wrong.append(FieldError(pointer="/slo", detail="give deadline or complete_within, not both"))
        if submission.deadline is not None and submission.deadline.tzinfo is None:
            wrong.append(FieldError(pointer="/slo/deadline", detail="give it a time zone, such as a final Z"))
        longest_s = self._settings.task_wait_s_max
        if submission.complete_within_s is not None and not 0 < submission.complete_within_s <= longest_s:
            wrong.append(
                FieldError(pointer="/slo/complete_within", detail=f"over 0 and at most {longest_s:.0f} seconds")
            )
        if (
            submission.deadline is not None
            and submission.deadline.tzinfo is not None
            and submission.deadline > self._clock.now() + timedelta(seconds=longest_s)
        ):
            wrong.append(FieldError(pointer="/slo/deadline", detail=f"at most {longest_s:.0f} seconds from now"))
        if not 0 <= submission.priority <= 100:
            wrong.append(FieldError(pointer="/slo/priority", detail="from 0 to 100"))
        if len(submission.labels) > self._settings.labels_max:
            wrong.append(FieldError(pointer="/labels", detail=f"at most {self._settings.labels_max} labels"))
        longest = self._settings.label_chars_max
        for name, label in submission.labels.items():
            if not 0 < len(name) <= longest or len(label) > longest:
                at = "/labels" + pointers.step(name[:longest])
                wrong.append(FieldError(pointer=at, detail=f"names and values have 1 to {longest} characters"))
        if idempotency_key is not None and not 0 < len(idempotency_key) <= IDEMPOTENCY_KEY_CHARS_MAX:
            raise InvalidInput(f"The Idempotency-Key should have 1 to {IDEMPOTENCY_KEY_CHARS_MAX} characters.")
        if wrong:
            raise InvalidInput("The submission is not valid.", fields=wrong)

    async def _validated(
        self, tenant: str, registered: Registered, value: Any, by: str, check_document: Callable[[str], object]
    ) -> Any:
        """Give the input in plain JSON: valid by the automation's schema, its documents filled in from the store."""
        try:
            plain = registered.automation.input.model_validate(value).model_dump(mode="json", by_alias=True)
        except ValidationError as error:
            raise InvalidInput(
                f"The input does not fit the automation {registered.name}.",
                fix="See `errors` for what is wrong where.",
                fields=field_errors(error, "/input"),
            ) from error
        found = list(_documents(plain, "/input"))
        if len(found) > self._settings.documents_per_task_max:
            raise InvalidInput(
                f"The input names {len(found)} documents.", fix=f"At most {self._settings.documents_per_task_max}."
            )
        ids = [d["id"] for _, d in found]
        stored = await self._documents.find(tenant, ids, pointers=[f"{pointer}/id" for pointer, _ in found])
        if ids:
            for document_id in sorted(await self._documents.of_others(tenant, ids, by)):
                check_document(document_id)
        for (_, place), document in zip(found, stored, strict=True):
            place.update(document.model_dump(mode="json"))
        return plain

    async def _check_load(self, tenant: str) -> None:
        """Refuse beyond the limit of open tasks. Counted at most every two seconds, so it is a limit and not a quota."""
        at, count = self._open.get(tenant, (0.0, 0))
        if time.monotonic() - at > _OPEN_COUNT_AGE_S:
            async with self._database.tenant(tenant) as conn:
                row = await (
                    await conn.execute(
                        "select count(*) from (select 1 from tasks where tenant = current_tenant()"
                        " and state not in ('succeeded', 'failed', 'cancelled') limit %s) o",
                        (self._settings.tasks_waiting_max + 1,),
                    )
                ).fetchone()
            count = row[0] if row else 0
            self._open[tenant] = time.monotonic(), count
        if count >= self._settings.tasks_waiting_max:
            raise TooManyRequests(
                f"There are {count} open tasks.",
                fix="Wait until some end, or raise INTERLOCK_TASKS_WAITING_MAX.",
                retry_after_s=10,
            )

    async def _store(
        self,
        tenant: str,
        registered: Registered,
        submission: Submission,
        value: Any,
        data: bytes,
        by: str,
        idempotency_key: str | None,
    ) -> Accepted:
        task_id = new_id("task")
        correlation_id = submission.correlation_id or new_correlation_id()
        pointer = registered.manifest.subject
        subject = (at_pointer(value, pointer) if pointer else None) or f"task:{task_id}"
        inline = len(data) <= self._settings.inline_outcome_bytes_max
        input_ref = None if inline else f"tenants/{tenant}/tasks/{task_id}/input.json"
        if input_ref is not None:
            await self._objects.put(input_ref, data)
        async with self._database.tenant(tenant) as conn:
            if idempotency_key is not None:
                repeated = await _claim_key(conn, tenant, by, idempotency_key, _body_digest(submission), task_id)
                if repeated is not None:
                    return repeated
            key = await subject_key(conn, self._keys, tenant, str(subject), fresh=True)
            salt = audit.new_salt()
            deadline = _deadline(submission, registered, self._clock.now())
            terms = audit.task_terms(
                labels=submission.labels,
                priority=submission.priority,
                deadline=deadline,
                callback_url=submission.callback_url,
            )
            facts = {
                "task": task_id,
                "generation": 1,
                "state": "accepted",
                "automation": registered.name,
                "version": registered.manifest.version,
                "correlation": correlation_id,
                "commit": audit.commit(key, salt, (data.decode() if inline else None, input_ref, by)),
                "terms": audit.commit(key, salt, terms),
                "salt": salt.hex(),
            }
            async with conn.pipeline():
                await conn.execute(
                    "insert into tasks (tenant, id, automation, automation_version, correlation_id, subject, input, input_ref, labels,"
                    " priority, deadline, callback_url, submitted_by, due_at)"
                    " values (%s, %s, %s, %s, %s, %s, %s::json, %s, %s::jsonb, %s, %s, %s, %s, queue_time(%s::smallint))",
                    (
                        tenant,
                        task_id,
                        registered.name,
                        registered.manifest.version,
                        correlation_id,
                        subject,
                        data.decode() if inline else None,
                        input_ref,
                        canonical.dumps(submission.labels).decode(),
                        submission.priority,
                        deadline,
                        submission.callback_url,
                        by,
                        submission.priority,
                    ),
                )
                leaf = audit.leaf("task.accepted", tenant=tenant, at=self._clock.now(), facts=facts)
                await log(conn, tenant=tenant, task_id=task_id, leaf=leaf)
                await tell(
                    conn,
                    tenant=tenant,
                    kind="task.accepted",
                    task_id=task_id,
                    correlation_id=correlation_id,
                    data={"state": "accepted", "automation": registered.name},
                )
                await notify(conn)
        return Accepted(task_id=task_id, correlation_id=correlation_id)


def _body_digest(submission: Submission) -> bytes:
    """Give what must be the same for an Idempotency-Key to mean the same request."""
    return canonical.digest(
        [
            submission.automation,
            submission.input,
            submission.deadline,
            submission.complete_within_s,
            submission.priority,
            submission.callback_url,
            submission.labels,
        ]
    )


def field_errors(error: ValidationError, base: str = "") -> list[FieldError]:
    """Give pydantic's findings as JSON pointers below `base`."""
    found = []
    for item in error.errors(include_url=False, include_input=False):
        found.append(FieldError(pointer=base + pointers.of(item["loc"]), detail=item["msg"], kind=item["type"]))
    return found


async def subject_key(conn: Connection, keys: SubjectKeys, tenant: str, subject: str, *, fresh: bool = False) -> bytes:
    """Give the key of a subject inside a transaction of its tenant; made where there is none yet.

    Args:
        fresh: for a new task. One whose erasure was asked for gets none, while its open tasks go on to their end.

    Raises:
        Conflict: the subject was erased; what is written of it from now on could not be told from what was erased.
    """
    key, wrapped = keys.new(tenant, subject)
    row = await (
        await conn.execute(
            "with made as (insert into subject_keys (tenant, subject, wrapped_key) values (%(tenant)s, %(subject)s, %(wrapped)s)"
            " on conflict do nothing returning wrapped_key, closing_at)"
            " select wrapped_key, closing_at from made union all select wrapped_key, closing_at from subject_keys"
            " where tenant = %(tenant)s and subject = %(subject)s limit 1",
            {"tenant": tenant, "subject": subject, "wrapped": wrapped},
        )
    ).fetchone()
    if row is None:  # made by another transaction while this statement looked
        row = await (
            await conn.execute(
                "select wrapped_key, closing_at from subject_keys where tenant = %s and subject = %s",
                (tenant, subject),
            )
        ).fetchone()
    assert row is not None
    if row[0] is None:
        raise Conflict("The personal data of this task's subject was erased.", fix="Name the subject by another ID.")
    if fresh and row[1] is not None:
        raise Conflict(
            "The personal data of this task's subject is being erased.", fix="Name the subject by another ID."
        )
    return key if bytes(row[0]) == wrapped else keys.unwrap(tenant, subject, row[0])


async def _claim_key(
    conn: Connection, tenant: str, principal: str, key: str, body: bytes, task_id: str
) -> Accepted | None:
    """Take the idempotency key for this task; gives the task that has it already."""
    row = await (
        await conn.execute(
            "insert into idempotency_keys (tenant, principal, route, key, body_digest, resource_id) values (%s, %s, 'tasks', %s, %s, %s)"
            " on conflict do nothing returning 1",
            (tenant, principal, key, body, task_id),
        )
    ).fetchone()
    if row is not None:
        return None
    before = await _task_of_key(conn, tenant, principal, key)
    if before is None or before.body != body:
        raise IdempotencyConflict(
            "This Idempotency-Key was used before with another body.",
            fix="Use a fresh key for another request.",
            extra={"task_id": before.task_id} if before else {},
        )
    return Accepted(task_id=before.task_id, correlation_id=before.correlation_id, repeated=True)


class _Before(NamedTuple):
    body: bytes
    task_id: str
    correlation_id: str


async def _task_of_key(conn: Connection, tenant: str, principal: str, key: str) -> _Before | None:
    row = await (
        await conn.execute(
            "select i.body_digest, i.resource_id, t.correlation_id from idempotency_keys i"
            " join tasks t on t.tenant = i.tenant and t.id = i.resource_id"
            " where i.tenant = %s and i.principal = %s and i.route = 'tasks' and i.key = %s",
            (tenant, principal, key),
        )
    ).fetchone()
    return None if row is None else _Before(bytes(row[0]), row[1], row[2])


def _not_of_others(document_id: str) -> None:
    raise Refused(f"The document {document_id} was uploaded by somebody else.", fix="Upload it yourself.")


def _documents(value: Any, pointer: str) -> list[tuple[str, dict[str, Any]]]:
    """Give the places in plain JSON that name a document."""
    found: list[tuple[str, dict[str, Any]]] = []
    if isinstance(value, dict):
        if (
            isinstance(value.get("id"), str)
            and _DOCUMENT.match(value["id"])
            and value.keys() <= Document.model_fields.keys()
        ):
            return [(pointer, value)]
        for name, item in value.items():
            found += _documents(item, pointer + pointers.step(name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            found += _documents(item, f"{pointer}/{number}")
    return found


def _deadline(submission: Submission, registered: Registered, now: datetime) -> datetime | None:
    if submission.deadline is not None:
        return submission.deadline.astimezone(UTC)
    seconds = submission.complete_within_s or registered.manifest.slo.complete_within_s
    return None if seconds is None else now + timedelta(seconds=seconds)
