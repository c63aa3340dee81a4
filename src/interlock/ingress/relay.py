"""The relay's process: what goes on behind the workers' backs, each in a loop of its own.

Events and audit records get their positions, checkpoints are signed and handed to witnesses, callbacks delivered, lineage told, watched
folders looked into. Emergency elevations that ran out are told. People whose erasure was asked for are erased, and what is kept too long; old
idempotency keys are forgotten. A loop that fails begins again after a pause; the others go on.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Final

import psycopg
import structlog

from interlock.domain.errors import AuditBroken, InterlockError
from interlock.governance.audit_log import BATCH as RECORDS_BATCH
from interlock.governance.audit_log import AuditLog
from interlock.governance.witnessing import Witnessing
from interlock.infra import outbox
from interlock.infra.database import Database
from interlock.ingress.deliveries import Deliveries
from interlock.ingress.open_lineage import OpenLineage
from interlock.ingress.watched_folder import WatchedFolders
from interlock.orchestration.elevations import Elevations
from interlock.orchestration.erasures import Erasures

log = structlog.get_logger("interlock.relay")
BACKOFF_INITIAL_S: Final = 0.1
BACKOFF_MAX_S: Final = 10.0
FORGET_INTERVAL_S: Final = 3600.0
FIRST_WITNESS_S: Final = 0.5
LINEAGE_INTERVAL_S: Final = 1.0
ELEVATIONS_INTERVAL_S: Final = 1.0
IDEMPOTENCY_KEPT: Final = timedelta(days=7)
SESSIONS_KEPT: Final = timedelta(days=30)  # after their end

Ready = Callable[[], Awaitable[None]]
Work = Callable[[], Awaitable[bool]]
"""One round of a loop; tells whether there is more to do at once."""


class Relay:
    """Runs the loops. Any number of relays may run on one database.

    Args:
        app, relay: the database as the two roles.
        watched: None where no folder is watched. witnessing: None where no witness is set. lineage: None where nobody is told.
        sequence_interval_s, checkpoint_interval_s, watch_poll_s, witness_interval_s, privacy_interval_s: pauses where there is nothing to do.
        kept_days: by (tenant or `*`, class of data) how long it is kept; what is not named is kept.
    """

    def __init__(
        self,
        *,
        app: Database,
        relay: Database,
        audit_log: AuditLog,
        deliveries: Deliveries,
        watched: WatchedFolders | None,
        sequence_interval_s: float,
        checkpoint_interval_s: float,
        watch_poll_s: float,
        witnessing: Witnessing | None = None,
        witness_interval_s: float = 60.0,
        erasures: Erasures | None = None,
        kept_days: Mapping[tuple[str, str], float] | None = None,
        privacy_interval_s: float = 60.0,
        lineage: OpenLineage | None = None,
        elevations: Elevations | None = None,
    ) -> None:
        self._app = app
        self._relay = relay
        self._audit_log = audit_log
        self._deliveries = deliveries
        self._watched = watched
        self._sequence_interval_s = sequence_interval_s
        self._checkpoint_interval_s = checkpoint_interval_s
        self._watch_poll_s = watch_poll_s
        self._witnessing = witnessing
        self._witness_interval_s = witness_interval_s
        self._erasures = erasures
        self._kept_days = kept_days or {}
        self._privacy_interval_s = privacy_interval_s
        self._lineage = lineage
        self._elevations = elevations

    async def run(self, ready: Ready) -> None:
        """Run until cancelled. `ready` is called once, when the database has answered.

        That does not wait for the audit log: one that was tampered with keeps nothing else back.
        """
        answered = asyncio.Event()
        async with asyncio.TaskGroup() as loops:
            loops.create_task(self._loop("outbox", self._sequence_interval_s, self._events, answered))
            loops.create_task(self._loop("audit", self._sequence_interval_s, self._records))
            loops.create_task(self._loop("checkpoint", self._checkpoint_interval_s, self._checkpoint))
            loops.create_task(self._loop("deliveries", 0.0, self._callbacks))
            loops.create_task(self._loop("forget", FORGET_INTERVAL_S, self._forget))
            if self._witnessing is not None:
                loops.create_task(self._loop("witnesses", self._witness_interval_s, self._witnesses))
            if self._erasures is not None:
                loops.create_task(self._loop("privacy", self._privacy_interval_s, self._privacy))
            if self._watched is not None:
                loops.create_task(self._loop("watched_folders", self._watch_poll_s, self._files))
            if self._elevations is not None:
                loops.create_task(self._loop("elevations", ELEVATIONS_INTERVAL_S, self._elevations.run_out))
            if self._lineage is not None:
                loops.create_task(self._loop("lineage", LINEAGE_INTERVAL_S, self._lineage.once))
            await answered.wait()
            await ready()

    async def _loop(self, name: str, interval_s: float, work: Work, worked: asyncio.Event | None = None) -> None:
        failures = 0
        while True:
            try:
                more = await work()
            except (InterlockError, psycopg.Error, OSError) as error:
                failures += 1
                pause_s = min(BACKOFF_MAX_S, BACKOFF_INITIAL_S * 2 ** min(failures, 10))
                pause_s *= 0.5 + random.random() / 2  # noqa: S311 - spreads retries, hides nothing
                # A log that was tampered with stays so: it is loud, and nothing is signed on top of it.
                say = log.error if isinstance(error, AuditBroken) else log.warning
                say("relay_loop_failed", loop=name, error=_brief(error), retry_in_s=round(pause_s, 2))
                await asyncio.sleep(max(pause_s, interval_s))
                continue
            failures = 0
            if worked is not None:
                worked.set()
            if not more:
                await asyncio.sleep(interval_s)

    async def _events(self) -> bool:
        return await outbox.sequence(self._relay) == outbox.BATCH

    async def _records(self) -> bool:
        return await self._audit_log.sequence() == RECORDS_BATCH

    async def _checkpoint(self) -> bool:
        await self._audit_log.checkpoint()
        return False

    async def _witnesses(self) -> bool:
        assert self._witnessing is not None
        if await self._witnessing.once():
            return False
        # A log that is still empty is looked at again soon, so that its first checkpoint does not wait for an interval.
        await asyncio.sleep(min(FIRST_WITNESS_S, self._witness_interval_s))
        return True

    async def _callbacks(self) -> bool:
        await self._deliveries.run()
        return False

    async def _files(self) -> bool:
        assert self._watched is not None
        await self._watched.once()
        return False

    async def _privacy(self) -> bool:
        assert self._erasures is not None
        erased = await self._erasures.once()
        return await self._erasures.expire(self._kept_days) or erased

    async def _forget(self) -> bool:
        async with self._app.across() as conn:
            await conn.execute("select forget_idempotency_keys(%s)", (IDEMPOTENCY_KEPT,))
            await conn.execute("select forget_sessions(%s)", (SESSIONS_KEPT,))
        return False


def _brief(error: BaseException) -> str:
    """Say what failed without what the database quotes of rows."""
    return error.detail if isinstance(error, InterlockError) else type(error).__name__
