"""`audit verify` passes an untouched store and finds every tampering with it."""

from __future__ import annotations

import asyncio
import io
import json
import random
import stat
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pypdfium2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.contract.prepared_database import KEYS, OBJECTS, SIGNING_KEY, TENANT, Prepared, Writers, opened, prepare

from interlock.domain.errors import AuditBroken, Unavailable
from interlock.domain.tasks import State
from interlock.governance import audit
from interlock.governance.findings import FINDINGS_MAX, Report
from interlock.governance.verify import verify
from interlock.infra.database import Database, DatabaseUrls
from interlock.infra.embedded_postgres import EmbeddedPostgres
from interlock.orchestration.store import log

pytestmark = pytest.mark.postgres
TABLES = (
    *("tenants", "subject_keys", "documents", "tasks", "effects", "openings", "reviews", "review_events"),
    *("api_keys", "accounts", "sessions", "identity_providers", "tenant_webhooks", "deliveries"),
    *("policy_sets", "policy_changes", "policy_now"),
    *("journal_cuts", "outbox", "audit_records", "audit_pending", "audit_positions", "audit_checkpoints"),
    *("audit_nodes", "audit_statements"),
)


async def checked(prepared: Prepared) -> Report:
    return await verify(
        prepared.app, prepared.relay, prepared.audit_log(), KEYS, SIGNING_KEY.public_key(), digest=OBJECTS.sha256
    )


def a_pdf(text: str) -> bytes:
    document = pypdfium2.PdfDocument.new()
    document.new_page(200, 300)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue() + f"% {text}\n".encode()


async def build(urls: DatabaseUrls) -> None:
    """Build a store that has something of everything that leaves speak of, in two tenants."""
    async with opened(urls) as prepared:
        for tenant in (TENANT, "zeta"):
            await prepared.add_tenant(tenant)
            writers = Writers(prepared, tenant=tenant)
            await writers.document(a_pdf(tenant))
            await writers.key("user:mei", "reviewer", approval_limit=Decimal("2000.50"))
            await writers.key("user:bo", "boss", expires_at=writers.clock.now() + timedelta(days=1))
            await writers.revoke_key(await writers.key("user:old", "reviewer"))
            await writers.access()
            done = await writers.accept(subject="person:lim")
            await writers.effect(done, "read-receipt", 1, {"total": "12.30"})
            await writers.effect(done, "post", 2, {"posted": True}, opened=True)
            await writers.review(done, "/ask#3", verdict="approve")
            await writers.end(done, output={"decision": "approved"})
            failed = await writers.accept()
            await writers.effect(failed, "read-receipt", 1, None)
            await writers.end(failed, State.FAILED)
            large = await Writers(prepared, tenant=tenant, inline_bytes_max=10).accept()
            await Writers(prepared, tenant=tenant, inline_bytes_max=10).effect(large, "read-receipt", 1, "x" * 50)
            await Writers(prepared, tenant=tenant, inline_bytes_max=10).end(large, output="y" * 50)
            await writers.tasks.suspend(await writers.accept(), wake_at=None)
            await prepared.audit_log().sequence()
            await prepared.audit_log().checkpoint()
            await writers.tasks.block(await writers.accept(), {"kind": "Nondeterministic", "message": "changed"})
            await writers.review(await writers.accept(), "/ask#1", verdict=None)
            await prepared.audit_log().sequence()
            await prepared.audit_log().checkpoint()


@pytest.fixture(scope="module")
def built(postgres_server: EmbeddedPostgres, make_database: Callable[[], str]) -> DatabaseUrls:
    """The built store, with a copy of each table beside it; no constraint stops a tamperer."""

    async def make() -> DatabaseUrls:
        urls = await prepare(postgres_server.data_dir, make_database())
        await build(urls)
        return urls

    urls = asyncio.run(make())
    with psycopg.connect(urls.owner, autocommit=True) as conn:
        for table in TABLES:
            conn.execute(f"create table public.{table} as table interlock.{table}".encode())
        checks = conn.execute(
            "select conrelid::regclass::text, conname from pg_constraint"
            " where contype = 'c' and connamespace = 'interlock'::regnamespace"
        ).fetchall()
        for table, name in checks:
            conn.execute(f"alter table {table} drop constraint {name}".encode())
    return urls


