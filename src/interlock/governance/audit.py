"""Audit leaves: what is written of each recorded effect and state change, in its own transaction.

A leaf holds no personal data and no bare digest of it: content is committed to by HMAC-SHA256 under the erasable key of the
task's subject, with a random salt. So a leaf proves what the content was as long as the key exists, and nothing after.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from interlock.domain import canonical
from interlock.infra.sealing import Sealing

SALT_BYTES: Final = 16
KEY_BYTES: Final = 32
_NONE: Final = bytes(8)
_LENGTHS: Final = tuple((size + 1).to_bytes(8, "big") for size in range(1_024))  # of nearly all texts
_LENGTHS_KNOWN: Final = len(_LENGTHS)
_SALTS_AT_ONCE: Final = 256


class _Salts:
    """Random salts, fetched from the system many at a time: a call for each was a twentieth of an effect's processor time."""

    def __init__(self) -> None:
        self._left: list[bytes] = []
        os.register_at_fork(after_in_child=self._left.clear)  # a child must not hand out its parent's

    def __call__(self) -> bytes:
        """Give 16 fresh random bytes."""
        try:
            return self._left.pop()
        except IndexError:
            block = os.urandom(SALT_BYTES * _SALTS_AT_ONCE)
            self._left += [block[at : at + SALT_BYTES] for at in range(SALT_BYTES, len(block), SALT_BYTES)]
            return block[:SALT_BYTES]


new_salt: Final = _Salts()


def commit(key: bytes, salt: bytes, parts: Sequence[str | None]) -> str:
    """Commit to texts: HMAC-SHA256 (hex) over the salt and each text's length and bytes; None differs from empty."""
    pieces = [salt]
    for part in parts:
        if part is None:
            pieces.append(_NONE)
        else:
            data = part.encode()
            size = len(data)
            pieces += (_LENGTHS[size] if size < _LENGTHS_KNOWN else (size + 1).to_bytes(8, "big"), data)
    found = _keyed(key).copy()
    found.update(b"".join(pieces))
    return found.hexdigest()


@lru_cache(maxsize=256)
def _keyed(key: bytes) -> hmac.HMAC:
    """Give the HMAC that has taken the key and nothing else: a part of what a short text costs, and the same for each effect of a task."""
    return hmac.new(key, digestmod="sha256")


def review_parts(
    *, request: str, subject: str | None, deadline: datetime | None, automation: str, name: str, submitted_by: str
) -> tuple[str | None, ...]:
    """Give what the opening of a review commits to: the question, and what decides who may answer it and until when."""
    return (request, subject, None if deadline is None else canonical.rfc3339(deadline), automation, name, submitted_by)


def approval_parts(*, answer: str | None, by: str, persons: Sequence[str]) -> tuple[str | None, ...]:
    """Give what the leaf of one approval among several commits to."""
    return (answer, by, *persons)


def view_parts(*, owner: str, name: str, filters: str) -> tuple[str | None, ...]:
    """Give what the leaf of a kept view commits to."""
    return (owner, name, filters)


def history_line(key: bytes, *, by: str, data: str) -> dict[str, str]:
    """Give what a leaf says of the line that it writes into a review's history: a commitment to who did it, and in which words."""
    salt = new_salt()
    return {"line": commit(key, salt, (by, data)), "line_salt": salt.hex()}


def task_terms(
    *, labels: Mapping[str, str], priority: int, deadline: datetime | None, callback_url: str | None
) -> tuple[str | None, ...]:
    """Give what the acceptance of a task commits to beside its input: how it is found, when it is due and who is told."""
    until = None if deadline is None else canonical.rfc3339(deadline)
    return (canonical.dumps(dict(labels)).decode(), str(priority), until, callback_url)


def leaf(kind: str, *, tenant: str, at: datetime, facts: Mapping[str, Any]) -> str:
    """Give the canonical text of a leaf. `facts` must hold neither personal data nor digests of it."""
    return canonical.dumps({"v": 1, "kind": kind, "tenant": tenant, "at": canonical.rfc3339(at), **facts}).decode()


class SubjectKeys:
    """Wraps the keys of subjects under the deployment's master key; the subject is authenticated too (`infra/sealing.py`)."""

    def __init__(self, master_key: bytes) -> None:
        self._sealing = Sealing(master_key)

    def new(self, tenant: str, subject: str) -> tuple[bytes, bytes]:
        """Give a fresh key and its wrapped form."""
        key = os.urandom(KEY_BYTES)
        return key, self._sealing.seal(key, tenant, subject)

    def unwrap(self, tenant: str, subject: str, wrapped: bytes) -> bytes:
        """Give the key; raises cryptography's InvalidTag where it was wrapped for another subject or master key."""
        return self._sealing.open(wrapped, tenant, subject)
