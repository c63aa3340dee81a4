"""The rules that bear on a review, and what decided under a version, for those who may see them."""

from __future__ import annotations

from tests.contract.api_fixture import MARKS, api
from tests.contract.running_api import Running

pytestmark = MARKS
__all__ = ["api"]

OWN = {
    "own.cedar": """// Greetings of the evening.
@id("own-greeting") @reason("A greeting over 150 is for a person too.") @review("reviewer") @field("amount")
forbid (principal is Service, action == Action::"greet.send", resource is Task)
when { context.amount.greaterThan(decimal("150.0")) };""",
    "cases.yaml": """cases:
  - name: dear
    principal: {type: Service, id: t/greet, attrs: {tenant: t, automation: greet, effects: []}}
    action: greet.send
    resource: {type: Task, id: t/greet/any, attrs: {tenant: t, automation: greet}}
    context: {amount: "151.00"}
    expect: needs_review
""",
}


async def test_who_judges_sees_every_rule_and_who_submitted_only_the_reasons(api: Running) -> None:
    _, review_id = await api.review(name="Rita", amount="120")
    answer = await api.as_("reviewer").get(f"/v1/reviews/{review_id}/rules")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["action"], found["answer"], found["known"]) == ("greet.send", "needs_review", True)
    rules = {rule["id"]: rule for rule in found["rules"]}
    assert (rules["greeting-is-dear"]["decided"], rules["greeting-is-dear"]["fields"]) == (True, ["amount"])
    assert "context.amount.greaterThan" in rules["greeting-is-dear"]["text"]
    assert not rules["greeting-may-be-sent"]["decided"]
    assert "greeting-answer-stands" not in rules  # it is about another action
    assert found["bands"] is None
    own = (await api.as_("author").get(f"/v1/reviews/{review_id}/rules")).json()
    assert own["known"] is False
    assert [(rule["id"], rule["text"]) for rule in own["rules"]] == [("greeting-is-dear", None)]
    assert own["rules"][0]["fields"] == ["amount"]
    assert (await api.as_("nobody").get(f"/v1/reviews/{review_id}/rules")).status_code == 403


async def test_what_decided_under_a_version_is_found_also_when_it_decides_no_more(api: Running) -> None:
    proposed = await api.as_("owner").post("/v1/policies/changes", json={"files": OWN, "note": "for the tests"})
    assert proposed.status_code == 201, proposed.text
    approved = await api.as_("owner2").post(f"/v1/policies/changes/{proposed.json()['number']}:approve")
    assert approved.status_code == 200, approved.text
    _, review_id = await api.review(name="Rudi", amount="160")
    back = await api.as_("owner").post("/v1/policies:rollback", json={"to": 0})
    assert back.status_code == 200, back.text

    rules = (await api.as_("auditor").get(f"/v1/reviews/{review_id}/rules")).json()
    assert rules["known"] is True
    assert {rule["id"] for rule in rules["rules"] if rule["decided"]} == {"greeting-is-dear", "own-greeting"}
    version = rules["policy_version"]
    answer = await api.as_("auditor").get(f"/v1/policies/versions/{version}", params={"action": "greet.send"})
    assert answer.status_code == 200, answer.text
    (own,) = [one for one in answer.json()["policies"] if one["id"] == "own-greeting"]
    assert own["text"].startswith("// Greetings of the evening.\n")
    assert (own["file"], own["fields"], own["obligations"]) == ("own.cedar", ["amount"], ["review:reviewer"])
    whole = (await api.as_("auditor").get(f"/v1/policies/versions/{version}")).json()
    assert {"other-tenant", "own-greeting"} < {one["id"] for one in whole["policies"]}
    assert (await api.as_("stranger").get(f"/v1/policies/versions/{version}")).status_code == 404
    assert (await api.as_("reviewer").get(f"/v1/policies/versions/{version}")).status_code == 403
    unknown = await api.as_("auditor").get(f"/v1/policies/versions/{'0' * 64}")
    assert (unknown.status_code, "evidence packs" in unknown.json()["fix"]) == (404, True)


async def test_the_text_of_what_is_in_force_comes_with_it(api: Running) -> None:
    state = (await api.as_("auditor").get("/v1/policies")).json()
    texts = {one["id"]: one["text"] for one in state["policies"]}
    assert all(f'@id("{name}")' in text for name, text in texts.items())
    assert "// What nobody may do, whatever the role." in texts["other-tenant"]