@pytest.fixture
async def store(built: DatabaseUrls) -> AsyncIterator[Prepared]:
    """The built store as it was built; a test may spoil it."""
    with psycopg.connect(built.owner) as conn:
        conn.execute("set session_replication_role = replica")
        for table in TABLES:
            conn.execute(f"delete from interlock.{table}".encode())
            conn.execute(f"insert into interlock.{table} overriding system value select * from public.{table}".encode())
    async with opened(built) as prepared:
        yield prepared


async def test_an_untouched_store_passes(store: Prepared) -> None:
    report = await checked(store)
    assert report.findings == ()
    assert report.ok
    assert (report.tasks, report.effects, report.reviews, report.checkpoints) == (12, 8, 4, 4)
    [(records, last)] = await store.ask(
        "select (select count(*) from audit_records), (select root from audit_checkpoints order by size desc limit 1)"
    )
    assert (report.records, report.root, report.pending, report.erased) == (records, bytes(last).hex(), 0, 0)


async def test_an_empty_store_passes(postgres_server: EmbeddedPostgres, database_url: str) -> None:
    async with opened(await prepare(postgres_server.data_dir, database_url)) as prepared:
        report = await checked(prepared)
    assert (report.ok, report.records, report.checkpoints, report.tasks) == (True, 0, 0, 0)


async def test_what_is_pending_is_sequenced_and_signed_first(store: Prepared) -> None:
    writers = Writers(store)
    await writers.end(await writers.accept(), output=1)
    report = await checked(store)
    assert (report.ok, report.pending, report.checkpoints) == (True, 0, 5)


