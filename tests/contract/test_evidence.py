"""Evidence packs: verified by a process without Interlock, and every change to one is found, with the place."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contract.prepared_database import SIGNING_KEY, TENANT, Prepared, Writers, opened, prepare
from tests.contract.test_audit_proofs import grow
from tests.contract.test_audit_witnesses import file_witness, timestamps, witnessing
from tests.contract.time_stamping import time_stamping_authority

from interlock.domain.errors import NotFound, TooLarge
from interlock.governance import checkpoints, merkle, pack_verifier
from interlock.governance.audit_records import Filter
from interlock.governance.decide import Bundle
from interlock.governance.evidence import Evidence, Materials
from interlock.governance.pack_container import Container
from interlock.governance.pack_reader import Broken, Pack
from interlock.infra.embedded_postgres import EmbeddedPostgres
from interlock.orchestration.store import log

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio(loop_scope="module")]
KEY = checkpoints.verifier_key("interlock.test", SIGNING_KEY.public_key())
BUNDLE = Bundle.load([])
EVERYTHING = Filter()


@dataclass(kw_only=True)
class Packed:
    """A store with records of two tenants, a rotated key and two witnesses; `whole` is a pack of one tenant's."""

    prepared: Prepared
    task: str
    roots: bytes
    whole: bytes

    async def pack(self, matching: Filter = EVERYTHING, *, tenant: str = TENANT, records_max: int = 10_000) -> bytes:
        ring = self.prepared.audit_log().ring()
        evidence = Evidence(self.prepared.app, ring, records_max=records_max)
        materials = Materials(
            policies={BUNDLE.version: BUNDLE.rules.sources},
            models={("expenses", "reader.toml"): "name = 'reader'\n"},
            tsa_roots=self.roots,
        )
        out = io.BytesIO()
        await evidence.write(tenant, matching, materials, at=self.prepared.clock.now(), out=out)
        return out.getvalue()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def packed(
    postgres_server: EmbeddedPostgres, make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Packed]:
    folder = tmp_path_factory.mktemp("evidence")
    async with opened(await prepare(postgres_server.data_dir, make_database())) as prepared:
        await prepared.add_tenant()
        await prepared.add_tenant("zeta")
        with time_stamping_authority(folder / "tsa") as authority:
            async with timestamps(authority) as stamps:
                seeing = witnessing(prepared, folder, file_witness(folder), stamps)
                await grow(prepared, 150)
                await seeing.once()
                await prepared.audit_log().rotate_key(tenant=TENANT, at=prepared.clock.now())
                task = ""
                for tenant in ("zeta", TENANT, "zeta"):
                    writers = Writers(prepared, tenant=tenant)
                    claimed = await writers.accept(subject="user:lim")
                    await writers.effect(claimed, "read", 1, {"total": "1"})
                    await writers.end(claimed, output=1)
                    task = claimed.info.id if tenant == TENANT else task
                decided = {"kind": "effect", "at": "2026-03-02T00:00:00.000000Z", "tenant": TENANT}
                async with prepared.app.tenant(TENANT) as conn:
                    for version in (BUNDLE.version, "0" * 64):
                        leaf = json.dumps({**decided, "policy_version": version}, sort_keys=True, separators=(",", ":"))
                        await log(conn, tenant=TENANT, task_id=None, leaf=leaf)
                await prepared.audit_log().sequence()
                await prepared.audit_log().checkpoint()
                await seeing.once()
                await grow(prepared, 300)
            roots = authority.roots.read_bytes()
        result = Packed(prepared=prepared, task=task, roots=roots, whole=b"")
        result.whole = await result.pack()
        yield result


def verified(data: bytes, folder: Path, key: str | None = KEY) -> dict[str, object]:
    path = folder / "pack.zip"
    path.write_bytes(data)
    return pack_verifier.verify(path, key=key, tsa_roots=None)


def files_of(data: bytes) -> dict[str, bytes]:
    pack = Pack(io.BytesIO(data))
    return {name: pack.read(name) for name in pack.entries}


