"""Delegations: another person answers on one's behalf until a stated end, with what was lent and nothing else, for both of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio
from tests.contract.api_fixture import MARKS, api
from tests.contract.running_api import Running, client
from tests.contract.test_api_approvals import found_wrong, post
from tests.contract.test_api_duties import key_of
from tests.eventually import eventually

pytestmark = MARKS
__all__ = ["api"]
SOON = timedelta(days=3)


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def none_left_open(api: Running) -> AsyncIterator[None]:
    yield
    for one in (await api.as_("owner").get("/v1/delegations", params={"all": True})).json()["items"]:
        if one["state"] == "open":
            assert (await api.as_("owner").post(f"/v1/delegations/{one['id']}:revoke")).status_code == 200


async def now(api: Running) -> datetime:
    [(at,)] = await api.owner("select time_now()")
    return datetime.fromisoformat(str(at)).astimezone(UTC)


async def lend(
    api: Running, who: str | httpx.AsyncClient, to: str, status: int = 201, *, lasts: timedelta = SOON, **more: Any
) -> dict[str, Any]:
    until = (await now(api) + lasts).isoformat()
    giver = api.as_(who) if isinstance(who, str) else who
    answer = await giver.post("/v1/delegations", json={"to": to, "until": until, **more})
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def of_person(api: Running, person: str, kind: str) -> list[dict[str, Any]]:
    """Give a person's audit records, once one of a kind has its position."""

    async def found() -> list[dict[str, Any]] | None:
        params: dict[str, Any] = {"person": person, "limit": 200}
        items: list[dict[str, Any]] = (await api.as_("owner").get("/v1/audit/records", params=params)).json()["items"]
        return items if any(item["facts"]["kind"] == kind for item in items) else None

    records: list[dict[str, Any]] = await eventually(found, message=f"a record {kind}")
    return records


async def test_an_auditor_answers_nothing_for_others(api: Running) -> None:
    """Who reads all changes nothing, whoever lends them what."""
    refused = await lend(api, "reviewer", "user:ana", 422)
    assert refused["errors"][0]["pointer"] == "/to"
    made = await lend(api, "reviewer", "user:nora")
    [(key_id,)] = await api.owner("select id from api_keys where user_id = 'user:nora' and tenant = 'default'")
    await api.owner("update api_keys set roles = '{auditor}' where id = %s", (key_id,))  # as if from the beginning
    try:
        _, review_id = await api.review()
        sent = {"reason": "no", "on_behalf_of": "user:mei"}
        answer = await api.as_("nobody").post(f"/v1/reviews/{review_id}:reject", json=sent)
        assert (answer.status_code, answer.json()["reason"]) == (403, "delegate-auditor")
        assert (await api.as_("owner").get(f"/v1/reviews/{review_id}")).json()["state"] == "open"
    finally:
        await api.owner("update api_keys set roles = '{guest}' where id = %s", (key_id,))
        await api.as_("owner").post(f"/v1/delegations/{made['id']}:revoke")


async def test_a_delegate_answers_and_the_record_says_for_whom(api: Running) -> None:
    made = await lend(api, "reviewer", "user:nora")
    assert (made["from_user"], made["roles"], made["state"]) == ("user:mei", ["reviewer"], "open")
    task, review_id = await api.review()
    nora = api.as_("nobody")
    assert (await nora.get(f"/v1/reviews/{review_id}")).status_code == 200
    assert review_id in [r["id"] for r in (await nora.get("/v1/reviews")).json()["items"]]
    await post(api, "nobody", review_id, "approve", 403)  # with their own rights they may not
    shown = await post(api, "nobody", review_id, "approve", on_behalf_of="user:mei", reason="as agreed")
    assert (shown["answer"]["by"], shown["answer"]["on_behalf_of"]) == ("user:nora", "user:mei")
    assert shown["history"][-1]["data"]["on_behalf_of"] == "user:mei"
    await api.until(task["id"], "succeeded")
    line = (await api.as_("owner").get(f"/v1/tasks/{task['id']}")).json()["effects"]
    by = next(e["by"] for e in line if e["kind"] == "review")
    assert by == "user:nora on behalf of user:mei"
    [(leaf,)] = await api.owner(
        "select leaf from audit_records where leaf like %s", (f'%"kind":"review.answered"%"review":"{review_id}"%',)
    )
    assert f'"delegation":"{made["id"]}"' in leaf
    assert "mei" not in leaf
    assert await found_wrong(api, review_id) == set()
    for person in ("user:mei", "user:nora"):
        records = await of_person(api, person, "review.answered")
        kinds = {r["facts"]["kind"] for r in records if made["id"] in str(r)}
        assert kinds >= {"delegation.given", "review.answered"}, person


