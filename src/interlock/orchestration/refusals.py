"""Who was not let in, and what was refused to whom, on record: a forged key, a wrong password, an action that no policy permits, an ID that is
nobody's or another tenant's, an address that nothing is sent to. Without secrets, and without names that were only claimed."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Final

from interlock.governance import audit
from interlock.governance.identity import FIRST_TENANT
from interlock.infra.clock import Clock
from interlock.infra.database import Database
from interlock.orchestration.store import log

EVERY_S: Final = 60.0
REMEMBERED_MAX: Final = 4_096


class Refusals:
    """Writes a leaf for each kind of refusal of each key or session, of a request for each route, and no second one within a minute in this process.

    So whoever tries a million keys fills neither the log nor the disk. What names no tenant is told to the installation's admins.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._told: OrderedDict[tuple[str, ...], float] = OrderedDict()

    async def __call__(self, tenant: str | None, kind: str, about: str | None, why: str, **more: str) -> None:
        """Record a refusal; durable when it returns. `more` are further facts. Raises Unavailable, so that nobody is refused unseen."""
        where = tenant or FIRST_TENANT
        told, now = (where, kind, about or "", why, *more.values()), time.monotonic()
        if now - self._told.get(told, -EVERY_S) < EVERY_S:
            return
        self._told[told] = now
        self._told.move_to_end(told)
        while len(self._told) > REMEMBERED_MAX:
            self._told.popitem(last=False)
        facts = {kind.partition(".")[0]: about, "why": why, **more}
        leaf = audit.leaf(kind, tenant=where, at=self._clock.now(), facts=facts)
        async with self._database.tenant(where) as conn:
            await log(conn, tenant=where, task_id=None, leaf=leaf)
