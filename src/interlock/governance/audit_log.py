"""The audit log's integrator: it puts records in order, and signs checkpoints of the tree over them.

Writers insert a record and mark it pending in their own transaction. Serial IDs become visible out of commit order, so they are no
order; one sequencer at a time gives gap-free positions instead, and the tree grows along the positions.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any, Final

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from interlock.domain.errors import AuditBroken
from interlock.governance import audit, checkpoints, subtrees
from interlock.governance.audit_keys import AuditKey, KeyRing, PrivateKeys
from interlock.governance.checkpoints import Checkpoint
from interlock.governance.kept_checkpoint import KeptCheckpoint
from interlock.governance.merkle import Frontier, Node
from interlock.infra.database import Connection, Database

log = structlog.get_logger("interlock.audit")
SEQUENCE_LOCK: Final = 0x1A7E_0002
CHECKPOINT_LOCK: Final = 0x1A7E_0003
BATCH: Final = 5_000
HASHES_BATCH: Final = 10_000

# The leaf's hash is computed where the text lies: over the UTF-8 bytes, whatever the server's encoding. A pending row whose record is
# gone stays, as evidence for `verify`; one whose record has a position already is only cleared away. Rows are cleared by their place
# (ctid), which this one statement alone deletes: statistics taken while nothing is pending say that the table is empty, and a join by
# `record_id`, planned for that, would read a backlog once for each of its rows.
SEQUENCE: Final = """
with last as (
    select coalesce(max(position), -1) as position from audit_positions
), due as (
    select p.ctid as place, p.record_id from audit_pending p
    where exists (select from audit_records r where r.id = p.record_id) order by p.record_id limit %s
), cleared as (
    delete from audit_pending where ctid = any (array(select place from due))
), placed as (
    insert into audit_positions (position, record_id, tenant, leaf_hash)
    select (select position from last) + row_number() over (order by r.id), r.id, r.tenant,
        sha256('\\x00'::bytea || convert_to(r.leaf, 'UTF8'))
    from (select distinct record_id from due) d join audit_records r on r.id = d.record_id
    where not exists (select from audit_positions p where p.record_id = r.id)
)
select count(*), (select position from last) + 1, (select max(size) from audit_checkpoints) from due"""

_LAST_CHECKPOINT = "select size, root, frontier, note from audit_checkpoints order by size desc limit 1"
_ROOT_AT = "select root from audit_checkpoints where size = %s"
_SIZE = "select coalesce(max(position) + 1, 0) from audit_positions"
_HASHES = "select position, leaf_hash from audit_positions where position >= %s and position < %s order by position"
_INSERT = """
insert into audit_checkpoints (size, root, frontier, note) values (%s, %s, %s, %s)"""
_RECORD = """
with written as (insert into audit_records (tenant, task_id, leaf) values (%s, null, %s) returning id, tenant)
insert into audit_pending (record_id, tenant) select id, tenant from written"""
_ADD_KEY = "insert into audit_keys (number, public_key, from_size, introduction) values (%s, %s, %s, %s)"
_ADD_PRIVATE = "insert into audit_private_keys (number, wrapped) values (%s, %s)"
_RETIRE = "delete from audit_private_keys where number < %s"
KEY_ROTATED: Final = "audit.key_rotated"


class AuditLog:
    """Sequences records and signs checkpoints. Any number may run on one database at the same time.

    Args:
        relay: the database as the relay's role.
        origin: name of the log; the first line of each checkpoint, and unique in the world.
        key_name: name of the signing keys, as verifiers know it.
        private_key: the deployment's first signing key.
        kept: where the newest checkpoint stands outside of the database; nothing is signed on a log that does not hold it.
        wrapping_key: what later private keys are wrapped under; without it the first key is the only one.
    """

    def __init__(
        self,
        relay: Database,
        *,
        origin: str,
        key_name: str,
        private_key: Ed25519PrivateKey,
        kept: KeptCheckpoint | None = None,
        wrapping_key: bytes | None = None,
    ) -> None:
        self._kept = kept
        self._relay = relay
        self.origin = origin
        self.key_name = key_name
        self.private_keys = PrivateKeys(private_key, wrapping_key)
        self._frontier = Frontier()
        self._nodes_are_there = False

    def ring(self) -> KeyRing:
        """Give the ring that begins with the deployment's first key; `load` adds the later ones."""
        return KeyRing(origin=self.origin, key_name=self.key_name, first=self.private_keys.first.public_key())

    async def sequence(self, batch: int = BATCH) -> int:
        """Give positions to pending records, at most `batch`, and say how many; fewer than `batch` means that none is left.

        Raises:
            AuditBroken: positions that a checkpoint covers are gone, so that going on would hide it. Nothing was written.
            Unavailable: the database does not answer. Retryable.
        """
        async with self._relay.across() as conn:
            await conn.execute("select pg_advisory_xact_lock(%s)", (SEQUENCE_LOCK,))
            return await self._sequence(conn, batch)

    async def _sequence(self, conn: Connection, batch: int) -> int:
        count, size, covered = await _one(conn, SEQUENCE.encode(), (batch,))
        if covered is not None and size < covered:
            raise AuditBroken(
                f"The log has {size} positions, and its last checkpoint covers {covered}.",
                fix="Keep the database as it is and run `interlock audit verify`.",
            )
        return int(count)

    async def checkpoint(self) -> Checkpoint | None:
        """Sign the tree over all positions; durable when it returns. None where the last checkpoint covers them already.

        Raises:
            AuditBroken: what the last checkpoint says of itself does not hold, or positions are missing. Nothing was signed.
            Unavailable: the database does not answer. Retryable.
        """
        async with self._relay.across() as conn:
            await conn.execute("select pg_advisory_xact_lock(%s)", (CHECKPOINT_LOCK,))
            ring = await self.ring().load(conn)
            await self._check_kept(conn, ring)
            signed = await self._sign(conn, ring)
        return await self._remember(signed)

    async def rotate_key(self, *, tenant: str, at: datetime) -> KeyRing:
        """Replace the signing key; durable when it returns, and the old private key is deleted.

        One transaction: the record of it, its position, a checkpoint that covers it by the old key, the introduction of the new one.

        Args:
            tenant: whose log has the record.

        Raises:
            AuditBroken: the log is not what was signed; nothing was changed. Unavailable: retryable.
        """
        async with self._relay.across() as conn:
            await conn.execute("select pg_advisory_xact_lock(%s)", (CHECKPOINT_LOCK,))
            await conn.execute("select pg_advisory_xact_lock(%s)", (SEQUENCE_LOCK,))
            ring = await self.ring().load(conn)
            await self._check_kept(conn, ring)
            old, new = await self.private_keys.current(conn, ring), Ed25519PrivateKey.generate()
            number = ring.current.number + 1
            facts = {
                "number": number,
                "old_key": ring.verifier(ring.current),
                "new_key": checkpoints.verifier_key(self.key_name, new.public_key()),
            }
            leaf = audit.leaf(KEY_ROTATED, tenant=tenant, at=at, facts=facts)
            await conn.execute(_RECORD.encode(), (tenant, leaf))
            while await self._sequence(conn, BATCH) == BATCH:
                pass
            signed = await self._sign(conn, ring)
            assert signed is not None  # the record above is new
            size = signed[0].size
            key = AuditKey(number=number, public_key=new.public_key(), from_size=size, introduction=None)
            introduction = ring.introduce(key, old, new)
            await conn.execute(_ADD_KEY, (number, new.public_key().public_bytes_raw(), size, introduction))
            await conn.execute(_ADD_PRIVATE, (number, self.private_keys.wrap(number, new)))
            await conn.execute(_RETIRE, (number,))
            ring = await ring.load(conn)
        await self._remember(signed)
        return ring

    async def _sign(self, conn: Connection, ring: KeyRing) -> tuple[Checkpoint, Frontier, str] | None:
        """Write a checkpoint over all positions, with the subtrees that it completes; None where the last one covers them already."""
        last = await (await conn.execute(_LAST_CHECKPOINT)).fetchone()
        (size,) = await _one(conn, _SIZE.encode(), ())
        if last is not None and not self._nodes_are_there:
            await self._fill_nodes(conn, last[0], bytes(last[1]))
        if size == (last[0] if last else 0):
            return None
        nodes: list[Node] = []
        frontier = await self._extended(conn, self._start(last, ring), size, nodes)
        result = Checkpoint(origin=self.origin, size=size, root=frontier.root())
        note = checkpoints.sign(result, self.key_name, await self.private_keys.current(conn, ring))
        await conn.execute(_INSERT, (size, result.root, frontier.to_bytes(), note))
        await subtrees.keep(conn, nodes)
        self._nodes_are_there = True
        return result, frontier, note

    async def _fill_nodes(self, conn: Connection, size: int, root: bytes) -> None:
        """Store the subtrees of a log that an older version wrote, if the leaves' hashes still give the root of its last checkpoint."""
        if not await subtrees.complete(conn, size):
            nodes: list[Node] = []
            frontier = await self._extended(conn, Frontier(), size, nodes)
            if frontier.root() != root:
                raise AuditBroken(
                    f"The checkpoint of size {size} does not hold what its leaves give.",
                    fix="Keep the database as it is and run `interlock audit verify`.",
                )
            await subtrees.keep(conn, nodes)
        self._nodes_are_there = True

    async def _remember(self, signed: tuple[Checkpoint, Frontier, str] | None) -> Checkpoint | None:
        if signed is None:
            return None
        result, self._frontier, note = signed
        if self._kept is not None:
            # After the commit: a note of a checkpoint that was never stored would accuse an honest database.
            await asyncio.to_thread(self._kept.write, note)
        return result

    async def _check_kept(self, conn: Connection, ring: KeyRing) -> None:
        kept = self._kept.read(ring) if self._kept is not None else None
        if kept is None or self._kept is None:
            return
        row = await (await conn.execute(_ROOT_AT, (kept.size,))).fetchone()
        if kept.origin != self.origin or row is None or bytes(row[0]) != kept.root:
            raise AuditBroken(
                f"The checkpoint of size {kept.size} that {self._kept.path} keeps is not among those of the database.",
                fix="If the database was restored from an older backup, or is another one, move that file away; else ask who deleted it.",
            )

    def _start(self, last: tuple[Any, ...] | None, ring: KeyRing) -> Frontier:
        """Give the frontier of the last checkpoint: the one in memory if it is that, else the stored one if it is what was signed."""
        memory = self._frontier
        if last is None:
            if memory.size:
                log.error("checkpoint_vanished", size=memory.size, last=0)
            return Frontier()
        size, root, stored, note = last
        if memory.size == size and memory.root() == bytes(root):
            return memory
        if memory.size > size:
            log.error("checkpoint_vanished", size=memory.size, last=size)
        frontier = Frontier.from_bytes(bytes(stored))
        signed = ring.verify(note)
        if (signed.origin, signed.size, signed.root) != (self.origin, size, bytes(root)) or (
            frontier.size,
            frontier.root(),
        ) != (size, bytes(root)):
            raise AuditBroken(
                f"The checkpoint of size {size} does not hold what was signed.",
                fix="Keep the database as it is and run `interlock audit verify`.",
            )
        return frontier

    async def _extended(self, conn: Connection, frontier: Frontier, size: int, nodes: list[Node]) -> Frontier:
        while frontier.size < size:
            start, end = frontier.size, min(frontier.size + HASHES_BATCH, size)
            rows = await (await conn.execute(_HASHES, (start, end))).fetchall()
            if [row[0] for row in rows] != list(range(start, end)):
                raise AuditBroken(
                    f"Positions {start} to {end - 1} of the log are not all there, or it shrank below its last checkpoint.",
                    fix="Keep the database as it is and run `interlock audit verify`.",
                )
            frontier = frontier.extend((bytes(row[1]) for row in rows), nodes)
        if frontier.size != size:
            raise AuditBroken(
                f"The log has {size} positions, and its last checkpoint covers {frontier.size}.",
                fix="Keep the database as it is and run `interlock audit verify`.",
            )
        return frontier


async def _one(conn: Connection, query: bytes, values: tuple[Any, ...]) -> tuple[Any, ...]:
    row = await (await conn.execute(query, values)).fetchone()
    assert row is not None  # an aggregate always gives one
    return row
