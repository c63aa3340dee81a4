"""A policy that wants people to agree before an effect is performed: over the real worker, API, policies and audit log."""

from __future__ import annotations

from typing import Any

from tests.contract.api_fixture import MARKS, api
from tests.contract.running_api import Running
from tests.eventually import eventually

from interlock.app import audit_log
from interlock.governance.verify import verify

pytestmark = MARKS
__all__ = ["api"]

TWO = """
@id("sending-needs-two")
@reason("Two people agree to what is sent.")
@remedy("review:2")
forbid (principal is Service, action == Action::"effect.emit", resource is Task);
"""


NOTHING = TWO.replace("resource is Task);", 'resource is Task) when { context.effect == "emit:never" };')


async def in_force(api: Running, *policies: str) -> None:
    """Put the tenant's set in force, by four eyes."""
    files = {f"own-{number}.cedar": text for number, text in enumerate(policies)}
    proposed = await api.as_("owner").post("/v1/policies/changes", json={"files": files})
    assert proposed.status_code == 201, proposed.text
    number = proposed.json()["number"]
    approved = await api.as_("owner2").post(f"/v1/policies/changes/{number}:approve")
    assert approved.status_code == 200, approved.text
    api.app.policies.forget("default")


async def asked(api: Running, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Submit a greeting; gives its task and the review that stands before its emit."""
    task = await api.submit(name=name, wait="waiting")
    found = (await api.as_("owner").get("/v1/reviews", params={"task_id": task["id"]})).json()["items"]
    assert len(found) == 1
    return task, found[0]


async def test_people_agree_before_the_effect_and_each_is_on_record(api: Running) -> None:
    await in_force(api, TWO)
    try:
        task, review = await asked(api, "Ida")
        assert review["name"] == "before-emit"
        assert review["request"]["reasons"] == ["Two people agree to what is sent."]
        assert review["request"]["values"] == {"text": "Hello Ida"}
        assert review["request"]["allow"] == ["approve", "reject"]
        assert review["approvals_needed"] == 2
        (pending,) = [e for e in (await api.until(task["id"], "waiting"))["effects"] if e["status"] == "pending"]
        assert pending["review_id"] == review["id"]
        path = f"/v1/reviews/{review['id']}"
        amended = await api.as_("reviewer").post(f"{path}:amend", json={"values": {"text": "Hello Eve"}})
        assert amended.status_code in (409, 422), amended.text
        own = await api.as_("author").post(f"{path}:approve")
        assert own.status_code == 403  # who submitted it
        for who in ("reviewer", "reviewer2"):
            answer = await api.as_(who).post(f"{path}:approve", json={"reason": "fine"})
            assert answer.status_code == 200, answer.text
        done = await api.until(task["id"], "succeeded")
        (sent,) = [e for e in done["effects"] if e["kind"] == "emit"]
        assert sent["status"] == "ok"
        assert sent["decision"]["answer"] == "needs_review"
        assert sent["by"] is not None
        assert sent["review_id"] == review["id"]
    finally:
        await in_force(api, NOTHING)


async def test_a_no_denies_the_effect_and_nothing_is_performed(api: Running) -> None:
    await in_force(api, TWO)
    try:
        task, review = await asked(api, "Noa")
        answer = await api.as_("reviewer").post(f"/v1/reviews/{review['id']}:reject", json={"reason": "too soon"})
        assert answer.status_code == 200, answer.text
        failed = await api.until(task["id"], "failed")
        (denied,) = [e for e in failed["effects"] if e["kind"] == "emit"]
        assert denied["status"] == "denied"
        assert "too soon" in denied["error"]["message"]
        assert denied["by"] == "user:mei"
    finally:
        await in_force(api, NOTHING)


async def test_a_task_that_is_cancelled_meanwhile_takes_its_question_back(api: Running) -> None:
    await in_force(api, TWO)
    try:
        task, review = await asked(api, "Cam")
        assert (await api.as_("author").post(f"/v1/tasks/{task['id']}:cancel")).status_code == 202
        await api.until(task["id"], "cancelled")
        found = (await api.as_("owner").get(f"/v1/reviews/{review['id']}")).json()
        assert found["state"] == "cancelled"
        late = await api.as_("reviewer").post(f"/v1/reviews/{review['id']}:approve")
        assert late.status_code == 409
    finally:
        await in_force(api, NOTHING)


async def test_when_other_people_are_demanded_meanwhile_the_task_is_parked(api: Running) -> None:
    await in_force(api, TWO)
    try:
        task, review = await asked(api, "Oli")
        await in_force(api, TWO.replace("review:2", "review:3"))
        for who in ("reviewer", "reviewer2"):
            assert (await api.as_(who).post(f"/v1/reviews/{review['id']}:approve")).status_code == 200
        blocked = await api.until(task["id"], "blocked")
        assert [e["status"] for e in blocked["effects"] if e["kind"] == "emit"] == []
    finally:
        await in_force(api, NOTHING)


async def test_the_log_holds_what_people_agreed_to(api: Running) -> None:
    log = audit_log(api.app.settings, api.relay)
    public = api.app.keys.audit_key.public_key()
    await eventually(api.at_rest)
    report = await verify(api.app.database, api.relay, log, api.app.subject_keys, public)
    assert list(report.findings) == []
