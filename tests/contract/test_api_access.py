"""The policy as a service: AuthZEN 1.0, and ready questions about roles, residency and what must be removed."""

from __future__ import annotations

import copy
import json
from typing import Any

import httpx
import pytest
from tests.contract.api_fixture import MARKS, api
from tests.contract.running_api import Running

pytestmark = MARKS
__all__ = ["api"]

READ: dict[str, Any] = {
    "subject": {"type": "user", "id": "user:mei", "properties": {"roles": ["reviewer"]}},
    "action": {"name": "task.read"},
    "resource": {"type": "task", "id": "task_1", "properties": {"automation": "greet"}},
}
RESIDENCY = {
    "eu.cedar": """@id("personal-stays-in-eu") @reason("Personal data stays in the EU.") @remedy("redact")
forbid (principal is Service, action == Action::"effect.infer", resource)
when { context has data_class && context.data_class == "personal" && context has region && context.region != "eu" }
unless { context has redacted && context.redacted };

@id("secrets-go-nowhere") @reason("Secrets go to no model.")
forbid (principal is Service, action == Action::"effect.infer", resource is Task)
when { context has data_class && context.data_class == "secret" };

@id("infers") @reason("May infer.")
permit (principal is Service, action == Action::"effect.infer", resource);"""
}


async def ask(api: Running, path: str, body: dict[str, Any], who: str = "owner") -> httpx.Response:
    return await api.as_(who).post(path, json=body)


async def test_one_question_is_answered_with_its_reasons(api: Running) -> None:
    answer = (await ask(api, "/access/v1/evaluation", READ)).json()
    assert answer["decision"] is True
    assert [r["policy"] for r in answer["context"]["reasons"]] == ["reviewer-sees"]
    other = {**READ, "subject": {"type": "user", "id": "user:x", "properties": {"roles": []}}}
    answer = (await ask(api, "/access/v1/evaluation", other)).json()
    assert (answer["decision"], answer["context"]["answer"]) == (False, "deny")


async def test_the_tenant_is_the_callers_whatever_is_sent(api: Running) -> None:
    sent = {**READ, "resource": {**READ["resource"], "properties": {"automation": "greet", "tenant": "other"}}}
    assert (await ask(api, "/access/v1/evaluation", sent)).json()["decision"] is True


async def test_several_questions_take_what_they_leave_out_from_the_request_and_stop_as_asked(api: Running) -> None:
    body = {
        **READ,
        "evaluations": [{}, {"action": {"name": "task.submit"}, "resource": automation()}, {}],
    }
    every = (await ask(api, "/access/v1/evaluations", body)).json()["evaluations"]
    assert [e["decision"] for e in every] == [True, False, True]
    first_deny = {**body, "options": {"evaluations_semantic": "deny_on_first_deny"}}
    assert [e["decision"] for e in (await ask(api, "/access/v1/evaluations", first_deny)).json()["evaluations"]] == [
        True,
        False,
    ]
    first_permit = {**body, "options": {"evaluations_semantic": "permit_on_first_permit"}}
    assert [e["decision"] for e in (await ask(api, "/access/v1/evaluations", first_permit)).json()["evaluations"]] == [
        True
    ]
    parts = {
        "subject": READ["subject"],
        "resource": {**READ["resource"], "id": None},
        "evaluations": [
            {"action": READ["action"], "resource": {"id": "task_1", "properties": {"automation": "greet"}}}
        ],
    }
    assert [e["decision"] for e in (await ask(api, "/access/v1/evaluations", parts)).json()["evaluations"]] == [True]


@pytest.mark.parametrize("several", [{}, {"evaluations": []}])
async def test_without_several_the_one_is_answered_as_one(api: Running, several: dict[str, Any]) -> None:
    alone = (await ask(api, "/access/v1/evaluations", {**READ, **several})).json()
    assert (alone["decision"], "evaluations" in alone) == (True, False)