async def test_both_and_owners_see_it_and_nobody_else(api: Running) -> None:
    made = await lend(api, "reviewer", "user:ravi", approval_limit="100")
    for who, seen in (("reviewer", True), ("reviewer2", True), ("limited", False), ("stranger", False)):
        listed = (await api.as_(who).get("/v1/delegations")).json()["items"]
        assert (made["id"] in [d["id"] for d in listed]) is seen, who
    for who in ("owner", "auditor"):
        everybody = (await api.as_(who).get("/v1/delegations", params={"all": True})).json()["items"]
        assert made["id"] in [d["id"] for d in everybody]
    assert (await api.as_("limited").get("/v1/delegations", params={"all": True})).status_code == 403
    assert (await api.as_("limited").post(f"/v1/delegations/{made['id']}:revoke")).status_code == 403
    assert (await api.as_("stranger").post(f"/v1/delegations/{made['id']}:revoke")).status_code == 404


async def test_nobody_lends_more_than_they_have(api: Running) -> None:
    wrong: list[tuple[str, str, dict[str, Any], str]] = [
        ("reviewer", "user:mei", {}, "/to"),
        ("reviewer", "user:MEI", {}, "/to"),
        ("reviewer", "user:unknown-person", {}, "/to"),
        ("reviewer", "user:ravi", {"roles": ["owner"]}, "/roles/0"),
        ("limited", "user:ravi", {"approval_limit": "500.01"}, "/approval_limit"),
        ("reviewer", "user:ravi", {"lasts": timedelta(days=31)}, "/until"),
        ("reviewer", "user:ravi", {"lasts": timedelta(seconds=-5)}, "/until"),
    ]
    for who, to, more, pointer in wrong:
        problem = await lend(api, who, to, 422, **more)
        assert [e["pointer"] for e in problem["errors"]] == [pointer], problem
    await lend(api, "auditor", "user:ravi", 403)
    await lend(api, "agent", "user:ravi", 403)
    narrowed = await api.as_("owner").post(
        "/v1/keys",
        json={"name": "n", "user": "user:olga", "roles": ["owner"], "scope": {"actions": ["delegation.give"]}},
    )
    await lend(api, client(api.api, narrowed.json()["key"]), "user:ravi", 403)
    service = await key_of(api, "service:lender", "reviewer")
    await lend(api, service, "user:ravi", 403)


async def test_there_is_no_chain(api: Running) -> None:
    await lend(api, "owner", "user:ravi")  # ravi may act as an owner for reviews, and lends only what is his
    assert (await lend(api, "reviewer2", "user:nora", 422, roles=["owner"]))["errors"][0]["pointer"] == "/roles/0"
    made = await lend(api, "reviewer2", "user:nora")
    assert made["roles"] == ["reviewer"]
    _, review_id = await api.review()
    refused = await post(api, "nobody", review_id, "approve", 403, on_behalf_of="user:olga")
    assert refused["reason"] == "not-delegated"


