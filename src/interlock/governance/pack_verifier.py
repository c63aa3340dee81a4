"""Verify an Interlock evidence pack, offline: `python verify.py PACK.zip --key VERIFIER_KEY`.

Needs Python 3.9 or later and the package `cryptography`, and nothing of Interlock. Exits with 0 only when all of it holds:

- the container and every file are, to the bit, what the manifest says, and the manifest is signed by the newest key of the log;
- each record's text has its hash, the records stand at the positions that the manifest names, and all belong to one tenant;
- the tree over them has the root of the checkpoint (RFC 6962 hashing; the hashes of what is not in the pack are in nodes.txt);
- the checkpoint is signed by the key that signed at its size, and each key was introduced by the one before it, back to VERIFIER_KEY;
- each witnessed checkpoint is a beginning of the log (RFC 9162, section 2.1.4), and each timestamp (RFC 3161) is of that checkpoint;
- each policy bundle has the version that the records name;
- each model's statement is signed, by the key that the record of its release names.

What cannot be seen from a pack: whether a matching record was left out of it, what the records commit to, and whether the policies and model
cards are the only ones. Without --key the pack's own first key is believed; get that key from elsewhere. This program cannot vouch for itself:
whoever changes a pack can change it too. Compare its SHA-256 with what `interlock audit export` and `interlock audit verifier` print.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID

from interlock.governance.pack_reader import STRICT, Broken, Pack, check_form, part, printable

DASH = "\u2014 "


SIGNED, UNSIGNED = "manifest.note", "manifest.sha256"


def check_files(pack: Pack, *, unsigned: bool) -> dict[str, Any]:
    """Check each file against the manifest, and the manifest against the digest that is signed; give the manifest.

    Packs of before there were signatures have their manifest's digest in manifest.sha256: they are taken only where that was asked for.
    """
    is_signed = SIGNED in pack.entries
    if not is_signed and not unsigned:
        raise Broken(
            f"{SIGNED}: it is not there. A pack of an early version has none: --unsigned takes it, at its word"
        )
    beside = SIGNED if is_signed else UNSIGNED
    digest = hashlib.sha256(pack.read("manifest.json")).hexdigest()
    said = pack.text(beside)
    if said.split("\n")[1:2] != [digest] if is_signed else said != digest + "\n":
        raise Broken(f"manifest.json: it has another SHA-256 than {beside} says")
    manifest: dict[str, Any] = pack.json("manifest.json")
    if manifest["v"] != (2 if is_signed else 1):
        raise Broken(f"manifest.json: its version is {manifest['v']}, which this program does not read")
    check_form(manifest)
    listed = {one["name"]: one for one in manifest["files"]}
    if len(listed) != len(manifest["files"]):
        raise Broken("manifest.json: it lists a file twice")
    for name in pack.entries:
        if name not in listed and name not in ("manifest.json", beside):
            raise Broken(f"{name}: the manifest does not list it")
    wrong = []
    for name, one in listed.items():
        if name not in pack.entries:
            raise Broken(f"{name}: it is not there")
        if pack.entries[name][1] != one["bytes"] or pack.digest(name) != one["sha256"]:
            wrong.append(name)
    if wrong and wrong != ["records.txt"]:
        raise Broken(f"{wrong[0]}: it has another SHA-256 than the manifest says")
    manifest["signed"] = is_signed
    manifest["records_changed"] = bool(wrong)  # where in it is said by whoever reads the records
    return manifest


# Records and their tree.


def check_records(
    pack: Pack, manifest: dict[str, Any]
) -> tuple[list[int], list[bytes], set[str], set[tuple[str, str]]]:
    """Check each record's line; give positions, leaf hashes, policy versions that decided, and which key signed for which model version."""
    tenant, size = manifest["tenant"], manifest["checkpoint_size"]
    ranges: list[list[int]] = manifest["positions"]
    task, since, until = (manifest["filter"].get(name) for name in ("task", "since", "until"))
    expected = (n for low, high in ranges for n in range(low, high))
    positions: list[int] = []
    found: list[bytes] = []
    versions: set[str] = set()
    released: set[tuple[str, str]] = set()
    sha256, loads, unhex = hashlib.sha256, STRICT.decode, binascii.unhexlify
    add_position, add_hash = positions.append, found.append
    for number, line in enumerate(pack.lines("records.txt"), start=1):
        where = f"records.txt, line {number}"
        place, _, rest = line.partition(b" ")
        said, _, leaf = rest.partition(b" ")
        wanted = next(expected, None)
        try:
            position, hashed = int(place), unhex(said)
        except ValueError:
            raise Broken(f"{where} (position {wanted}): it is no record") from None
        if place != b"%d" % position or said != said.lower():
            raise Broken(f"{where} (position {wanted}): it is no record")
        if position != wanted:
            raise Broken(f"{where}: position {position} stands where position {wanted} is expected")
        if position >= size:
            raise Broken(f"{where}: position {position} is not covered by the checkpoint of {size} records")
        if sha256(b"\x00" + leaf).digest() != hashed:
            raise Broken(f"{where}: the text of position {position} is not what was hashed")
        try:
            facts = loads(leaf.decode())
            if facts["tenant"] != tenant:
                raise Broken(f"{where}: position {position} is a record of another tenant")
            at = facts["at"]
            if (since and at < since) or (until and at >= until) or (task and facts.get("task") != task):
                raise Broken(f"{where}: the record at position {position} does not match the manifest's filter")
            if facts.get("policy_version"):
                versions.add(facts["policy_version"])
            if facts.get("kind") == "model.released" and facts.get("model_key"):
                released.add((facts["digest"], facts["model_key"]))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise Broken(f"{where}: the record at position {position} cannot be read ({error})") from None
        add_position(position)
        add_hash(hashed)
    missing = next(expected, None)
    if missing is not None:
        raise Broken(f"records.txt: the record at position {missing} is not there")
    if not positions:
        raise Broken("records.txt: there are no records")
    if manifest["records_changed"]:
        raise Broken("records.txt: it has another SHA-256 than the manifest says")
    return positions, found, versions, released


