"""Proofs from stored hashes, an upgraded log, and signing keys that are replaced."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.contract.prepared_database import KEYS, SIGNING_KEY, TENANT, Prepared, opened, prepare

from interlock.domain.errors import AuditBroken, NotFound
from interlock.governance import audit_log, checkpoints, merkle, subtrees
from interlock.governance.findings import Report
from interlock.governance.proofs import Proofs
from interlock.governance.verify import verify
from interlock.infra.embedded_postgres import EmbeddedPostgres

pytestmark = pytest.mark.postgres
RECORD = """
with written as (insert into audit_records (tenant, leaf) select 'acme', '{"at":"2026-03-01T00:00:00.000000Z","kind":"x","n":'
    || n || ',"tenant":"acme"}' from generate_series(%s::int, %s::int - 1) n returning id, tenant)
insert into audit_pending (record_id, tenant) select id, tenant from written"""


@pytest.fixture
async def prepared(postgres_server: EmbeddedPostgres, database_url: str) -> AsyncIterator[Prepared]:
    async with opened(await prepare(postgres_server.data_dir, database_url)) as result:
        await result.add_tenant()
        yield result


async def grow(prepared: Prepared, *sizes: int) -> None:
    """Let the log grow to these sizes, with a checkpoint at each."""
    log = prepared.audit_log()
    for size in sizes:
        [(start,)] = await prepared.ask("select count(*) from audit_records")
        await prepared.ask(RECORD + " returning 1", (start, size))
        while await log.sequence() == 5000:
            pass
        await log.checkpoint()


async def leaves(prepared: Prepared) -> list[bytes]:
    rows = await prepared.ask("select leaf_hash from audit_positions order by position")
    return [bytes(row[0]) for row in rows]


async def checked(prepared: Prepared) -> Report:
    return await verify(prepared.app, prepared.relay, prepared.audit_log(), KEYS, SIGNING_KEY.public_key())


async def test_proofs_from_stored_hashes_are_those_of_a_naive_tree(prepared: Prepared) -> None:
    sizes = [1, 2, 3, 255, 256, 257, 700, 70_000]
    await grow(prepared, *sizes)
    known = await leaves(prepared)
    assert await prepared.ask("select height, count(*) from audit_nodes group by 1 order by 1") == [(8, 273), (16, 1)]
    proofs, chance = Proofs(prepared.app), random.Random(7)
    for size in sizes:
        for position in {0, size - 1, size // 2, chance.randrange(size)}:
            found = await proofs.inclusion(TENANT, position, size=size)
            assert found.proof == merkle.inclusion_proof(known[:size], position)
    for old in sizes:
        consistency = await proofs.consistency(TENANT, old)
        assert consistency.proof == merkle.consistency_proof(known, old)
        assert consistency.new.root == merkle.root(known)


async def test_a_proof_is_of_ones_own_record_and_of_a_checkpoint(prepared: Prepared) -> None:
    await grow(prepared, 5, 9)
    await prepared.add_tenant("zeta")
    proofs = Proofs(prepared.app)
    for tenant, position, size in (("zeta", 3, 9), (TENANT, 7, 5), (TENANT, 9, 9), (TENANT, 3, 8)):
        with pytest.raises(NotFound):
            await proofs.inclusion(tenant, position, size=size)
    with pytest.raises(NotFound):
        await proofs.consistency(TENANT, 9, 5)


async def test_a_backlog_is_put_in_order_in_one_pass_whatever_statistics_say(prepared: Prepared) -> None:
    """Counted, not timed: rows that the plan's nodes read and throw away."""
    await grow(prepared, 700)
    await prepared.tamper("analyze")  # taken while nothing is pending: the planner takes the table for empty ever after
    await prepared.ask(RECORD + " returning 1", (700, 5_700))
    async with prepared.relay.across() as conn:
        asked = await conn.execute(f"explain (analyze, format json) {audit_log.SEQUENCE}".encode(), (1_000,))
        [(found,)] = await asked.fetchall()
    assert await prepared.ask("select count(*) from audit_pending") == [(4_000,)]
    assert sum(_rows_read(found[0]["Plan"])) < 20 * 5_700


def _rows_read(node: dict[str, Any]) -> Iterator[float]:
    kept_and_thrown = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Join Filter")
    yield node["Actual Loops"] * sum(node.get(rows, 0) for rows in kept_and_thrown)
    for inner in node.get("Plans", ()):
        yield from _rows_read(inner)


@pytest.mark.parametrize(
    "tampering",
    [
        "update audit_nodes set hash = sha256('x') where height = 8 and index = 0",
        "delete from audit_nodes where height = 8 and index = 0",
        "update audit_positions set leaf_hash = sha256('x') where position = 599",
        "update audit_checkpoints set root = sha256('x')",
        "update audit_records set leaf = leaf || ' '",
    ],
)
async def test_no_proof_is_given_that_does_not_hold(prepared: Prepared, tampering: str) -> None:
    await grow(prepared, 600)
    await prepared.tamper(tampering)
    with pytest.raises(AuditBroken):
        await Proofs(prepared.app).inclusion(TENANT, 598)


async def test_an_older_log_gets_its_subtrees_at_the_first_round(prepared: Prepared) -> None:
    await grow(prepared, 300, 1_000)
    await prepared.tamper("delete from audit_nodes")
    assert await prepared.audit_log().checkpoint() is None
    found = await prepared.ask("select height, index, hash from audit_nodes order by 1, 2")
    known = await leaves(prepared)
    assert [(h, n, bytes(hashed)) for h, n, hashed in found] == [
        (8, n, merkle.root(known[n << 8 : (n + 1) << 8])) for n in range(3)
    ]
    assert (await checked(prepared)).ok


