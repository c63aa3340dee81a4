"""Views: the filters of a page, kept by a person under a name, for themselves or shared with the tenant.

Each change is one transaction with its audit leaf, which names the page and whether it is shared, and commits to the rest under the key of its owner.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from interlock.domain import canonical
from interlock.domain.errors import Conflict, FieldError, InvalidInput, NotFound
from interlock.domain.ids import new_id
from interlock.governance import audit
from interlock.governance.audit import SubjectKeys
from interlock.governance.identity import Principal
from interlock.infra.clock import Clock
from interlock.infra.database import Connection, Database
from interlock.orchestration.store import log
from interlock.orchestration.submit import subject_key

OWN_MAX: Final = 50
SHARED_MAX: Final = 200
NAME_CHARS_MAX: Final = 80
VALUE_CHARS_MAX: Final = 500
# What a view of each page may keep: parts of the page's address.
FILTERS: Final[Mapping[str, frozenset[str]]] = {
    "inbox": frozenset({"queue", "find", "automation", "role", "risk", "person", "due", "order"}),
    "tasks": frozenset({"find", "columns", "since", "until"}),
}
_COLUMNS: Final = "id, owner, page, name, filters::text, shared, changed_at"
_SELECT: Final = f"select {_COLUMNS} from saved_views where tenant = current_tenant()"


@dataclass(frozen=True, kw_only=True)
class SavedView:
    """A view as it stands. `text`: its filters as they are stored and committed to."""

    id: str
    owner: str
    page: str
    name: str
    text: str
    shared: bool
    changed_at: datetime

    @property
    def filters(self) -> dict[str, str]:
        return dict(canonical.loads(self.text))


class SavedViews:
    """What people do with views."""

    def __init__(self, database: Database, keys: SubjectKeys, clock: Clock) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock

    async def find(self, tenant: str, *, of: str, page: str | None = None) -> list[SavedView]:
        """List somebody's own views and all that are shared, by page and name; at most `OWN_MAX` and `SHARED_MAX` of them."""
        async with self._database.tenant(tenant) as conn:
            rows = await (
                await conn.execute(
                    f"{_SELECT} and (owner = %(of)s or shared) and (%(page)s::text is null or page = %(page)s)"
                    " order by page, name, id limit %(limit)s".encode(),
                    {"of": of, "page": page, "limit": OWN_MAX + SHARED_MAX},
                )
            ).fetchall()
        return [SavedView(**dict(zip(SavedView.__dataclass_fields__, row, strict=True))) for row in rows]

    async def get(self, tenant: str, view_id: str) -> SavedView:
        """Give a view; raises NotFound."""
        async with self._database.tenant(tenant) as conn:
            return await _get(conn, view_id)

    async def create(
        self, principal: Principal, *, page: str, name: str, filters: Mapping[str, str], shared: bool
    ) -> SavedView:
        """Keep a view; on record when it returns.

        Raises:
            InvalidInput: a filter that the page does not have. Conflict: one has a view of that name on that page, or too many.
        """
        text = _checked(page, filters)
        async with self._database.tenant(principal.tenant) as conn:
            await self._check_room(conn, principal.id, shared=shared, own=True)
            row = await (
                await conn.execute(
                    "insert into saved_views (tenant, id, owner, page, name, filters, shared)"
                    " values (current_tenant(), %s, %s, %s, %s, %s::json, %s) on conflict (tenant, owner, page, name) do nothing"
                    " returning id",
                    (new_id("view"), principal.id, page, name, text, shared),
                )
            ).fetchone()
            if row is None:
                raise _taken(name)
            made = await _get(conn, row[0])
            await self._record(conn, principal, "view.saved", made)
        return made

    async def replace(
        self, principal: Principal, view_id: str, *, page: str, name: str, filters: Mapping[str, str], shared: bool
    ) -> SavedView:
        """Give a view another name, other filters, or share it or not; it stays its owner's. Raises as `create` does, and NotFound."""
        text = _checked(page, filters)
        async with self._database.tenant(principal.tenant) as conn:
            before = await _get(conn, view_id, lock=True)
            if before.page != page:
                raise InvalidInput.of("/page", f"The view is one of {before.page}.", "Make a new one for another page.")
            if shared and not before.shared:
                await self._check_room(conn, before.owner, shared=True, own=False)
            taken = await (
                await conn.execute(
                    "select 1 from saved_views where tenant = current_tenant() and owner = %s and page = %s and name = %s and id <> %s",
                    (before.owner, page, name, view_id),
                )
            ).fetchone()
            if taken is not None:
                raise _taken(name)
            await conn.execute(
                "update saved_views set name = %s, filters = %s::json, shared = %s, changed_at = time_now()"
                " where tenant = current_tenant() and id = %s",
                (name, text, shared, view_id),
            )
            made = await _get(conn, view_id)
            await self._record(conn, principal, "view.saved", made)
        return made

    async def remove(self, principal: Principal, view_id: str) -> None:
        """Remove a view. Raises NotFound."""
        async with self._database.tenant(principal.tenant) as conn:
            found = await _get(conn, view_id, lock=True)
            await conn.execute("delete from saved_views where tenant = current_tenant() and id = %s", (view_id,))
            facts = {"view": found.id, "by_key": principal.key_id}
            leaf = audit.leaf("view.removed", tenant=principal.tenant, at=self._clock.now(), facts=facts)
            await log(conn, tenant=principal.tenant, task_id=None, leaf=leaf)

    async def _check_room(self, conn: Connection, owner: str, *, shared: bool, own: bool) -> None:
        # One change after the other, so that two at once do not both find the last place free.
        await conn.execute("select pg_advisory_xact_lock(hashtextextended('views ' || current_tenant(), 0))")
        row = await (
            await conn.execute(
                "select count(*) filter (where owner = %s), count(*) filter (where shared) from saved_views"
                " where tenant = current_tenant()",
                (owner,),
            )
        ).fetchone()
        assert row is not None
        if own and row[0] >= OWN_MAX:
            raise Conflict(f"You have {OWN_MAX} views.", fix="Delete one first.")
        if shared and row[1] >= SHARED_MAX:
            raise Conflict(
                f"The tenant has {SHARED_MAX} shared views.", fix="Keep it for yourself, or delete one first."
            )

    async def _record(self, conn: Connection, principal: Principal, kind: str, view: SavedView) -> None:
        key, salt = await subject_key(conn, self._keys, principal.tenant, view.owner), audit.new_salt()
        facts: dict[str, Any] = {
            "view": view.id,
            "page": view.page,
            "shared": view.shared,
            "by_key": principal.key_id,
            "salt": salt.hex(),
            "commit": audit.commit(key, salt, audit.view_parts(owner=view.owner, name=view.name, filters=view.text)),
        }
        leaf = audit.leaf(kind, tenant=principal.tenant, at=self._clock.now(), facts=facts)
        await log(conn, tenant=principal.tenant, task_id=None, leaf=leaf)


def _checked(page: str, filters: Mapping[str, str]) -> str:
    wrong = sorted(filters.keys() - FILTERS[page])
    if wrong:
        raise InvalidInput(
            f"A view of {page} keeps no {wrong[0]!r}.",
            fix=f"It keeps {', '.join(sorted(FILTERS[page]))}.",
            fields=[FieldError(pointer=f"/filters/{name}", detail="not a filter of this page") for name in wrong],
        )
    return canonical.dumps(dict(filters)).decode()


def _taken(name: str) -> Conflict:
    return Conflict(
        f"There is a view {name!r} on this page already.",
        fix="Give it another name, or replace that one.",
        fields=[FieldError(pointer="/name", detail="taken by another view")],
    )


async def _get(conn: Connection, view_id: str, *, lock: bool = False) -> SavedView:
    query = f"{_SELECT} and id = %s{' for update' if lock else ''}"
    row = await (await conn.execute(query.encode(), (view_id,))).fetchone()
    if row is None:
        raise NotFound(f"There is no view {view_id}.")
    return SavedView(**dict(zip(SavedView.__dataclass_fields__, row, strict=True)))
