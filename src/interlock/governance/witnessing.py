"""Handing checkpoints to witnesses, off the hot path: the newest one at an interval, each witness for itself, again after a failure.

Before a witness gets a newer checkpoint, the newest one that it keeps must be a beginning of it. Where it is not, nothing is handed over:
the log was cut or written anew, and the witness's own note is what shows it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson
import structlog

from interlock.domain import canonical
from interlock.domain.errors import AuditBroken, InterlockError, NotFound
from interlock.governance import proofs
from interlock.governance.audit_keys import KeyRing
from interlock.governance.audit_log import AuditLog
from interlock.governance.proofs import Signed
from interlock.governance.witnesses import Witness
from interlock.infra.clock import Clock
from interlock.infra.database import Connection, Database
from interlock.infra.secrets_file import write_private

log = structlog.get_logger("interlock.audit")
BACKOFF_MAX_S: Final = 3_600.0
_STATED: Final = "select size from audit_statements where witness = %s and size = %s"
_INSERT: Final = """
insert into audit_statements (witness, size, kind, statement) values (%s, %s, %s, %s) on conflict do nothing"""


@dataclass(kw_only=True)
class WitnessState:
    """How it goes with one witness, as `status` and `doctor` show it."""

    kind: str
    size: int = 0
    at: str | None = None
    failures: int = 0
    error: str | None = None
    next_at: float = 0.0

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("kind", "size", "at", "failures", "error")}


class Witnessing:
    """Hands the newest checkpoint to every witness that has not stated it.

    Args:
        state: file that tells `status` and `doctor` how it goes.
        interval_s: between two rounds; a witness that fails is left alone for longer and longer.
    """

    def __init__(
        self,
        relay: Database,
        audit_log: AuditLog,
        witnesses: Sequence[Witness],
        *,
        clock: Clock,
        state: Path,
        interval_s: float,
    ) -> None:
        self._relay = relay
        self._audit_log = audit_log
        self._witnesses = witnesses
        self._clock = clock
        self._path = state
        self._interval_s = interval_s
        self.states = {one.name: WitnessState(kind=one.kind) for one in witnesses}

    async def once(self) -> bool:
        """Do one round; tells whether there is a checkpoint yet. What fails of a witness is kept in its state and logged.

        Raises:
            Unavailable: the database does not answer. Retryable.
        """
        async with self._relay.across() as conn:
            ring = await self._audit_log.ring().load(conn)
            try:
                newest = await proofs.checkpoint(conn, None)
            except NotFound:
                newest = None
        if newest is None:
            return False
        for witness in self._witnesses:
            await self._one(witness, newest, ring)
        write_private(self._path, orjson.dumps({name: state.as_json() for name, state in self.states.items()}))
        return True

    async def _one(self, witness: Witness, newest: Signed, ring: KeyRing) -> None:
        state = self.states[witness.name]
        if time.monotonic() < state.next_at:
            return
        try:
            if await self._hand_over(witness, newest, ring):
                state.at = canonical.rfc3339(self._now())
        except (InterlockError, OSError) as error:
            state.failures += 1
            state.error = error.detail if isinstance(error, InterlockError) else type(error).__name__
            pause_s = min(BACKOFF_MAX_S, self._interval_s * 2 ** min(state.failures - 1, 10))
            state.next_at = time.monotonic() + pause_s
            say = log.error if isinstance(error, AuditBroken) else log.warning
            say("witness_failed", witness=witness.name, error=state.error, failures=state.failures)
            return
        state.size, state.failures, state.error, state.next_at = newest.size, 0, None, 0.0

    async def _hand_over(self, witness: Witness, newest: Signed, ring: KeyRing) -> bool:
        async with self._relay.across() as conn:
            if await (await conn.execute(_STATED, (witness.name, newest.size))).fetchone():
                return False
        held = await witness.held()
        if held:
            async with self._relay.across() as conn:
                await _continues(conn, held[-1], newest, ring)
        statement = await witness.state(newest.note)
        witness.check(newest.note, statement)
        async with self._relay.across() as conn:
            await conn.execute(_INSERT, (witness.name, newest.size, witness.kind, statement))
        return True

    def _now(self) -> datetime:
        return self._clock.now()


async def _continues(conn: Connection, held: str, newest: Signed, ring: KeyRing) -> None:
    seen = ring.verify(held)
    fix = "Keep the database as it is and run `interlock audit verify`."
    if seen.origin != ring.origin:
        raise AuditBroken("The witness keeps checkpoints of another log.", fix="Give each log a witness of its own.")
    if seen.size > newest.size:
        raise AuditBroken(
            f"The witness saw {seen.size} records, and the log has signed {newest.size}: positions {newest.size} to"
            f" {seen.size - 1} were cut off.",
            fix=fix,
        )
    try:
        await proofs.consistency(conn, Signed(size=seen.size, root=seen.root, note=held), newest)
    except AuditBroken as error:
        raise AuditBroken(
            f"The log differs from what the witness saw, at positions 0 to {seen.size - 1}.", fix=fix
        ) from error
