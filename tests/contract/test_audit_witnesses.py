"""Witnesses: each sees what was signed, and `audit verify` finds what was cut off, rolled back or written anew, and says where."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.contract.prepared_database import KEYS, SIGNING_KEY, TENANT, Prepared, opened, prepare
from tests.contract.test_audit_proofs import grow
from tests.contract.time_stamping import Authority, time_stamping_authority

from interlock.data.objects import Objects
from interlock.domain.errors import AuditBroken, ConfigurationError, OutgoingRefused
from interlock.governance.findings import Report
from interlock.governance.verify import verify
from interlock.governance.witnesses import BucketWitness, FileWitness, TimestampWitness, Witness
from interlock.governance.witnessing import Witnessing
from interlock.infra.embedded_postgres import EmbeddedPostgres
from interlock.infra.http import GuardedClient
from interlock.infra.settings import Settings, load

pytestmark = pytest.mark.postgres
CUT = (
    "delete from audit_positions where position >= 6",
    "delete from audit_records where id > 6",
    "delete from audit_checkpoints where size > 6",
    "delete from audit_statements where size > 6",
)
ANEW = (
    "delete from audit_positions where position >= 6",
    "delete from audit_checkpoints where size > 6",
    "delete from audit_statements where size > 6",
    "update audit_records set leaf = replace(leaf, '2026-03', '2026-04') where id > 7",
    "insert into audit_pending (record_id, tenant) select id, tenant from audit_records where id > 6",
)


@pytest.fixture
async def prepared(postgres_server: EmbeddedPostgres, database_url: str) -> AsyncIterator[Prepared]:
    async with opened(await prepare(postgres_server.data_dir, database_url)) as result:
        await result.add_tenant()
        yield result


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    with time_stamping_authority(tmp_path_factory.mktemp("tsa")) as running:
        yield running


@asynccontextmanager
async def timestamps(authority: Authority, allow: tuple[str, ...] = ("127.0.0.1",)) -> AsyncIterator[TimestampWitness]:
    async with GuardedClient(allow, 10, 100_000) as client:
        yield TimestampWitness(authority.url, client, roots=authority.roots.read_bytes())


def file_witness(folder: Path) -> Witness:
    return FileWitness(folder / "elsewhere" / "log.jsonl")


def bucket_witness(folder: Path) -> Witness:
    return BucketWitness(Objects((folder / "bucket").as_uri()), origin="interlock.test/log")


KEEPERS = pytest.mark.parametrize("keeper", [file_witness, bucket_witness])
Keeper = Callable[[Path], Witness]


def witnessing(prepared: Prepared, folder: Path, *witnesses: Witness) -> Witnessing:
    return Witnessing(
        prepared.relay,
        prepared.audit_log(),
        witnesses,
        clock=prepared.clock,
        state=folder / "state.json",
        interval_s=0.0,
    )


async def checked(prepared: Prepared, *witnesses: Witness) -> Report:
    return await verify(
        prepared.app, prepared.relay, prepared.audit_log(), KEYS, SIGNING_KEY.public_key(), witnesses=witnesses
    )


async def seen_at(prepared: Prepared, folder: Path, *witnesses: Witness) -> Witnessing:
    """Let witnesses see the log at 6 and at 12 records."""
    seeing = witnessing(prepared, folder, *witnesses)
    for size in (6, 12):
        await grow(prepared, size)
        await seeing.once()
    return seeing


@KEEPERS
async def test_a_keeper_holds_what_was_signed(prepared: Prepared, tmp_path: Path, keeper: Keeper) -> None:
    witness = keeper(tmp_path)
    seeing = await seen_at(prepared, tmp_path, witness)
    await seeing.once()
    assert await witness.held() == [
        n for (n,) in await prepared.ask("select note from audit_checkpoints order by size")
    ]
    assert await prepared.ask("select witness, size from audit_statements order by 2") == [
        (witness.name, 6),
        (witness.name, 12),
    ]
    report = await checked(prepared, witness)
    assert (report.ok, report.witnessed, report.findings) == (True, 2, ())
    state = json.loads((tmp_path / "state.json").read_bytes())[witness.name]
    assert (state["size"], state["failures"], state["error"]) == (12, 0, None)
    await grow(prepared, 15)
    assert any("positions 12 to 14" in warning for warning in (await checked(prepared, witness)).warnings)


@KEEPERS
async def test_a_tail_that_was_cut_off_is_found(prepared: Prepared, tmp_path: Path, keeper: Keeper) -> None:
    witness = keeper(tmp_path)
    seeing = await seen_at(prepared, tmp_path, witness)
    await prepared.tamper(*CUT)
    assert (await checked(prepared)).ok  # nothing in the database tells
    report = await checked(prepared, witness)
    assert [(f.what, f.where) for f in report.findings] == [
        ("the log is as long as what a witness saw", f"witness {witness.name}: positions 6 to 11")
    ]
    # Whoever cut it goes on: the witness is handed nothing that contradicts what it saw.
    await grow(prepared, 8)
    await seeing.once()
    assert "cut off" in str(seeing.states[witness.name].error)
    assert len(await witness.held() or ()) == 2


@KEEPERS
async def test_a_log_that_was_written_anew_is_found(prepared: Prepared, tmp_path: Path, keeper: Keeper) -> None:
    witness = keeper(tmp_path)
    seeing = await seen_at(prepared, tmp_path, witness)
    await prepared.tamper(*ANEW)
    await grow(prepared, 14)
    assert (await checked(prepared)).ok
    report = await checked(prepared, witness)
    assert [(f.what, f.where) for f in report.findings] == [
        ("the log is the one that a witness saw", f"witness {witness.name}: positions 6 to 11")
    ]
    await seeing.once()
    assert "differs from what the witness saw" in str(seeing.states[witness.name].error)


@KEEPERS
async def test_what_a_keeper_lost_is_found(prepared: Prepared, tmp_path: Path, keeper: Keeper) -> None:
    await seen_at(prepared, tmp_path, keeper(tmp_path))
    for path in (*tmp_path.glob("elsewhere/*"), *tmp_path.glob("bucket/*/*12.note")):
        path.unlink()
    report = await checked(prepared, keeper(tmp_path))
    assert "the witness holds what it stated" in {found.what for found in report.findings}


async def test_a_bucket_never_replaces_what_it_holds(tmp_path: Path) -> None:
    witness = bucket_witness(tmp_path)
    await witness.state("origin\n5\nroot\n")
    await witness.state("origin\n5\nroot\n")
    with pytest.raises(AuditBroken, match="another checkpoint of size 5"):
        await witness.state("origin\n5\nother\n")
    assert await witness.held() == ["origin\n5\nroot\n"]


async def test_a_line_that_a_power_cut_left_unfinished_is_written_again(tmp_path: Path) -> None:
    witness = FileWitness(tmp_path / "log.jsonl")
    await witness.state("one")
    witness.path.write_bytes(witness.path.read_bytes() + b'{"note": "tw')
    assert await witness.held() == ["one"]
    await witness.state("two")
    await witness.state("two")
    assert await witness.held() == ["one", "two"]


@pytest.mark.parametrize("content", [b"nonsense\n", b'{"note": 7}\n', b"[]\n", b'{"note": "signed by nobody"}\n'])
async def test_a_witness_file_that_was_spoiled_is_found(prepared: Prepared, tmp_path: Path, content: bytes) -> None:
    await grow(prepared, 3)
    (tmp_path / "log.jsonl").write_bytes(content)
    witness = FileWitness(tmp_path / "log.jsonl")
    assert not (await checked(prepared, witness)).ok
    seeing = witnessing(prepared, tmp_path, witness)
    await seeing.once()
    assert seeing.states["file"].failures == 1


async def test_an_authority_dates_what_was_signed(prepared: Prepared, tmp_path: Path, authority: Authority) -> None:
    async with timestamps(authority) as witness:
        await seen_at(prepared, tmp_path, witness)
        report = await checked(prepared, witness)
        assert (report.ok, report.witnessed, report.findings) == (True, 2, ())
        await prepared.tamper("update audit_statements set statement = (select min(statement) from audit_statements)")
        report = await checked(prepared, witness)
        assert {found.what for found in report.findings} == {"the statement is the witness's, of this checkpoint"}


@pytest.mark.parametrize("place", ["20", "octet_length(statement) / 2", "octet_length(statement) - 3"])
async def test_a_timestamp_with_a_changed_byte_does_not_hold(
    prepared: Prepared, tmp_path: Path, authority: Authority, place: str
) -> None:
    async with timestamps(authority) as witness:
        await grow(prepared, 4)
        await witnessing(prepared, tmp_path, witness).once()
        flipped = f"set_byte(statement, {place}, get_byte(statement, {place}) # 1)"
        await prepared.tamper(f"update audit_statements set statement = {flipped}")
        report = await checked(prepared, witness)
        assert [found.where for found in report.findings] == ["witness rfc3161: checkpoint 4"]


async def test_an_authority_that_nobody_trusts_states_nothing(
    prepared: Prepared, tmp_path: Path, authority: Authority
) -> None:
    with time_stamping_authority(tmp_path / "other", "Other TSA") as other:
        await grow(prepared, 4)
        async with timestamps(Authority(url=other.url, roots=authority.roots)) as witness:
            seeing = witnessing(prepared, tmp_path, witness)
            await seeing.once()
    assert "does not hold" in str(seeing.states["rfc3161"].error)
    assert await prepared.ask("select 1 from audit_statements") == []


async def test_an_authority_is_called_through_the_guard(authority: Authority) -> None:
    async with timestamps(authority, allow=()) as witness:
        with pytest.raises(OutgoingRefused):
            await witness.state("note")


async def test_a_failing_witness_is_tried_again_and_keeps_no_other_back(
    prepared: Prepared, tmp_path: Path, authority: Authority
) -> None:
    await grow(prepared, 4)
    async with timestamps(authority) as stamps:
        seeing = witnessing(prepared, tmp_path, stamps, file_witness(tmp_path))
        authority.failing = True
        try:
            await seeing.once()
            await seeing.once()
        finally:
            authority.failing = False
        assert (seeing.states["rfc3161"].failures, seeing.states["file"].size) == (2, 4)
        state = json.loads((tmp_path / "state.json").read_bytes())["rfc3161"]
        assert "503" in state["error"]
        await seeing.once()
        assert (seeing.states["rfc3161"].failures, seeing.states["rfc3161"].size) == (0, 4)


async def test_it_is_said_where_no_witness_is_set_and_what_a_file_does_not_prove(
    prepared: Prepared, tmp_path: Path
) -> None:
    await seen_at(prepared, tmp_path, file_witness(tmp_path))
    assert any("No witness is set" in warning for warning in (await checked(prepared)).warnings)
    assert any("was not checked" in w or "were not checked" in w for w in (await checked(prepared)).warnings)
    report = await checked(prepared, file_witness(tmp_path))
    assert any("on this machine and belongs to this user" in warning for warning in report.warnings)


async def test_witnesses_go_on_over_a_rotated_key(prepared: Prepared, tmp_path: Path) -> None:
    witness = file_witness(tmp_path)
    await seen_at(prepared, tmp_path, witness)
    await prepared.audit_log().rotate_key(tenant=TENANT, at=prepared.clock.now())
    await grow(prepared, 20)
    await witnessing(prepared, tmp_path, witness).once()
    report = await checked(prepared, witness)
    assert (report.ok, report.witnessed) == (True, 3)


def test_the_witness_file_lies_outside_of_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    data = tmp_path / "data"
    assert Settings(data_dir=data).witness_file("log") == tmp_path / "state/interlock/witness/log.jsonl"
    assert Settings(data_dir=data, audit_witness_file="off").witness_file("log") is None
    assert Settings(data_dir=data, database_url="postgresql://x/y").witness_file("log") is None
    assert Settings(data_dir=data, audit_witness_file=str(tmp_path / "w")).witness_file("log") == tmp_path / "w"
    with pytest.raises(ConfigurationError, match="lies in the data folder"):
        Settings(data_dir=data, audit_witness_file=str(data / "w")).witness_file("log")
    with pytest.raises(ConfigurationError, match="belong together"):
        load({}, data_dir=data, audit_tsa_url="https://tsa.example")