DONE = "(select id from tasks where tenant = 'acme' and output::text = '{\"decision\":\"approved\"}')"
TAMPERINGS = {
    "an effect's value": (
        f'update effects set value = \'{{"total":"99.30"}}\' where seq = 1 and task_id = {DONE}',
        "the content is what the leaf commits to",
    ),
    "an effect's value, with the same meaning": (
        f'update effects set value = \'{{"total": "12.30"}}\' where seq = 1 and task_id = {DONE}',
        "the content is what the leaf commits to",
    ),
    "an effect's name": ("update effects set name = 'read' where seq = 1", "the input's digest is that of the input"),
    "an effect's place": (
        f"update effects set seq = 7 where seq = 2 and task_id = {DONE}",
        "sequence, kind and status are those of the leaf",
    ),
    "a deleted journal row": (
        f"delete from effects where seq = 1 and task_id = {DONE}",
        "an effect with a leaf is in the journal",
    ),
    "an invented journal row": (
        "insert into effects select tenant, task_id, 2, effect_id, seq, kind, name, target, input_digest, input, input_ref, status,"
        " value, value_ref, error, decision, meta, salt, epoch, started_at, recorded_at from effects where tenant = 'acme'",
        "an effect has one leaf",
    ),
    "a journal row of no task": ("update effects set task_id = 'task_zzz' where seq = 2", "an effect's task is there"),
    "a deleted opening": ("delete from openings", "an opening with a leaf is there"),
    "an invented opening": (
        "insert into openings (tenant, task_id, generation, effect_id, kind, name, input_digest, epoch)"
        " select tenant, task_id, 2, effect_id, kind, name, input_digest, 1 from openings",
        "an opening has one leaf",
    ),
    "a task's state": (
        "update tasks set state = 'succeeded', output = error, error = null where state = 'failed'",
        "the state follows from its latest leaf",
    ),
    "a failure that was taken back": (
        "update tasks set state = 'waiting', error = null where state = 'failed'",
        "the state follows from its latest leaf",
    ),
    "a wait that ended": (
        "update tasks set state = 'succeeded' where state = 'waiting'",
        "follows from its latest leaf",
    ),
    "a block that was lifted": (
        "update tasks set state = 'waiting', error = null where state = 'blocked'",
        "follows from its latest leaf",
    ),
    "a generation": ("update tasks set generation = 2 where state = 'succeeded'", "the generation is that of its"),
    "a task's output": (
        f'update tasks set output = \'{{"decision":"rejected"}}\' where id = {DONE}',
        "output and error are what the leaf commits to",
    ),
    "an output that was moved elsewhere": (
        "update tasks set output_ref = 'tenants/other' where output_ref is not null",
        "output and error are what the leaf commits to",
    ),
    "a task's error": (
        "update tasks set error = '{}' where state = 'blocked'",
        "output and error are what the leaf commits to",
    ),
    "an output before the end": ("update tasks set output = '1' where state = 'waiting'", "a result has a leaf"),
    "a task's input": ("update tasks set input = '{}'", "the input is what the leaf commits to"),
    "who submitted": ("update tasks set submitted_by = 'user:eve'", "the input is what the leaf commits to"),
    "a deleted task": (f"delete from tasks where id = {DONE}", "a task with leaves is there"),
    "an invented task": (
        "insert into tasks (tenant, id, automation, automation_version, correlation_id, subject, submitted_by)"
        " values ('acme', 'task_0', 'a', '1', 'c', 'person:lim', 'user:eve')",
        "a task has one leaf of its acceptance",
    ),
    "an answer": (
        "update reviews set answer = replace(answer::text, '12.30', '92.30')::json where answer is not null",
        "the answer is what the leaf commits to",
    ),
    "who answered": ("update reviews set answered_by = 'user:eve' where answer is not null", "who answered is who"),
    "an answer that was taken away": (
        "update reviews set state = 'open', answer = null, answered_by = null",
        "the state follows from its latest leaf",
    ),
    "an answer that nobody gave": (
        "update reviews set state = 'answered', answer = '{}' where state = 'open'",
        "the state follows from its latest leaf",
    ),
    "the question of a review": (
        'update reviews set request = \'{"title": "other"}\'',
        "the question is what the leaf commits to",
    ),
    "whom a review is about": ("update reviews set subject = 'user:eve'", "the question is what the leaf commits to"),
    "a review's deadline": ("update reviews set deadline = time_now()", "the question is what the leaf commits to"),
    "who asked for a review": ("update reviews set task_submitted_by = 'x'", "the question is what the leaf commits"),
    "a review's role": ("update reviews set role = 'clerk'", "the role is the one that it was given to last"),
    "a deleted line of history": (
        "delete from review_events where kind = 'opened'",
        "the history is that of the leaves",
    ),
    "another verdict in the history": (
        "update review_events set data = '{\"verdict\": \"reject\"}' where kind = 'answered'",
        "the history is that of the leaves",
    ),
    "an invented line of history": (
        "insert into review_events (tenant, review_id, kind, by_whom) select tenant, id, 'claimed', 'user:eve' from reviews",
        "the history is that of the leaves",
    ),
    "labels": ('update tasks set labels = \'{"team": "x"}\'', "labels, priority, deadline and callback"),
    "a callback": ("update tasks set callback_url = 'https://eve.example'", "labels, priority, deadline and callback"),
    "a task's deadline": ("update tasks set deadline = time_now()", "labels, priority, deadline and callback"),
    "a task's priority": ("update tasks set priority = 9", "labels, priority, deadline and callback"),
    "a cut that nobody asked for": (
        "insert into journal_cuts (tenant, task_id, generation, from_seq, requested_by) select tenant, id, 2, 1, 'x' from tasks",
        "the journal is cut where its retries say",
    ),
    "a deleted review": ("delete from reviews", "a review with leaves is there"),
    "an invented review": (
        "update reviews set id = 'rev_0' where state = 'open'",
        "a review has one leaf of its opening",
    ),
    "a leaf's text": (
        "update audit_records set leaf = replace(leaf, 'succeeded', 'cancelled')",
        "the leaf's hash is that of its text",
    ),
    "a leaf's text and hash": (
        "update audit_records set leaf = leaf || ' ' where id = 3; update audit_positions p set leaf_hash ="
        " sha256('\\x00'::bytea || convert_to(r.leaf, 'UTF8')) from audit_records r where r.id = p.record_id",
        "the root is that of the tree",
    ),
    "a leaf that cannot be read": ("update audit_records set leaf = '[1' where id = 4", "the leaf can be read"),
    "a leaf that is no object": ("update audit_records set leaf = '7' where id = 4", "the leaf can be read"),
    "a record of another task": (
        "update audit_records set task_id = 'task_0' where id = 2",
        "the leaf's tenant and task",
    ),
    "a record of another tenant": (
        "update audit_records set tenant = 'zeta' where id = 2",
        "the leaf's tenant and task",
    ),
    "a position of another tenant": (
        "update audit_positions set tenant = 'zeta' where position = 1",
        "record's tenant",
    ),
    "a deleted record": ("delete from audit_records where id = 5", "its record is there"),
    "swapped positions": (
        "update audit_positions set record_id = -record_id where record_id in (2, 3);"
        " update audit_positions set record_id = 5 + record_id where record_id < 0",
        "the leaf's hash is that of its text",
    ),
    "wholly swapped positions": (
        "update audit_positions set position = -position where position in (1, 2);"
        " update audit_positions set position = 3 + position where position < 0",
        "the root is that of the tree",
    ),
    "a deleted position": ("delete from audit_positions where position = 2", "positions follow one another"),
    "a log cut at its end": (
        "delete from audit_positions where position > 20; delete from audit_records where id > 21",
        "the log can be continued",
    ),
    "a checkpoint's root": (
        "update audit_checkpoints set root = sha256('x') where size = (select min(size) from audit_checkpoints)",
        "the root is that of the tree",
    ),
    "the last checkpoint's root": (
        "update audit_checkpoints set root = sha256('x') where size = (select max(size) from audit_checkpoints)",
        "the root is that of the tree",
    ),
    "a checkpoint's frontier": (
        "update audit_checkpoints set frontier = set_byte(frontier, 10, get_byte(frontier, 10) # 1)",
        "the frontier is that of the tree",
    ),
    "a checkpoint's note": ("update audit_checkpoints set note = replace(note, 'A', 'B')", "signed"),
    "a checkpoint's size": ("update audit_checkpoints set size = size + 1000", "the log can be continued"),
    "a document's digest": (
        "update documents set sha256 = repeat('0', 64)",
        "the document is what the leaf commits to",
    ),
    "a document's file, exchanged for another one": (
        "update documents d set object_key = (select o.object_key from documents o where o.tenant <> d.tenant)",
        "the file is the document's",
    ),
    "a document's file that is gone": ("update documents set object_key = 'nowhere'", "the document's file is there"),
    "a document's name": ("update documents set filename = 'other.pdf'", "the document is what the leaf commits to"),
    "a document's size": ("update documents set size_bytes = 1", "the document's size is that of the leaf"),
    "a deleted document": ("delete from documents where tenant = 'acme'", "a document with a leaf is there"),
    "an invented document": (
        "insert into documents select tenant, 'doc_0', sha256, filename, media_type, size_bytes, pages, object_key, created_by, created_at"
        " from documents",
        "a document has one leaf",
    ),
    "raised roles": ("update api_keys set roles = '{owner}' where user_id = 'user:mei'", "the key's roles"),
    "a raised limit": ("update api_keys set approval_limit = null", "the key's approval_limit"),
    "a longer life of a key": ("update api_keys set expires_at = null", "the key's expires_at"),
    "a key of another person": (
        "update api_keys set user_id = 'user:bo' where user_id = 'user:mei'",
        "the key is whose the leaf commits to",
    ),
    "a key that was given back": ("update api_keys set revoked_at = null", "the key is revoked as the log says"),
    "an invented API key": (
        "insert into api_keys select tenant, 'planted' || tenant, sha256(key_hash), name, user_id, '{owner}', null, created_by, created_at"
        " from api_keys where user_id = 'user:mei'",
        "an API key has one leaf",
    ),
    "a deleted API key": ("delete from api_keys where user_id = 'user:old'", "an API key with a leaf is there"),
    "an erasure that nobody recorded": (
        "update subject_keys set wrapped_key = null where subject = 'person:lim'",
        "the subject's key is there, or was erased",
    ),
    "a deleted key": ("delete from subject_keys", "the subject's key is there, or was erased"),
    "a changed key": (
        "update subject_keys set wrapped_key = set_byte(wrapped_key, 20, get_byte(wrapped_key, 20) # 1)",
        "the subject's key opens under the master key",
    ),
}


