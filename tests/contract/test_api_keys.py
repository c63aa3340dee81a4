"""API keys: narrowed to actions and automations, rotated with an overlap, given an end, and seen in use."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from tests.contract.api_fixture import MARKS, api
from tests.contract.running_api import Running, client
from tests.contract.test_api_tenants import NOWHERE, OPEN, call, path_for, routes

pytestmark = MARKS
__all__ = ["api"]
# What every key may ask: who it is, and where policies are asked.
OF_ONESELF = {"/v1/whoami", "/.well-known/authzen-configuration"}


async def make(api: Running, who: str = "owner", **given: Any) -> dict[str, Any]:
    body = {"name": "k", "user": "user:kit", "roles": ["author"], **given}
    answer = await api.as_(who).post("/v1/keys", json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def with_key(api: Running, key: str) -> httpx.AsyncClient:
    return client(api.api, key)


async def status(api: Running, key: str, path: str = "/v1/whoami") -> int:
    async with with_key(api, key) as caller:
        return (await caller.get(path)).status_code


async def leaves(api: Running, kind: str, key_id: str) -> list[str]:
    rows = await api.owner(
        "select leaf from audit_records where leaf like %s and leaf like %s", (f'%"kind":"{kind}"%', f'%"{key_id}"%')
    )
    return [leaf for (leaf,) in rows]


async def test_rotating_gives_a_new_secret_and_the_old_one_opens_until_the_overlap_is_over(api: Running) -> None:
    made = await make(api)
    answer = await api.as_("owner").post(f"/v1/keys/{made['id']}:rotate", json={"overlap_s": 3600})
    assert answer.status_code == 200, answer.text
    rotated = answer.json()
    assert (rotated["id"], rotated["key"] == made["key"]) == (made["id"], False)
    assert [await status(api, k) for k in (made["key"], rotated["key"])] == [200, 200]
    await api.owner("update api_keys set old_until = time_now() where id = %s", (made["id"],))
    assert [await status(api, k) for k in (made["key"], rotated["key"])] == [401, 200]
    assert len(await leaves(api, "key.rotated", made["id"])) == 1


async def test_a_rotation_without_an_overlap_ends_the_sessions_of_the_key(api: Running) -> None:
    """Whoever had the secret that is to end may have signed in with it."""
    made = await make(api)
    for overlap_s, left in ((60, 200), (0, 401)):
        async with client(api.api, None, base_url="http://127.0.0.1") as browser:
            begun = await browser.post("/v1/sessions", headers={"authorization": f"Bearer {made['key']}"})
            assert begun.status_code == 201, begun.text
            rotated = await api.as_("owner").post(f"/v1/keys/{made['id']}:rotate", json={"overlap_s": overlap_s})
            made["key"] = rotated.json()["key"]
            assert (await browser.get("/v1/whoami")).status_code == left
    [ended] = await leaves(api, "session.ended", begun.json()["id"])
    assert '"why":"rotated"' in ended


async def test_a_second_rotation_ends_the_first_secret(api: Running) -> None:
    first = await make(api)
    second = (await api.as_("owner").post(f"/v1/keys/{first['id']}:rotate")).json()
    third = (await api.as_("owner").post(f"/v1/keys/{first['id']}:rotate", json={"overlap_s": 0})).json()
    assert [await status(api, k["key"]) for k in (first, second, third)] == [401, 401, 200]
    assert third["old_secret_until"] is None


@pytest.mark.parametrize("overlap_s", [-1, 30 * 24 * 3600 + 1, "soon"])
async def test_an_overlap_has_bounds(api: Running, overlap_s: Any) -> None:
    made = await make(api)
    answer = await api.as_("owner").post(f"/v1/keys/{made['id']}:rotate", json={"overlap_s": overlap_s})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/overlap_s")
    assert await leaves(api, "key.rotated", made["id"]) == []


async def test_a_person_rotates_and_ends_the_own_key_and_no_other(api: Running) -> None:
    me = (await api.as_("author").get("/v1/whoami")).json()
    mine = await make(api, user=me["id"], roles=["reviewer"])
    others = await make(api, user="user:other")
    async with with_key(api, mine["key"]) as caller:
        assert (await caller.post(f"/v1/keys/{others['id']}:rotate")).status_code == 403
        assert (
            await caller.post(f"/v1/keys/{others['id']}:expire", json={"at": "2090-01-01T00:00:00Z"})
        ).status_code == 403
        assert (
            await caller.post(f"/v1/keys/{mine['id']}:expire", json={"at": "2090-01-01T00:00:00Z"})
        ).status_code == 200
        assert (await caller.post(f"/v1/keys/{mine['id']}:rotate")).status_code == 200


async def test_a_person_sees_the_own_keys_and_a_narrowed_one_sees_none(api: Running) -> None:
    me = (await api.as_("author").get("/v1/whoami")).json()["id"]
    mine = await make(api, user=me, roles=["author"])
    narrowed = await make(api, user=me, roles=["author"], scope={"actions": ["task.list"]})
    async with with_key(api, mine["key"]) as caller:
        assert (await caller.get("/v1/keys")).status_code == 403
        found = (await caller.get("/v1/keys", params={"own": True})).json()["items"]
        assert {key["user"] for key in found} == {me}
        assert {mine["id"], narrowed["id"]} <= {key["id"] for key in found}
    async with with_key(api, narrowed["key"]) as caller:
        assert (await caller.get("/v1/keys", params={"own": True})).status_code == 403


async def test_an_automation_says_whether_the_caller_may_submit(api: Running) -> None:
    def may(answer: httpx.Response) -> bool:
        return bool(answer.json()["may_submit"])

    assert may(await api.as_("author").get("/v1/automations/greet"))
    assert not may(await api.as_("auditor").get("/v1/automations/greet"))


async def test_an_end_may_only_come_sooner_and_then_the_key_opens_nothing(api: Running) -> None:
    made = await make(api, expires_at="2090-01-01T00:00:00Z")
    path = f"/v1/keys/{made['id']}:expire"
    owner = api.as_("owner")
    assert (await owner.post(path, json={"at": "2091-01-01T00:00:00Z"})).status_code == 409
    assert (await owner.post(path, json={"at": "2020-01-01T00:00:00Z"})).status_code == 422
    assert (await owner.post(path, json={"at": "2080-01-01T00:00:00Z"})).json()["expires_at"][:10] == "2080-01-01"
    assert await status(api, made["key"]) == 200
    await api.owner("update api_keys set expires_at = time_now() where id = %s", (made["id"],))
    assert await status(api, made["key"]) == 401
    assert (await owner.post(f"/v1/keys/{made['id']}:rotate")).status_code == 404


async def test_the_last_owner_key_gets_no_end(api: Running) -> None:
    me = (await api.as_("single").get("/v1/whoami")).json()
    answer = await api.as_("single").post(f"/v1/keys/{me['key_id']}:expire", json={"at": "2090-01-01T00:00:00Z"})
    assert answer.status_code == 409


async def test_a_list_says_when_a_key_was_last_used(api: Running) -> None:
    made = await make(api)

    async def last() -> str | None:
        items = (await api.as_("owner").get("/v1/keys")).json()["items"]
        found: str | None = next(k for k in items if k["id"] == made["id"])["last_used_at"]
        return found

    assert await last() is None
    assert await status(api, made["key"][:-1] + ("A" if made["key"][-1] != "A" else "B")) == 401
    assert await last() is None
    await status(api, made["key"])
    assert await last() is not None


async def test_a_narrowed_key_reaches_its_actions_and_no_other_route(api: Running) -> None:
    made = await make(api, roles=["owner"], scope={"actions": ["system.read"]})
    assert made["scope"] == {"actions": ["system.read"], "automations": None}
    refused = 0
    async with with_key(api, made["key"]) as caller:
        for method, template in routes():
            path = path_for(template, NOWHERE)
            if template in OPEN | OF_ONESELF or template == "/metrics":
                continue
            answer = await call(caller, method, path)
            if template == "/v1/system":  # what it is narrowed to
                assert answer.status_code == 200
                continue
            # What is not there, or not well formed, may be said first; lists show what the key reaches: nothing.
            empty = answer.status_code == 200 and not answer.json().get("items", True)
            assert answer.status_code in (400, 403, 404, 422) or empty, (method, path, answer.text)
            refused += answer.status_code == 403
    assert refused > 25


async def test_a_scope_takes_away_and_never_gives(api: Running) -> None:
    narrowed = await make(api, roles=["reviewer"], scope={"actions": ["key.list", "task.*"]})
    assert "task.cancel" in narrowed["scope"]["actions"]
    assert "key.list" in narrowed["scope"]["actions"]
    async with with_key(api, narrowed["key"]) as caller:
        assert (await caller.get("/v1/keys")).status_code == 403
    reading = await make(api, roles=["owner"], scope={"actions": ["read"]})
    async with with_key(api, reading["key"]) as caller:
        assert (await caller.get("/v1/keys")).status_code == 200
        refused = await caller.post("/v1/tasks", json={"automation": "greet", "input": {"name": "Ada"}})
        assert (refused.status_code, refused.json()["code"]) == (403, "auth.refused")
        assert "narrowed" in refused.json()["detail"]


async def test_a_key_for_one_automation_sees_no_task_of_another(api: Running) -> None:
    task, review_id = await api.review(name="Ada")
    here = await make(api, roles=["owner"], scope={"automations": ["greet"]})
    async with with_key(api, here["key"]) as caller:
        assert (await caller.get(f"/v1/tasks/{task['id']}")).status_code == 200
        assert (await caller.get(f"/v1/reviews/{review_id}")).status_code == 200
        assert (await caller.get("/v1/keys")).status_code == 403
        assert (await caller.get("/v1/events")).status_code == 403
        assert task["id"] in {one["id"] for one in (await caller.get("/v1/tasks")).json()["items"]}
        found = (await caller.get("/v1/tasks", params={"automation": "greet", "limit": 200})).json()["items"]
        assert task["id"] in {one["id"] for one in found}
        assert (await caller.get("/v1/tasks", params={"automation": "vendor"})).json()["items"] == []
    # Of another automation nothing is listed, whoever submitted it, and a page is not made short by what is left out.
    other = await make(api, roles=["owner"], scope={"automations": ["vendor"]})
    async with with_key(api, other["key"]) as caller:
        assert (await caller.get("/v1/tasks")).json() == {"items": [], "next_cursor": None}
        assert (await caller.get("/v1/tasks", params={"automation": "greet"})).json()["items"] == []
        assert (await caller.get("/v1/tasks", params={"submitted_by": task["submitted_by"]})).json()["items"] == []
    # Narrowed to other actions too, or with a role that lists nothing, it lists no task of others.
    acting = await make(api, roles=["owner"], scope={"automations": ["greet"], "actions": ["task.read"]})
    async with with_key(api, acting["key"]) as caller:
        assert (await caller.get("/v1/tasks")).json()["items"] == []
        assert (await caller.get("/v1/tasks", params={"submitted_by": task["submitted_by"]})).status_code == 403
    nowhere = await make(api, roles=["owner"], scope={"automations": []})
    async with with_key(api, nowhere["key"]) as caller:
        assert (await caller.get(f"/v1/tasks/{task['id']}")).status_code == 403
        assert (await caller.get("/v1/tasks")).json()["items"] == []
        assert (await caller.post(f"/v1/reviews/{review_id}:approve", json={})).status_code == 403
        assert (await caller.post("/v1/tasks", json={"automation": "greet", "input": {"name": "A"}})).status_code == 403


async def test_a_narrowed_key_opens_no_wider_one(api: Running) -> None:
    narrowed = await make(api, roles=["owner"], scope={"actions": ["key.*"]})
    other = await make(api, roles=["owner"])
    async with with_key(api, narrowed["key"]) as caller:
        made = await caller.post("/v1/keys", json={"name": "k", "user": "user:kit", "roles": ["owner"]})
        assert made.status_code == 403
        assert (await caller.post(f"/v1/keys/{other['id']}:rotate")).status_code == 403
        assert (await caller.post(f"/v1/keys/{narrowed['id']}:rotate")).status_code == 200
    assert await leaves(api, "key.rotated", other["id"]) == []


@pytest.mark.parametrize(
    ("scope", "pointer"),
    [
        ({"actions": ["task.fly"]}, "/scope/actions/0"),
        ({"actions": ["task.read", "effect.infer"]}, "/scope/actions/1"),
        ({"automations": ["nowhere"]}, "/scope/automations/0"),
        ({"paths": []}, "/scope/paths"),
        ({"actions": ["x" * 200]}, "/scope/actions/0"),
    ],
)
async def test_a_scope_names_what_there_is(api: Running, scope: dict[str, Any], pointer: str) -> None:
    body = {"name": "k", "user": "user:kit", "roles": ["author"], "scope": scope}
    answer = await api.as_("owner").post("/v1/keys", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