def tree_root(pack: Pack, positions: list[int], level: list[bytes], size: int) -> bytes:
    """Compute the root from the leaves that are here and the hashes of the rest, level by level from the left."""
    nodes = pack.lines("nodes.txt")
    sha256 = hashlib.sha256

    def given() -> bytes:
        try:
            line = next(nodes)
            hashed = binascii.unhexlify(line)
        except StopIteration:
            raise Broken("nodes.txt: it has too few hashes for these records") from None
        except ValueError:
            raise Broken("nodes.txt: it holds what is no hash") from None
        if len(hashed) != 32:
            raise Broken("nodes.txt: it holds what is no hash")
        return hashed

    places, count = positions, size
    while count > 1:
        above: list[int] = []
        roots: list[bytes] = []
        n, end = 0, len(places)
        while n < end:
            place = places[n]
            if place & 1:
                hashed = sha256(b"\x01" + given() + level[n]).digest()
            elif n + 1 < end and places[n + 1] == place + 1:
                hashed = sha256(b"\x01" + level[n] + level[n + 1]).digest()
                n += 1
            elif place + 1 < count:
                hashed = sha256(b"\x01" + level[n] + given()).digest()
            else:
                hashed = level[n]  # the right edge: a subtree that is not full goes up as it is
            above.append(place >> 1)
            roots.append(hashed)
            n += 1
        places, level, count = above, roots, (count + 1) >> 1
    if next(nodes, None) is not None:
        raise Broken("nodes.txt: it has more hashes than these records need")
    [root] = level  # more than one: positions that do not go up
    return root


# Keys and checkpoints (C2SP signed-note and tlog-checkpoint, Ed25519).


