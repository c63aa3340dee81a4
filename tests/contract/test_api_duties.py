"""Separation of duties: nobody approves what they submitted, own or are the subject of, however they come to it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from tests.contract.api_fixture import MARKS, api
from tests.contract.running_api import Running, client

from interlock.app import audit_log
from interlock.governance.verify import verify

pytestmark = MARKS
__all__ = ["api"]


async def key_of(api: Running, user: str, *roles: str, by: httpx.AsyncClient | None = None) -> httpx.AsyncClient:
    """Give a client with a fresh key of somebody."""
    maker = by or api.as_("owner")
    if user.startswith("service:"):
        made = await maker.post("/v1/services", json={"id": user, "name": user})
        assert made.status_code == 201, made.text
    answer = await maker.post("/v1/keys", json={"name": "k", "user": user, "roles": list(roles)})
    assert answer.status_code == 201, answer.text
    return client(api.api, answer.json()["key"])


async def refusals(api: Running, review_id: str) -> list[str]:
    rows = await api.owner(
        "select leaf from audit_records where leaf like %s order by id", (f'%"about":"{review_id}"%',)
    )
    return [row[0] for row in rows]


async def refused(api: Running, who: httpx.AsyncClient, review_id: str, policy: str, **body: Any) -> None:
    """Check that somebody cannot approve or amend: the problem names the policy, it is on record, and nothing has changed."""
    before = (await api.as_("owner").get(f"/v1/reviews/{review_id}")).json()
    noted = len(await refusals(api, review_id))
    for verb, sent in (("approve", {}), ("amend", {"values": {"name": "Eve"}}), ("reject", {"reason": "no"})):
        answer = await who.post(f"/v1/reviews/{review_id}:{verb}", json={**sent, **body})
        assert answer.status_code == 403, answer.text
        problem = answer.json()
        assert (problem["code"], problem["status"]) == ("auth.refused", 403)
        assert answer.headers["content-type"] == "application/problem+json"
        assert policy in [reason["policy"] for reason in problem["decision"]["reasons"]]
    leaves = (await refusals(api, review_id))[noted:]
    assert [f'"verdict":"{verb}"' in leaf for verb, leaf in zip(("approve", "amend", "reject"), leaves, strict=True)]
    assert all(policy in leaf and '"kind":"answer.refused"' in leaf for leaf in leaves)
    assert (await api.as_("owner").get(f"/v1/reviews/{review_id}")).json() == before


@pytest.mark.parametrize(
    "subject", ["mei", "Mei", "USER:mei", "user:MEI", " user:mei", "user:user:mei", "user:m\u200bei"]
)
async def test_a_subject_in_any_spelling_is_that_person(api: Running, subject: str) -> None:
    _, review_id = await api.review(subject=subject)
    await refused(api, api.as_("reviewer"), review_id, "four-eyes-subject")
    assert (await api.as_("reviewer2").post(f"/v1/reviews/{review_id}:approve")).status_code == 200


async def test_a_second_key_of_the_same_person_is_that_person(api: Running) -> None:
    _, review_id = await api.review(subject="user:mei")
    await refused(api, await key_of(api, "user:mei", "reviewer"), review_id, "four-eyes-subject")
    await refused(api, await key_of(api, "user:Mei", "reviewer"), review_id, "four-eyes-subject")
    _, own = await api.review()  # submitted by user:amir
    await refused(api, await key_of(api, "user:AMIR", "reviewer"), own, "four-eyes-submitter")


async def test_who_made_a_service_its_key_does_not_approve_what_it_submitted(api: Running) -> None:
    service = await key_of(api, "service:payroll", "author")  # made by user:olga
    sent = await service.post("/v1/tasks", json={"automation": "greet", "input": {"name": "Ada", "amount": "200"}})
    task = await api.until(sent.json()["id"], "waiting")
    review_id = next(e["review_id"] for e in task["effects"] if e["kind"] == "review")
    await refused(api, api.as_("owner"), review_id, "four-eyes-submitter")
    assert (await api.as_("reviewer").post(f"/v1/reviews/{review_id}:approve")).status_code == 200


async def test_nobody_takes_over_a_service_that_others_made(api: Running) -> None:
    """Who had its new secret could submit by it and approve as themselves: they are nobody who made it a key."""
    service = await key_of(api, "service:posting", "author")  # made by user:olga
    key_id = (await service.get("/v1/whoami")).json()["key_id"]
    taken = await api.as_("owner2").post(f"/v1/keys/{key_id}:rotate")
    assert (taken.status_code, taken.json().get("reason")) == (403, "key-of-others"), taken.text
    assert (await service.get("/v1/whoami")).status_code == 200
    agent = await key_of(api, "agent:poster", "agent")
    agent_key = (await agent.get("/v1/whoami")).json()["key_id"]
    assert (await api.as_("owner2").post(f"/v1/keys/{agent_key}:rotate")).status_code == 403
    assert (await api.as_("owner").post(f"/v1/keys/{key_id}:rotate")).status_code == 200
    # A key of their own making is open to them: from then on they stand behind the service, and may rotate what is its.
    body = {"name": "mine", "user": "service:posting", "roles": ["author"]}
    assert (await api.as_("owner2").post("/v1/keys", json=body)).status_code == 201
    rotated = await api.as_("owner2").post(f"/v1/keys/{key_id}:rotate")
    assert rotated.status_code == 200, rotated.text
    service = client(api.api, rotated.json()["key"])
    sent = await service.post("/v1/tasks", json={"automation": "greet", "input": {"name": "Ada", "amount": "200"}})
    task = await api.until(sent.json()["id"], "waiting")
    review_id = next(e["review_id"] for e in task["effects"] if e["kind"] == "review")
    await refused(api, api.as_("owner2"), review_id, "four-eyes-submitter")


async def test_who_takes_all_others_away_is_no_single_operator(api: Running) -> None:
    """What relaxes four eyes is that there never was anybody else, and nothing that an owner can bring about."""
    first = await api.as_("owner").post("/v1/tenants", json={"tenant": "pair", "name": "Pair", "owner": "user:pia"})
    assert first.status_code == 201, first.text
    pia = client(api.api, first.json()["key"])

    async def alone() -> bool:
        return bool((await pia.get("/v1/whoami")).json()["single_operator"])

    assert await alone()
    own = await pia.post("/v1/keys", json={"name": "second", "user": "user:pia", "roles": ["owner"]})
    assert (await pia.delete(f"/v1/keys/{own.json()['id']}")).status_code == 204
    assert await alone()  # it was the same person's
    made = await pia.post("/v1/keys", json={"name": "k", "user": "user:paul", "roles": ["owner"]})
    assert (await pia.delete(f"/v1/keys/{made.json()['id']}")).status_code == 204
    assert not await alone()


async def test_a_service_does_not_approve_what_whoever_made_its_key_submitted(api: Running) -> None:
    task = await api.until((await api.submit("owner", name="own", amount="200"))["id"], "waiting")
    review_id = next(e["review_id"] for e in task["effects"] if e["kind"] == "review")
    first = await key_of(api, "service:first", "owner")
    await refused(api, first, review_id, "four-eyes-submitter")
    second = await key_of(
        api, "service:second", "reviewer", by=first
    )  # made by a service, behind which stands user:olga
    await refused(api, second, review_id, "four-eyes-submitter")
    assert (await api.as_("owner2").post(f"/v1/reviews/{review_id}:approve")).status_code == 200


async def test_amending_does_not_shed_the_subject(api: Running) -> None:
    """Whom a review is about was said when it was opened; no amendment of its values changes that."""
    _, review_id = await api.review(name="Mei", subject="user:mei")
    amended = await api.as_("reviewer").post(f"/v1/reviews/{review_id}:amend", json={"values": {"name": "Ada"}})
    assert amended.status_code == 403
    assert (await api.as_("owner").get(f"/v1/reviews/{review_id}")).json()["state"] == "open"


async def test_who_may_not_even_read_it_is_refused_on_record(api: Running) -> None:
    _, review_id = await api.review()
    await refused(api, api.as_("nobody"), review_id, "default-deny")
    await refused(api, api.as_("agent"), review_id, "default-deny")
    _, over = await api.review(amount="900")
    answer = await api.as_("limited").post(f"/v1/reviews/{over}:approve")
    assert answer.status_code == 403
    assert "over-approval-limit" in (await refusals(api, over))[0]
    assert "lena" not in str(await refusals(api, over))


async def test_an_owner_behind_a_service_does_not_approve_the_policy_that_it_proposed(api: Running) -> None:
    service = await key_of(api, "service:policies", "owner")
    files = {
        "x.cedar": '@id("x-one") @reason("x") forbid (principal is User, action == Action::"task.retry", resource);'
    }
    proposed = await service.post("/v1/policies/changes", json={"files": files})
    assert proposed.status_code == 201, proposed.text
    number = proposed.json()["number"]
    own = await api.as_("owner").post(f"/v1/policies/changes/{number}:approve")
    assert own.status_code == 403
    assert "four-eyes-policy" in own.text
    assert (await api.as_("owner2").post(f"/v1/policies/changes/{number}:approve")).status_code == 200
    assert (await api.as_("owner2").post("/v1/policies:rollback", json={})).status_code == 200


async def test_refusals_verify(api: Running) -> None:
    log = audit_log(api.app.settings, api.relay)
    public = api.app.keys.audit_key.public_key()
    report = await verify(api.app.database, api.relay, log, api.app.subject_keys, public)
    assert list(report.findings) == []
