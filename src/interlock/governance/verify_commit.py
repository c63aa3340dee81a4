"""What the parts of `verify` share: reading a leaf, and holding texts against what it commits to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cryptography.exceptions import InvalidTag

from interlock.domain import canonical
from interlock.governance import audit
from interlock.governance.audit import SubjectKeys
from interlock.governance.findings import Findings


def read_leaf(leaf: str) -> dict[str, Any] | None:
    """Read a leaf; None where it was changed into what nobody can read."""
    try:
        facts = canonical.loads(leaf)
    except ValueError:
        return None
    return facts if isinstance(facts, dict) else None


def check_commit(
    what: str,
    where: str,
    tenant: str,
    subject_row: Sequence[Any],
    facts: Any,
    parts: Sequence[str | None],
    keys: SubjectKeys,
    findings: Findings,
) -> None:
    """Check that texts are what a leaf commits to, under the key of a person that may have been erased.

    Args:
        subject_row: of subject_keys: whether there is one, the wrapped key, when it was erased, the subject.
    """
    known, wrapped, erased_at, subject = subject_row
    if wrapped is None:
        if known and erased_at is not None:
            findings.erased += 1
        else:
            findings.add("the subject's key is there, or was erased", where)
        return
    try:
        key = keys.unwrap(tenant, subject, wrapped)
    except (InvalidTag, ValueError):
        findings.add("the subject's key opens under the master key", where)
        return
    try:
        salt = bytes.fromhex(facts["salt"])
    except (KeyError, TypeError, ValueError):
        findings.add(what, where, expected="a salt in the leaf")
        return
    findings.check(what, where, expected=facts.get("commit"), found=audit.commit(key, salt, parts))
