"""Recorded journals as JSON: kept beside an automation, replayed in CI, so that no change breaks work in flight."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interlock.domain import canonical
from interlock.domain.decisions import Decision
from interlock.domain.effects import Effect, Kind, Outcome, Recorded, Status
from interlock.domain.errors import Nondeterministic
from interlock.domain.tasks import State, TaskInfo
from interlock.sdk.automation import Automation
from interlock.sdk.run import NotReplayable, Run
from interlock.sdk.task import Task

FORMAT = 1
_OUTCOME = ("value", "error", "model_version", "confidence", "cost_usd", "by")


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """Where a replay of a journal ended: the same as when it was recorded, else it raises."""

    state: State
    output: Any = None
    error_kind: str | None = None


def to_json(
    info: TaskInfo,
    value: Any,
    rows: list[tuple[Effect, Recorded]],
    state: State,
    output: Any,
    error: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Give a task's journal in plain JSON, with its input and how it stood."""
    return {
        "format": FORMAT,
        "task": {
            "id": info.id,
            "tenant": info.tenant,
            "automation": info.automation,
            "version": info.version,
            "correlation_id": info.correlation_id,
            "submitted_by": info.submitted_by,
            "subject": info.subject,
            "labels": dict(info.labels),
        },
        "input": value,
        "effects": [_row(effect, recorded) for effect, recorded in rows],
        "state": state.value,
        "output": output,
        "error_kind": None if error is None else error.get("kind"),
    }  # fmt: skip


def write(journal: Mapping[str, Any], path: Path) -> None:
    """Write a journal to a file, one line an effect, so that a change of it reads well in a review."""
    head = {name: value for name, value in journal.items() if name != "effects"}
    lines = ",\n".join("  " + canonical.dumps(row).decode() for row in journal["effects"])
    text = canonical.dumps(head).decode()
    path.write_text(f'{text[:-1]},\n"effects":[\n{lines}\n]}}\n', encoding="utf-8")


def read(path: Path) -> dict[str, Any]:
    """Read what `write` wrote."""
    journal: dict[str, Any] = canonical.loads(path.read_bytes())
    if journal.get("format") != FORMAT:
        raise ValueError(f"{path}: journal format {journal.get('format')!r} is not known here; record it again")
    return journal


def replay(automation: Automation[Any, Any], journal: Mapping[str, Any] | Path, *, effects_max: int = 2000) -> Replayed:
    """Run an automation against a recorded journal, performing nothing.

    Raises:
        Nondeterministic: it asks for something else, ends otherwise than it did, or ends where it waited. In production such a
            task is parked as `blocked`. NotReplayable: it used a clock, a thread or a socket.
    """
    held = read(journal) if isinstance(journal, Path) else dict(canonical.plain(journal))
    info = TaskInfo(**held["task"])

    async def start(run: Run) -> Any:
        return await automation.run(Task(info, run), held["input"])

    run = Run(start, effects_max)
    cancelled = False
    try:
        run.drain()
        for row in held["effects"]:
            recorded = _recorded(row)
            if recorded.kind is Kind.CANCEL:
                cancelled = True
                run.cancel()
            else:
                run.deliver(recorded)
            run.drain()
        replayed = _ended(run, cancelled) if run.ended else Replayed(state=State.WAITING)
        asks = [{"id": effect.id, "kind": effect.kind.value, "name": effect.name} for effect, _ in run.pending.values()]
    finally:
        run.abandon()
    _compare(held, replayed, asks)
    return replayed


def _compare(held: Mapping[str, Any], replayed: Replayed, asks: list[dict[str, Any]]) -> None:
    was = State(held["state"])
    if was in (State.BLOCKED, State.ACCEPTED, State.RUNNING):
        was = State.WAITING
    same = (was, held["output"], held["error_kind"]) == (replayed.state, replayed.output, replayed.error_kind)
    if not same and not (was is State.WAITING and replayed.state is State.WAITING):
        raise Nondeterministic(
            f"The journal says that the task is {was.value}, and the automation is {replayed.state.value} with another result.",
            recorded={"state": was.value, "output": held["output"], "error_kind": held["error_kind"]},
            asked={
                "state": replayed.state.value, "output": replayed.output, "error_kind": replayed.error_kind, "asks": asks,
            },
        )  # fmt: skip


def _ended(run: Run, cancelled: bool) -> Replayed:
    try:
        return Replayed(state=State.SUCCEEDED, output=canonical.plain(run.result()))
    except asyncio.CancelledError:
        return Replayed(state=State.CANCELLED if cancelled else State.FAILED, error_kind="Cancelled")
    except Exception as error:
        inner: BaseException = error
        while isinstance(inner, BaseExceptionGroup) and inner.exceptions:
            inner = inner.exceptions[0]
        return Replayed(state=State.FAILED, error_kind=getattr(inner, "kind", type(inner).__name__))


def _row(effect: Effect, recorded: Recorded) -> dict[str, Any]:
    outcome = recorded.outcome
    found: dict[str, Any] = {name: getattr(outcome, name) for name in _OUTCOME if getattr(outcome, name) is not None}
    if outcome.decision is not None:
        found["decision"] = outcome.decision.as_json()
    return {
        "id": recorded.id,
        "kind": recorded.kind.value,
        "name": recorded.name,
        "input": effect.input,
        "input_digest": recorded.input_digest.hex(),
        "seq": recorded.seq,
        "status": outcome.status.value,
        "attempts": outcome.attempts,
        **canonical.plain(found),
    }


def _recorded(row: Mapping[str, Any]) -> Recorded:
    decision = row.get("decision")
    known: dict[str, Any] = {name: row.get(name) for name in _OUTCOME}
    known |= {"decision": Decision.from_json(decision) if decision else None, "attempts": row.get("attempts", 1)}
    outcome = Outcome(status=Status(row["status"]), **known)
    return Recorded(
        id=row["id"],
        kind=Kind(row["kind"]),
        name=row["name"],
        input_digest=bytes.fromhex(row["input_digest"]),
        seq=row["seq"],
        outcome=outcome,
    )


__all__ = ["NotReplayable", "Replayed", "read", "replay", "to_json", "write"]