async def test_lent_rights_open_nothing_but_reviews(api: Running) -> None:
    await lend(api, "owner", "user:nora")
    for path in ("/v1/keys", "/v1/users", "/v1/audit/records", "/v1/tasks"):
        answer = await api.as_("nobody").get(path)
        assert answer.status_code == 403 or not answer.json().get("items", True), path
    _, review_id = await api.review()
    assert (await post(api, "nobody", review_id, "approve", on_behalf_of="user:olga"))["state"] == "answered"


async def test_an_ended_one_says_when_it_ended(api: Running) -> None:
    made = await lend(api, "reviewer", "user:nora", lasts=timedelta(hours=1))
    _, review_id = await api.review()
    await api.skip("61 minutes")
    told = await post(api, "nobody", review_id, "approve", 403, on_behalf_of="user:mei")
    assert (told["code"], told["reason"]) == ("auth.refused", "delegation-ended")
    assert datetime.fromisoformat(told["at"]) == datetime.fromisoformat(made["ends_at"])
    assert "ended at" in told["detail"]
    assert (await api.as_("nobody").get(f"/v1/reviews/{review_id}")).status_code == 403
    refused = await api.owner("select leaf from audit_records where leaf like %s", (f'%"about":"{review_id}"%',))
    assert "delegation-ended" in refused[-1][0]
    listed = (await api.as_("reviewer").get("/v1/delegations")).json()["items"]
    assert next(d["state"] for d in listed if d["id"] == made["id"]) == "ended"


@pytest.mark.parametrize("by", ["reviewer", "reviewer2", "owner"])
async def test_it_is_taken_back(api: Running, by: str) -> None:
    made = await lend(api, "reviewer", "user:ravi")
    assert (await api.as_(by).post(f"/v1/delegations/{made['id']}:revoke")).json()["state"] == "revoked"
    assert (await api.as_(by).post(f"/v1/delegations/{made['id']}:revoke")).status_code == 409
    _, review_id = await api.review()
    problem = await post(api, "reviewer2", review_id, "approve", 403, on_behalf_of="user:mei")
    assert problem["reason"] == "delegation-revoked"


async def test_neither_of_the_two_may_be_whom_it_is_about_or_who_submitted_it(api: Running) -> None:
    await lend(api, "reviewer", "user:ravi")
    for subject in ("user:mei", "user:ravi"):
        _, review_id = await api.review(subject=subject)
        problem = await post(api, "reviewer2", review_id, "approve", 403, on_behalf_of="user:mei")
        assert "four-eyes-subject" in problem["detail"]
    await lend(api, "owner", "user:ravi")
    task = await api.until((await api.submit("owner", name="own", amount="200"))["id"], "waiting")
    own = next(e["review_id"] for e in task["effects"] if e["kind"] == "review")
    problem = await post(api, "reviewer2", own, "approve", 403, on_behalf_of="user:olga")
    assert "four-eyes-submitter" in problem["detail"]


async def test_one_answer_counts_for_both_and_neither_counts_again(api: Running) -> None:
    await lend(api, "reviewer", "user:ravi")
    _, review_id = await api.review(approvals=2)
    first = await post(api, "reviewer2", review_id, "approve", on_behalf_of="user:mei")
    assert [(a["by"], a["on_behalf_of"]) for a in first["approvals"]] == [("user:ravi", "user:mei")]
    for who in ("reviewer", "reviewer2"):
        assert "approves-once" in (await post(api, who, review_id, "approve", 403))["detail"]
    last = await post(api, "owner", review_id, "approve")
    assert [(a["by"], a.get("on_behalf_of")) for a in last["answer"]["approvals"]] == [
        ("user:ravi", "user:mei"),
        ("user:olga", None),
    ]
    assert await found_wrong(api, review_id) == set()
    _, other = await api.review(approvals=2)
    await post(api, "reviewer", other, "approve")
    again = await post(api, "reviewer2", other, "approve", 403, on_behalf_of="user:mei")
    assert "approves-once" in again["detail"]


