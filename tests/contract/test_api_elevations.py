"""Break-glass: what is denied is done for a short time, loudly, on record, within limits that nothing lifts, and reviewed by another person."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import structlog
from tests.contract.api_fixture import MARKS, api
from tests.contract.running_api import Running, client, listening
from tests.contract.test_api_approvals import found_wrong
from tests.contract.test_api_duties import key_of

from interlock.cli import doctor

pytestmark = MARKS
__all__ = ["api"]
WHY = "The imports run away and nobody of them is in."


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def none_left_open(api: Running) -> AsyncIterator[None]:
    if "operator" not in api.clients:
        api.clients["operator"] = await key_of(api, "user:otis", "operator")
    yield
    for one in (await api.as_("owner").get("/v1/elevations", params={"state": "unreviewed"})).json()["items"]:
        if one["state"] == "open":
            await api.as_("owner").post(f"/v1/elevations/{one['id']}:end")
        by = "owner2" if one["user_id"] == "user:olga" else "owner"
        done = await api.as_(by).post(f"/v1/elevations/{one['id']}:acknowledge", json={"note": "seen"})
        assert done.status_code == 200, done.text


async def take(api: Running, *actions: str, who: str = "operator", status: int = 201, **more: Any) -> dict[str, Any]:
    answer = await api.as_(who).post("/v1/elevations", json={"actions": list(actions), "reason": WHY, **more})
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def with_(elevation: dict[str, Any] | str) -> dict[str, str]:
    return {"interlock-elevation": elevation if isinstance(elevation, str) else elevation["id"]}


async def leaves(api: Running, kind: str, elevation: dict[str, Any]) -> list[str]:
    like = f'%"elevation":"{elevation["id"]}"%"kind":"{kind}"%'
    return [row[0] for row in await api.owner("select leaf from audit_records where leaf like %s order by id", (like,))]


async def test_what_is_denied_is_done_and_every_decision_under_it_is_on_record(api: Running) -> None:
    operator = api.as_("operator")
    assert (await operator.get("/v1/keys")).status_code == 403
    made = await take(api, "key.list", "key.revoke")
    assert (made["state"], made["user_id"]) == ("open", "user:otis")
    assert (await operator.get("/v1/keys")).status_code == 403  # it is used by name, and not by itself
    key = await api.as_("owner").post("/v1/keys", json={"name": "leaked", "user": "user:kim", "roles": ["author"]})
    assert (await operator.get("/v1/keys", headers=with_(made))).status_code == 200
    assert (await operator.delete(f"/v1/keys/{key.json()['id']}", headers=with_(made))).status_code == 204
    used = await leaves(api, "elevation.used", made)
    assert [
        '"route":"/v1/keys"' in used[0],
        '"method":"DELETE"' in used[1],
        '"route":"/v1/keys/{key_id}"' in used[1],
    ] == [True] * 3
    decided = await leaves(api, "elevation.decided", made)
    assert [('"policies":["break-glass"]' in d, '"answer":"allow"' in d) for d in decided] == [(True, True)] * 2
    assert '"action":"key.revoke"' in decided[1]
    refused = await operator.post(
        "/v1/keys", json={"name": "k", "user": "user:x", "roles": ["owner"]}, headers=with_(made)
    )
    assert refused.status_code == 403
    assert await found_wrong(api, made["id"]) == set()


async def test_it_is_loud(api: Running) -> None:
    with structlog.testing.capture_logs() as logged:
        made = await take(api, "task.cancel")
    said = next(line for line in logged if line["event"] == "elevation_opened")
    assert (said["log_level"], said["elevation"]) == ("warning", made["id"])
    assert "otis" not in str(said)
    assert WHY not in str(said)
    [(data,)] = await api.owner(
        "select data::text from outbox where type = 'elevation.opened' and data->>'elevation' = %s", (made["id"],)
    )
    assert "otis" not in data
    for who in ("author", "auditor", "owner"):
        seen = (await api.as_(who).get("/v1/system")).json()["elevations"]
        assert [(e["id"], e["state"], e["actions"]) for e in seen] == [(made["id"], "open", ["task.cancel"])]
    assert (await api.as_("stranger").get("/v1/system")).json()["elevations"] == []


async def test_doctor_and_status_say_it(api: Running) -> None:
    async with listening(api) as url:
        settings = api.app.settings.model_copy(update={"api_url": url, "api_key": api.keys["owner"]})

        async def seen() -> list[tuple[str, str, str | None]]:
            checks = await asyncio.to_thread(lambda: list(doctor.elevations(settings)))
            return [(check.state, check.finding, check.fix) for check in checks]

        assert [state for state, _, _ in await seen()] == ["ok"]
        made = await take(api, "task.cancel")
        [(state, finding, fix)] = await seen()
        assert (state, fix) == ("warn", f"interlock elevation end {made['id']}")
        assert finding.startswith(f"BREAK-GLASS {made['id']} is open until")
        await api.as_("operator").post(f"/v1/elevations/{made['id']}:end")
        [(_, finding, fix)] = await seen()
        assert "was not reviewed" in finding
        assert fix == f"interlock elevation acknowledge {made['id']}"


async def test_it_goes_past_the_tenants_own_policies_and_never_past_the_limits(api: Running) -> None:
    files = {
        "stop.cedar": '@id("nobody-cancels") @reason("Frozen.") forbid (principal, action == Action::"task.cancel", resource);'
    }
    proposed = (await api.as_("owner").post("/v1/policies/changes", json={"files": files})).json()["number"]
    assert (await api.as_("owner2").post(f"/v1/policies/changes/{proposed}:approve")).status_code == 200
    task = await api.submit(name="Ada", amount="200", wait="waiting")
    owner = api.as_("owner")
    assert (await owner.post(f"/v1/tasks/{task['id']}:cancel")).status_code == 403
    made = await take(api, "task.cancel", who="owner")
    assert (await owner.post(f"/v1/tasks/{task['id']}:cancel", headers=with_(made))).status_code == 202
    assert (await api.as_("owner2").post("/v1/policies:rollback", json={})).status_code == 200
    [decided] = await leaves(api, "elevation.decided", made)
    assert "break-glass" in decided


async def test_duties_stay_apart(api: Running) -> None:
    made = await take(api, "review.read", "review.list", who="owner")
    task = await api.until((await api.submit("owner", name="own", amount="200"))["id"], "waiting")
    review_id = next(e["review_id"] for e in task["effects"] if e["kind"] == "review")
    answer = await api.as_("owner").post(f"/v1/reviews/{review_id}:approve", headers=with_(made))
    assert (answer.status_code, "four-eyes-submitter" in answer.text) == (403, True)
    for action in ("review.answer", "audit.read", "privacy.erase", "key.create", "account.change", "elevation.open",
                   "tenant.create", "secret.write", "policy.approve", "nothing.such"):  # fmt: skip
        problem = await take(api, "task.read", action, status=422)
        assert [e["pointer"] for e in problem["errors"]] == ["/actions/1"], action


async def test_it_opens_what_it_names_and_nothing_else(api: Running) -> None:
    made = await take(api, "key.list")
    operator = api.as_("operator")
    assert (await operator.get("/v1/secrets", headers=with_(made))).status_code == 403
    assert (await operator.get("/v1/users", headers=with_(made))).status_code == 403
    assert (await operator.get("/v1/events", headers=with_(made))).json()["reason"] == "elevation-stream"


async def test_it_ends_by_itself(api: Running) -> None:
    made = await take(api, "key.list", minutes=5)
    await api.skip("6 minutes")
    answer = await api.as_("operator").get("/v1/keys", headers=with_(made))
    assert (answer.status_code, answer.json()["reason"]) == (403, "elevation-ended")
    assert "ended at" in answer.json()["detail"]
    seen = (await api.as_("author").get("/v1/system")).json()["elevations"]
    assert [(e["id"], e["state"]) for e in seen] == [(made["id"], "to_review")]
    assert (await api.as_("operator").post(f"/v1/elevations/{made['id']}:end")).status_code == 409


async def test_it_does_not_outlive_the_role_that_it_was_taken_with(api: Running) -> None:
    operator, other = await key_of(api, "user:oz", "operator"), await key_of(api, "user:oz", "reviewer")
    api.clients["oz"] = operator
    made = await take(api, "key.list", who="oz")
    assert (await operator.get("/v1/keys", headers=with_(made))).status_code == 200
    key_id = (await operator.get("/v1/whoami")).json()["key_id"]
    assert (await api.as_("owner").delete(f"/v1/keys/{key_id}")).status_code == 204
    answer = await other.get("/v1/keys", headers=with_(made))
    assert (answer.status_code, answer.json()["code"]) == (403, "auth.refused")
    assert len(await leaves(api, "elevation.decided", made)) == 1


@pytest.mark.parametrize(("by", "status"), [("operator", 200), ("owner", 200), ("author", 403), ("auditor", 403)])
async def test_who_ends_it(api: Running, by: str, status: int) -> None:
    made = await take(api, "key.list")
    assert (await api.as_(by).post(f"/v1/elevations/{made['id']}:end")).status_code == status
    answer = await api.as_("operator").get("/v1/keys", headers=with_(made))
    assert answer.status_code == (403 if status == 200 else 200)


async def test_another_person_reviews_it_once_and_afterwards(api: Running) -> None:
    made = await take(api, "key.list", who="owner")
    path, body = f"/v1/elevations/{made['id']}:acknowledge", {"note": "right, and talked over"}
    early = await api.as_("owner2").post(path, json=body)
    assert early.status_code == 409
    await api.as_("owner").post(f"/v1/elevations/{made['id']}:end")
    assert (await api.as_("operator").post(path, json=body)).status_code == 403
    own = await api.as_("owner").post(path, json=body)
    assert (own.status_code, "four-eyes-elevation" in own.text) == (403, True)
    # A second name of the same person, and a service that they made, are that person.
    for user in ("user:OLGA", "service:olgas"):
        other = await (await key_of(api, user, "owner")).post(path, json=body)
        assert (other.status_code, other.json().get("reason")) == (403, "elevation-own"), user
    listed = (await api.as_("auditor").get("/v1/elevations", params={"state": "to_review"})).json()["items"]
    assert [e["id"] for e in listed] == [made["id"]]
    done = await api.as_("owner2").post(path, json=body)
    assert (done.status_code, done.json()["state"], done.json()["acknowledged_by"]) == (200, "reviewed", "user:otto")
    assert (await api.as_("owner2").post(path, json=body)).status_code == 409
    assert (await api.as_("author").get("/v1/system")).json()["elevations"] == []
    assert await found_wrong(api, made["id"]) == set()


async def test_hostile_use(api: Running) -> None:
    made = await take(api, "key.list")
    header = with_(made)
    for who in ("stranger", "author", "owner2"):  # another tenant's, somebody else's
        answer = await api.as_(who).get("/v1/tasks", headers=header)
        assert (answer.status_code, answer.json()["reason"]) == (403, "elevation-unknown"), who
    assert (await api.as_("anonymous").get("/v1/keys", headers=header)).status_code == 401
    assert (await api.as_("operator").get("/v1/keys", headers=with_("elv_none"))).status_code == 403
    assert (await api.as_("operator").get("/v1/keys", headers=with_("e" * 65))).status_code == 422
    nested = await api.as_("operator").post(
        "/v1/elevations", json={"actions": ["key.list"], "reason": WHY}, headers=header
    )
    assert (nested.status_code, nested.json()["reason"]) == (403, "elevation-nested")
    assert (await take(api, "task.read", status=409))["code"] == "conflict"
    assert (await api.as_("stranger").post(f"/v1/elevations/{made['id']}:end")).status_code == 404
    for who in ("author", "reviewer", "auditor", "agent"):
        await take(api, "key.list", who=who, status=403)
    wrong: list[dict[str, Any]] = [{"reason": "because"}, {"minutes": 121}, {"minutes": 0}, {"actions": []}]
    for bad in wrong:
        body = {"actions": ["task.read"], "reason": WHY, **bad}
        assert (await api.as_("owner2").post("/v1/elevations", json=body)).status_code == 422, bad


async def test_a_narrowed_key_and_a_service_take_none(api: Running) -> None:
    body = {"name": "n", "user": "user:olga", "roles": ["owner"], "scope": {"actions": ["elevation.open", "task.read"]}}
    narrowed = client(api.api, (await api.as_("owner").post("/v1/keys", json=body)).json()["key"])
    sent = {"actions": ["key.list"], "reason": WHY}
    assert (await narrowed.post("/v1/elevations", json=sent)).status_code == 403
    made = await take(api, "key.list", who="owner")
    assert (await narrowed.get("/v1/keys", headers=with_(made))).status_code == 403
    service = await key_of(api, "service:ops", "operator")
    assert (await service.post("/v1/elevations", json=sent)).status_code == 403


async def test_two_at_once_open_one(api: Running) -> None:
    body = {"actions": ["key.list"], "reason": WHY}
    answers = await asyncio.gather(*(api.as_("operator").post("/v1/elevations", json=body) for _ in range(4)))
    assert sorted(a.status_code for a in answers) == [201, 409, 409, 409]


@pytest.mark.parametrize(
    ("what", "statement"),
    [
        ("its end", "update elevations set ends_at = ends_at + interval '1 day' where id = %(id)s"),
        ("its reason", "update elevations set reason = 'nothing at all' where id = %(id)s"),
        ("its actions", "update elevations set actions = '{task.read}' where id = %(id)s"),
        ("its review", "update elevations set acknowledged_at = now(), acknowledged_by = 'user:otto' where id = %(id)s"),
        ("its ending", "update elevations set ended_at = null, ended_by = null where id = %(id)s"),
        ("its running out", "update elevations set ended_at = null, ended_by = null, ran_out_at = now() where id = %(id)s"),
        ("all of it", "delete from elevations where id = %(id)s"),
    ],
)  # fmt: skip
async def test_a_changed_elevation_is_found(api: Running, what: str, statement: str) -> None:
    made = await take(api, "key.list")
    await api.as_("owner").post(f"/v1/elevations/{made['id']}:end")
    assert await found_wrong(api, made["id"]) == set()
    await api.owner(statement, {"id": made["id"]})
    assert await found_wrong(api, made["id"]), what
    await api.owner("delete from elevations where id = %(id)s", {"id": made["id"]})


async def test_what_was_written_about_it_goes_with_who_took_it(api: Running) -> None:
    gone = api.clients["gone"] = await key_of(api, "user:gina", "operator")
    made = await take(api, "task.cancel", who="gone")
    await gone.post(f"/v1/elevations/{made['id']}:end")
    owner, note = api.as_("owner"), "Gina was right, and we talked."
    assert (await owner.post(f"/v1/elevations/{made['id']}:acknowledge", json={"note": note})).status_code == 200
    seen = (await owner.get("/v1/privacy/subjects/user:gina")).json()["elevations"]
    assert [(e["id"], e["taken"], e["reason"], e["note"]) for e in seen] == [(made["id"], True, WHY, note)]
    async with api.app.database.tenant("default") as conn:  # nobody erases it without an erasure
        await conn.execute("select erase_elevations('user:gina')")
    assert (await owner.get("/v1/privacy/subjects/user:gina")).json()["elevations"] == seen
    key_id = (await gone.get("/v1/whoami")).json()["key_id"]
    await owner.delete(f"/v1/keys/{key_id}")
    asked = await owner.post("/v1/privacy/erasures", json={"subject": "user:gina"})
    assert asked.status_code == 202, asked.text
    assert await api.app.erasures.erase("default", asked.json()["id"])
    left = (await owner.get("/v1/elevations")).json()["items"]
    assert [(e["reason"], e["note"], e["actions"]) for e in left if e["id"] == made["id"]] == [
        ("", "", ["task.cancel"])
    ]
    assert await found_wrong(api, made["id"]) == set()
    for column in ("reason", "note"):
        await api.owner(f"update elevations set {column} = 'planted' where id = %s", (made["id"],))
        assert "of an erased person's elevation nothing is left" in await found_wrong(api, made["id"])
        await api.owner(f"update elevations set {column} = '' where id = %s", (made["id"],))


async def test_what_a_reviewer_said_goes_with_them_and_the_reason_stays(api: Running) -> None:
    reviewer = await key_of(api, "user:rita", "owner")
    made = await take(api, "task.cancel")
    await api.as_("owner").post(f"/v1/elevations/{made['id']}:end")
    assert (
        await reviewer.post(f"/v1/elevations/{made['id']}:acknowledge", json={"note": "I, Rita, saw it"})
    ).status_code == 200
    key_id = (await reviewer.get("/v1/whoami")).json()["key_id"]
    assert (await api.as_("owner").delete(f"/v1/keys/{key_id}")).status_code == 204
    asked = await api.as_("owner").post("/v1/privacy/erasures", json={"subject": "user:rita"})
    assert await api.app.erasures.erase("default", asked.json()["id"])
    left = (await api.as_("owner").get("/v1/elevations")).json()["items"]
    assert [(e["reason"], e["note"]) for e in left if e["id"] == made["id"]] == [(WHY, "")]
    assert await found_wrong(api, made["id"]) == set()
    await api.owner("update elevations set reason = '' where id = %s", (made["id"],))
    assert "the elevation is whose the leaf commits to" in await found_wrong(api, made["id"])
    await api.owner("update elevations set reason = %s where id = %s", (WHY, made["id"]))