def rebuilt(files: dict[str, bytes], *, honest: bool = True) -> bytes:
    """Make a pack of files anew, as a forger can who has everything but the key: manifest and digests are made to fit."""
    if honest:
        manifest = json.loads(files["manifest.json"])
        manifest["files"] = [
            {"name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in files.items()
            if not name.startswith("manifest.")
        ]
        body = json.dumps(manifest).encode()
        files = {**files, "manifest.json": body, "manifest.sha256": hashlib.sha256(body).hexdigest().encode() + b"\n"}
    out = io.BytesIO()
    container = Container(out)
    for name, data in files.items():
        container.add(name, [data])
    container.close()
    return out.getvalue()


async def test_a_pack_verifies_in_a_process_without_interlock(packed: Packed, tmp_path: Path) -> None:
    path = tmp_path / "pack.zip"
    path.write_bytes(packed.whole)
    script = tmp_path / "verify.py"
    script.write_bytes(files_of(packed.whole)["verify.py"])
    block = "import sys; sys.modules['interlock'] = None; sys.argv[0:1] = []; import runpy; runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-I", "-c", block, str(script), str(path), "--key", KEY, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": os.environ["PATH"]}, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert (said["ok"], said["tenant"], said["checkpoint_size"], said["first"], said["last"]) == (
        True,
        TENANT,
        300,
        0,
        299,
    )
    assert [line.split(":")[0] for line in said["witnesses"]] == ["file", "file", "rfc3161", "rfc3161"]
    assert any("No witness in this pack saw positions" in warning for warning in said["warnings"])
    assert any("1 policy versions" in warning for warning in said["warnings"])
    assert "import interlock" not in script.read_text()
    assert "from interlock" not in script.read_text()
    path.write_bytes(packed.whole[:-1])
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": os.environ["PATH"]}, check=False)
    assert (done.returncode, json.loads(done.stdout)["ok"]) == (1, False)


async def test_another_key_is_not_believed(packed: Packed, tmp_path: Path) -> None:
    other = checkpoints.verifier_key("interlock.test", Ed25519PrivateKey.generate().public_key())
    with pytest.raises(Broken, match="not the key that was given"):
        verified(packed.whole, tmp_path, key=other)
    assert "--key" in str(verified(packed.whole, tmp_path, key=None)["warnings"])


async def test_a_pack_holds_what_matches_and_nothing_of_others(packed: Packed, tmp_path: Path) -> None:
    found = verified(await packed.pack(Filter(task=packed.task)), tmp_path)
    assert found["records"] == 3
    for matching in (Filter(correlation="c" * 32), Filter(automation="expenses"), Filter(person="user:lim")):
        assert verified(await packed.pack(matching), tmp_path)["records"] == 3
    assert verified(await packed.pack(tenant="zeta"), tmp_path)["records"] == 6
    files = files_of(packed.whole)
    assert b"zeta" not in files["records.txt"]
    assert files["model-cards/expenses/reader.toml"] == b"name = 'reader'\n"
    assert f"policies/{BUNDLE.version}/00.cedarschema" in files
    with pytest.raises(NotFound):
        await packed.pack(Filter(person="user:nobody"))
    with pytest.raises(TooLarge):
        await packed.pack(records_max=100)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
async def test_any_flipped_bit_is_found(packed: Packed, tmp_path: Path, place: float, bit: int) -> None:
    data = bytearray(packed.whole)
    data[int(place * len(data))] ^= 1 << bit
    with pytest.raises((Broken, ValueError, KeyError)):
        verified(bytes(data), tmp_path)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(length=st.floats(0, 1, exclude_max=True))
async def test_a_pack_that_was_cut_off_is_found(packed: Packed, tmp_path: Path, length: float) -> None:
    with pytest.raises((Broken, ValueError, KeyError)):
        verified(packed.whole[: int(length * len(packed.whole))], tmp_path)


def lines_changed(data: bytes, how: str, n: int) -> bytes:
    lines = data.split(b"\n")[:-1]
    if how == "drop":
        del lines[n]
    elif how == "swap":
        lines[n], lines[n + 1] = lines[n + 1], lines[n]
    elif how == "insert":
        lines.insert(n, lines[n])
    elif how == "truncate":
        del lines[n:]
    elif how == "text":
        place, hashed, leaf = lines[n].split(b" ", 2)
        lines[n] = b" ".join((place, hashed, leaf.replace(b'"at":"2026', b'"at":"2025')))
    return b"".join(line + b"\n" for line in lines)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(how=st.sampled_from(["drop", "swap", "insert", "truncate", "text"]), n=st.integers(1, 140), fits=st.booleans())
async def test_changed_records_are_found_and_the_position_is_named(
    packed: Packed, tmp_path: Path, how: str, n: int, fits: bool
) -> None:
    files = files_of(packed.whole)
    files["records.txt"] = lines_changed(files["records.txt"], how, n)
    with pytest.raises(Broken, match=rf"records\.txt.* {n}\b"):
        verified(rebuilt(files, honest=fits), tmp_path)


async def test_a_forger_who_makes_everything_fit_lacks_the_key(packed: Packed, tmp_path: Path) -> None:
    """Records and hashes, positions and manifest agree; what is left is the signed root."""
    files = files_of(packed.whole)
    lines = files["records.txt"].split(b"\n")
    place, _, leaf = lines[7].split(b" ", 2)
    leaf = leaf.replace(b'"at":"2026', b'"at":"2025')
    lines[7] = b"%s %s %s" % (place, merkle.leaf_hash(leaf).hex().encode(), leaf)
    with pytest.raises(Broken, match="tree over positions 0 to 299 is not the one that was signed"):
        verified(rebuilt({**files, "records.txt": b"\n".join(lines)}), tmp_path)
    manifest = json.loads(files["manifest.json"])
    manifest["positions"][0] = [1, manifest["positions"][0][1]]
    files["records.txt"] = lines_changed(files["records.txt"], "drop", 0)
    files["manifest.json"] = json.dumps(manifest).encode()
    with pytest.raises(Broken, match=r"nodes\.txt|tree over"):
        verified(rebuilt(files), tmp_path)


