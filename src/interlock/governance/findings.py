"""What a verification of the audit log found, and what it counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

FINDINGS_MAX: Final = 100
_TEXT_CHARS_MAX: Final = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that does not hold. It names content by hashes only, so a report may be passed on.

    Attributes:
        what: the rule, in a few words. where: the row, such as `tenant/task/1/path` or `position 17`.
    """

    what: str
    where: str
    expected: str
    found: str


@dataclass(kw_only=True)
class Findings:
    """Collects what does not hold, and the counts. The first hundred are kept; all are counted."""

    kept: list[Finding] = field(default_factory=list)
    total: int = 0
    records: int = 0
    pending: int = 0
    checkpoints: int = 0
    tasks: int = 0
    effects: int = 0
    reviews: int = 0
    documents: int = 0
    witnessed: int = 0
    erased: int = 0
    warnings: list[str] = field(default_factory=list)

    def add(self, what: str, where: str, *, expected: object = "", found: object = "") -> None:
        self.total += 1
        if len(self.kept) < FINDINGS_MAX:
            self.kept.append(Finding(what=what, where=_short(where), expected=_short(expected), found=_short(found)))

    def check(self, what: str, where: str, *, expected: object, found: object) -> bool:
        """Add a finding where the two differ; tells whether they agree."""
        if expected == found:
            return True
        self.add(what, where, expected=expected, found=found)
        return False


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a verification covered and found.

    Attributes:
        ok: everything holds. root: of the tree over all `records`, 32 bytes as hex.
        records: with a position. pending: written while it ran, not in the tree yet, and not held against anybody.
        erased: contents whose subject's key was destroyed, so that their leaf proves nothing any more; not a finding.
        witnessed: checkpoints that witnesses hold or stated, each held against the tree.
        findings: the first hundred of `findings_total`. warnings: what cannot be said, or should be looked at; they break nothing.
    """

    ok: bool
    root: str
    records: int
    pending: int
    checkpoints: int
    tasks: int
    effects: int
    reviews: int
    documents: int
    witnessed: int
    erased: int
    warnings: tuple[str, ...]
    findings: tuple[Finding, ...]
    findings_total: int
    duration_s: float

    def as_json(self) -> Mapping[str, Any]:
        return asdict(self)


def _short(value: object) -> str:
    text = value.hex() if isinstance(value, bytes) else str(value)
    return text if len(text) <= _TEXT_CHARS_MAX else text[: _TEXT_CHARS_MAX - 1] + "…"
