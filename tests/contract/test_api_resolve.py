"""Tasks that somebody has dealt with: who may say so, what stands on record, and what ends it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from tests.contract.api_fixture import MARKS, api
from tests.contract.running_api import Running

from interlock.app import audit_log
from interlock.governance.verify import verify

pytestmark = MARKS
__all__ = ["api"]


async def resolve(api: Running, task_id: str, note: str = "paid by hand", who: str = "author") -> httpx.Response:
    return await api.as_(who).post(f"/v1/tasks/{task_id}:resolve", json={"note": note})


async def findings(api: Running, task_id: str) -> set[str]:
    log, public = audit_log(api.app.settings, api.relay), api.app.keys.audit_key.public_key()
    report = await verify(api.app.database, api.relay, log, api.app.subject_keys, public)
    return {one.what for one in report.findings if task_id in one.where}


async def listed(api: Running, **params: Any) -> set[str]:
    found: set[str] = set()
    while True:
        page = (await api.as_("owner").get("/v1/tasks", params={"limit": 20, **params})).json()
        found |= {one["id"] for one in page["items"]}
        if page["next_cursor"] is None:
            return found
        params["cursor"] = page["next_cursor"]


async def test_a_failed_task_is_resolved_reopened_and_cleared_by_a_retry(api: Running) -> None:
    task = await api.submit(name="Fay", fail=True, wait="failed")
    before = (await api.as_("owner").get("/v1/statistics")).json()["items"][0]
    done = await resolve(api, task["id"], "paid by hand, Ada knows")
    assert done.status_code == 200, done.text
    assert done.json()["state"] == "failed"
    said = done.json()["resolved"]
    assert (said["by"], said["note"]) == ("user:amir", "paid by hand, Ada knows")
    assert (await api.as_("owner").get(f"/v1/tasks/{task['id']}")).json()["resolved"] == said
    numbers = (await api.as_("owner").get("/v1/statistics")).json()["items"][0]
    assert numbers["failed"] == before["failed"]
    assert numbers["failed_resolved"] == before["failed_resolved"] + 1
    again = await resolve(api, task["id"], who="owner")
    assert (again.status_code, again.json()["resolved_by"]) == (409, "user:amir")
    assert await findings(api, task["id"]) == set()

    other = await api.submit(name="Gil", fail=True, wait="failed")
    assert task["id"] in await listed(api, resolved=True)
    assert task["id"] not in await listed(api, resolved=False, state="failed")
    assert other["id"] in await listed(api, resolved=False, state="failed")
    assert {task["id"], other["id"]} <= await listed(api, state="failed")

    reopened = await api.as_("author").post(f"/v1/tasks/{task['id']}:reopen")
    assert (reopened.status_code, reopened.json()["resolved"]) == (200, None)
    assert (await api.as_("author").post(f"/v1/tasks/{task['id']}:reopen")).status_code == 409
    assert (await resolve(api, task["id"])).status_code == 200
    assert (await api.as_("author").post(f"/v1/tasks/{task['id']}:retry")).status_code == 202
    failed_again = await api.until(task["id"], "failed")
    assert failed_again["resolved"] is None
    assert await findings(api, task["id"]) == set()
    kinds = [row[0] for row in await api.owner(
        "select type from outbox where task_id = %s and type in ('task.resolved', 'task.reopened') order by id", (task["id"],)
    )]  # fmt: skip
    assert kinds == ["task.resolved", "task.reopened", "task.resolved"]
    leaves = await api.owner("select leaf from audit_records where task_id = %s", (task["id"],))
    assert all("Ada" not in leaf and "user:amir" not in leaf for (leaf,) in leaves)


async def test_what_needs_nobody_is_not_resolved(api: Running) -> None:
    succeeded = await api.submit(name="Hal", wait="succeeded")
    waiting, _ = await api.review()
    for task in (succeeded, waiting):
        answer = await resolve(api, task["id"])
        assert (answer.status_code, answer.json()["state"]) == (409, task["state"])
    cancelled = await api.submit(name="Ida", wait_s=10_000, wait="waiting")
    await api.as_("author").post(f"/v1/tasks/{cancelled['id']}:cancel", json={})
    await api.until(cancelled["id"], "cancelled")
    assert (await resolve(api, cancelled["id"])).status_code == 200
    for note in ("", "  ", "x" * 5000, None):
        wrong = await api.as_("author").post(f"/v1/tasks/{cancelled['id']}:resolve", json={"note": note})
        assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/note")


@pytest.mark.parametrize("who", ["reviewer", "auditor", "agent", "nobody"])
async def test_only_who_runs_tasks_resolves_them(api: Running, who: str) -> None:
    task = await api.submit(name="Jo", fail=True, wait="failed")
    assert (await resolve(api, task["id"], who=who)).status_code == 403
    assert (await api.as_(who).post(f"/v1/tasks/{task['id']}:reopen")).status_code == 403
    assert (await resolve(api, task["id"], who="stranger")).status_code == 404


async def test_a_blocked_task_that_goes_on_by_itself_is_resolved_no_more(api: Running) -> None:
    """A worker that starts looks at blocked tasks again, also at those that somebody has dealt with."""
    waiting, review_id = await api.review(name="Nia")
    [(epoch,)] = await api.owner("select epoch from tasks where id = %s", (waiting["id"],))
    [claimed] = await api.app.tasks.load("default", {waiting["id"]: epoch})
    await api.app.tasks.block(claimed, {"kind": "Nondeterministic", "message": "changed"})
    assert (await resolve(api, waiting["id"], "the code is mended tomorrow")).status_code == 200
    await api.app.tasks.block(claimed, {"kind": "Nondeterministic", "message": "changed"})
    assert (await api.until(waiting["id"], "blocked"))["resolved"]["note"] == "the code is mended tomorrow"
    assert await findings(api, waiting["id"]) == set()
    numbers = (await api.as_("owner").get("/v1/statistics")).json()["items"][0]
    assert numbers["blocked"] == numbers["blocked_resolved"] == 1
    await api.owner("select wake_blocked(array['greet'])")
    assert (await api.until(waiting["id"], "waiting"))["resolved"] is None
    assert await findings(api, waiting["id"]) == set()
    assert (await api.as_("reviewer").post(f"/v1/reviews/{review_id}:approve")).status_code == 200
    await api.until(waiting["id"], "succeeded")
    assert await findings(api, waiting["id"]) == set()


async def test_tampering_with_a_resolution_is_found(api: Running) -> None:
    task = await api.submit(name="Kai", fail=True, wait="failed")
    assert (await resolve(api, task["id"])).status_code == 200
    for change, what in (
        ("resolved_by = 'user:eve'", "who resolved the task, and why, is what the leaf commits to"),
        ("resolution_note = 'nothing to see'", "who resolved the task, and why, is what the leaf commits to"),
        ("resolved_at = null, resolved_by = null", "the task is resolved as the log says"),
    ):
        columns = "resolved_at, resolved_by, resolution_note"
        [kept] = await api.owner(f"select {columns} from tasks where id = %s", (task["id"],))
        await api.owner(f"update tasks set {change} where id = %s", (task["id"],))
        assert await findings(api, task["id"]) == {what}
        await api.owner(f"update tasks set ({columns}) = (%s, %s, %s) where id = %s", (*kept, task["id"]))
    assert await findings(api, task["id"]) == set()


async def test_the_note_is_erased_with_the_person_whom_the_task_is_about(api: Running) -> None:
    task = await api.submit(name="Lea", fail=True, subject="person:lea", wait="failed")
    assert (await resolve(api, task["id"], "Lea was told by phone")).status_code == 200
    made = await api.as_("owner").post("/v1/privacy/erasures", json={"subject": "person:lea"})
    assert made.status_code == 202, made.text
    await api.app.erasures.once()
    shown = (await api.as_("owner").get(f"/v1/tasks/{task['id']}")).json()
    assert (shown["resolved"]["by"], shown["resolved"]["note"]) == ("user:amir", None)
    for table in ("tasks", "outbox", "audit_records"):
        assert not await api.owner(f"select 1 from {table} t where t::text like '%%by phone%%'"), table
    assert await findings(api, task["id"]) == set()
    other = await api.submit(name="Mo", fail=True, subject="person:mo", wait="failed")
    await api.as_("owner").post("/v1/privacy/erasures", json={"subject": "person:mo"})
    await api.app.erasures.once()
    assert (await resolve(api, other["id"])).status_code == 409
