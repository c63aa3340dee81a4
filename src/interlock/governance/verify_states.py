"""What `verify` asks of one task and of one review: that the row stands where its latest leaf says, with the content that it commits to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from interlock.domain import canonical
from interlock.governance import audit
from interlock.governance.findings import Findings

Facts = Mapping[str, Any]

ENDED: Final = frozenset({"succeeded", "failed", "cancelled"})
# The states that a row may be in after its latest leaf. Claiming writes none: that a task runs is liveness, and proves nothing.
AFTER: Final[Mapping[str, frozenset[str]]] = {
    "task.accepted": frozenset({"accepted", "running"}),
    "task.retried": frozenset({"accepted", "waiting", "running"}),
    "task.waiting": frozenset({"waiting", "running"}),
    "task.blocked": frozenset({"blocked", "running"}),
    **{f"task.{state}": frozenset({state}) for state in ENDED},
}
REVIEW_AFTER: Final[Mapping[str, str]] = {
    "review.opened": "open",
    "review.revoked": "open",
    "review.answered": "answered",
    "review.expired": "expired",
    "review.cancelled": "cancelled",
}


@dataclass(kw_only=True, slots=True)
class TaskRow:
    """A task as it stands, with the key of its subject (None where it cannot be had: erased, or a finding of its own)."""

    id: str
    state: str
    generation: int
    automation: str
    version: str
    correlation_id: str
    submitted_by: str
    input: str | None
    input_ref: str | None
    output: str | None
    output_ref: str | None
    error: str | None
    salt: bytes | None
    leaf_count: int
    key: bytes | None
    erased: bool


def check_commitment(
    what: str,
    where: str,
    task: TaskRow,
    salt: bytes | None,
    parts: Sequence[str | None],
    facts: Facts,
    findings: Findings,
) -> None:
    """Check that texts are what a leaf commits to. With the key erased nothing can be said, and that is counted."""
    if task.key is None:
        findings.erased += task.erased
        return
    found = audit.commit(task.key, bytes(salt or b""), parts)
    findings.check(what, where, expected=facts.get("commit"), found=found)


def check_state(where: str, task: TaskRow, leaves: Sequence[Facts], findings: Findings) -> None:
    """Check a task's row against its own leaves, oldest first."""
    accepted = [facts for facts in leaves if facts.get("kind") == "task.accepted"]
    if findings.check("a task has one leaf of its acceptance", where, expected=1, found=len(accepted)):
        _check_accepted(where, task, accepted[0], findings)
    steps = [facts for facts in leaves if facts.get("kind") in AFTER]
    if not steps:
        return
    latest = steps[-1]
    allowed = AFTER[latest["kind"]]
    if task.state not in allowed:
        findings.add("the state follows from its latest leaf", where, expected=latest["kind"], found=task.state)
    # A retry raises the generation; its leaf may name the one that ends or the one that begins.
    possible = {task.generation, task.generation - 1} if latest["kind"] == "task.retried" else {task.generation}
    if latest.get("generation", 1) not in possible:
        findings.add(
            "the generation is that of its latest leaf",
            where,
            expected=latest.get("generation", 1),
            found=task.generation,
        )
    _check_result(where, task, steps, findings)


def _check_accepted(where: str, task: TaskRow, facts: Facts, findings: Findings) -> None:
    row = {"automation": task.automation, "version": task.version, "correlation": task.correlation_id}
    for name, found in row.items():
        if name in facts:
            findings.check(f"the {name} is that of the leaf", where, expected=facts[name], found=found)
    if "commit" in facts:
        what = "the input is what the leaf commits to"
        try:
            salt = bytes.fromhex(facts["salt"])
        except (KeyError, TypeError, ValueError):
            findings.add(what, where, expected="a salt in the leaf")
            return
        check_commitment(what, where, task, salt, (task.input, task.input_ref, task.submitted_by), facts, findings)


def _check_result(where: str, task: TaskRow, steps: Sequence[Facts], findings: Findings) -> None:
    """Check output and error: those of the leaf that ended or blocked it. A task that went on since may have kept or cleared them."""
    parts = (task.output, task.output_ref, task.error)
    if task.state not in ENDED and task.state != "blocked" and parts == (None, None, None):
        return
    committing = [facts for facts in steps if "commit" in facts and facts["kind"] != "task.accepted"]
    if not committing:
        findings.add("a result has a leaf that commits to it", where)
        return
    what = "output and error are what the leaf commits to"
    check_commitment(what, where, task, task.salt, parts, committing[-1], findings)


def check_review(
    where: str, row: Sequence[Any], tasks: Mapping[str, TaskRow], leaves: Sequence[Facts], findings: Findings
) -> None:
    """Check a review (id, task, state, answer, salt, who answered) against its leaves, oldest first."""
    _, task_id, state, answer, salt, answered_by = row
    steps = [facts for facts in leaves if facts.get("kind") in REVIEW_AFTER]
    opened = sum(facts["kind"] == "review.opened" for facts in steps)
    findings.check("a review has one leaf of its opening", where, expected=1, found=opened)
    task = tasks.get(task_id)
    if task is None:
        findings.add("a review's task is there", where)
    if not steps or task is None:
        return
    latest = steps[-1]
    findings.check("the task is that of the leaf", where, expected=latest.get("task"), found=task_id)
    # A task that is cancelled before a worker has it closes its open reviews under its own leaf.
    closed = state == "cancelled" and task.state == "cancelled" and REVIEW_AFTER[latest["kind"]] == "open"
    if not closed:
        expected = REVIEW_AFTER[latest["kind"]]
        findings.check("the state follows from its latest leaf", where, expected=expected, found=state)
    if latest["kind"] != "review.answered":
        findings.check("a review without an answer holds none", where, expected=None, found=answer and "an answer")
        return
    check_commitment("the answer is what the leaf commits to", where, task, salt, (answer,), latest, findings)
    try:
        said = canonical.loads(answer or "{}")
        verdict, by = said.get("verdict"), said.get("by")
    except (ValueError, AttributeError):
        findings.add("the answer can be read", where)
        return
    findings.check("the verdict is that of the leaf", where, expected=latest.get("verdict"), found=verdict)
    findings.check("who answered is who the answer says", where, expected=by, found=answered_by)
