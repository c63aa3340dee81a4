"""Evidence packs: verified by a process without Interlock, and every change to one is found, with the place."""

from __future__ import annotations

import base64
import copy
import hashlib
import io
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from interlock.governance.audit_keys import PrivateKeys
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
        private_keys = PrivateKeys(SIGNING_KEY, bytes(32))
        evidence = Evidence(self.prepared.app, ring, private_keys, records_max=records_max)
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


def verified(data: bytes, folder: Path, key: str | None = KEY, *, unsigned: bool = False) -> dict[str, object]:
    path = folder / "pack.zip"
    path.write_bytes(data)
    return pack_verifier.verify(path, key=key, tsa_roots=None, unsigned=unsigned)


def forged(files: dict[str, bytes], folder: Path, *, honest: bool = True, key: str | None = KEY) -> dict[str, object]:
    """Verify a pack made anew, taking it without a signature: what a forger without the key is left with is to be found all the same."""
    return verified(rebuilt(files, honest=honest), folder, key, unsigned=True)


def files_of(data: bytes) -> dict[str, bytes]:
    pack = Pack(io.BytesIO(data))
    return {name: pack.read(name) for name in pack.entries}


def rebuilt(files: dict[str, bytes], *, honest: bool = True) -> bytes:
    """Make a pack of files anew, as a forger can who has everything but the key: manifest and digests are made to fit, as of an early version."""
    if honest:
        files = {name: data for name, data in files.items() if name != "manifest.note"}
        manifest = {**json.loads(files["manifest.json"]), "v": 1}
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