@pytest.mark.parametrize("name", TAMPERINGS)
async def test_tampering_is_found(store: Prepared, name: str) -> None:
    statements, finding = TAMPERINGS[name]
    await store.tamper(*statements.split(";"))
    report = await checked(store)
    assert not report.ok
    assert any(finding in found.what for found in report.findings), report.findings


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ("delete from audit_records where id = (select max(id) from audit_records)", "its record is there"),
        ("delete from audit_pending", "it has a position or waits for one"),
        (
            "delete from audit_pending; delete from audit_records where id = (select max(id) from audit_records)",
            "the state follows from its latest leaf",
        ),
    ],
)
async def test_a_record_that_is_removed_before_it_is_sequenced_is_missed(
    store: Prepared, statement: str, finding: str
) -> None:
    writers = Writers(store)
    await writers.end(await writers.accept(), output=1)
    await store.tamper(*statement.split(";"))
    report = await checked(store)
    assert any(finding in found.what for found in report.findings), report.findings


COVERED = {
    "effects": "seq kind name target input_digest input input_ref status value value_ref meta salt task_id effect_id generation",
    "tasks": "state generation automation automation_version correlation_id submitted_by input output output_ref error commit_salt",
    "reviews": "task_id state answer answer_salt answered_by request role automation name task_submitted_by",
    "review_events": "kind by_whom data",
    "openings": "task_id generation effect_id kind",
    "audit_records": "leaf tenant task_id",
    "audit_positions": "position leaf_hash record_id tenant",
    "audit_checkpoints": "size root frontier note",
    "subject_keys": "wrapped_key",
    "documents": "id sha256 filename media_type size_bytes object_key",
    "api_keys": "id name user_id approval_limit",
    "accounts": "id ref name approval_limit password_hash",
}


