"""Child processes: answers, failures, limits; the pool outlives whatever its children do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from tests.eventually import eventually

from interlock.domain.errors import ExecutorFailed
from interlock.infra.child_pool import ChildPool


@pytest.fixture
async def pool() -> AsyncIterator[ChildPool]:
    made = ChildPool(name="tests", handler="tests.contract.child_handlers:handler", config={"a": 1}, size=2)
    yield made
    await made.close()


async def test_a_call_brings_files_and_prints_harm_nothing(pool: ChildPool) -> None:
    result = await pool.call({"do": "echo"}, {"one": b"x" * 300_000, "two": b""}, timeout_s=60)
    assert result.value == {"body": {"do": "echo"}, "sizes": {"one": 300_000, "two": 0}, "config": {"a": 1}}
    assert result.cpu_ms >= 0
    assert (await pool.call({"do": "await"}, timeout_s=60)).value == "awaited"


async def test_children_hold_no_credentials(pool: ChildPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLOCK_DATABASE_APP_URL", "postgresql://secret")
    monkeypatch.setenv("PGPASSWORD", "secret")
    names = (await pool.call({"do": "environment"}, timeout_s=60)).value
    assert not [name for name in names if name.startswith(("INTERLOCK_", "PG", "AWS"))]


@pytest.mark.parametrize(
    ("do", "kind", "retry"),
    [
        ("raise", "KeyError", True),
        ("give up", "Hopeless", False),
        ("die", "ProcessDied", True),
        ("set", "TypeError", True),
    ],
)
async def test_a_failure_says_its_kind_and_whether_to_retry(pool: ChildPool, do: str, kind: str, retry: bool) -> None:
    with pytest.raises(ExecutorFailed) as failure:
        await pool.call({"do": do}, timeout_s=60)
    assert (failure.value.kind, failure.value.retry) == (kind, retry)
    assert (await pool.call({"do": "await"}, timeout_s=60)).value == "awaited"


async def test_too_slow_is_ended_with_whatever_it_started(pool: ChildPool, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    await pool.call({"do": "await"}, timeout_s=60)  # its start belongs to the time of the first call
    call = asyncio.create_task(pool.call({"do": "sleep", "pids": str(pids)}, timeout_s=4))
    await eventually(lambda: pids.exists() and pids.read_text().count(" "), timeout_s=60)
    started = [int(pid) for pid in pids.read_text().split()]
    with pytest.raises(ExecutorFailed, match="over 4 s"):
        await call
    await eventually(lambda: not any(_lives(pid) for pid in started))


async def test_a_cancelled_call_frees_its_place(pool: ChildPool, tmp_path: Path) -> None:
    calls = [
        asyncio.create_task(pool.call({"do": "sleep", "pids": str(tmp_path / str(n))}, timeout_s=60)) for n in range(2)
    ]
    await eventually(lambda: len(pool.pids) == 2, timeout_s=60)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert (await pool.call({"do": "await"}, timeout_s=60)).value == "awaited"


async def test_closing_leaves_nobody_behind(pool: ChildPool) -> None:
    await pool.warm()
    pids = pool.pids
    assert len(pids) == 2
    await pool.close()
    assert not any(_lives(pid) for pid in pids)


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_an_error_without_a_text_is_named(pool: ChildPool) -> None:
    with pytest.raises(ExecutorFailed) as failed:
        await pool.call({"do": "raise nothing"}, timeout_s=60)
    assert failed.value.detail.endswith("MemoryError without a message (while reading page 1)")