async def test_a_part_is_not_told_as_the_whole(
    packed: Packed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "pack.zip"
    for matching, told in (
        (Filter(), "everything that the tenant had then"), (Filter(task=packed.task), f"records with task {packed.task} only"),
    ):  # fmt: skip
        path.write_bytes(await packed.pack(matching))
        assert pack_verifier.main([str(path), "--key", KEY]) == 0
        said = capsys.readouterr().out
        assert f"  of {told}\n" in said
        manifest = json.loads(files_of(path.read_bytes())["manifest.json"])
        assert f"  made at {manifest['made_at']}: " in said


def container(files: dict[str, bytes]) -> bytes:
    return rebuilt(files, honest=False)


async def test_every_file_is_under_the_signature(packed: Packed, tmp_path: Path) -> None:
    """Changed, added or taken away, with a manifest that was made to fit or not: the file or the signature is named."""
    files = files_of(packed.whole)
    assert verified(packed.whole, tmp_path)["signed"] is True
    assert container(files) == packed.whole
    for name in files:
        without = {n: d for n, d in files.items() if n != name}
        with pytest.raises(Broken, match=re.escape(name)):
            verified(container(without), tmp_path)
        with pytest.raises(Broken, match=re.escape(name) if name != "manifest.note" else "signature|signed"):
            verified(container({**files, name: files[name] + b"x"}), tmp_path)
    with pytest.raises(Broken, match=r"model-cards/expenses/other\.md: the manifest does not list it"):
        verified(container({**files, "model-cards/expenses/other.md": b"x"}), tmp_path)
    # The manifest fits; the note is of the old one, of another text, or by a key that the log does not know.
    manifest = json.loads(files["manifest.json"])
    card = next(one for one in manifest["files"] if one["name"] == "model-cards/expenses/reader.toml")
    card.update(bytes=1, sha256=hashlib.sha256(b"x").hexdigest())
    body = json.dumps(manifest).encode()
    changed = {**files, "model-cards/expenses/reader.toml": b"x", "manifest.json": body}
    with pytest.raises(Broken, match=r"manifest\.json: it has another SHA-256 than manifest\.note says"):
        verified(container(changed), tmp_path)
    old, new = hashlib.sha256(files["manifest.json"]).hexdigest(), hashlib.sha256(body).hexdigest()
    note = files["manifest.note"].decode()
    with pytest.raises(Broken, match=r"manifest\.note: its signature by .* does not hold"):
        verified(container({**changed, "manifest.note": note.replace(old, new).encode()}), tmp_path)
    text = note.partition("\n\n")[0].replace(old, new) + "\n"
    by_another = checkpoints.sign_text(text, "interlock.test", Ed25519PrivateKey.generate())
    by_the_first = checkpoints.sign_text(text, "interlock.test", SIGNING_KEY)  # retired: it signs no packs any more
    for stolen in (by_another, by_the_first):
        with pytest.raises(Broken, match=r"manifest\.note: it is not signed by"):
            verified(container({**changed, "manifest.note": stolen.encode()}), tmp_path)


async def test_a_pack_without_a_signature_is_taken_only_where_that_is_asked_for(packed: Packed, tmp_path: Path) -> None:
    early = rebuilt(files_of(packed.whole))
    with pytest.raises(Broken, match=r"manifest\.note: it is not there.*--unsigned"):
        verified(early, tmp_path)
    found = verified(early, tmp_path, unsigned=True)
    assert (found["signed"], found["records"]) == (False, 300 - 6)
    assert "not signed" in str(found["warnings"])


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
        forged(files, tmp_path, honest=fits)


async def test_a_forger_who_makes_everything_fit_lacks_the_key(packed: Packed, tmp_path: Path) -> None:
    """Records and hashes, positions and manifest agree; what is left is the signed root."""
    files = files_of(packed.whole)
    lines = files["records.txt"].split(b"\n")
    place, _, leaf = lines[7].split(b" ", 2)
    leaf = leaf.replace(b'"at":"2026', b'"at":"2025')
    lines[7] = b"%s %s %s" % (place, merkle.leaf_hash(leaf).hex().encode(), leaf)
    with pytest.raises(Broken, match="tree over positions 0 to 299 is not the one that was signed"):
        forged({**files, "records.txt": b"\n".join(lines)}, tmp_path)
    manifest = json.loads(files["manifest.json"])
    manifest["positions"][0] = [1, manifest["positions"][0][1]]
    manifest["records"] -= 1
    files["records.txt"] = lines_changed(files["records.txt"], "drop", 0)
    files["manifest.json"] = json.dumps(manifest).encode()
    with pytest.raises(Broken, match=r"nodes\.txt|tree over"):
        forged(files, tmp_path)


async def test_no_record_stands_beside_the_tree(packed: Packed, tmp_path: Path) -> None:
    """Positions that do not go up made a second tree, of which nobody looked at the root: whatever was in it was taken for a record."""
    files = files_of(packed.whole)
    leaf = json.dumps({"at": "2026-03-02T00:00:00.000000Z", "kind": "review.answered", "tenant": TENANT}).encode()
    files["records.txt"] += b"0 %s %s\n" % (merkle.leaf_hash(leaf).hex().encode(), leaf)
    files["nodes.txt"] += b"%s\n" % (b"00" * 32) * 9
    for second in ([0, 1], [-1, 1], [5, 5], ["0", 1], [0, True], [0.0, 1]):
        manifest = json.loads(files["manifest.json"])
        manifest["positions"].append(second)
        manifest["records"] += 1
        with pytest.raises(Broken, match=r"manifest\.json: its positions do not go up"):
            forged({**files, "manifest.json": json.dumps(manifest).encode()}, tmp_path)
    lines = [line.split(b" ", 2) for line in files["records.txt"].split(b"\n")[:-1]]
    positions, leaves = [int(line[0]) for line in lines], [merkle.leaf_hash(line[2]) for line in lines]
    with pytest.raises(ValueError, match="too many values"):
        pack_verifier.tree_root(Pack(io.BytesIO(rebuilt(files))), positions, leaves, 300)


DEEP = b"[" * 100_000 + b"]" * 100_000
ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    2**70,
    1e400,
    "",
    "\ud800",
    "\x1b[2K\rOK: 1 records",
    "9" * 5_000,
    [],
    {},
    [[]],
    [None],
    {"a": 1},
)


