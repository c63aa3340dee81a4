"""The tenant's webhook: one address that is called for loud events, by what delivers callbacks.

event → delivery, in the transaction that puts the event on record → the relay posts it, signed, until it is acknowledged or dead. The record
names the delivery and the digest of what is sent where, so that `audit verify` finds a call that was dropped, changed or led elsewhere.

To set or remove it is loud as well: the address that was there before is told, so that nobody silences it unseen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from interlock.domain import canonical
from interlock.domain.errors import NotFound
from interlock.domain.ids import new_id
from interlock.governance import audit
from interlock.governance.identity import Principal
from interlock.governance.verify_webhook import call_digest
from interlock.infra.clock import Clock
from interlock.infra.database import Connection, Database
from interlock.infra.http import GuardedClient
from interlock.orchestration.store import log, tell

_COLUMNS: Final = "url, set_by, set_at"
_SELECT: Final = f"select {_COLUMNS} from tenant_webhooks where tenant = current_tenant()"
_CALL: Final = """
insert into deliveries (tenant, id, url, body, due_at)
select current_tenant(), %s, url, %s, time_now() from tenant_webhooks where tenant = current_tenant() returning id, url, body"""


@dataclass(frozen=True, kw_only=True)
class TenantWebhook:
    """Where the tenant is called, and who said so."""

    url: str
    set_by: str
    set_at: datetime


async def call(conn: Connection, *, kind: str, at: datetime, data: Mapping[str, Any]) -> dict[str, str]:
    """Have the tenant's webhook called, where it has one; durable with the transaction. `data` holds no personal data.

    Gives what the record of the act says of the call; nothing where nobody is called.
    """
    body = canonical.dumps({"type": kind, "timestamp": at, "data": dict(data)}).decode()
    row = await (await conn.execute(_CALL.encode(), (new_id("dlv"), body))).fetchone()
    return {} if row is None else {"call": row[0], "call_sha256": call_digest(url=row[1], body=row[2])}


class TenantWebhooks:
    """What people do with it.

    Args:
        outgoing: says which addresses may be called.
    """

    def __init__(self, database: Database, outgoing: GuardedClient, clock: Clock) -> None:
        self._database = database
        self._outgoing = outgoing
        self._clock = clock

    async def get(self, tenant: str) -> TenantWebhook:
        """Give it; raises NotFound where the tenant has none."""
        async with self._database.tenant(tenant) as conn:
            row = await (await conn.execute(_SELECT.encode())).fetchone()
        return _of(row)

    async def set(self, principal: Principal, url: str) -> TenantWebhook:
        """Set or replace it; on record, and told to the address before it, when this returns.

        Raises:
            OutgoingRefused, InvalidInput: the address may not be called; names the field.
            Refused: the key is narrowed.
        """
        principal.scope.must_be_whole("webhook.write")
        await self._outgoing.check(url, "/url")
        async with self._database.tenant(principal.tenant) as conn:
            await self._record(conn, principal, "webhook.set", {"url_sha256": hashlib.sha256(url.encode()).hexdigest()})
            row = await (
                await conn.execute(
                    "insert into tenant_webhooks (tenant, url, set_by) values (current_tenant(), %s, %s) on conflict (tenant)"
                    f" do update set url = excluded.url, set_by = excluded.set_by, set_at = time_now() returning {_COLUMNS}".encode(),
                    (url, principal.id),
                )
            ).fetchone()
        return _of(row)

    async def remove(self, principal: Principal) -> None:
        """Remove it; the address is told. Raises NotFound, Refused where the key is narrowed."""
        principal.scope.must_be_whole("webhook.write")
        async with self._database.tenant(principal.tenant) as conn:
            _of(await (await conn.execute(f"{_SELECT} for update".encode())).fetchone())
            await self._record(conn, principal, "webhook.removed", {})
            await conn.execute(b"delete from tenant_webhooks where tenant = current_tenant()")

    async def _record(self, conn: Connection, principal: Principal, kind: str, facts: Mapping[str, Any]) -> None:
        at = self._clock.now()
        called = await call(conn, kind=kind, at=at, data={"tenant": principal.tenant})
        said = {**facts, "by_key": principal.key_id, **called}
        await log(
            conn,
            tenant=principal.tenant,
            task_id=None,
            leaf=audit.leaf(kind, tenant=principal.tenant, at=at, facts=said),
        )
        await tell(conn, tenant=principal.tenant, kind=kind, task_id=None, correlation_id=None, data={})


def _of(row: tuple[Any, ...] | None) -> TenantWebhook:
    if row is None:
        raise NotFound("The tenant has no webhook.", fix="Set one: interlock webhook set https://…")
    return TenantWebhook(**dict(zip(TenantWebhook.__dataclass_fields__, row, strict=True)))