def without_introduction(text: str) -> str:
    said = json.loads(text)
    said["keys"][1]["introduction"] = None
    return json.dumps(said)


SPOILED: dict[str, tuple[Callable[[str], str] | None, str]] = {
    "checkpoint.txt": (lambda text: text.replace("300", "301"), "checkpoint"),
    "a fork": (None, "checkpoint.txt: its signature"),
    "nodes.txt": (lambda text: text + "00" * 32 + "\n", "nodes.txt: it has more hashes"),
    "nodes.txt, one less": (lambda text: text[65:], "nodes.txt|tree over"),
    "keys.json": (lambda text: text.replace('"from_size":151', '"from_size":150'), "introduc"),
    "keys.json, no introduction": (without_introduction, "key of that number"),
}


@pytest.mark.parametrize("name", SPOILED)
async def test_keys_nodes_and_checkpoints_are_held_against_each_other(
    packed: Packed, tmp_path: Path, name: str
) -> None:
    change, finding = SPOILED[name]
    files = files_of(packed.whole)
    file = name.partition(",")[0]
    if change is None:
        root = checkpoints.Checkpoint(origin="interlock.test/log", size=300, root=bytes(32))
        note = checkpoints.sign(root, "interlock.test", Ed25519PrivateKey.generate())
        files["checkpoint.txt"] = note.replace(
            note.split("— ")[1], files["checkpoint.txt"].decode().split("— ")[1]
        ).encode()
    else:
        before = files[file].decode()
        files[file] = change(before).encode()
        assert files[file].decode() != before
    with pytest.raises(Broken, match=finding):
        verified(rebuilt(files), tmp_path)


@pytest.mark.parametrize("field", ["note", "consistency", "statement", "size"])
@pytest.mark.parametrize("number", range(4))
async def test_witness_statements_are_checked(packed: Packed, tmp_path: Path, field: str, number: int) -> None:
    files = files_of(packed.whole)
    said = json.loads(files["witnesses.json"])
    other = said[number ^ 1]
    said[number][field] = other[field]
    files["witnesses.json"] = json.dumps(said).encode()
    with pytest.raises(Broken, match=rf"witnesses\.json, {said[number]['witness']} at"):
        verified(rebuilt(files), tmp_path)


async def test_a_timestamp_is_checked_to_the_byte(packed: Packed, tmp_path: Path) -> None:
    """What is signed, and the signature: a changed byte anywhere in either is found."""
    files = files_of(packed.whole)
    said = next(one for one in json.loads(files["witnesses.json"]) if one["kind"] == "rfc3161")
    statement = base64.b64decode(said["statement"])
    roots = x509.load_pem_x509_certificates(packed.roots)
    assert pack_verifier.check_timestamp(statement, said["note"].encode(), roots, "here").startswith("20")
    chance = random.Random(1)
    for place in chance.sample(range(len(statement)), 150):
        changed = bytearray(statement)
        changed[place] ^= 0x41
        try:
            time = pack_verifier.check_timestamp(bytes(changed), said["note"].encode(), roots, "here")
        except Broken:
            continue
        # Beside what is signed: status text, algorithm names that are not used.
        assert time == pack_verifier.check_timestamp(statement, said["note"].encode(), roots, "here")
    with pytest.raises(Broken, match="another checkpoint"):
        pack_verifier.check_timestamp(statement, b"another note", roots, "here")
    with pytest.raises(Broken, match="a root that is trusted"):
        pack_verifier.check_timestamp(statement, said["note"].encode(), [], "here")


async def test_another_policy_text_gives_another_version(packed: Packed, tmp_path: Path) -> None:
    files = files_of(packed.whole)
    name = next(name for name in files if name.endswith(".cedar"))
    files[name] += b"\n"
    with pytest.raises(Broken, match=f"policies/{BUNDLE.version}"):
        verified(rebuilt(files), tmp_path)


async def test_no_pack_is_made_of_a_log_that_was_tampered_with(packed: Packed, tmp_path: Path) -> None:
    await packed.prepared.tamper("update audit_records set leaf = leaf || ' ' where id = 20")
    try:
        with pytest.raises(Broken, match="tree over"):
            verified(await packed.pack(), tmp_path)
    finally:
        await packed.prepared.tamper("update audit_records set leaf = rtrim(leaf) where id = 20")
