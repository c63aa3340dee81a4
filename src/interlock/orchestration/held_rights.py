"""What people hold by themselves now: by each key of theirs that is not narrowed, and by their account."""

from __future__ import annotations

from typing import Final

from interlock.domain.delegations import Rights
from interlock.infra.database import Connection

PEOPLE_MAX: Final = 500
_HELD: Final = b"""
select roles, approval_limit from api_keys where tenant = current_tenant() and user_id = %(user)s and revoked_at is null
    and (expires_at is null or expires_at > time_now()) and scope_actions is null and scope_automations is null
    and not exists (select from accounts d where d.tenant = api_keys.tenant and d.id = api_keys.user_id and d.disabled_at is not null)
union all
select roles, approval_limit from accounts where tenant = current_tenant() and id = %(user)s and disabled_at is null"""
_PEOPLE: Final = b"""
select user_id from api_keys where tenant = current_tenant() and user_id like 'user:%%' and revoked_at is null
    and (expires_at is null or expires_at > time_now())
    and not exists (select from accounts d where d.tenant = api_keys.tenant and d.id = api_keys.user_id and d.disabled_at is not null)
union
select id from accounts where tenant = current_tenant() and id like 'user:%%' and disabled_at is null
order by 1 limit %(limit)s"""


async def held_by(conn: Connection, user: str) -> list[Rights]:
    """Give the rights of somebody, of each key and of the account by itself; nothing where they cannot act."""
    rows = await (await conn.execute(_HELD, {"user": user})).fetchall()
    return [Rights(roles=frozenset(row[0]), limit=row[1]) for row in rows]


async def people(conn: Connection) -> list[str]:
    """Give who can act in the tenant now, by name; at most `PEOPLE_MAX`."""
    return [row[0] for row in await (await conn.execute(_PEOPLE, {"limit": PEOPLE_MAX})).fetchall()]
