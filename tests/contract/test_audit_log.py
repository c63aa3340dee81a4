"""The integrator: gap-free positions whoever sequences, and checkpoints that continue from what was signed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.contract.prepared_database import SIGNING_KEY, TENANT, Prepared, opened, prepare

from interlock.domain.errors import AuditBroken
from interlock.governance import checkpoints, merkle
from interlock.infra.embedded_postgres import EmbeddedPostgres
from interlock.orchestration.store import log

pytestmark = pytest.mark.postgres


@pytest.fixture
async def prepared(postgres_server: EmbeddedPostgres, database_url: str) -> AsyncIterator[Prepared]:
    urls = await prepare(postgres_server.data_dir, database_url)
    async with opened(urls, size=8) as result:
        await result.add_tenant()
        yield result


async def write(prepared: Prepared, *texts: str) -> None:
    async with prepared.app.tenant(TENANT) as conn:
        for text in texts:
            await log(conn, tenant=TENANT, task_id=None, leaf=text)


async def positions(prepared: Prepared) -> list[tuple[int, str, bytes]]:
    rows = await prepared.ask(
        "select p.position, r.leaf, p.leaf_hash from audit_positions p join audit_records r on r.id = p.record_id order by 1"
    )
    return [(position, leaf, bytes(hashed)) for position, leaf, hashed in rows]


async def test_positions_start_at_zero_and_hash_the_exact_text(prepared: Prepared) -> None:
    texts = ['{"a": 1}', "größer ✓", "", "{}"]
    await write(prepared, *texts)
    assert await prepared.audit_log().sequence() == 4
    assert await positions(prepared) == [(n, text, merkle.leaf_hash(text.encode())) for n, text in enumerate(texts)]
    assert await prepared.ask("select * from audit_pending") == []
    assert await prepared.audit_log().sequence() == 0


async def test_a_batch_takes_the_oldest_and_leaves_the_rest(prepared: Prepared) -> None:
    await write(prepared, *(str(n) for n in range(5)))
    audit_log = prepared.audit_log()
    assert [await audit_log.sequence(2) for _ in range(4)] == [2, 2, 1, 0]
    assert [leaf for _, leaf, _ in await positions(prepared)] == ["0", "1", "2", "3", "4"]


async def test_integrators_at_once_with_writers_leave_no_gap(prepared: Prepared) -> None:
    async def writer(number: int) -> None:
        for step in range(15):
            await write(prepared, f"{number}.{step}a", f"{number}.{step}b")

    async def integrator() -> None:
        audit_log = prepared.audit_log()
        for _ in range(15):
            await audit_log.sequence(7)
            await audit_log.checkpoint()

    await asyncio.gather(*(writer(n) for n in range(4)), *(integrator() for _ in range(3)))
    last = prepared.audit_log()
    while await last.sequence(50):
        pass
    await last.checkpoint()
    found = await positions(prepared)
    assert [position for position, _, _ in found] == list(range(120))
    assert sorted(leaf for _, leaf, _ in found) == sorted(
        f"{n}.{s}{half}" for n in range(4) for s in range(15) for half in "ab"
    )
    hashes = [hashed for _, _, hashed in found]
    signed = await prepared.ask("select size, root from audit_checkpoints order by size")
    assert signed[-1][0] == 120
    assert [(size, bytes(root)) for size, root in signed] == [(size, merkle.root(hashes[:size])) for size, _ in signed]


async def test_a_record_that_becomes_visible_late_gets_a_later_position(prepared: Prepared) -> None:
    audit_log = prepared.audit_log()
    async with prepared.app.tenant(TENANT) as slow:
        await log(slow, tenant=TENANT, task_id=None, leaf="slow")
        await write(prepared, "fast")
        assert await audit_log.sequence() == 1
    assert await audit_log.sequence() == 1
    assert [leaf for _, leaf, _ in await positions(prepared)] == ["fast", "slow"]


async def test_a_checkpoint_is_signed_once_for_a_size(prepared: Prepared) -> None:
    audit_log = prepared.audit_log()
    assert await audit_log.checkpoint() is None
    await write(prepared, "a", "b", "c")
    await audit_log.sequence()
    first = await audit_log.checkpoint()
    assert first is not None
    assert first.size == 3
    assert await audit_log.checkpoint() is None
    [(note,)] = await prepared.ask("select note from audit_checkpoints")
    assert checkpoints.verify(note, "interlock.test", SIGNING_KEY.public_key()) == first


async def test_a_fresh_process_goes_on_from_the_stored_frontier(prepared: Prepared) -> None:
    first = prepared.audit_log()
    hashes = []
    for round_ in range(3):
        texts = [f"{round_}.{n}" for n in range(5)]
        hashes += [merkle.leaf_hash(text.encode()) for text in texts]
        await write(prepared, *texts)
        await prepared.audit_log().sequence()
        # One with an empty memory, one with an old one, in turn.
        signed = await (first if round_ == 2 else prepared.audit_log()).checkpoint()
        assert signed is not None
        assert (signed.size, signed.root) == (len(hashes), merkle.root(hashes))


@pytest.mark.parametrize(
    "tampering",
    [
        "update audit_checkpoints set root = sha256('x')",
        "update audit_checkpoints set frontier = set_byte(frontier, 12, 7)",
        "update audit_checkpoints set frontier = ''",
        "update audit_checkpoints set note = replace(note, 'interlock', 'outerlock')",
        "update audit_checkpoints set size = 1",
        "delete from audit_positions where position = 1",
        "delete from audit_positions where position = 3",
    ],
)
async def test_nothing_is_signed_on_top_of_what_was_tampered_with(prepared: Prepared, tampering: str) -> None:
    await write(prepared, "a", "b", "c", "d")
    await prepared.audit_log().sequence()
    if "positions" not in tampering:
        await prepared.audit_log().checkpoint()
        await write(prepared, "e")
        await prepared.audit_log().sequence()
    elif "= 3" in tampering:
        await prepared.audit_log().checkpoint()
    await prepared.tamper(tampering)
    before = await prepared.ask("select count(*) from audit_checkpoints")
    with pytest.raises(AuditBroken):
        await prepared.audit_log().checkpoint()
    assert await prepared.ask("select count(*) from audit_checkpoints") == before


async def test_sequencing_stops_where_covered_positions_are_gone(prepared: Prepared) -> None:
    await write(prepared, "a", "b")
    await prepared.audit_log().sequence()
    await prepared.audit_log().checkpoint()
    await prepared.tamper("delete from audit_positions where position = 1")
    await write(prepared, "c")
    with pytest.raises(AuditBroken, match="audit verify"):
        await prepared.audit_log().sequence()
    assert len(await positions(prepared)) == 1


async def test_a_pending_row_too_many_does_not_stop_the_log(prepared: Prepared) -> None:
    await write(prepared, "a")
    await prepared.audit_log().sequence()
    await prepared.tamper(
        "insert into audit_pending (record_id, tenant) select id, tenant from audit_records",
        "insert into audit_pending (record_id, tenant) values (999, 'acme')",
    )
    await write(prepared, "b")
    await prepared.audit_log().sequence()
    assert [leaf for _, leaf, _ in await positions(prepared)] == ["a", "b"]
    assert await prepared.ask("select record_id from audit_pending") == [(999,)]