async def test_one_changed_byte_anywhere_is_found(store: Prepared) -> None:
    """Every column that a leaf or a checkpoint covers, in a random row, a random byte of it."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    assert (await checked(store)).ok
    for table, columns in COVERED.items():
        for column in columns.split():
            await _change_one_byte(store, chance, table, column)
    assert (await checked(store)).ok


@pytest.mark.parametrize("kind", ["document.stored", "key.created", "task.accepted", "effect"])
@pytest.mark.parametrize("broken", ["""replace(leaf, '","', '""')""", "'[' || leaf || ']'", "leaf || 'x'"])
async def test_a_leaf_that_nobody_can_read_any_more_is_a_finding(store: Prepared, kind: str, broken: str) -> None:
    marked = f"""strpos(leaf, '"kind":"{kind}"') > 0"""
    [(record,)] = await store.ask(f"select min(id) from audit_records where {marked}")
    await store.tamper(f"update audit_records set leaf = {broken} where id = {record}")
    assert not (await checked(store)).ok


async def _change_one_byte(store: Prepared, chance: random.Random, table: str, column: str) -> None:
    # What the input's digest is made of is checked where the input stands in the row.
    digested = table == "effects" and column in ("name", "target", "input_digest")
    where = "input is not null" if digested else f"{column} is not null"
    rows = await store.ask(
        f"select ctid::text, {column}::text, pg_typeof({column})::text from {table} where {where} order by ctid"
    )
    place, text, kind = chance.choice(rows)
    changed = _changed(chance, text, kind)
    async with await psycopg.AsyncConnection.connect(store.owner_url, autocommit=True) as conn:
        await conn.execute("set search_path = interlock")
        await conn.execute("set session_replication_role = replica")
        cursor = await conn.execute(
            f"update {table} set {column} = %s::{kind} where ctid = %s::tid returning ctid::text".encode(),
            (changed, place),
        )
        [(moved,)] = await cursor.fetchall()
        report = await checked(store)
        assert not report.ok, f"{table}.{column}: {text!r} became {changed!r} unnoticed"
        await conn.execute(f"update {table} set {column} = %s::{kind} where ctid = %s::tid".encode(), (text, moved))


def _changed(chance: random.Random, text: str, kind: str) -> str:
    """Change one byte, so that the column's type still takes it."""
    if kind in ("integer", "bigint", "numeric"):
        return str(int(float(text)) ^ 1 << chance.randrange(20, 28))
    letters = "0123456789abcdef" if kind == "bytea" else "0123456789xyz"
    while True:
        at = chance.randrange(2 if kind == "bytea" else 0, len(text))
        changed = text[:at] + chance.choice(letters) + text[at + 1 :]
        if changed != text and (kind != "json" or _is_json(changed)):
            return changed


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


