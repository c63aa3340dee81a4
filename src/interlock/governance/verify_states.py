"""What `verify` asks of one task and of one review: that the row stands where its latest leaf says, with the content that it commits to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
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
# What makes a task resolved, and what ends that: whatever brings it to stand otherwise. One that blocks again stands as before.
RESOLUTION: Final = frozenset(
    {"task.resolved", "task.reopened", "task.retried", "task.unblocked", "task.waiting", *(f"task.{s}" for s in ENDED)}
)
ROLE_GIVEN: Final = ("review.opened", "review.escalated")
REVIEW_AFTER: Final[Mapping[str, str]] = {
    "review.opened": "open",
    "review.revoked": "open",
    "review.lapsed": "open",  # an approval that counts no more
    "review.approved": "open",  # one of several; the last of them is followed by its answer
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
    labels: Mapping[str, str]
    priority: int
    deadline: datetime | None
    callback_url: str | None
    leaf_count: int
    key: bytes | None
    erased: bool
    erased_at: datetime | None = None
    resolved_by: str | None = None
    resolution_note: str | None = None
    resolution_salt: bytes | None = None

    @property
    def content_gone(self) -> bool:
        """Tell whether rows were emptied, and not only the key destroyed."""
        return self.erased and self.erased_at is not None


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


def settle_erasure(where: str, task: TaskRow, leaves: Sequence[Facts], findings: Findings) -> None:
    """Take a task whose content was erased for what it is: its leaf says so, and nothing of it may be left."""
    said = any(facts.get("kind") == "task.erased" for facts in leaves)
    findings.check("a task is erased as the log says", where, expected=said, found=task.erased_at is not None)
    if not said:
        return
    task.key, task.erased = None, True
    left = (
        task.input,
        task.input_ref,
        task.output,
        task.output_ref,
        task.error,
        task.callback_url,
        task.resolution_note,
    )
    if any(part is not None for part in left) or task.labels:
        findings.add("of an erased task nothing is left", where)


def check_resolution(where: str, task: TaskRow, leaves: Sequence[Facts], findings: Findings) -> None:
    """Check that a task is resolved where its leaves (oldest first) say so, by whom and with which note they commit to."""
    steps = [facts for facts in leaves if facts.get("kind") in RESOLUTION]
    said = bool(steps) and steps[-1]["kind"] == "task.resolved"
    what = "the task is resolved as the log says"
    if not findings.check(what, where, expected=said, found=task.resolved_by is not None) or not said:
        return
    if task.content_gone:
        return  # the note went with the content, and that is counted
    parts = (task.resolved_by, task.resolution_note)
    what = "who resolved the task, and why, is what the leaf commits to"
    check_commitment(what, where, task, task.resolution_salt, parts, steps[-1], findings)


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
        if "terms" in facts and task.key is not None:
            terms = audit.task_terms(
                labels=task.labels, priority=task.priority, deadline=task.deadline, callback_url=task.callback_url
            )
            found = audit.commit(task.key, salt, terms)
            what = "labels, priority, deadline and callback are what the leaf commits to"
            findings.check(what, where, expected=facts["terms"], found=found)


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


def check_cuts(where: str, cuts: Sequence[tuple[int, int]], leaves: Sequence[Facts], findings: Findings) -> None:
    """Check where retries cut a task's journal (generation, sequence) against their leaves."""
    said = [facts for facts in leaves if facts.get("kind") == "task.retried" and "from_seq" in facts]
    expected = sorted((facts["generation"], facts["from_seq"]) for facts in said)
    findings.check("the journal is cut where its retries say", where, expected=expected, found=sorted(cuts))


def check_history(
    where: str,
    events: Sequence[tuple[str, str, str]],
    leaves: Sequence[Facts],
    task: TaskRow | None,
    findings: Findings,
) -> None:
    """Check a review's history (kind, data, who) against its leaves, both oldest first: each line was written with a leaf.

    Verdicts and roles are in both. Who did it and in which words is committed to; leaves of older versions do not.
    """
    said = [
        (str(facts.get("kind")).removeprefix("review."), facts.get("verdict") or facts.get("role")) for facts in leaves
    ]
    found = [_line(kind, data) for kind, data, _ in events]
    if not findings.check("the history is that of the leaves", where, expected=said, found=found) or task is None:
        return
    for number, ((_, data, by), facts) in enumerate(zip(events, leaves, strict=True), start=1):
        if "line" not in facts:
            continue
        if task.key is None:
            findings.erased += task.erased
            continue
        what = "a line of the history is what the leaf commits to"
        try:
            salt = bytes.fromhex(facts["line_salt"])
        except (KeyError, TypeError, ValueError):
            findings.add(what, f"{where} line {number}", expected="a salt in the leaf")
            continue
        committed = audit.commit(task.key, salt, (by, data))
        findings.check(what, f"{where} line {number}", expected=facts["line"], found=committed)


# Who has a review after each line of its history; what stands nowhere here changes nothing.
_FREED: Final = frozenset({"released", "escalated", "approved"})