class Key:
    """A verifier key: `NAME+ID+BASE64`."""

    def __init__(self, text: str) -> None:
        name, _, rest = text.partition("+")
        id_, _, encoded = rest.partition("+")
        try:
            data = base64.b64decode(encoded, validate=True)
            self.public = Ed25519PublicKey.from_public_bytes(data[1:])
        except (ValueError, binascii.Error):
            raise Broken(f"keys.json: {text[:80]!r} is no verifier key") from None
        self.text, self.name = text, name
        self.id = hashlib.sha256(name.encode() + b"\n" + data).digest()[:4]
        if data[:1] != b"\x01" or self.id.hex() != id_:
            raise Broken(f"keys.json: {text[:80]!r} is no verifier key")

    def check(self, note: str, where: str) -> str:
        """Check that the note is signed by this key; give its text."""
        text, gap, block = note.rpartition("\n\n")
        if not gap or not block.endswith("\n"):
            raise Broken(f"{where}: it is no signed note")
        text += "\n"
        for line in block[:-1].split("\n"):
            name, _, encoded = line[len(DASH) :].partition(" ")
            try:
                data = base64.b64decode(encoded, validate=True)
            except (ValueError, binascii.Error):
                raise Broken(f"{where}: a signature cannot be read") from None
            if not line.startswith(DASH) or base64.b64encode(data).decode() != encoded:
                raise Broken(f"{where}: a signature cannot be read")
            if (name, data[:4]) == (self.name, self.id):
                try:
                    self.public.verify(data[4:], text.encode())
                except InvalidSignature:
                    raise Broken(f"{where}: its signature by {self.text} does not hold") from None
                return text
        raise Broken(f"{where}: it is not signed by {self.text}")


class Keys:
    """The keys of the log: the first one is trusted, each later one was introduced."""

    def __init__(self, said: dict[str, Any], trusted: str | None) -> None:
        self.origin: str = said["origin"]
        self.keys: list[tuple[int, Key]] = []
        for number, one in enumerate(said["keys"]):
            key, where = Key(one["verifier_key"]), f"keys.json, key {number}"
            if one["number"] != number or (number == 0) != (one["introduction"] is None):
                raise Broken(f"{where}: it is not the key of that number")
            if number == 0:
                if trusted is not None and key.text != trusted:
                    raise Broken(f"{where}: it is {key.text}, and not the key that was given")
                if one["from_size"] != 0:
                    raise Broken(f"{where}: the first key signs from the beginning")
            else:
                before, from_size = self.keys[-1][1], one["from_size"]
                text = f"{self.origin}\naudit key {number}\nfrom {from_size}\n{key.text}\n"
                for signer in (before, key):
                    if signer.check(one["introduction"], f"{where}, introduction") != text:
                        raise Broken(f"{where}: its introduction introduces something else")
                if from_size <= self.keys[-1][0]:
                    raise Broken(f"{where}: it begins before the key that introduced it")
            self.keys.append((one["from_size"], key))
        if not self.keys:
            raise Broken("keys.json: there is no key")

    def manifest(self, note: str, manifest: bytes) -> None:
        """Check that the newest key signed this manifest, as one of this log's packs."""
        text = self.keys[-1][1].check(note, SIGNED)
        if text != f"{self.origin}/evidence-pack\n{hashlib.sha256(manifest).hexdigest()}\n":
            raise Broken(f"{SIGNED}: it is not of this manifest, or not of a pack of {self.origin}")

    def checkpoint(self, note: str, where: str) -> tuple[int, bytes]:
        """Check a signed checkpoint by the key of its size; give size and root."""
        lines = note.split("\n")
        if len(lines) < 4 or lines[0] != self.origin or not (lines[1].isascii() and lines[1].isdigit()):
            raise Broken(f"{where}: it is no checkpoint of {self.origin}")
        size = int(lines[1])
        key = next(key for start, key in reversed(self.keys) if start < size or start == 0)
        text = key.check(note, where)
        try:
            root = base64.b64decode(lines[2], validate=True)
        except (ValueError, binascii.Error):
            raise Broken(f"{where}: its root cannot be read") from None
        if text != f"{self.origin}\n{size}\n{base64.b64encode(root).decode()}\n" or len(root) != 32:
            raise Broken(f"{where}: it is no checkpoint")
        return size, root


def check_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: list[bytes], where: str) -> None:
    """Check that the tree of `new` begins with that of `old` (RFC 9162, section 2.1.4.2)."""
    differs = Broken(f"{where}: the log does not continue what the witness saw, somewhere in positions 0 to {old - 1}")
    if old > new or any(len(one) != 32 for one in proof):
        raise differs
    if old == new:
        if proof or old_root != new_root:
            raise differs
        return
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    if not path:
        raise differs
    first, last = old - 1, new - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    a = b = path[0]
    for one in path[1:]:
        if last == 0:
            raise differs
        if first & 1 or first == last:
            a, b = (hashlib.sha256(b"\x01" + one + side).digest() for side in (a, b))
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            b = hashlib.sha256(b"\x01" + b + one).digest()
        first, last = first >> 1, last >> 1
    if last or a != old_root or b != new_root:
        raise differs


