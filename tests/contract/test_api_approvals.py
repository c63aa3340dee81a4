"""Reviews that several people must approve: each counts once, for the values as they stand, and the task wakes at the last."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.contract.api_fixture import MARKS, api
from tests.contract.running_api import Running, client

from interlock.app import audit_log
from interlock.governance.verify import verify

pytestmark = MARKS
__all__ = ["api"]
COMMITTED, LISTED = "an approval is what the leaf commits to", "the approvals are those of the leaves"


async def post(api: Running, who: str, review_id: str, verb: str, status: int = 200, **body: Any) -> dict[str, Any]:
    answer = await api.as_(who).post(f"/v1/reviews/{review_id}:{verb}", json=body)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def state(api: Running, task_id: str) -> str:
    return str((await api.as_("author").get(f"/v1/tasks/{task_id}")).json()["state"])


async def found_wrong(api: Running, about: str) -> set[str]:
    log = audit_log(api.app.settings, api.relay)
    public = api.app.keys.audit_key.public_key()
    report = await verify(api.app.database, api.relay, log, api.app.subject_keys, public)
    return {one.what for one in report.findings if about in one.where}


async def test_two_different_people_approve_and_only_then_the_task_goes_on(api: Running) -> None:
    task, review_id = await api.review(approvals=2)
    first = await post(api, "reviewer", review_id, "approve", reason="looks right")
    assert (first["state"], first["approvals_needed"], first["answer"]) == ("open", 2, None)
    assert [(a["by"], a["counts"], a["reason"]) for a in first["approvals"]] == [("user:mei", True, "looks right")]
    assert await state(api, task["id"]) == "waiting"
    again = await post(api, "reviewer", review_id, "approve", 403)
    assert "approves-once" in again["detail"]

    listed = (await api.as_("reviewer2").get("/v1/reviews", params={"task_id": task["id"]})).json()["items"][0]
    assert [a["by"] for a in listed["approvals"]] == ["user:mei"]
    last = await post(api, "reviewer2", review_id, "approve")
    assert last["state"] == "answered"
    assert [a["by"] for a in last["answer"]["approvals"]] == ["user:mei", "user:ravi"]
    assert [line["kind"] for line in last["history"]] == ["opened", "approved", "approved", "answered"]
    done = await api.until(task["id"], "succeeded")
    assert (done["output"]["decision"], done["output"]["by"]) == ("sent", "user:ravi")
    leaves = await api.owner("select leaf from audit_records where leaf like %s", (f'%"review":"{review_id}"%',))
    assert sum('"kind":"review.approved"' in leaf for (leaf,) in leaves) == 2


async def test_an_amendment_makes_the_earlier_approvals_void(api: Running) -> None:
    task, review_id = await api.review(approvals=2)
    await post(api, "reviewer", review_id, "approve")
    amended = await post(api, "reviewer2", review_id, "amend", values={"amount": "150.00"})
    assert (amended["state"], amended["revision"], amended["values"]["amount"]) == ("open", 1, "150.00")
    assert [a["counts"] for a in amended["approvals"]] == [False, True]
    assert "approves-once" in (await post(api, "reviewer2", review_id, "approve", 403, revision=1))["detail"]
    blind = await post(api, "reviewer", review_id, "approve", 409)
    assert blind["revision"] == 1
    assert await state(api, task["id"]) == "waiting"
    last = await post(api, "reviewer", review_id, "approve", revision=1)
    assert (last["state"], last["answer"]["verdict"], last["answer"]["values"]["amount"]) == (
        "answered",
        "amend",
        "150.00",
    )
    assert [c["pointer"] for c in last["answer"]["changes"]] == ["/amount"]
    assert (await api.until(task["id"], "succeeded"))["output"]["amount"] == "150.00"
    assert await found_wrong(api, review_id) == set()


async def test_one_rejection_ends_it(api: Running) -> None:
    task, review_id = await api.review(approvals=3)
    await post(api, "reviewer", review_id, "approve")
    ended = await post(api, "reviewer2", review_id, "reject", reason="no")
    assert (ended["state"], ended["answer"]["verdict"]) == ("answered", "reject")
    assert (await api.until(task["id"], "succeeded"))["output"]["decision"] == "rejected"
    await post(api, "limited", review_id, "approve", 409)
    assert await found_wrong(api, review_id) == set()


async def test_too_few_approvals_expire_and_are_no_approval(api: Running) -> None:
    task, review_id = await api.review(approvals=2)
    await post(api, "reviewer", review_id, "approve")
    await api.skip("25 hours")
    assert (await post(api, "reviewer2", review_id, "approve", 409))["state"] == "expired"
    assert (await api.until(task["id"], "succeeded"))["output"]["decision"] == "expired"
    assert await found_wrong(api, review_id) == set()


async def test_an_approval_is_held_and_taken_back_by_its_author_alone(api: Running) -> None:
    task, review_id = await api.review(approvals=2)
    await post(api, "reviewer", review_id, "approve", hold_s=30)
    await post(api, "reviewer2", review_id, "revoke", 403)
    back = await post(api, "reviewer", review_id, "revoke")
    assert [a["counts"] for a in back["approvals"]] == [False]
    await post(api, "reviewer", review_id, "approve", hold_s=30)
    done = await post(api, "reviewer2", review_id, "approve")
    assert (done["state"], done["hold_until"] is not None) == (
        "answered",
        True,
    )  # the earlier one may still be taken back
    assert await state(api, task["id"]) == "waiting"
    await post(api, "reviewer2", review_id, "revoke", 409)
    opened = await post(api, "reviewer", review_id, "revoke")
    assert (opened["state"], opened["answer"]) == ("open", None)
    assert [a["by"] for a in opened["approvals"] if a["counts"]] == ["user:ravi"]
    await post(api, "reviewer", review_id, "approve")
    assert (await api.until(task["id"], "succeeded"))["output"]["decision"] == "sent"
    assert await found_wrong(api, review_id) == set()


async def test_taking_an_amendment_back_takes_what_was_approved_of_it(api: Running) -> None:
    _, review_id = await api.review(approvals=3)
    await post(api, "reviewer", review_id, "amend", values={"amount": "150"}, hold_s=30)
    await post(api, "reviewer2", review_id, "approve", revision=1)
    back = await post(api, "reviewer", review_id, "revoke")
    assert (back["revision"], back["values"]["amount"]) == (2, "200")
    assert not any(a["counts"] for a in back["approvals"])
    assert await found_wrong(api, review_id) == set()


async def test_of_two_at_once_both_count_and_the_same_person_once(api: Running) -> None:
    for _ in range(3):
        task, review_id = await api.review(approvals=2)
        answers = await asyncio.gather(
            *(api.as_(who).post(f"/v1/reviews/{review_id}:approve") for who in ("reviewer", "reviewer2", "reviewer"))
        )
        assert sorted(a.status_code for a in answers) in ([200, 200, 403], [200, 200, 409])
        shown = (await api.as_("owner").get(f"/v1/reviews/{review_id}")).json()
        assert {a["by"] for a in shown["answer"]["approvals"]} == {"user:mei", "user:ravi"}
        await api.until(task["id"], "succeeded")


async def test_who_has_approved_does_not_claim(api: Running) -> None:
    _, review_id = await api.review(approvals=2)
    await post(api, "reviewer", review_id, "approve")
    assert "approved this review already" in (await post(api, "reviewer", review_id, "claim", 409))["detail"]
    assert (await post(api, "reviewer2", review_id, "claim"))["assignee"] == "user:ravi"
    await post(api, "reviewer2", review_id, "release")
    assert (await post(api, "reviewer", review_id, "reject", reason="on second thoughts"))["state"] == "answered"


@pytest.mark.parametrize("what", ["key", "account", "lender"])
async def test_an_approval_of_who_is_no_longer_let_in_does_not_count(api: Running, what: str) -> None:
    owner, user = api.as_("owner"), f"user:gone-{what}"
    assert (await owner.post("/v1/users", json={"id": user, "name": "Gone"})).status_code == 201
    made = (await owner.post("/v1/keys", json={"name": "k", "user": user, "roles": ["reviewer"]})).json()
    gone = client(api.api, made["key"])
    _, review_id = await api.review(approvals=2)
    if what == "lender":
        until = (datetime.now(UTC) + timedelta(days=10)).isoformat()
        assert (await gone.post("/v1/delegations", json={"to": "user:nora", "until": until})).status_code == 201
        await post(api, "nobody", review_id, "approve", on_behalf_of=user)
    else:
        assert (await gone.post(f"/v1/reviews/{review_id}:approve")).status_code == 200
    ended = f"/v1/keys/{made['id']}" if what == "key" else f"/v1/users/{user}:disable"
    assert (await (owner.delete(ended) if what == "key" else owner.post(ended))).status_code in (200, 204)
    shown = (await owner.get(f"/v1/reviews/{review_id}")).json()
    assert [a["counts"] for a in shown["approvals"]] == [False]
    first = await post(api, "reviewer", review_id, "approve")
    assert (first["state"], [a["counts"] for a in first["approvals"]]) == ("open", [False, True])
    lapsed = [line for line in first["history"] if line["kind"] == "lapsed"]
    assert [(line["by"], line["data"]) for line in lapsed] == [("interlock", {"approval": 1})]
    if what != "key":  # enabled again, it stays lapsed
        assert (await owner.post(f"/v1/users/{user}:enable")).status_code == 200
    last = await post(api, "reviewer2", review_id, "approve")
    assert [a["by"] for a in last["answer"]["approvals"]] == ["user:mei", "user:ravi"]
    assert await found_wrong(api, review_id) == set()


async def test_an_amendment_of_who_is_no_longer_let_in_goes_with_it(api: Running) -> None:
    made = (
        await api.as_("owner").post("/v1/keys", json={"name": "k", "user": "user:late", "roles": ["reviewer"]})
    ).json()
    _, review_id = await api.review(approvals=2)
    body = {"values": {"amount": "150"}}
    assert (await client(api.api, made["key"]).post(f"/v1/reviews/{review_id}:amend", json=body)).status_code == 200
    assert (await api.as_("owner").delete(f"/v1/keys/{made['id']}")).status_code == 204
    blind = await post(api, "reviewer", review_id, "approve", 409, revision=1)
    assert blind["revision"] == 2
    first = await post(api, "reviewer", review_id, "approve", revision=2)
    assert first["values"]["amount"] == "200"
    assert (await post(api, "reviewer2", review_id, "approve", revision=2))["state"] == "answered"
    assert await found_wrong(api, review_id) == set()


async def test_what_was_amended_again_stays_when_the_first_amendment_lapses(api: Running) -> None:
    made = (
        await api.as_("owner").post("/v1/keys", json={"name": "k", "user": "user:lia", "roles": ["reviewer"]})
    ).json()
    _, review_id = await api.review(approvals=3)
    first = {"values": {"amount": "150"}}
    assert (await client(api.api, made["key"]).post(f"/v1/reviews/{review_id}:amend", json=first)).status_code == 200
    await post(api, "reviewer", review_id, "amend", values={"amount": "140"}, revision=1)
    assert (await api.as_("owner").delete(f"/v1/keys/{made['id']}")).status_code == 204
    shown = await post(api, "reviewer2", review_id, "approve", revision=2)
    assert (shown["values"]["amount"], shown["revision"], [a["counts"] for a in shown["approvals"]]) == (
        "140",
        2,
        [False, True, True],
    )
    assert await found_wrong(api, review_id) == set()


async def test_a_policy_asks_for_two(api: Running) -> None:
    """`@remedy("review:2")` on the question about the answer: also where only the amendment makes it large."""
    _, review_id = await api.review(amount="3000")
    shown = await post(api, "reviewer", review_id, "approve")
    assert (shown["state"], shown["approvals_needed"]) == ("open", 2)
    answered = await post(api, "reviewer2", review_id, "approve")
    assert answered["state"] == "answered"
    assert answered["answer"]["decision"]["obligations"] == ["review:2"]
    _, small = await api.review(amount="200")
    assert (await post(api, "reviewer", small, "amend", values={"amount": "2500"}))["state"] == "open"


async def test_many_small_approvals_do_not_pass_a_limit(api: Running) -> None:
    limited = [api.as_("limited")]
    made = await api.as_("owner").post(
        "/v1/keys", json={"name": "k", "user": "user:leo", "roles": ["reviewer"], "approval_limit": "500"}
    )
    _, review_id = await api.review(amount="900", approvals=2)
    for who in (*limited, limited[0]):
        answer = await who.post(f"/v1/reviews/{review_id}:approve")
        assert (answer.status_code, "over-approval-limit" in answer.text) == (403, True)
    leo = await api.as_("anonymous").post(
        f"/v1/reviews/{review_id}:approve", headers={"authorization": f"Bearer {made.json()['key']}"}
    )
    assert (leo.status_code, "over-approval-limit" in leo.text) == (403, True)
    shown = (await api.as_("owner").get(f"/v1/reviews/{review_id}")).json()
    assert (shown["state"], shown["approvals"]) == ("open", [])


async def test_further_roles_and_people_may_answer(api: Running) -> None:
    _, review_id = await api.review(approvals=2, also=["boss", "user:nora"])
    inbox = (await api.as_("nobody").get("/v1/reviews")).json()["items"]
    assert review_id in [r["id"] for r in inbox]
    await post(api, "nobody", review_id, "approve")
    assert (await post(api, "boss", review_id, "approve"))["state"] == "answered"
    _, other = await api.review()
    await post(api, "nobody", other, "approve", 403)


@pytest.mark.parametrize(
    ("what", "statement", "finding"),
    [
        ("an approval", "delete from review_approvals where review_id = %(id)s and number = 1", LISTED),
        ("its author", "update review_approvals set by_whom = 'user:eve' where review_id = %(id)s", COMMITTED),
        ("its people", "update review_approvals set persons = '{user:eve}' where review_id = %(id)s and number = 2", COMMITTED),
        ("its taking back", "update review_approvals set revoked_at = now() where review_id = %(id)s and number = 1", LISTED),
    ],
)  # fmt: skip
async def test_a_changed_approval_is_found(api: Running, what: str, statement: str, finding: str) -> None:
    _, review_id = await api.review(approvals=2)
    await post(api, "reviewer", review_id, "approve")
    await post(api, "reviewer2", review_id, "approve")
    assert await found_wrong(api, review_id) == set()
    await api.owner(statement, {"id": review_id})
    assert finding in await found_wrong(api, review_id), what