def check_assignee(
    where: str, events: Sequence[tuple[str, str, str]], assignee: str | None, findings: Findings
) -> None:
    """Check who has a review against its history (kind, data, who), oldest first, which `check_history` holds against the leaves."""
    expected: str | None = None
    for kind, data, by in events:
        if kind == "claimed":
            expected = by
        elif kind == "assigned":
            with suppress(ValueError, AttributeError):
                expected = canonical.loads(data).get("assignee")
        elif kind in _FREED:
            expected = None
    findings.check("who has the review is whom its history says", where, expected=expected, found=assignee)


def check_approvals(
    where: str,
    approvals: Sequence[Sequence[Any]],
    review: Sequence[Any],
    leaves: Sequence[Facts],
    task: TaskRow | None,
    findings: Findings,
) -> None:
    """Check a review's approvals (number, revision, verdict, answer, salt, by, persons, taken back) against its leaves.

    An answer that let something through has as many that count as its leaves say were needed.
    """
    if task is None:
        return
    said = [facts for facts in leaves if facts.get("kind") == "review.approved"]
    back = {facts.get("approval") for facts in leaves if facts.get("kind") in ("review.revoked", "review.lapsed")}
    expected = [(f.get("approval"), f.get("revision"), f.get("verdict"), f.get("approval") in back) for f in said]
    found = [(row[0], row[1], row[2], row[7]) for row in approvals]
    if not findings.check("the approvals are those of the leaves", where, expected=expected, found=found):
        return
    for row, facts in zip(approvals, said, strict=True):
        if task.content_gone:
            continue
        parts = audit.approval_parts(answer=row[3], by=row[5], persons=row[6])
        what = "an approval is what the leaf commits to"
        findings.check("an approval's salt is that of the leaf", where, expected=facts.get("salt"), found=row[4].hex())
        check_commitment(what, f"{where} approval {row[0]}", task, row[4], parts, facts, findings)
    latest = next((facts for facts in reversed(leaves) if facts.get("kind") in REVIEW_AFTER), {})
    if latest.get("kind") != "review.answered" or latest.get("verdict") == "reject":
        return
    asked = 1
    with suppress(ValueError, AttributeError, TypeError):
        asked = int(canonical.loads(review[7]).get("approvals", 1))
    needed = max(asked, *(facts.get("needed", 1) for facts in said), 1)
    revision = said[-1].get("revision") if said else 0
    people = [set(row[6]) for row in approvals if row[1] == revision and not row[7]]
    enough = len(people) >= needed or needed == 1
    if not enough or sum(map(len, people)) != len(set().union(*people)):
        findings.add(
            "an answer has the approvals of as many people as it needed", where, expected=needed, found=len(people)
        )


def _line(kind: str, data: str) -> tuple[str, Any]:
    try:
        facts = canonical.loads(data)
        return kind, facts.get("verdict") or facts.get("role") or facts.get("to")
    except (ValueError, AttributeError):
        return kind, data


def _check_opened(where: str, row: Sequence[Any], task: TaskRow, leaves: Sequence[Facts], findings: Findings) -> None:
    role, request, subject, deadline, automation, name, submitted_by = row
    roles = [facts["role"] for facts in leaves if facts.get("kind") in ROLE_GIVEN and "role" in facts]
    if roles:
        findings.check("the role is the one that it was given to last", where, expected=roles[-1], found=role)
    opened = next((facts for facts in leaves if facts.get("kind") == "review.opened"), {})
    if "commit" not in opened:
        return
    what = "the question is what the leaf commits to"
    try:
        salt = bytes.fromhex(opened["salt"])
    except (KeyError, TypeError, ValueError):
        findings.add(what, where, expected="a salt in the leaf")
        return
    parts = audit.review_parts(
        request=request, subject=subject, deadline=deadline, automation=automation, name=name, submitted_by=submitted_by
    )
    check_commitment(what, where, task, salt, parts, opened, findings)


def check_review(
    where: str, row: Sequence[Any], tasks: Mapping[str, TaskRow], leaves: Sequence[Facts], findings: Findings
) -> None:
    """Check a review (id, task, state, answer, salt, who answered, then how it was opened) against its leaves, oldest first."""
    task_id, state, answer, salt, answered_by = row[1:6]
    steps = [facts for facts in leaves if facts.get("kind") in REVIEW_AFTER]
    opened = sum(facts["kind"] == "review.opened" for facts in steps)
    findings.check("a review has one leaf of its opening", where, expected=1, found=opened)
    task = tasks.get(task_id)
    if task is None:
        findings.add("a review's task is there", where)
    if not steps or task is None:
        return
    _check_opened(where, row[6:], task, leaves, findings)
    latest = steps[-1]
    findings.check("the task is that of the leaf", where, expected=latest.get("task"), found=task_id)
    # A task that is cancelled before a worker has it closes its open reviews under its own leaf.
    closed = state == "cancelled" and task.state == "cancelled" and REVIEW_AFTER[latest["kind"]] == "open"
    if not closed:
        expected = REVIEW_AFTER[latest["kind"]]
        findings.check("the state follows from its latest leaf", where, expected=expected, found=state)
    if task.content_gone:
        findings.erased += 1
        return
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
