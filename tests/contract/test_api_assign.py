"""Giving a review to somebody: who may, to whom, and what stands on record of it."""

from __future__ import annotations

import pytest
from tests.contract.api_fixture import MARKS, api
from tests.contract.running_api import Running

from interlock.app import audit_log
from interlock.governance.verify import verify

pytestmark = MARKS
__all__ = ["api"]


async def give(api: Running, who: str, review_id: str, to: str) -> int:
    return (await api.as_(who).post(f"/v1/reviews/{review_id}:assign", json={"to": to})).status_code


async def test_a_review_goes_from_hand_to_hand_and_only_who_has_it_answers(api: Running) -> None:
    task, review_id = await api.review()
    first = await api.as_("owner").post(f"/v1/reviews/{review_id}:assign", json={"to": "user:mei"})
    assert (first.status_code, first.json()["assignee"]) == (200, "user:mei")
    assert (await api.as_("reviewer2").post(f"/v1/reviews/{review_id}:claim")).status_code == 409
    assert (await api.as_("reviewer2").post(f"/v1/reviews/{review_id}:approve")).status_code == 409
    assert await give(api, "reviewer", review_id, "user:ravi") == 200  # who has it hands it on
    assert await give(api, "reviewer", review_id, "user:mei") == 200  # who holds its role takes it back
    assert (await api.as_("reviewer").post(f"/v1/reviews/{review_id}:release")).json()["assignee"] is None
    assert await give(api, "owner", review_id, "user:ravi") == 200
    again = await api.as_("owner").post(f"/v1/reviews/{review_id}:assign", json={"to": "user:ravi"})
    lines = [(line["kind"], line["by"], line["data"]) for line in again.json()["history"][1:]]
    assert lines == [
        ("assigned", "user:olga", {"assignee": "user:mei"}),
        ("assigned", "user:mei", {"assignee": "user:ravi"}),
        ("assigned", "user:mei", {"assignee": "user:mei"}),
        ("released", "user:mei", {}),
        ("assigned", "user:olga", {"assignee": "user:ravi"}),
    ]
    assert (await api.as_("reviewer2").post(f"/v1/reviews/{review_id}:approve")).status_code == 200
    assert (await api.until(task["id"], "succeeded"))["output"]["by"] == "user:ravi"
    assert await give(api, "owner", review_id, "user:mei") == 409
    told = await api.owner(
        "select data::text from outbox where type = 'review.assigned' and task_id = %s", (task["id"],)
    )
    assert len(told) == 4
    assert all("user:" not in data for (data,) in told)


async def test_it_goes_only_to_who_could_approve_it_and_the_problem_says_why(api: Running) -> None:
    _, review_id = await api.review(amount="900", subject="user:mei")
    for to, policy in (
        ("user:mei", "four-eyes-subject"),
        ("user:bo", "default-deny"),  # holds another role
        ("user:lena", "over-approval-limit"),
        ("user:amir", "default-deny"),
    ):
        answer = await api.as_("owner").post(f"/v1/reviews/{review_id}:assign", json={"to": to})
        assert answer.status_code == 422, answer.text
        problem = answer.json()
        assert [one["pointer"] for one in problem["errors"]] == ["/to"]
        assert policy in problem["errors"][0]["detail"]
        assert policy in [reason["policy"] for reason in problem["decision"]["reasons"]]
    for to in ("user:nobody", "service:mail", "mei", ""):
        answer = await api.as_("owner").post(f"/v1/reviews/{review_id}:assign", json={"to": to})
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["pointer"] == "/to"
    assert (await api.as_("owner").get(f"/v1/reviews/{review_id}")).json()["assignee"] is None

    own = await api.submit("owner", name="own", amount="200", wait="waiting")
    waiting = (await api.as_("owner").get(f"/v1/tasks/{own['id']}")).json()
    own_id = next(e["review_id"] for e in waiting["effects"] if e["kind"] == "review")
    answer = await api.as_("owner").post(f"/v1/reviews/{own_id}:assign", json={"to": "user:olga"})
    assert answer.status_code == 422
    assert "four-eyes-submitter" in answer.text


async def test_who_could_have_it_is_listed_for_who_may_give_it(api: Running) -> None:
    _, review_id = await api.review(amount="900", subject="user:mei")
    listed = await api.as_("owner").get(f"/v1/reviews/{review_id}/assignees")
    assert listed.status_code == 200, listed.text
    names = listed.json()["items"]
    assert {"user:ravi", "user:olga", "user:otto"} <= set(names)
    assert not {"user:mei", "user:bo", "user:lena", "user:amir", "user:sam"} & set(names)
    for name in names:
        assert await give(api, "owner", review_id, name) == 200
    assert (await api.as_("auditor").get(f"/v1/reviews/{review_id}/assignees")).json()["items"] == names
    assert (await api.as_("author").get(f"/v1/reviews/{review_id}/assignees")).status_code == 403


@pytest.mark.parametrize("who", ["author", "auditor", "nobody", "agent", "boss"])
async def test_who_has_nothing_to_do_with_it_gives_it_to_nobody(api: Running, who: str) -> None:
    _, review_id = await api.review()
    assert await give(api, who, review_id, "user:mei") == 403
    assert (
        await api.as_("stranger").post(f"/v1/reviews/{review_id}:assign", json={"to": "user:mei"})
    ).status_code == 404


async def test_who_has_a_review_is_held_against_its_history(api: Running) -> None:
    _, review_id = await api.review()
    assert await give(api, "owner", review_id, "user:ravi") == 200

    async def findings() -> set[str]:
        log, public = audit_log(api.app.settings, api.relay), api.app.keys.audit_key.public_key()
        report = await verify(api.app.database, api.relay, log, api.app.subject_keys, public)
        return {one.what for one in report.findings if review_id in one.where}

    assert await findings() == set()
    for assignee in ("user:mei", None):
        await api.owner("update reviews set assignee = %s where id = %s", (assignee, review_id))
        assert await findings() == {"who has the review is whom its history says"}
    await api.owner("update reviews set assignee = 'user:ravi' where id = %s", (review_id,))
    forged = "update review_events set data = '{\"assignee\":\"user:mei\"}' where review_id = %s and kind = 'assigned'"
    await api.owner(forged, (review_id,))
    assert "a line of the history is what the leaf commits to" in await findings()
    leaves = await api.owner("select leaf from audit_records where leaf like %s", (f"%{review_id}%",))
    assert all("user:" not in leaf for (leaf,) in leaves)
