"""Erasing a person: what is kept of them is removed, then the key that the audit log commits to it under is destroyed.

    request → (open tasks end, callbacks are delivered) → files → rows → the key → done

Meanwhile no new task of that person is accepted. Each erased task and document leaves an audit leaf, so that `audit verify` tells erased
from tampered with; who did what and when stays. `expire` does the same to what is older than the tenant keeps it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from interlock.domain import canonical
from interlock.domain.errors import Conflict, NotFound
from interlock.domain.ids import new_id
from interlock.domain.ports import ObjectStore
from interlock.governance import audit
from interlock.governance.audit import SubjectKeys
from interlock.governance.identity import Principal
from interlock.governance.verify_accounts import account_state
from interlock.infra.clock import Clock
from interlock.infra.database import Connection, Database
from interlock.orchestration import erasure_queries as sql
from interlock.orchestration.store import log as write_leaf
from interlock.orchestration.submit import subject_key

log = structlog.get_logger("interlock.privacy")
BATCH: Final = 100
PENDING_MAX: Final = 50
_DOCUMENT: Final = re.compile(r"doc_[0-9a-f]{32}")


@dataclass(frozen=True, kw_only=True)
class Erasure:
    """A wish to erase a person, and how it stands: pending while tasks of theirs are open, or done."""

    id: str
    subject: str
    state: str
    requested_by: str
    requested_at: datetime
    done_at: datetime | None
    tasks: int
    documents: int
    kept_documents: int
    open_tasks: int = 0


@dataclass(frozen=True, kw_only=True)
class About:
    """What is kept of a person: rows of tasks, documents and sessions, newest first, their account, views, other names, elevations, erasures."""

    subject: str
    tasks: Sequence[Mapping[str, Any]]
    documents: Sequence[Mapping[str, Any]]
    accounts: Sequence[Mapping[str, Any]]
    sessions: Sequence[Mapping[str, Any]]
    views: Sequence[Mapping[str, Any]]
    links: Sequence[Mapping[str, Any]]
    elevations: Sequence[Mapping[str, Any]]
    erasures: Sequence[Erasure]

    @property
    def lists(self) -> tuple[Sequence[Any], ...]:
        """What there may be more of than was asked for."""
        return (self.tasks, self.documents, self.sessions, self.views, self.links, self.elevations, self.erasures)


class Erasures:
    """`request` is for people, `once` for the relay."""

    def __init__(self, *, database: Database, objects: ObjectStore, keys: SubjectKeys, clock: Clock) -> None:
        self._database = database
        self._objects = objects
        self._keys = keys
        self._clock = clock

    async def request(self, principal: Principal, subject: str) -> Erasure:
        """Ask that a person be erased; on record when it returns. Asking again gives the same one.

        Raises:
            NotFound: nothing is kept of them. Conflict: they still hold an API key, or may sign in.
        """
        tenant = principal.tenant
        async with self._database.tenant(tenant) as conn:
            known = await _one(conn, sql.SUBJECT, (subject,))
            if known is None:
                raise NotFound(
                    "Nothing is kept under this subject.",
                    fix="Name the person as tasks do; see `interlock privacy show`.",
                )
            if await _one(conn, sql.ACTIVE_KEY, (subject,)) is not None:
                raise Conflict("This person still holds an API key.", fix="Revoke it first: `interlock key revoke`.")
            if await _one(conn, sql.ACTIVE_ACCOUNT, (subject,)) is not None:
                raise Conflict("This person may still sign in.", fix="Disable the account: `interlock user disable`.")
            if (standing := await _one(conn, sql.STANDING, (subject,))) is not None:
                return await self._found(conn, standing[0])
            erasure_id = new_id("erasure")
            key, salt = await subject_key(conn, self._keys, tenant, subject), audit.new_salt()
            await conn.execute(sql.INSERT, (erasure_id, subject, principal.id))
            await conn.execute(sql.CLOSE_SUBJECT, (subject,))
            facts = {
                "erasure": erasure_id,
                "by_key": principal.key_id,
                "salt": salt.hex(),
                "commit": audit.commit(key, salt, (subject,)),
            }
            await self._leaf(conn, tenant, "privacy.erasure_requested", facts)
            return await self._found(conn, erasure_id)

    async def get(self, tenant: str, erasure_id: str) -> Erasure:
        """Give one; raises NotFound."""
        async with self._database.tenant(tenant) as conn:
            return await self._found(conn, erasure_id)

    async def find(self, tenant: str, *, after: tuple[datetime, str] | None = None, limit: int) -> list[Erasure]:
        """Give erasures, newest first; `after` is the time and ID of the last one of the page before."""
        at, id_ = after or (None, None)
        async with self._database.tenant(tenant) as conn:
            rows = await (
                await conn.execute(
                    f"{sql.ERASURES} and (%s::timestamptz is null or (requested_at, id) < (%s, %s))"
                    " order by requested_at desc, id desc limit %s".encode(),
                    (at, at, id_, limit),
                )
            ).fetchall()
            return [_erasure(row) for row in rows]

    async def about(self, tenant: str, subject: str, *, limit: int) -> About:
        """Give what is kept of a person: for their own question what that is. Raises NotFound."""
        async with self._database.tenant(tenant) as conn:
            tasks = await (await conn.execute(sql.TASKS_ABOUT, (subject, limit))).fetchall()
            documents = await (await conn.execute(sql.DOCUMENTS_ABOUT, (subject, subject, limit))).fetchall()
            accounts = await (await conn.execute(sql.ACCOUNTS_ABOUT, (subject,))).fetchall()
            sessions = await (await conn.execute(sql.SESSIONS_ABOUT, (subject, limit))).fetchall()
            views = await (await conn.execute(sql.VIEWS_ABOUT, (subject, limit))).fetchall()
            elevations = await (await conn.execute(sql.ELEVATIONS_ABOUT, {"who": subject, "limit": limit})).fetchall()
            links = await (await conn.execute(sql.LINKS_ABOUT, (subject, subject, limit))).fetchall()
            rows = await (
                await conn.execute(f"{sql.ERASURES} and subject = %s order by requested_at desc".encode(), (subject,))
            ).fetchall()
        if not (tasks or documents or accounts or sessions or views or links or elevations or rows):
            raise NotFound("Nothing is kept under this subject.")
        named = ("id", "automation", "state", "accepted_at", "ended_at", "erased_at")
        files = ("id", "filename", "media_type", "size_bytes", "created_at", "erased_at")
        lifted = ("id", "opened_at", "taken", "reason", "note")
        signed_in = ("id", "method", "created_at", "last_used_at", "expires_at", "ended_at")
        return About(
            subject=subject,
            tasks=[dict(zip(named, row, strict=True)) for row in tasks],
            accounts=[
                dict(zip(("id", "name", "roles", "created_at", "disabled_at"), row, strict=True)) for row in accounts
            ],
            views=[
                dict(zip(("id", "page", "name", "filters", "shared", "changed_at"), row, strict=True)) for row in views
            ],
            sessions=[dict(zip(signed_in, row, strict=True)) for row in sessions],
            elevations=[dict(zip(lifted, row, strict=True)) for row in elevations],
            links=[dict(zip(("id", "name", "linked_at", "ended_at"), row, strict=True)) for row in links],
            documents=[dict(zip(files, row, strict=True)) for row in documents],
            erasures=[_erasure(row) for row in rows],
        )

    async def once(self) -> bool:
        """Erase whom nothing keeps any more; tells whether any was."""
        async with self._database.across() as conn:
            pending = await (
                await conn.execute("select tenant, id from pending_erasures(%s)", (PENDING_MAX,))
            ).fetchall()
        done = [await self.erase(tenant, erasure_id) for tenant, erasure_id in pending]
        return any(done)

    async def erase(self, tenant: str, erasure_id: str) -> bool:
        """Carry out one erasure as far as it goes now; True when it is done. Safe to repeat and to run twice at once."""
        async with self._database.tenant(tenant) as conn:
            erasure = await self._found(conn, erasure_id)
        if erasure.state == "done" or erasure.open_tasks:
            return False
        while True:
            async with self._database.tenant(tenant) as conn:
                rows = await (await conn.execute(sql.TASKS_LEFT, (erasure.subject, BATCH))).fetchall()
            if not rows:
                break
            if await self._tasks(tenant, rows, {"erasure": erasure_id}, erasure=erasure) < len(rows):
                return False  # a callback is still to be delivered
        return await self._finish(tenant, erasure)

    async def _tasks(
        self, tenant: str, rows: Sequence[tuple[Any, ...]], why: Mapping[str, Any], *, erasure: Erasure | None
    ) -> int:
        """Erase ended tasks: their objects, then their rows with a leaf each, in one transaction. Gives how many were."""
        ids = [row[0] for row in rows]
        async with self._database.tenant(tenant) as conn:
            held = await (await conn.execute(sql.HELD_BACK, (ids,))).fetchall()
            ids = sorted(set(ids) - {row[0] for row in held})
            objects = [_key(row[0]) for row in await (await conn.execute(sql.OBJECTS, {"ids": ids})).fetchall()]
        named: set[str] = set()
        if erasure is not None:
            for row in rows:
                text = row[2] if row[3] is None else (await self._read(row[3]))
                named |= set(_DOCUMENT.findall(text or ""))
        # Documents first: which they are stands in what is erased next.
        counts = await self._documents(tenant, sorted(named), why, subject=erasure.subject if erasure else None)
        for key in objects:
            await self._objects.delete(key)
        erased = 0
        async with self._database.tenant(tenant) as conn:
            for task_id, generation in [(row[0], row[1]) for row in rows if row[0] in ids]:
                if (await _one(conn, "select erase_task(%s)", (task_id,)) or (False,))[0]:
                    await conn.execute("select erase_approvals(%s)", (task_id,))
                    await conn.execute("select erase_step_logs(%s)", (task_id,))
                    await conn.execute(sql.ERASE_RESOLUTION, (task_id,))
                    await self._leaf(
                        conn, tenant, "task.erased", {"task": task_id, "generation": generation, **why}, task_id=task_id
                    )
                    erased += 1
            if erasure is not None:
                await conn.execute(sql.COUNT, (erased, *counts, erasure.id))
        return erased

    async def _documents(
        self, tenant: str, ids: Sequence[str], why: Mapping[str, Any], *, subject: str | None
    ) -> tuple[int, int]:
        """Erase documents but those that tasks of others name too; gives how many were, and how many were kept."""
        erased = kept = 0
        for document_id in ids:
            async with self._database.tenant(tenant) as conn:
                row = await _one(conn, sql.DOCUMENT, (document_id,))
                if row is None:
                    continue
                if await _one(conn, sql.NAMED_BY_OTHERS, {"doc": f"%{document_id}%", "subject": subject}) is not None:
                    kept += 1
                    continue
            await self._objects.delete(row[0])
            async with self._database.tenant(tenant) as conn:
                if (await _one(conn, "select erase_document(%s)", (document_id,)) or (False,))[0]:
                    await self._leaf(conn, tenant, "document.erased", {"document": document_id, **why})
                    erased += 1
        return erased, kept

    async def _finish(self, tenant: str, erasure: Erasure) -> bool:
        async with self._database.tenant(tenant) as conn:
            own = [row[0] for row in await (await conn.execute(sql.OWN_DOCUMENTS, (erasure.subject,))).fetchall()]
        erased, kept = await self._documents(tenant, own, {"erasure": erasure.id}, subject=erasure.subject)
        async with self._database.tenant(tenant) as conn:
            if await _one(conn, sql.LOCK, (erasure.id,)) is None:
                return False  # another relay was faster
            for still in (sql.OPEN_OR_LEFT, sql.ACTIVE_ACCOUNT):
                if await _one(conn, still, (erasure.subject,)) is not None:
                    return False
            if (account := await _one(conn, sql.ERASE_ACCOUNT, (erasure.subject,))) is not None:
                stands = account_state(account[1], account[2], None, None, account[3])
                await self._leaf(
                    conn, tenant, "account.erased", {"account": account[0], **stands, "erasure": erasure.id}
                )
            for (view_id,) in await (await conn.execute(sql.REMOVE_VIEWS, (erasure.subject,))).fetchall():
                await self._leaf(conn, tenant, "view.removed", {"view": view_id, "erasure": erasure.id})
            await conn.execute(sql.ERASE_ELEVATIONS, (erasure.subject,))
            await conn.execute(sql.ERASE_REJECTIONS, (erasure.subject,))
            await conn.execute(sql.COUNT, (0, erased, kept, erasure.id))
            await conn.execute(sql.DESTROY_KEY, (erasure.subject,))
            counts = await _one(conn, sql.DONE, (erasure.id,))
            assert counts is not None
            facts = {"erasure": erasure.id, "tasks": counts[0], "documents": counts[1], "kept_documents": counts[2]}
            await self._leaf(conn, tenant, "privacy.erasure_done", facts)
        log.info("erasure_done", erasure=erasure.id, tasks=counts[0], documents=counts[1])
        return True

    async def expire(self, kept_days: Mapping[tuple[str, str], float]) -> bool:
        """Erase what is older than tenants keep it; tells whether there is more at once.

        Args:
            kept_days: by (tenant or `*`, class) how long ended tasks (`contents`) and `documents` stay.
        """
        if not kept_days:
            return False
        async with self._database.across() as conn:
            tenants = [row[0] for row in await (await conn.execute("select tenant from known_tenants()")).fetchall()]
        more = False
        for tenant in tenants:
            contents, documents = (
                kept_days.get((tenant, c), kept_days.get(("*", c))) for c in ("contents", "documents")
            )
            if contents is not None:
                async with self._database.tenant(tenant) as conn:
                    rows = await (await conn.execute(sql.TASKS_OVER_AGE, (timedelta(days=contents), BATCH))).fetchall()
                erased = await self._tasks(tenant, rows, {"kept_days": str(contents)}, erasure=None) if rows else 0
                more = more or erased == BATCH
            if documents is not None:
                async with self._database.tenant(tenant) as conn:
                    over = await (
                        await conn.execute(sql.DOCUMENTS_OVER_AGE, (timedelta(days=documents), BATCH))
                    ).fetchall()
                gone, _ = await self._documents(
                    tenant, [row[0] for row in over], {"kept_days": str(documents)}, subject=None
                )
                more = more or gone == BATCH
        return more

    async def _read(self, key: str) -> str:
        try:
            return (await self._objects.get(key)).decode(errors="replace")
        except NotFound:
            return ""  # an earlier round removed it and was stopped before its row was

    async def _found(self, conn: Connection, erasure_id: str) -> Erasure:
        row = await _one(conn, f"{sql.ERASURES} and id = %s", (erasure_id,))
        if row is None:
            raise NotFound(f"There is no erasure {erasure_id}.")
        return _erasure(row)

    async def _leaf(
        self, conn: Connection, tenant: str, kind: str, facts: Mapping[str, Any], *, task_id: str | None = None
    ) -> None:
        leaf = audit.leaf(kind, tenant=tenant, at=self._clock.now(), facts=facts)
        await write_leaf(conn, tenant=tenant, task_id=task_id, leaf=leaf)


def _erasure(row: Sequence[Any]) -> Erasure:
    return Erasure(**dict(zip(Erasure.__dataclass_fields__, row, strict=True)))


def _key(ref: str) -> str:
    """Give an object's key: a reference is the key itself, or a JSON object that names it."""
    return str(canonical.loads(ref)["ref"]) if ref.startswith("{") else ref


async def _one(conn: Connection, query: str, values: Any) -> tuple[Any, ...] | None:
    return await (await conn.execute(query.encode(), values)).fetchone()
