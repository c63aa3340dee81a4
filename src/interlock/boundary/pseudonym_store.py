"""Where pseudonyms of a task are kept: each value sealed under the key of the task's subject, so that erasing that key erases it."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidTag

from interlock.domain.errors import Conflict, Fenced
from interlock.domain.tasks import Claimed
from interlock.infra.database import Database
from interlock.infra.sealing import Sealing

_KNOWN: Final = "select name, sealed from pseudonyms where tenant = current_tenant() and task_id = $1"
_KEEP: Final = """
with fence as (
    select id from tasks where tenant = current_tenant() and id = %(task)s and epoch = %(epoch)s for share
), written as (
    insert into pseudonyms (tenant, task_id, name, sealed)
    select current_tenant(), f.id, n.name, n.sealed from fence f, unnest(%(names)s::text[], %(sealed)s::bytea[]) n(name, sealed)
    on conflict do nothing returning 1
)
select (select count(*) from fence), (select count(*) from written)"""


class PostgresPseudonyms:
    """See the port `PseudonymStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def known(self, task: Claimed) -> dict[str, str]:
        rows = await self._database.fetch(task.info.tenant, _KNOWN.encode(), (task.info.id,))
        return {name: unseal(task, name, bytes(sealed)) for name, sealed in rows}

    async def keep(self, task: Claimed, fresh: Mapping[str, str]) -> None:
        if not fresh:
            return
        values = {
            "task": task.info.id,
            "epoch": task.epoch,
            "names": list(fresh),
            "sealed": [seal(task, name, value) for name, value in fresh.items()],
        }
        async with self._database.tenant(task.info.tenant) as conn:
            row = await (await conn.execute(_KEEP.encode(), values)).fetchone()
            assert row is not None
            if row[0] == 0:
                raise Fenced
            if row[1] != len(fresh):
                raise Conflict("Another effect of the task gave out the same pseudonyms.")


class MemoryPseudonyms:
    """The fake, for tests and `interlock.testing`; it seals too, so that a wrong key shows."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], dict[str, bytes]] = {}

    async def known(self, task: Claimed) -> dict[str, str]:
        held = self._held.get((task.info.tenant, task.info.id), {})
        return {name: unseal(task, name, sealed) for name, sealed in held.items()}

    async def keep(self, task: Claimed, fresh: Mapping[str, str]) -> None:
        held = self._held.setdefault((task.info.tenant, task.info.id), {})
        if held.keys() & fresh.keys():
            raise Conflict("Another effect of the task gave out the same pseudonyms.")
        held |= {name: seal(task, name, value) for name, value in fresh.items()}


def seal(task: Claimed, name: str, value: str) -> bytes:
    """Encrypt a value under a key that only the subject's key gives; bound to tenant, task and pseudonym."""
    return _sealing(task).seal(value.encode(), task.info.tenant, task.info.id, name)


def unseal(task: Claimed, name: str, sealed: bytes) -> str:
    """Give the value again. Raises Conflict where the subject's key is another one now, or was erased."""
    try:
        return _sealing(task).open(sealed, task.info.tenant, task.info.id, name).decode()
    except InvalidTag as error:
        raise Conflict("The task's pseudonyms cannot be read: the key of its subject is another one.") from error


def _sealing(task: Claimed) -> Sealing:
    if not task.subject_key:
        raise Conflict("The personal data of this task's subject was erased.")
    return Sealing(hmac.digest(task.subject_key, b"interlock/pseudonyms", "sha256"))
