"""Ending sessions inside a transaction, each on record."""

from __future__ import annotations

from interlock.governance import audit
from interlock.infra.clock import Clock
from interlock.infra.database import Connection
from interlock.orchestration.store import log


async def end_sessions(
    conn: Connection,
    clock: Clock,
    tenant: str,
    *,
    why: str,
    by_key: str | None,
    user: str | None = None,
    session_id: str | None = None,
    key_id: str | None = None,
    but: str | None = None,
) -> list[str]:
    """End the open sessions of a user or of a key, or one by its ID, but for the one named in `but`; gives their IDs."""
    rows = await (
        await conn.execute(
            "update sessions set ended_at = time_now() where tenant = current_tenant() and ended_at is null"
            " and (user_id = %(user)s or id = %(id)s or key_id = %(key)s) and id is distinct from %(but)s returning id",
            {"user": user, "id": session_id, "key": key_id, "but": but},
        )
    ).fetchall()
    for (ended,) in rows:
        facts = {"session": ended, "why": why, "by_key": by_key}
        leaf = audit.leaf("session.ended", tenant=tenant, at=clock.now(), facts=facts)
        await log(conn, tenant=tenant, task_id=None, leaf=leaf)
    return [row[0] for row in rows]
