"""What steps write in a real step process: caught in every way, for its own call, masked, and kept where the attempt hangs or dies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from interlock.domain.errors import ExecutorFailed
from interlock.infra.child_pool import ChildPool

SCRIPTS = "tests.contract.step_scripts"
LOGS = {"bytes_max": 10_000, "lines_max": 60, "line_chars_max": 200, "level": "info"}


@pytest.fixture
async def pool(tmp_path: Path) -> AsyncIterator[ChildPool]:
    config = {"automations_dir": str(tmp_path), "logs": LOGS}
    made = ChildPool(name="steps", handler="interlock.boundary.step_child:handler", config=config, size=1)
    yield made
    await made.close()


async def run(
    pool: ChildPool, name: str, *, secrets: dict[str, str] | None = None, timeout_s: float = 30, **given: Any
) -> list[Any]:
    """Run a step; gives what was told, and what it failed with as a last line."""
    told: list[Any] = []
    call = {"idempotency_key": "k", "attempt": 1, "task_id": "t", "config": {}, "secrets": secrets or {}}
    body = {"target": f"{SCRIPTS}:{name}", "arguments": given, "call": call}
    try:
        await pool.call(body, timeout_s=timeout_s, told=told.append)
    except ExecutorFailed as error:
        told.append(error.kind)
    return told


def said(told: list[Any]) -> list[tuple[Any, ...]]:
    return [(line[1], line[2], line[4]) for line in told]


async def test_everything_that_a_step_writes_is_told(pool: ChildPool, capfd: pytest.CaptureFixture[str]) -> None:
    told = said(await run(pool, "every_way"))
    for line in (
        ("stdout", None, "printed"), ("stderr", None, "to stderr"), ("log", "info", "informed 1"),
        ("log", "warning", "does not fit %d (its arguments do not fit: TypeError)"),
        ("log", "error", "caught"), ("log", "error", "KeyError: 'inner'"), ("stdout", None, "bytes"), ("stdout", None, "by descriptor"),
        ("stdout", None, "a program"), ("stderr", None, "its error"), ("stdout", None, "task 0"), ("stdout", None, "task 1"),
        ("stdout", None, "task 2"), ("stdout", None, "a thread"), ("stdout", None, "an executor"), ("stdout", None, "own thread"),
        ("stdout", None, "no line feed"),
    ):  # fmt: skip
        assert line in told, told
    assert any(stream == "stderr" and "beware" in text for stream, _, text in told)
    assert "not kept" not in str(told)
    # The executor's threads live on, and write for the call that gives them work.
    assert ("stdout", None, "an executor") in said(await run(pool, "every_way"))
    assert await run(pool, "quiet") == []
    out, err = capfd.readouterr()  # where the worker's own log goes
    assert "printed" not in out + err
    assert "informed" not in out + err


async def test_a_secret_is_masked_before_it_leaves(pool: ChildPool) -> None:
    told = await run(pool, "leaks", secrets={"token": "s3cr3t-v4lue"}, how="raise")
    assert said(told[:1]) == [("stdout", None, "signing in with [secret]")]
    assert told[-1] == "ValueError"
    assert "s3cr3t" not in str(told)
    assert ("log", "error", "ValueError: refused [secret]") in said(told[:-1])
    assert any("step_scripts.py" in line[4] for line in told[:-1])
    assert not any("interlock/boundary/" in line[4] or "interlock/infra/" in line[4] for line in told[:-1])


@pytest.mark.parametrize(("name", "kind"), [("hangs", "TimedOut"), ("dies", "ProcessDied")])
async def test_what_it_wrote_before_is_there_where_it_hangs_or_dies(pool: ChildPool, name: str, kind: str) -> None:
    assert await run(pool, "quiet") == []  # the start of the process belongs to the time of the first call
    told = await run(pool, name, timeout_s=5 if name == "hangs" else 30)
    assert told[-1] == kind
    assert said(told[:-1]) == [("stdout", None, f"before it {name}")]


async def test_too_much_is_cut_and_the_failure_at_the_end_is_there(pool: ChildPool) -> None:
    told = await run(pool, "chatters", lines=5_000)
    assert [line[4] for line in told[:60]] == [str(number) for number in range(60)]
    assert told[60][1] == "cut"
    assert told[-2][4] == "RuntimeError: at the end"
    assert len(told) < 80


async def test_what_outlives_its_call_does_not_mix_into_the_next(pool: ChildPool, tmp_path: Path) -> None:
    assert [line[4] for line in await run(pool, "leaves", folder=str(tmp_path))] == ["mine"]
    assert [line[4] for line in await run(pool, "goes_on", folder=str(tmp_path))] == ["first", "last"]


async def test_a_fork_writes_as_a_program_does(pool: ChildPool) -> None:
    told = said(await run(pool, "forks"))
    assert ("stdout", None, "from a fork") in told
    assert ("stderr", None, "WARNING fork logged in it") in told
    assert await run(pool, "quiet") == []


async def test_arguments_that_do_not_fit_are_given_up_and_an_answer_that_does_not_parse_is_not(pool: ChildPool) -> None:
    call = {"idempotency_key": "k", "attempt": 1, "task_id": "t", "config": {}, "secrets": {}}
    for given, kind, again in (
        ({"answer": 7}, "InvalidArguments", False),
        ({"answer": "<html>"}, "ValidationError", True),
    ):
        body = {"target": f"{SCRIPTS}:parses", "arguments": given, "call": call}
        with pytest.raises(ExecutorFailed) as failed:
            await pool.call(body, timeout_s=30)
        assert (failed.value.kind, failed.value.retry) == (kind, again)
        assert ("the arguments do not fit" in failed.value.detail) is not again
    with pytest.raises(ExecutorFailed) as failed:
        await pool.call(
            {"target": f"{SCRIPTS}:parses", "arguments": {"answer": {"name": "Ada"}}, "call": call}, timeout_s=30
        )
    assert failed.value.detail.endswith(
        "/answer: Input should be a valid string"
    )  # and no value, which may be personal
