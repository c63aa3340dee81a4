"""What is signed of a model version: an in-toto Statement v1 over every one of its files, that says who made, measured and approved it.

The predicate's fields are described in docs/concepts/model-provenance.md. https://in-toto.io/Statement/v1
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from interlock.domain import canonical
from interlock.domain.errors import ModelUntrusted
from interlock.governance import dsse

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "urn:interlock:model-provenance:v1"


@dataclass(frozen=True, kw_only=True)
class Act:
    """Something that was done with a version: registered, evaluated, approved, released, retired, rejected.

    Attributes:
        facts: of an evaluation `data` and `metrics`; of a shipped version the product's version.
    """

    number: int
    kind: str
    by: str
    at: datetime
    note: str
    facts: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"kind": self.kind, "by": self.by, "at": canonical.rfc3339(self.at), "note": self.note}
        return found | ({"facts": dict(self.facts)} if self.facts else {})


@dataclass(frozen=True, kw_only=True)
class Described:
    """A version as its statement describes it.

    Attributes:
        digest: SHA-256 (hex) over names and bytes of all files. files: SHA-256 (hex) of each, by its path in the model's folder.
        card: `model.toml`. origin: `registered` or `shipped`.
    """

    tenant: str
    automation: str
    model: str
    version: str
    digest: str
    files: Mapping[str, str]
    card: Mapping[str, Any]
    origin: str


def statement(described: Described, acts: Sequence[Act]) -> dict[str, Any]:
    """Give the statement: its subjects are the version's files, its predicate is all that is on record of it."""
    card = described.card
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": sha}} for name, sha in sorted(described.files.items())],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            **_names(described),
            "origin": described.origin,
            "owner": card.get("owner", ""),
            "licence": card.get("licence", ""),
            "description": card.get("description", ""),
            "training": card.get("provenance", {}),
            "stated": card.get("measured", {}),
            "acts": [act.as_json() for act in acts],
        },
    }


def sign(described: Described, acts: Sequence[Act], key: Ed25519PrivateKey) -> str:
    """Give the statement in a DSSE envelope, signed."""
    return dsse.sign(PAYLOAD_TYPE, canonical.dumps(statement(described, acts)), key)


def check(envelope: str, described: Described, keys: Mapping[str, Ed25519PublicKey]) -> dict[str, Any]:
    """Check that an envelope vouches for exactly this version, and give its statement.

    Raises:
        ModelUntrusted: the envelope does not hold, is another version's, or lists other files; it names the first that differs.
    """
    found = orjson.loads(dsse.verify(envelope, PAYLOAD_TYPE, keys))
    if found.get("_type") != STATEMENT_TYPE or found.get("predicateType") != PREDICATE_TYPE:
        raise ModelUntrusted(f"The statement is not an in-toto statement of the type {PREDICATE_TYPE}.")
    said, wanted = found["predicate"], _names(described)
    for name, value in wanted.items():
        if said.get(name) != value:
            raise ModelUntrusted(f"The statement is about another version: its {name} is {said.get(name)!r}.")
    differing = different({s["name"]: s["digest"]["sha256"] for s in found["subject"]}, described.files)
    if differing is not None:
        raise ModelUntrusted(f"The file {differing!r} is not the one that the statement lists.")
    return dict(found)


def different(signed: Mapping[str, str], there: Mapping[str, str]) -> str | None:
    """Give the first path of which two listings differ; None where they agree."""
    return next((name for name in sorted({*signed, *there}) if signed.get(name) != there.get(name)), None)


def _names(described: Described) -> dict[str, str]:
    return {
        "tenant": described.tenant,
        "automation": described.automation,
        "model": described.model,
        "version": described.version,
        "digest": described.digest,
    }