# Timestamps (RFC 3161, in CMS, RFC 5652): as much DER as they need.


def der(data: bytes) -> list[tuple[int, bytes, bytes]]:
    """Give the elements of DER content as (tag, content, whole)."""
    found, at = [], 0
    while at < len(data):
        start, tag, length = at, data[at], data[at + 1]
        at += 2
        if length & 0x80:
            count = length & 0x7F
            length, at = int.from_bytes(data[at : at + count], "big"), at + count
        if at + length > len(data):
            raise ValueError("cut off")
        found.append((tag, data[at : at + length], data[start : at + length]))
        at += length
    return found


SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
TST_INFO = bytes.fromhex("2a864886f70d0109100104")
CONTENT_TYPE, MESSAGE_DIGEST = bytes.fromhex("2a864886f70d010903"), bytes.fromhex("2a864886f70d010904")
DIGESTS: dict[bytes, hashes.HashAlgorithm] = {
    bytes.fromhex("608648016503040201"): hashes.SHA256(),
    bytes.fromhex("608648016503040202"): hashes.SHA384(),
    bytes.fromhex("608648016503040203"): hashes.SHA512(),
}


def hashed_by(algorithm: hashes.HashAlgorithm, data: bytes) -> bytes:
    digest = hashes.Hash(algorithm)
    digest.update(data)
    return digest.finalize()


def check_timestamp(statement: bytes, note: bytes, roots: list[x509.Certificate], where: str) -> str:
    """Check a response of a time-stamping authority over a note; give the time that it says."""
    try:
        [(_, response, whole)] = der(statement)
        if whole != statement:
            raise ValueError("more than a response")
        status, content_info = der(response)
        if der(status[1])[0][1] not in (b"\x00", b"\x01"):
            raise ValueError("refused")
        kind, wrapped = der(content_info[1])
        signed = der(der(wrapped[1])[0][1])
        encapsulated = der(signed[2][1])
        info = der(encapsulated[1][1])[0][1]
        if kind[1] != SIGNED_DATA or encapsulated[0][1] != TST_INFO:
            raise ValueError("no timestamp")
        certificates = [
            x509.load_der_x509_certificate(one) for tag, body, _ in signed[3:] if tag == 0xA0 for _, _, one in der(body)
        ]
        [(_, signer, _)] = der(signed[-1][1])
        parts = der(signer)
        algorithm = DIGESTS[der(parts[2][1])[0][1]]
        attributes = {der(one)[0][1]: der(der(one)[1][1])[0][1] for _, one, _ in der(parts[3][1])}
        if parts[3][0] != 0xA0 or attributes[CONTENT_TYPE] != TST_INFO:
            raise ValueError("unsigned attributes")
        if attributes[MESSAGE_DIGEST] != hashed_by(algorithm, info):
            raise ValueError("the timestamp's content was changed")
        to_be_signed = b"\x31" + parts[3][2][1:]
        tst = der(der(info)[0][1])
        imprint = der(tst[2][1])
        if imprint[1][1] != hashed_by(DIGESTS[der(imprint[0][1])[0][1]], note):
            raise ValueError("it is of another checkpoint")
        said = tst[4][1].decode("ascii")
        certificate = next((one for one in certificates if is_signed(one, to_be_signed, parts[5][1], algorithm)), None)
        if certificate is None:
            raise ValueError("its signature does not hold")
        check_chain(certificate, certificates, roots)
    except (ValueError, KeyError, IndexError, StopIteration, TypeError) as error:
        raise Broken(f"{where}: the timestamp does not hold ({error})") from None
    return said