async def test_an_erased_key_is_counted_and_not_held_against_the_store(store: Prepared) -> None:
    await store.tamper(
        "update subject_keys set wrapped_key = null, erased_at = time_now() where subject = 'person:lim'"
    )
    report = await checked(store)
    # In each tenant: the input, the output, two effects, a question, its answer and two lines of its history.
    assert (report.ok, report.erased) == (True, 16)


async def test_another_key_convicts_every_checkpoint(store: Prepared) -> None:
    other = Ed25519PrivateKey.generate().public_key()
    report = await verify(store.app, store.relay, store.audit_log(), KEYS, other)
    assert [found.what for found in report.findings] == ["it is signed"] * 4


async def test_another_master_key_opens_nothing(store: Prepared) -> None:
    report = await verify(
        store.app, store.relay, store.audit_log(), audit.SubjectKeys(bytes(32)), SIGNING_KEY.public_key()
    )
    assert {found.what for found in report.findings} == {"the subject's key opens under the master key"}


async def test_findings_are_capped_and_all_counted(store: Prepared) -> None:
    async with store.app.tenant(TENANT) as conn:
        for number in range(FINDINGS_MAX + 20):
            leaf = audit.leaf(
                "effect", tenant=TENANT, at=datetime.now(UTC), facts={"task": f"t{number}", "effect": "/x"}
            )
            await log(conn, tenant=TENANT, task_id=f"t{number}", leaf=leaf)
    report = await checked(store)
    assert (len(report.findings), report.findings_total) == (FINDINGS_MAX, 2 * (FINDINGS_MAX + 20))


async def test_it_passes_while_others_write(store: Prepared) -> None:
    writers, stop = Writers(store), asyncio.Event()

    async def write() -> int:
        count = 0
        while not stop.is_set():
            task = await writers.accept()
            await writers.effect(task, "read-receipt", 1, {"n": count})
            await writers.effect(task, "post", 2, {"n": count}, opened=True)
            await writers.end(task, output={"n": count})
            count += 1
        return count

    async def sequence() -> None:
        audit_log = store.audit_log()
        while not stop.is_set():
            await audit_log.sequence(10)
            await audit_log.checkpoint()
            await asyncio.sleep(0)

    running = [asyncio.create_task(write()), asyncio.create_task(write()), asyncio.create_task(sequence())]
    reports = [await checked(store) for _ in range(8)]
    stop.set()
    written = await asyncio.gather(*running)
    assert [report.findings for report in reports] == [()] * 8
    assert reports[-1].tasks > reports[0].tasks
    assert sum(n for n in written if n) > 0