def spots(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Give the way to each part of a JSON value, of lists to the first two."""
    yield path
    found = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for name, inner in found:
        yield from spots(inner, (*path, name))


def with_odd(value: Any, path: tuple[str | int, ...], odd: object) -> object:
    if not path:
        return odd
    value = copy.deepcopy(value)
    at = value
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = odd
    return value


def told(data: bytes, folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Verify as a reader does who asks for nothing but a pack without a signature; gives what is printed."""
    path = folder / "pack.zip"
    path.write_bytes(data)
    code = pack_verifier.main([str(path), "--unsigned"])
    return code, capsys.readouterr().out


@pytest.mark.parametrize("name", ["manifest.json", "keys.json", "witnesses.json"])
async def test_whatever_stands_in_a_pack_the_place_is_told_and_nothing_else(
    packed: Packed, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    files = files_of(packed.whole)
    files["manifest.json"] = json.dumps({**json.loads(files["manifest.json"]), "policies_missing": ["0" * 64]}).encode()
    assert told(rebuilt(files), tmp_path, capsys)[0] == 0
    said = json.loads(files[name])
    for path in spots(said):
        if name == "manifest.json" and path[:1] in ((), ("v",), ("files",)):
            continue  # a forger's manifest is made anew
        for odd in ODD:
            code, out = told(rebuilt({**files, name: json.dumps(with_odd(said, path, odd)).encode()}), tmp_path, capsys)
            assert out.isascii()
            assert out.replace("\n", "").isprintable()
            assert out.startswith("OK: " if code == 0 else "BROKEN: "), out
            assert code == 0 or re.match(r"BROKEN: ([\w-]+\.(json|txt|pem)|policies/)", out), (path, odd, out)
    for text in (DEEP, b"9" * 5_000, b"\xff", b'{"a": 1, "a": 2}', b""):
        spoiled = {**files, name: text}
        if name == "manifest.json":
            spoiled["manifest.sha256"] = hashlib.sha256(text).hexdigest().encode() + b"\n"
            spoiled.pop("manifest.note")
        code, out = told(rebuilt(spoiled, honest=name != "manifest.json"), tmp_path, capsys)
        assert code == 1
        assert out.startswith(f"BROKEN: {name}: it is not "), out


@pytest.mark.parametrize(
    "leaf",
    [DEEP, b"9" * 5_000, b"[]", b"\xff", b'{"tenant":"TENANT"}', b'{"tenant":"zeta","tenant":"TENANT","at":"x"}',
     b'{"tenant":"TENANT","at":"x","policy_version":[1]}', b'{"tenant":"TENANT","at":"x","kind":"model.released","model_key":[1],"digest":1}'],
    ids=["deep", "long-number", "list", "no-utf-8", "bare", "two-tenants", "odd-version", "odd-key"],
)  # fmt: skip
async def test_a_record_that_is_none_is_named(
    packed: Packed, tmp_path: Path, capsys: pytest.CaptureFixture[str], leaf: bytes
) -> None:
    files = files_of(packed.whole)
    leaf = leaf.replace(b"TENANT", TENANT.encode())
    lines = files["records.txt"].split(b"\n")
    lines[2] = b"2 %s %s" % (merkle.leaf_hash(leaf).hex().encode(), leaf)
    code, out = told(rebuilt({**files, "records.txt": b"\n".join(lines)}), tmp_path, capsys)
    assert (code, out[:70]) == (1, "BROKEN: records.txt, line 3: the record at position 2 cannot be read ("), out


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
        forged(files, tmp_path)


@pytest.mark.parametrize("field", ["note", "consistency", "statement", "size"])
@pytest.mark.parametrize("number", range(4))
async def test_witness_statements_are_checked(packed: Packed, tmp_path: Path, field: str, number: int) -> None:
    files = files_of(packed.whole)
    said = json.loads(files["witnesses.json"])
    other = said[number ^ 1]
    said[number][field] = other[field]
    files["witnesses.json"] = json.dumps(said).encode()
    with pytest.raises(Broken, match=rf"witnesses\.json, {said[number]['witness']} at"):
        forged(files, tmp_path)


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
        forged(files, tmp_path)


async def test_no_pack_is_made_of_a_log_that_was_tampered_with(packed: Packed, tmp_path: Path) -> None:
    await packed.prepared.tamper("update audit_records set leaf = leaf || ' ' where id = 20")
    try:
        with pytest.raises(Broken, match="tree over"):
            verified(await packed.pack(), tmp_path)
    finally:
        await packed.prepared.tamper("update audit_records set leaf = rtrim(leaf) where id = 20")