def is_signed(certificate: x509.Certificate, data: bytes, signature: bytes, algorithm: hashes.HashAlgorithm) -> bool:
    """Tell whether this certificate signed; one that is not for timestamps did not."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        if ExtendedKeyUsageOID.TIME_STAMPING not in usage:
            return False
        key = certificate.public_key()
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, data, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, data, ec.ECDSA(algorithm))
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm, x509.ExtensionNotFound):
        return False
    return True


def check_chain(certificate: x509.Certificate, others: list[x509.Certificate], roots: list[x509.Certificate]) -> None:
    """Check that the certificate leads to one of the roots."""
    for _ in range(8):
        for issuer in (*roots, *others):
            if issuer == certificate:
                continue
            try:
                certificate.verify_directly_issued_by(issuer)
            except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
                continue
            if issuer in roots:
                return
            certificate = issuer
            break
        else:
            break
    raise ValueError("its certificate does not lead to a root that is trusted")


def check_witnesses(
    pack: Pack, keys: Keys, size: int, root: bytes, roots: list[x509.Certificate]
) -> tuple[list[str], int]:
    """Check each witnessed checkpoint; give a line for each, and the largest size that a witness saw."""
    lines, seen = [], 0
    for one in pack.json("witnesses.json"):
        where = f"witnesses.json, {one['witness']} at {one['size']}"
        if one["kind"] not in ("file", "bucket", "rfc3161"):
            raise Broken(f"{where}: there is no witness of the kind {one['kind']}")
        old_size, old_root = keys.checkpoint(one["note"], where)
        if old_size != one["size"]:
            raise Broken(f"{where}: its note is of {old_size} records")
        proof = [bytes.fromhex(hashed) for hashed in one["consistency"]]
        check_consistency(old_size, old_root, size, root, proof, where)
        statement = base64.b64decode(one["statement"])
        if one["kind"] == "rfc3161":
            said = check_timestamp(statement, one["note"].encode(), roots, where)
            lines.append(f"{one['witness']}: {old_size} records existed at {said}")
        elif statement != one["note"].encode():
            raise Broken(f"{where}: the statement is not of its note")
        else:
            lines.append(f"{one['witness']}: stated {old_size} records (ask it for its own copy)")
        seen = max(seen, old_size)
    return lines, seen


def check_policies(pack: Pack, manifest: dict[str, Any], versions: set[str]) -> None:
    """Check that each bundle has its version, and that every version that decided is here or said to be missing."""
    for version, names in manifest["policies"].items():
        digests = sorted([what, pack.digest(name)] for what, name in names)
        if hashlib.sha256(json.dumps(digests).encode()).hexdigest() != version:
            raise Broken(f"policies/{version}: the texts give another version")
    said = {*manifest["policies"], *manifest["policies_missing"]}
    if said != versions:
        raise Broken(f"manifest.json: its policies are not those that decided ({sorted(said ^ versions)[0]})")


def check_statements(pack: Pack, released: set[tuple[str, str]]) -> int:
    """Check each model's signed statement (in-toto in DSSE); give how many are of releases that are not among the records."""
    elsewhere = 0
    for name in (one for one in pack.entries if one.startswith("model-cards/") and one.endswith("/statement.json")):
        body = pack.json(name)
        raw = [bytes.fromhex(key) for key in pack.json(name.replace("/statement.json", "/keys.json"))]
        keys = {hashlib.sha256(key).hexdigest(): Ed25519PublicKey.from_public_bytes(key) for key in raw}
        kind, payload = body["payloadType"].encode(), base64.b64decode(body["payload"], validate=True)
        if not body["signatures"]:
            raise Broken(f"{name}: its signature does not hold")
        for one in body["signatures"]:
            try:
                signed = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
                keys[one["keyid"]].verify(base64.b64decode(one["sig"], validate=True), signed)
            except (KeyError, InvalidSignature, ValueError):
                raise Broken(f"{name}: its signature does not hold") from None
        digest = STRICT.decode(payload.decode())["predicate"]["digest"]
        known = {key for model, key in released if model == digest}
        if known and known.isdisjoint(one["keyid"] for one in body["signatures"]):
            raise Broken(f"{name}: the log says that another key signed for this model version")
        elsewhere += not known
    return elsewhere