async def test_the_limit_is_the_lent_one(api: Running) -> None:
    await lend(api, "limited", "user:ravi")  # lena, up to 500
    await lend(api, "reviewer", "user:lena")  # mei has no limit, so lena acts for her without one
    _, review_id = await api.review(amount="900")
    problem = await post(api, "reviewer2", review_id, "approve", 403, on_behalf_of="user:lena")
    assert "over-approval-limit" in problem["detail"]
    assert (await post(api, "limited", review_id, "approve", on_behalf_of="user:mei"))["state"] == "answered"


async def test_who_loses_their_rights_has_none_lent_any_more(api: Running) -> None:
    made = await api.as_("owner").post("/v1/keys", json={"name": "k", "user": "user:tim", "roles": ["reviewer"]})
    await lend(api, client(api.api, made.json()["key"]), "user:ravi")
    assert (await api.as_("owner").delete(f"/v1/keys/{made.json()['id']}")).status_code == 204
    _, review_id = await api.review()
    problem = await post(api, "reviewer2", review_id, "approve", 403, on_behalf_of="user:tim")
    assert problem["reason"] == "delegation-empty"


async def test_a_policy_may_forbid_it(api: Running) -> None:
    await lend(api, "reviewer", "user:ravi")
    files = {
        "own.cedar": '@id("no-proxies") @reason("Everybody answers for themselves.")'
        ' forbid (principal is User, action == Action::"review.answer", resource) when { context has on_behalf_of };'
    }
    proposed = await api.as_("owner").post("/v1/policies/changes", json={"files": files})
    assert proposed.status_code == 201, proposed.text
    number = proposed.json()["number"]
    assert (await api.as_("owner2").post(f"/v1/policies/changes/{number}:approve")).status_code == 200
    _, review_id = await api.review()
    problem = await post(api, "reviewer2", review_id, "approve", 403, on_behalf_of="user:mei")
    assert "no-proxies" in problem["detail"]
    assert (await post(api, "reviewer2", review_id, "approve"))["state"] == "answered"
    assert (await api.as_("owner2").post("/v1/policies:rollback", json={})).status_code == 200


async def test_a_person_whom_a_review_names_lends_that_too(api: Running) -> None:
    await lend(api, "boss", "user:nora")
    _, unnamed = await api.review()
    await post(api, "nobody", unnamed, "approve", 403, on_behalf_of="user:bo")
    _, review_id = await api.review(also=["user:bo"])
    assert review_id in [r["id"] for r in (await api.as_("nobody").get("/v1/reviews")).json()["items"]]
    assert (await post(api, "nobody", review_id, "approve", on_behalf_of="user:bo"))["state"] == "answered"


async def test_a_narrowed_key_answers_only_where_it_is_narrowed_to_answers(api: Running) -> None:
    made = await api.as_("owner").post(
        "/v1/keys",
        json={"name": "n", "user": "user:una", "roles": ["reviewer"], "scope": {"actions": ["review.read"]}},
    )
    _, review_id = await api.review()
    answer = await client(api.api, made.json()["key"]).post(f"/v1/reviews/{review_id}:approve")
    assert (answer.status_code, answer.json()["reason"]) == (403, "key-narrowed")


@pytest.mark.parametrize(
    ("what", "statement"),
    [
        ("its end", "update delegations set ends_at = ends_at + interval '1 day' where id = %(id)s"),
        ("whom", "update delegations set to_user = 'user:eve' where id = %(id)s"),
        ("its roles", "update delegations set roles = '{owner}' where id = %(id)s"),
        ("its taking back", "update delegations set revoked_at = time_now() where id = %(id)s"),
        ("all of it", "delete from delegations where id = %(id)s"),
    ],
)
async def test_a_changed_delegation_is_found(api: Running, what: str, statement: str) -> None:
    made = await lend(api, "reviewer", "user:nora")
    assert await found_wrong(api, made["id"]) == set()
    await api.owner(statement, {"id": made["id"]})
    assert await found_wrong(api, made["id"]), what
    await api.owner("delete from delegations where id = %(id)s", {"id": made["id"]})