async def test_subtrees_of_an_older_log_that_was_changed_are_not_filled_in(prepared: Prepared) -> None:
    await grow(prepared, 300)
    await prepared.tamper(
        "delete from audit_nodes", "update audit_positions set leaf_hash = sha256('x') where position = 9"
    )
    with pytest.raises(AuditBroken):
        await prepared.audit_log().checkpoint()
    assert await prepared.ask("select 1 from audit_nodes") == []


@pytest.mark.parametrize(
    ("tampering", "finding"),
    [
        ("update audit_nodes set hash = sha256('x') where index = 1", "positions 256 to 511"),
        ("update audit_nodes set index = 9 where index = 1", "positions 256 to 511"),
        ("insert into audit_nodes values (8, 77, sha256('x'))", "nodes"),
    ],
)
async def test_a_changed_subtree_is_found(prepared: Prepared, tampering: str, finding: str) -> None:
    await grow(prepared, 800)
    assert (await checked(prepared)).ok
    await prepared.tamper(tampering)
    assert finding in {found.where for found in (await checked(prepared)).findings}


async def test_hashes_of_many_leaves_are_not_cut_short(prepared: Prepared) -> None:
    await grow(prepared, 70_000)
    async with prepared.app.tenant(TENANT) as conn:
        assert len(await subtrees.hashes_at(conn, 0, [(n, n + 10) for n in range(0, 70_000, 10)])) == 70_000


async def test_a_rotated_key_signs_what_follows_and_the_old_one_no_more(prepared: Prepared) -> None:
    await grow(prepared, 5)
    audit_log = prepared.audit_log()
    for _ in range(2):
        ring = await audit_log.rotate_key(tenant=TENANT, at=prepared.clock.now())
    await grow(prepared, 20)
    assert [key.from_size for key in ring.keys] == [0, 6, 7]
    notes = dict(await prepared.ask("select size, note from audit_checkpoints"))
    for size, key in ((5, 0), (6, 0), (7, 1), (20, 2)):
        assert ring.verify(notes[size]).size == size
        checkpoints.verify(notes[size], ring.key_name, ring.keys[key].public_key)
        for other in {0, 1, 2} - {key}:
            with pytest.raises(AuditBroken):
                checkpoints.verify(notes[size], ring.key_name, ring.keys[other].public_key)
    assert await prepared.ask("select number from audit_private_keys") == [(2,)]
    report = await checked(prepared)
    assert (report.ok, report.findings) == (True, ())
    kinds = await prepared.ask("select count(*) from audit_records where leaf like '%%audit.key_rotated%%'")
    assert kinds == [(2,)]


ROTATIONS = {
    "a key that nobody introduced": (
        "insert into audit_keys select number + 1, public_key, from_size + 1, introduction from audit_keys",
        "introduced by the one before",
    ),
    "an exchanged key": ("update audit_keys set public_key = sha256('x')", "introduced by the one before"),
    "an introduction from another size": ("update audit_keys set from_size = 5", "introduced by the one before"),
    "a key that is gone": ("delete from audit_keys", "it is signed"),
    "the private key that is gone": ("delete from audit_private_keys", "the log can be continued"),
    "the private key, spoiled": ("update audit_private_keys set wrapped = sha256(wrapped)", "the log can be continued"),
    "the record of the rotation": (
        "update audit_records set leaf = replace(leaf, 'key_rotated', 'key_retired')",
        "a signing key has one record",
    ),
}


@pytest.mark.parametrize("name", ROTATIONS)
async def test_tampering_with_keys_is_found_and_nothing_is_signed_on_it(prepared: Prepared, name: str) -> None:
    statement, finding = ROTATIONS[name]
    await grow(prepared, 5)
    await prepared.audit_log().rotate_key(tenant=TENANT, at=prepared.clock.now())
    await grow(prepared, 9)
    await prepared.ask(RECORD + " returning 1", (10, 12))
    await prepared.tamper(statement)
    report = await checked(prepared)
    assert any(finding in found.what for found in report.findings), report.findings
    if "record" not in name:
        with pytest.raises(AuditBroken):
            await prepared.audit_log().rotate_key(tenant=TENANT, at=prepared.clock.now())


async def test_a_checkpoint_signed_by_a_retired_key_is_found(prepared: Prepared) -> None:
    await grow(prepared, 5)
    await prepared.audit_log().rotate_key(tenant=TENANT, at=prepared.clock.now())
    await grow(prepared, 9)
    [(root,)] = await prepared.ask("select root from audit_checkpoints where size = 9")
    forged = checkpoints.Checkpoint(origin="interlock.test/log", size=9, root=bytes(root))
    note = checkpoints.sign(forged, "interlock.test", SIGNING_KEY)
    async with await psycopg.AsyncConnection.connect(prepared.owner_url, autocommit=True) as conn:
        await conn.execute("update interlock.audit_checkpoints set note = %s where size = 9", (note,))
    report = await checked(prepared)
    assert ("it is signed", "checkpoint 9") in {(found.what, found.where) for found in report.findings}


async def test_a_log_whose_first_key_is_another_is_not_believed(prepared: Prepared) -> None:
    await grow(prepared, 5)
    await prepared.audit_log().rotate_key(tenant=TENANT, at=prepared.clock.now())
    other = Ed25519PrivateKey.generate().public_key()
    report = await verify(prepared.app, prepared.relay, prepared.audit_log(), KEYS, other)
    assert {"each signing key was introduced by the one before", "it is signed"} <= {f.what for f in report.findings}
