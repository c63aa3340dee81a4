"""A second worker on the same database that stops itself (SIGSTOP) at a named point when a file asks for it.

Woken after its lease, it is a stale owner in the middle of ending or suspending a task. With `--unfenced` it is also the mutant:
its statements no longer look at the epoch nor at whether the task has ended.

    python -m tests.chaos.paused_worker PAUSE_FILE [--unfenced]     (settings from the environment, as for `interlock serve`)
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from interlock.app import App, Worker, opened
from interlock.boundary import journal
from interlock.boundary.recorder import Write
from interlock.infra.settings import load
from interlock.orchestration.store import END, SUSPEND, PostgresTasks

FENCE = " and t.epoch = i.epoch\n        and t.state not in ('succeeded', 'failed', 'cancelled')"


def pause_at(asked: Path) -> Callable[[str], Awaitable[None]]:
    """Give the fault point: stops this process where the file names this point, and removes it before."""

    async def point(name: str) -> None:
        with suppress(FileNotFoundError):
            if asked.read_text() == name:
                asked.unlink()
                os.kill(os.getpid(), signal.SIGSTOP)

    return point


def without(write: Write, *changes: tuple[str, str]) -> Write:
    """Give a statement with parts replaced; each must be there."""
    sql = write.sql
    for part, instead in changes:
        assert part in sql, f"{write.name} has no {part!r}"
        sql = sql.replace(part, instead)
    return Write(name=write.name, key=write.key, sql=sql)


def unfenced(app: App) -> App:
    """Give the same parts with the fence removed from what records, ends and suspends."""
    journal.RECORD = without(journal.RECORD, (" and f.epoch = i.epoch", ""))
    parts = app.tasks
    tasks = PostgresTasks(
        parts._database,
        parts._recorder,
        parts._objects,
        parts._keys,
        parts._clock,
        inline_bytes_max=app.settings.inline_outcome_bytes_max,
        end=without(END, (FENCE, ""), ("returning t.id, t.epoch,", "returning t.id, i.epoch,")),
        suspend=without(SUSPEND, (FENCE, ""), ("returning t.id, t.epoch,", "returning t.id, i.epoch,")),
    )
    return replace(app, tasks=tasks)


async def serve(asked: Path, *, fenced: bool) -> None:
    """Work until killed."""
    async with opened(load(), name="paused-worker") as app:
        worker = Worker(app if fenced else unfenced(app), fault=pause_at(asked))
        await worker.steps.warm()
        await worker.engine.run()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), fenced="--unfenced" not in sys.argv[2:]))
