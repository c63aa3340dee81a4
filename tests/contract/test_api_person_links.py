"""One person under two names: duties and approvals count them once, nobody gains by a link, and none of theirs ends it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest_asyncio
from tests.contract.api_fixture import MARKS, api
from tests.contract.running_api import Running
from tests.contract.test_api_approvals import found_wrong, post, state
from tests.contract.test_api_duties import key_of
from tests.contract.test_api_policies import NO_SUBMIT, propose

pytestmark = MARKS
__all__ = ["api"]
WHY = "The imports run away and nobody of them is in."


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def names(api: Running) -> AsyncIterator[None]:
    """Mei and Olga as their identity provider calls them too; no link outlives a test."""
    for who, user, role in (("mei2", "user:idp.Mei", "reviewer"), ("olga2", "user:idp.olga", "owner")):
        if who not in api.clients:
            api.clients[who] = await key_of(api, user, role)
    yield
    for one in await links(api):
        if one["ended_at"] is None:
            by = "owner" if "olga" not in one["one"] + one["other"] else "owner2"
            assert (await api.as_(by).post(f"/v1/person-links/{one['id']}:end")).status_code == 200


async def links(api: Running) -> list[dict[str, Any]]:
    answer = await api.as_("auditor").get("/v1/person-links")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def link(api: Running, one: str, other: str, *, by: str = "owner", status: int = 201) -> dict[str, Any]:
    answer = await api.as_(by).post("/v1/person-links", json={"one": one, "other": other})
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_two_names_approve_once(api: Running) -> None:
    await link(api, "user:mei", "user:idp.Mei")
    task, review_id = await api.review(approvals=2)
    await post(api, "reviewer", review_id, "approve")
    assert "approves-once" in (await post(api, "mei2", review_id, "approve", 403))["detail"]
    assert await state(api, task["id"]) == "waiting"
    await post(api, "reviewer2", review_id, "approve")
    await api.until(task["id"], "succeeded")
    assert await found_wrong(api, review_id) == set()


async def test_a_later_link_makes_two_approvals_of_an_open_review_one(api: Running) -> None:
    task, review_id = await api.review(approvals=3)
    await post(api, "reviewer", review_id, "approve")
    both = await post(api, "mei2", review_id, "approve")
    assert [a["counts"] for a in both["approvals"]] == [True, True]
    made = await link(api, "user:idp.Mei", "user:mei")
    seen = (await api.as_("reviewer").get(f"/v1/reviews/{review_id}")).json()
    assert [a["counts"] for a in seen["approvals"]] == [True, False]
    third = await post(api, "reviewer2", review_id, "approve")
    assert third["state"] == "open"
    last = await post(api, "limited", review_id, "approve")
    assert [a["by"] for a in last["answer"]["approvals"]] == ["user:mei", "user:ravi", "user:lena"]
    await api.until(task["id"], "succeeded")
    assert await found_wrong(api, review_id) | await found_wrong(api, made["id"]) == set()


async def test_who_submitted_under_another_name_does_not_answer(api: Running) -> None:
    api.clients["amir2"] = await key_of(api, "user:idp.amir", "reviewer")
    await link(api, "user:amir", "user:mid.amir", status=422)  # nobody is called so
    await link(api, "user:amir", "user:idp.amir")
    _, review_id = await api.review()
    assert "four-eyes-submitter" in (await post(api, "amir2", review_id, "approve", 403))["detail"]
    _, about = await api.review(subject="user:amir")
    assert "four-eyes-subject" in (await post(api, "amir2", about, "approve", 403))["detail"]


async def test_a_link_reaches_over_several_names_and_over_services(api: Running) -> None:
    api.clients["otto2"] = await key_of(api, "user:idp.otto", "reviewer")
    api.clients["otto3"] = await key_of(api, "user:third.otto", "reviewer")
    robot = await key_of(api, "service:ottos", "author", by=api.as_("owner2"))
    await link(api, "user:idp.otto", "user:third.otto")
    await link(api, "user:otto", "user:third.otto")
    await link(api, "user:otto", "user:idp.otto", status=409)  # they are one already
    sent = await robot.post("/v1/tasks", json={"automation": "greet", "input": {"name": "Ada", "amount": "200"}})
    await api.until(sent.json()["id"], "waiting", who="owner")
    reviews = (await api.as_("owner").get("/v1/reviews", params={"task_id": sent.json()["id"]})).json()["items"]
    for who in ("otto2", "otto3"):
        refused = await post(api, who, reviews[0]["id"], "approve", 403)
        assert "four-eyes-submitter" in refused["detail"]


async def test_policies_and_elevations_see_one_person_too(api: Running) -> None:
    made = await link(api, "user:olga", "user:idp.olga", by="owner2")
    number = (await propose(api, NO_SUBMIT))["number"]
    refused = await api.as_("olga2").post(f"/v1/policies/changes/{number}:approve")
    assert (refused.status_code, "four-eyes-policy" in refused.text) == (403, True), refused.text
    assert (
        await api.as_("owner2").post(f"/v1/policies/changes/{number}:reject", json={"reason": "no"})
    ).status_code == 200
    body = {"actions": ["task.cancel"], "reason": WHY}
    opened = (await api.as_("owner").post("/v1/elevations", json=body)).json()
    assert (
        await api.as_("olga2").post("/v1/elevations", json=body)
    ).status_code == 409  # one at a time, whatever the name
    assert (await api.as_("owner").post(f"/v1/elevations/{opened['id']}:end")).status_code == 200
    own = await api.as_("olga2").post(f"/v1/elevations/{opened['id']}:acknowledge", json={"note": "all right"})
    assert own.status_code == 403, own.text
    other = await api.as_("owner2").post(f"/v1/elevations/{opened['id']}:acknowledge", json={"note": "all right"})
    assert other.status_code == 200
    for who in ("owner", "olga2"):  # whom it is about does not end it
        refused = await api.as_(who).post(f"/v1/person-links/{made['id']}:end")
        assert (refused.status_code, refused.json()["reason"]) == (403, "link-own")


async def test_a_person_lends_nothing_to_themselves(api: Running) -> None:
    await link(api, "user:mei", "user:idp.Mei")
    until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    answer = await api.as_("reviewer").post("/v1/delegations", json={"to": "user:idp.Mei", "until": until})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/to")


async def test_a_link_gives_no_rights(api: Running) -> None:
    before = await may(api.as_("mei2"))
    await link(api, "user:olga", "user:idp.Mei", by="owner2")
    assert await may(api.as_("mei2")) == before
    assert before[-1] == 403
    _, review_id = await api.review(subject="user:olga")
    assert (await api.as_("mei2").get(f"/v1/reviews/{review_id}")).status_code == 200  # as a reviewer, as before


async def may(who: httpx.AsyncClient) -> list[int]:
    return [(await who.get(path)).status_code for path in ("/v1/whoami", "/v1/system", "/v1/reviews", "/v1/keys")]


async def test_who_may_link(api: Running) -> None:
    for who in ("author", "reviewer", "auditor", "nobody", "agent"):
        await link(api, "user:mei", "user:idp.Mei", by=who, status=403)
    await link(api, "user:mei", "user:MEI", status=422)
    await link(api, "user:mei", "user:sam", status=422)  # somebody of another tenant
    assert await links(api) == [one for one in await links(api) if one["ended_at"]]


async def test_a_change_in_the_database_is_found(api: Running) -> None:
    made = await link(api, "user:mei", "user:idp.Mei")
    assert await found_wrong(api, made["id"]) == set()
    for change, undo, what in (
        ("ended_at = now(), ended_by = 'x'", "ended_at = null, ended_by = null", "the link is ended as the log says"),
        ("other = 'user:ravi'", "other = 'user:idp.Mei'", "the link is of the names that the leaf commits to"),
        ("one = 'user:ravi'", "one = 'user:mei'", "the link is of the names that the leaf commits to"),
        ("id = 'lnk_x'", None, "a link of names with a leaf is there"),
    ):
        await api.owner(f"update person_links set {change} where id = %s", (made["id"],))
        assert what in await found_wrong(api, made["id"]), change
        back = (
            f"update person_links set {undo} where id = %s"
            if undo
            else "update person_links set id = %s where id = 'lnk_x'"
        )
        await api.owner(back, (made["id"],))
    assert await found_wrong(api, made["id"]) == set()


async def test_a_person_sees_their_other_names_and_is_erased_with_the_log_still_right(api: Running) -> None:
    gone = await key_of(api, "user:gone", "reviewer")
    await key_of(api, "user:idp.gone", "reviewer")
    made = await link(api, "user:gone", "user:idp.gone")
    seen = (await api.as_("owner").get("/v1/privacy/subjects/user:gone")).json()
    assert [(one["id"], one["name"]) for one in seen["links"]] == [(made["id"], "user:idp.gone")]
    me = (await gone.get("/v1/whoami")).json()
    assert (await api.as_("owner").delete(f"/v1/keys/{me['key_id']}")).status_code == 204
    asked = await api.as_("owner").post("/v1/privacy/erasures", json={"subject": "user:gone"})
    assert asked.status_code == 202, asked.text
    assert await api.app.erasures.erase("default", asked.json()["id"])
    assert await found_wrong(api, made["id"]) == set()
    page = (await api.as_("auditor").get("/v1/audit/records", params={"person": "user:idp.gone"})).json()["items"]
    assert "person.linked" in {one["facts"]["kind"] for one in page}