async def test_a_retried_task_and_a_cancelled_one_pass(store: Prepared) -> None:
    writers = Writers(store)
    task = await writers.accept()
    await writers.effect(task, "read-receipt", 1, None)
    await writers.end(task, State.FAILED)
    async with store.app.tenant(TENANT) as conn:
        await conn.execute(
            "update tasks set generation = 2, error = null, ended_at = null, state = 'accepted' where id = %s",
            (task.info.id,),
        )
        await conn.execute(
            "insert into journal_cuts (tenant, task_id, generation, from_seq, requested_by) values ('acme', %s, 2, 1, 'x')",
            (task.info.id,),
        )
        facts = {"task": task.info.id, "generation": 2, "state": "accepted", "from_seq": 1}
        leaf = audit.leaf("task.retried", tenant=TENANT, at=datetime.now(UTC), facts=facts)
        await log(conn, tenant=TENANT, task_id=task.info.id, leaf=leaf)
    assert (await checked(store)).ok
    again = replace(task, generation=2)
    await writers.effect(again, "read-receipt", 2, {"total": "1.00"})
    await writers.end(again, State.CANCELLED)
    assert (await checked(store)).ok
    for change in ("update journal_cuts set from_seq = 2", "delete from journal_cuts"):
        await store.tamper(change)
        report = await checked(store)
        assert [found.what for found in report.findings] == ["the journal is cut where its retries say"]


LAST = "(select max(size) from audit_checkpoints)"


@pytest.mark.parametrize(
    "statements",
    [
        "delete from audit_checkpoints",
        f"delete from audit_checkpoints where size = {LAST}",
        f"delete from audit_checkpoints where size = {LAST}; delete from audit_positions where position >= {LAST};"
        " delete from audit_records r where not exists (select from audit_positions p where p.record_id = r.id)",
    ],
    ids=["all", "the last", "the last with its records"],
)
async def test_deleted_checkpoints_are_missed_where_one_is_kept_outside(
    store: Prepared, tmp_path: Path, statements: str
) -> None:
    store.kept = tmp_path / "audit" / "last-checkpoint"
    writers = Writers(store)
    await writers.end(await writers.accept(), output=1)
    assert (await checked(store)).ok
    assert (await checked(store)).ok
    assert stat.S_IMODE(store.kept.stat().st_mode) == 0o600
    await store.tamper(*statements.split(";"))
    # However often it is asked, and with a relay that goes on: nothing is signed over the loss.
    for _ in range(2):
        with pytest.raises(AuditBroken, match="is not among those of the database"):
            await store.audit_log().checkpoint()
        report = await checked(store)
        assert "the log can be continued" in {found.what for found in report.findings}


async def test_a_kept_checkpoint_that_nobody_signed_is_a_finding(store: Prepared, tmp_path: Path) -> None:
    store.kept = tmp_path / "last-checkpoint"
    for forged in (b"interlock.test/log\n1\nAAAA\n", b"\xff", b""):
        store.kept.write_bytes(forged)
        assert [found.what for found in (await checked(store)).findings][:1] == ["the log can be continued"]


async def test_a_database_that_is_away_is_no_verdict(store: Prepared, tmp_path: Path) -> None:
    away = Database(f"postgresql:///none?host={tmp_path}", size=1, wait_s=0.2)
    await away.open()
    with pytest.raises(Unavailable):
        await verify(away, store.relay, store.audit_log(), KEYS, SIGNING_KEY.public_key())
    await away.close()