LACKING = (("subject",), ("action",), ("resource",), ("subject", "type"), ("subject", "id"), ("action", "name"),
           ("resource", "type"), ("resource", "id"))  # fmt: skip


@pytest.mark.parametrize("path", LACKING, ids="/".join)
@pytest.mark.parametrize("endpoint", ["evaluation", "evaluations"])
async def test_what_lacks_a_part_is_400_and_names_it(api: Running, endpoint: str, path: tuple[str, ...]) -> None:
    body = copy.deepcopy(READ)
    inner = body if len(path) == 1 else body[path[0]]
    del inner[path[-1]]
    answer = await ask(api, f"/access/v1/{endpoint}", body)
    assert (answer.status_code, answer.json()["status"]) == (400, 400)
    assert answer.json()["errors"][0]["pointer"].startswith("/" + "/".join(path))


async def test_what_cannot_be_read_is_400(api: Running) -> None:
    """AuthZEN 1.0, 10.1.2: no other status for a request that is malformed."""
    sent = json.dumps(READ)
    for content, kind in (
        ("{", "application/json"),
        ("", "application/json"),
        (sent, "text/plain"),
        ("[]", "application/json"),
    ):
        answer = await api.as_("owner").post("/access/v1/evaluation", content=content, headers={"content-type": kind})
        assert (answer.status_code, answer.json()["status"]) == (400, 400), (content, kind, answer.text)
    wrong: dict[str, Any]
    for wrong in ({"subject": "alice"}, {"action": {"name": 123}}, {"context": []}):
        assert (await ask(api, "/access/v1/evaluation", {**READ, **wrong})).status_code == 400
    assert (
        await ask(api, "/access/v1/evaluation", {**READ, "foo": "bar", "later": {"nested": True}})
    ).status_code == 200


def automation() -> dict[str, Any]:
    return {"type": "automation", "id": "greet", "properties": {"name": "greet"}}


async def test_what_does_not_fit_is_named_and_an_error_never_allows(api: Running) -> None:
    unknown = await ask(api, "/access/v1/evaluation", {**READ, "action": {"name": "task.fly"}})
    assert unknown.status_code == 400
    several = {**READ, "evaluations": [{}, {"resource": {"id": "task_2"}}, {"action": {}}]}
    answers = (await ask(api, "/access/v1/evaluations", several)).json()["evaluations"]
    # A part is taken whole: the second's resource has no automation.
    assert [e["decision"] for e in answers] == [True, False, True]
    missing = await ask(api, "/access/v1/evaluations", {"evaluations": [{"action": {"name": "task.read"}}, READ]})
    first, second = missing.json()["evaluations"]
    assert (first["decision"], "no subject" in first["context"]["error"], second["decision"]) == (False, True, True)
    odd = {**READ, "resource": {**READ["resource"], "properties": {"automation": 5}}}
    answer = (await ask(api, "/access/v1/evaluation", odd)).json()
    assert (answer["decision"], answer["context"]["answer"]) == (False, "error")
    assert (await ask(api, "/access/v1/evaluation", READ, who="reviewer")).status_code == 403


async def test_what_the_policy_could_not_decide_is_on_record(api: Running) -> None:
    odd = {**READ, "resource": {**READ["resource"], "properties": {"automation": 5}}}
    assert (await ask(api, "/access/v1/evaluation", odd)).json()["context"]["answer"] == "error"
    key_id = (await api.as_("owner").get("/v1/whoami")).json()["key_id"]
    leaves = await api.owner('select leaf from audit_records where leaf like \'%%"kind":"question.refused"%%\'')
    assert [f'"question":"{key_id}"' in leaf and '"why":"policy.error"' in leaf for (leaf,) in leaves] == [True]


async def test_no_elevation_is_sent_along(api: Running) -> None:
    claimed = {"type": "user", "id": "user:zoe", "properties": {"roles": [], "elevation": "elv_claimed"}}
    answer = (await ask(api, "/access/v1/evaluation", {**READ, "subject": claimed})).json()
    assert (answer["decision"], [r["policy"] for r in answer["context"]["reasons"]]) == (False, ["default-deny"])


