"""A step's logs, from its process to who reads them: in pages, in their tenant, sealed, erased with the task, and in nobody's way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from tests.contract.api_fixture import MARKS, api
from tests.contract.running_api import Running
from tests.eventually import eventually

from interlock.boundary.step_logs import StepLogs, Wanted
from interlock.boundary.step_output import Limits
from interlock.domain.errors import Conflict, Unavailable
from interlock.domain.ports import Call
from interlock.domain.tasks import Claimed, TaskInfo
from interlock.governance.audit import SubjectKeys
from interlock.infra.database import Database

pytestmark = MARKS
__all__ = ["api"]
AT = "2026-01-02T03:04:05.000006+00:00"
LIMITS = Limits(bytes_max=2_000, lines_max=500, line_chars_max=100, level="info")


async def lines(api: Running, task_id: str, *, who: str = "author", **params: Any) -> list[dict[str, Any]]:
    """Give all lines, page by page."""
    found: list[dict[str, Any]] = []
    while True:
        answer = await api.as_(who).get(f"/v1/tasks/{task_id}/logs", params=params)
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        if (cursor := answer.json()["next_cursor"]) is None:
            return found
        params = {**params, "cursor": cursor}


async def written(api: Running, task_id: str, count: int = 1) -> list[dict[str, Any]]:
    """Give all lines once there are so many: they are stored now and then, and at the end of the attempt."""

    async def so_many() -> list[dict[str, Any]] | None:
        found = await lines(api, task_id)
        return found if len(found) >= count else None

    found: list[dict[str, Any]] = await eventually(so_many, message="logs of the task")
    return found


@pytest_asyncio.fixture(loop_scope="module")
async def logs(api: Running) -> AsyncIterator[StepLogs]:
    made = StepLogs(api.app.database, api.app.subject_keys, LIMITS, task_bytes_max=1_000_000)
    yield made
    await made.close()


async def claimed(api: Running, task_id: str) -> Claimed:
    """Give a task as its worker has it."""
    ((subject, wrapped),) = await api.owner(
        "select t.subject, k.wrapped_key from tasks t join subject_keys k using (tenant, subject) where t.id = %s",
        (task_id,),
    )
    info = TaskInfo(
        id=task_id, tenant="default", automation="greet", version="1.0.0", correlation_id="c", submitted_by="user:amir", subject=subject
    )  # fmt: skip
    key = api.app.subject_keys.unwrap("default", subject, bytes(wrapped))
    return Claimed(info=info, epoch=1, generation=1, input=None, accepted_at=api.app.clock.now(), subject_key=key)


def line(text: str) -> list[Any]:
    return [AT, "stdout", None, None, text, 0]


async def test_what_a_step_wrote_stands_beside_its_effect(api: Running) -> None:
    task = await api.submit(name="Ada", says="good day", wait="succeeded")
    found = await written(api, task["id"], 2)
    effect = next(one for one in task["effects"] if one["name"] == "compose")
    assert [(one["stream"], one["level"], one["text"]) for one in found] == [
        ("log", "info", "composing for Ada"), ("stdout", None, "good day")
    ]  # fmt: skip
    assert {(one["effect_id"], one["attempt"], one["generation"]) for one in found} == {(effect["id"], 1, 1)}
    assert found[0]["logger"].endswith("greet.steps")
    assert found[0]["at"] <= found[1]["at"]
    assert await lines(api, task["id"], effect=effect["id"], attempt=1, generation=1) == found
    for nothing in ({"effect": "/other#1"}, {"attempt": 2}, {"generation": 2}):
        assert await lines(api, task["id"], **nothing) == []
    assert [one["text"] for one in await lines(api, task["id"], who="auditor")] == ["composing for Ada", "good day"]


async def test_a_step_that_fails_says_where(api: Running) -> None:
    task = await api.submit(name="Fay", fail=True, wait="failed")
    found = await written(api, task["id"], 3)
    assert {one["level"] for one in found} == {"error"}
    assert found[0]["text"].startswith("Traceback")
    assert "steps.py" in found[1]["text"]
    assert found[-1]["text"].endswith("was told to fail")


async def test_a_step_that_writes_nothing_leaves_nothing(api: Running) -> None:
    task = await api.submit(name="Quiet", wait="succeeded")
    assert await lines(api, task["id"]) == []
    assert await api.owner("select 1 from step_logs where task_id = %s", (task["id"],)) == []


async def test_pages_hold_every_line_once(api: Running, logs: StepLogs) -> None:
    task = await api.submit(name="Many", wait="succeeded")
    owned = await claimed(api, task["id"])
    for attempt in range(1, 20):  # more rows than are read at once
        log = logs.attempt(Call(task=owned, idempotency_key="k", attempt=attempt), "/x#1")
        for number in range(3):
            log.told(line(f"{attempt}.{number}"))
        log.end()
    await logs.close()
    texts: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await api.as_("author").get(f"/v1/tasks/{task['id']}/logs", params={"limit": 4, **cursor})).json()
        texts += [one["text"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        assert len(page["items"]) == 4
        cursor = {"cursor": page["next_cursor"]}
    assert texts == [f"{attempt}.{number}" for attempt in range(1, 20) for number in range(3)]
    wrong = await api.as_("author").get(f"/v1/tasks/{task['id']}/logs", params={"cursor": "x"})
    assert wrong.status_code == 400


async def test_a_long_step_is_seen_while_it_runs(api: Running, logs: StepLogs) -> None:
    task = await api.submit(name="Long", wait="succeeded")
    log = logs.attempt(Call(task=await claimed(api, task["id"]), idempotency_key="k"), "/x#1")
    log.told(line("first"))
    assert [one["text"] for one in await written(api, task["id"])] == ["first"]  # without an end
    log.told(line("a\0b\u2028 \U0001f600"))
    log.end()
    await logs.close()
    assert [one["text"] for one in await lines(api, task["id"])] == ["first", "a\0b\u2028 \U0001f600"]


async def test_a_task_keeps_only_so_much_and_says_so(api: Running) -> None:
    logs = StepLogs(api.app.database, api.app.subject_keys, LIMITS, task_bytes_max=3_600)
    task = await api.submit(name="Much", wait="succeeded")
    owned = await claimed(api, task["id"])
    for attempt in (1, 2, 3):
        log = logs.attempt(Call(task=owned, idempotency_key="k", attempt=attempt), "/x#1")
        for _ in range(14):
            log.told(line("x" * 50))
        log.end()
    await logs.close()
    found = await lines(api, task["id"])
    assert [one["attempt"] for one in found if one["stream"] == "stdout"] == [1] * 14 + [2] * 14
    assert [(one["attempt"], one["text"][:27]) for one in found if one["stream"] == "cut"] == [
        (3, "14 lines were not kept: the")
    ]


@pytest.mark.parametrize(
    "said",
    [
        None, [], "text", [AT, "stdout", None, None, "x"], ["yesterday", "stdout", None, None, "x", 0], [AT, "other", None, None, "x", 0],
        [AT, "stdout", None, None, "x" * 101, 0], [AT, "stdout", "i" * 129, None, "x", 0], [AT, "stdout", None, None, "x", -1],
        [AT, "stdout", None, None, "x", True], [AT, "stdout", None, 7, "x", 0], ["2026-01-02T03:04:05", "stdout", None, None, "x", 0],
        [AT, ["stdout"], None, None, "x", 0],
    ],
)  # fmt: skip
async def test_a_child_that_tells_something_else_is_not_believed(api: Running, logs: StepLogs, said: Any) -> None:
    task = await api.submit(name="Ada", wait="succeeded")
    log = logs.attempt(Call(task=await claimed(api, task["id"]), idempotency_key="k"), "/x#1")
    log.told(said)
    log.told(line("right"))
    log.end()
    await logs.close()
    assert [one["text"] for one in await lines(api, task["id"])] == ["right"]


async def test_a_child_that_keeps_to_no_limit_is_cut_off(api: Running, logs: StepLogs) -> None:
    task = await api.submit(name="Ada", wait="succeeded")
    log = logs.attempt(Call(task=await claimed(api, task["id"]), idempotency_key="k"), "/x#1")
    for _ in range(5_000):
        log.told(line(""))
    log.end()
    await logs.close()
    ((count,),) = await api.owner("select sum(lines)::int from step_logs where task_id = %s", (task["id"],))
    assert LIMITS.lines_max <= count <= LIMITS.lines_max + 50


async def test_logs_are_sealed_under_the_subjects_key_and_erased_with_the_task(api: Running, logs: StepLogs) -> None:
    task = await api.submit(name="Ada", says="Zebulon", subject="person:logs", wait="succeeded")
    assert await written(api, task["id"])
    assert not await api.owner("select 1 from step_logs t where t::text ilike '%%Zebulon%%'")
    owned = await claimed(api, task["id"])
    await api.owner("update step_logs set effect_id = '/moved#1' where task_id = %s", (task["id"],))
    answer = await api.as_("author").get(f"/v1/tasks/{task['id']}/logs")
    assert answer.status_code == 409, answer.text
    assert (
        await api.as_("owner").post("/v1/privacy/erasures", json={"subject": owned.info.subject})
    ).status_code == 202
    await api.app.erasures.once()
    assert await api.owner("select 1 from step_logs where task_id = %s", (task["id"],)) == []
    # What comes in after it is not taken.
    log = logs.attempt(Call(task=owned, idempotency_key="k"), "/x#1")
    log.told(line("too late"))
    log.end()
    await logs.close()
    assert await api.owner("select 1 from step_logs where task_id = %s", (task["id"],)) == []
    assert await lines(api, task["id"]) == []


async def test_logs_under_another_key_are_not_shown(api: Running) -> None:
    task = await api.submit(name="Ada", says="x", wait="succeeded")
    assert await written(api, task["id"])
    other = StepLogs(api.app.database, SubjectKeys(bytes(32)), LIMITS, task_bytes_max=1)
    with pytest.raises(Conflict):
        await other.read("default", task["id"], Wanted(), after=None, limit=10)


class Away(Database):
    """A database that takes nothing."""

    def __init__(self, error: Exception) -> None:
        self.error, self.tried = error, 0

    async def together(self, tenant: Any, statements: Any) -> Any:
        self.tried += 1
        raise self.error


@pytest.mark.parametrize(("error", "tried"), [(ValueError("no"), 1), (Unavailable("away"), 2)])
async def test_logs_that_cannot_be_stored_fail_nothing(api: Running, error: Exception, tried: int) -> None:
    task = await api.submit(name="Ada", wait="succeeded")
    away = Away(error)
    logs = StepLogs(away, api.app.subject_keys, LIMITS, task_bytes_max=1, tries_max=2, retry_s=0.01)
    log = logs.attempt(Call(task=await claimed(api, task["id"]), idempotency_key="k"), "/x#1")
    log.told(line("lost"))
    log.end()
    await logs.close()
    assert away.tried == tried


async def test_another_tenant_finds_no_such_task(api: Running) -> None:
    task = await api.submit(name="Ada", says="x", wait="succeeded")
    assert await written(api, task["id"])
    assert (await api.as_("stranger").get(f"/v1/tasks/{task['id']}/logs")).status_code == 404
    assert (await api.as_("nobody").get(f"/v1/tasks/{task['id']}/logs")).status_code == 403
    assert await api.app.step_logs.read("other", task["id"], Wanted(), after=None, limit=10) == []