def verify(path: Path, *, key: str | None, tsa_roots: bytes | None, unsigned: bool = False) -> dict[str, Any]:
    """Verify a pack. Raises Broken for the first thing that does not hold."""
    with path.open("rb") as file:
        pack = Pack(file)
        with part("manifest.json"):
            manifest = check_files(pack, unsigned=unsigned)
        with part("keys.json"):
            keys = Keys(pack.json("keys.json"), key)
        if manifest["signed"]:
            keys.manifest(pack.text(SIGNED), pack.read("manifest.json"))
        with part("checkpoint.txt"):
            size, root = keys.checkpoint(pack.text("checkpoint.txt"), "checkpoint.txt")
        if size != manifest["checkpoint_size"]:
            raise Broken(
                f"checkpoint.txt: it is of {size} records, not of {manifest['checkpoint_size']} as the manifest says"
            )
        with part("records.txt"):
            positions, leaves, versions, released = check_records(pack, manifest)
        with part("nodes.txt"):
            if tree_root(pack, positions, leaves, size) != root:
                where = f"positions {positions[0]} to {positions[-1]}"
                raise Broken(f"records.txt, nodes.txt: the tree over {where} is not the one that was signed")
        own = pack.read("tsa-roots.pem") if "tsa-roots.pem" in pack.entries else b""
        pem = own if tsa_roots is None else tsa_roots
        with part("tsa-roots.pem" if tsa_roots is None else "the --tsa-roots that were given"):
            roots = x509.load_pem_x509_certificates(pem) if pem else []
        with part("witnesses.json"):
            lines, seen = check_witnesses(pack, keys, size, root, roots)
        with part("manifest.json, policies"):
            check_policies(pack, manifest, versions)
        with part("model-cards"):
            unbound = check_statements(pack, released)
    warnings = []
    if key is None:
        warnings.append(
            "No --key was given: the pack's own first key was believed. Get it from elsewhere, and compare."
        )
    if not manifest["signed"]:
        warnings.append(
            "The pack is not signed: model cards, bills of materials, README.md and verify.py are believed."
        )
    if unbound:
        warnings.append(
            f"{unbound} model statements are of releases that are not among the records: their key is believed."
        )
    if tsa_roots is None and own:
        warnings.append("No --tsa-roots was given: the pack's own roots were believed.")
    if seen < size:
        warnings.append(f"No witness in this pack saw positions {seen} to {size - 1}.")
    if manifest["policies_missing"]:
        warnings.append(f"{len(manifest['policies_missing'])} policy versions that decided are not in the pack.")
    return {
        "tenant": manifest["tenant"],
        "signed": manifest["signed"],
        "made_at": manifest["made_at"],
        "filter": manifest["filter"],
        "records": len(positions),
        "first": positions[0],
        "last": positions[-1],
        "checkpoint_size": size,
        "root": root.hex(),
        "key": keys.keys[0][1].text,
        "witnesses": lines,
        "warnings": warnings,
    }


def _told(chosen: dict[str, Any]) -> str:
    """Say what was chosen: a pack of a part is not to be taken for the whole."""
    named = ", ".join(f"{name} {value}" for name, value in chosen.items() if value is not None)
    return f"records with {named} only" if named else "everything that the tenant had then"


def main(arguments: list[str]) -> int:
    """Verify one pack and say so; gives the exit code."""
    parser = argparse.ArgumentParser(description="Verify an Interlock evidence pack, offline.")
    parser.add_argument("pack", type=Path)
    parser.add_argument("--key", help="the log's first verifier key, from elsewhere")
    parser.add_argument(
        "--tsa-roots", type=Path, help="certificates (PEM) of the time-stamping authorities that you trust"
    )
    parser.add_argument("--unsigned", action="store_true", help="take a pack of before packs were signed")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args(arguments)
    try:
        pem = None if given.tsa_roots is None else given.tsa_roots.read_bytes()
        found: dict[str, Any] = {
            "ok": True,
            **verify(given.pack, key=given.key, tsa_roots=pem, unsigned=given.unsigned),
        }
    except Broken as error:
        found = {"ok": False, "error": str(error)}
    except OSError as error:
        found = {"ok": False, "error": f"the pack cannot be read: {error}"}
    if given.json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    else:
        lines = _lines(found) if found["ok"] else [f"BROKEN: {found['error']}"]
        sys.stdout.write("".join(printable(line) + "\n" for line in lines))
    return 0 if found["ok"] else 1


def _lines(found: dict[str, Any]) -> list[str]:
    return [
        f"OK: {found['records']} records of {found['tenant']} (positions {found['first']} to {found['last']})",
        f"  made at {found['made_at']}: an older pack is as whole as a newer one",
        f"  of {_told(found['filter'])}",
        f"  in the log of {found['checkpoint_size']} records with root {found['root']}",
        f"  first key {found['key']}",
        *(f"  witness {one}" for one in found["witnesses"]),
        *(f"  note: {one}" for one in found["warnings"]),
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
