"""The policy as a service: AuthZEN 1.0, and ready questions about roles, residency and what must be removed."""

from __future__ import annotations

from typing import Any

import httpx
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
    alone = (await ask(api, "/access/v1/evaluations", READ)).json()["evaluations"]
    assert [e["decision"] for e in alone] == [True]


def automation() -> dict[str, Any]:
    return {"type": "automation", "id": "greet", "properties": {"name": "greet"}}


async def test_what_does_not_fit_is_named_and_an_error_never_allows(api: Running) -> None:
    unknown = await ask(api, "/access/v1/evaluation", {**READ, "action": {"name": "task.fly"}})
    assert unknown.status_code == 422
    missing = await ask(api, "/access/v1/evaluations", {"evaluations": [{"action": {"name": "task.read"}}]})
    assert (missing.status_code, "Question 0 has no subject" in missing.text) == (422, True)
    odd = {**READ, "resource": {**READ["resource"], "properties": {"automation": 5}}}
    answer = (await ask(api, "/access/v1/evaluation", odd)).json()
    assert (answer["decision"], answer["context"]["answer"]) == (False, "error")
    assert (await ask(api, "/access/v1/evaluation", READ, who="reviewer")).status_code == 403


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