async def test_the_answer_has_the_id_that_the_question_was_given(api: Running) -> None:
    for body, status in ((READ, 200), ({}, 400)):
        headers = {"x-request-id": "bfe9eb29-ab87"}
        answer = await api.as_("owner").post("/access/v1/evaluation", json=body, headers=headers)
        assert (answer.status_code, answer.headers["x-request-id"]) == (status, "bfe9eb29-ab87")
    assert "x-request-id" not in (await ask(api, "/access/v1/evaluation", READ)).headers
    assert "x-request-id" not in (await api.as_("owner").get("/v1/whoami", headers=headers)).headers


async def test_where_to_ask_is_told(api: Running) -> None:
    found = (await api.as_("owner").get("/.well-known/authzen-configuration")).json()
    assert found["access_evaluation_endpoint"].endswith("/access/v1/evaluation")


async def test_what_a_role_may(api: Running) -> None:
    async def may(**body: Any) -> str:
        answer = await ask(api, "/v1/policies/questions/access", body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["answer"])

    assert await may(role="author", verb="trigger", automation="greet") == "allow"
    assert await may(role="auditor", verb="trigger", automation="greet") == "deny"
    assert await may(role="boss", verb="approve", automation="greet") == "allow"
    assert await may(role="auditor", verb="approve", automation="greet") == "allow"  # a review of its own role
    assert await may(role="ml-release", verb="promote") == "allow"
    assert await may(role="author", verb="promote") == "deny"
    nowhere = await ask(
        api, "/v1/policies/questions/access", {"role": "author", "verb": "trigger", "automation": "nowhere"}
    )
    assert nowhere.status_code == 404
    unsaid = await ask(api, "/v1/policies/questions/access", {"role": "author", "verb": "trigger"})
    assert (unsaid.status_code, unsaid.json()["errors"][0]["pointer"]) == (422, "/automation")


async def test_where_data_may_go_and_what_must_be_removed(api: Running) -> None:
    change = (await api.as_("owner").post("/v1/policies/changes", json={"files": RESIDENCY})).json()
    assert (await api.as_("owner2").post(f"/v1/policies/changes/{change['number']}:approve")).status_code == 200

    async def asked(kind: str, data_class: str, region: str) -> dict[str, Any]:
        body = {"data_class": data_class, "region": region, "model": "reader", "automation": "greet"}
        answer = await ask(api, f"/v1/policies/questions/{kind}", body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    assert (await asked("residency", "personal", "eu"))["answer"] == "allow"
    abroad = await asked("residency", "personal", "us")
    assert (abroad["answer"], abroad["obligations"]) == ("deny", ["redact"])
    assert (await asked("residency", "public", "us"))["answer"] == "allow"
    removed = await asked("filtering", "personal", "us")
    assert (removed["remove"], removed["possible"]) == (["personal"], True)
    assert (await asked("filtering", "personal", "eu"))["remove"] == []
    secret = await asked("filtering", "secret", "eu")
    assert (secret["remove"], secret["possible"]) == ([], False)
    await api.as_("owner").post("/v1/policies:rollback", json={"to": 0})


async def test_one_of_several_questions_that_is_wrong_is_false_in_its_own_place(api: Running) -> None:
    body = {
        "subject": {"type": "user", "id": "user:x", "properties": {"roles": ["owner"]}},
        "resource": {"type": "system", "id": "s", "properties": {}},
        "evaluations": [{"action": {"name": n}} for n in ("system.read", "system.nothing", "key.list")],
    }
    answer = await ask(api, "/access/v1/evaluations", body)
    assert answer.status_code == 200, answer.text
    found = answer.json()["evaluations"]
    assert [(one["decision"], one["context"]["answer"]) for one in found] == [
        (True, "allow"),
        (False, "error"),
        (True, "allow"),
    ]
    assert "system.nothing" in found[1]["context"]["error"]
