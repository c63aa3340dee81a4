"""A tenant's own policies: checked, proposed by one, approved by another, in force, looking on, rolled back; and what they would change."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.contract.api_fixture import MARKS, api
from tests.contract.running_api import Running, listening
from tests.eventually import eventually
from typer.testing import CliRunner

from interlock.cli import app as command_line

pytestmark = MARKS
__all__ = ["api"]

NO_SUBMIT = {
    "freeze.cedar": """@id("freeze") @reason("Nothing is submitted during the freeze.") @advice("Wait until Monday.")
forbid (principal is User, action == Action::"task.submit", resource) when { principal.roles.contains("author") };""",
    "cases.yaml": """
cases:
  - name: an author may not submit
    principal: {type: User, id: "user:a", attrs: {tenant: t, roles: [author]}}
    action: task.submit
    resource: {type: Automation, id: t/greet, attrs: {tenant: t, name: greet}}
    expect: deny
    reasons: [freeze]
""",
}
GREETING = {"automation": "greet", "input": {"name": "Ada"}}


async def propose(api: Running, files: dict[str, str], who: str = "owner", **given: Any) -> dict[str, Any]:
    answer = await api.as_(who).post("/v1/policies/changes", json={"files": files, **given})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def approve(api: Running, number: int, who: str = "owner2") -> dict[str, Any]:
    answer = await api.as_(who).post(f"/v1/policies/changes/{number}:approve")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def submitted(api: Running) -> int:
    return (await api.as_("author").post("/v1/tasks", json=GREETING)).status_code


async def test_one_proposes_another_approves_and_one_rolls_back(api: Running) -> None:
    change = await propose(api, NO_SUBMIT, note="The freeze")
    assert (change["state"], change["mode"]) == ("proposed", "active")
    assert await submitted(api) == 202  # nothing is in force yet

    own = await api.as_("owner").post(f"/v1/policies/changes/{change['number']}:approve")
    assert own.status_code == 403
    assert "four-eyes-policy" in own.text
    waiting = await api.as_("owner").post("/v1/policies/changes", json={"files": NO_SUBMIT})
    assert waiting.status_code == 409

    assert (await approve(api, change["number"]))["state"] == "done"
    again = await api.as_("owner2").post(f"/v1/policies/changes/{change['number']}:approve")
    assert again.status_code == 409
    refused = await api.as_("author").post("/v1/tasks", json=GREETING)
    assert refused.status_code == 403
    assert "Nothing is submitted during the freeze. Wait until Monday. [freeze]" in refused.json()["detail"]
    assert (await api.as_("stranger").get("/v1/policies")).json()["active"] == 0  # another tenant goes on

    back = await api.as_("owner").post("/v1/policies:rollback", json={})
    assert (back.status_code, back.json()["set_number"], back.json()["kind"]) == (200, 0, "rollback")
    assert await submitted(api) == 202
    there = await api.as_("owner").post("/v1/policies:rollback", json={"to": change["set_number"]})
    assert there.status_code == 200
    assert await submitted(api) == 403
    await api.as_("owner").post("/v1/policies:rollback", json={"to": 0})

    history = (await api.as_("auditor").get("/v1/policies/changes")).json()["items"]
    assert [c["kind"] for c in history[:4]] == ["rollback", "rollback", "rollback", "activate"]
    kinds = await api.owner(
        "select leaf::json->>'kind' from audit_records where leaf::json->>'kind' like 'policy.%%' order by id"
    )
    assert [k for (k,) in kinds][:3] == ["policy.proposed", "policy.activated", "policy.rolled-back"]


async def test_a_wrong_set_is_refused_with_file_policy_and_fix_and_nothing_is_stored(api: Running) -> None:
    before = await api.owner("select count(*) from policy_sets")
    for files, says in (
        ({"a.cedar": "permit (principal, action, resource);"}, "has no @id"),
        ({"a.cedar": "permit ("}, "a.cedar"),
        ({"a.cedar": '@id("x") @reason("x") forbid (principal, action == Action::"nothing.here", resource);'}, "x"),
        ({"a.cedar": '@id("four-eyes-subject") @reason("x") forbid (principal, action, resource);'}, "used already"),
        ({"../a.cedar": "", "cases.yaml": ""}, "no file of a set"),
        ({"cases.yaml": "cases: []"}, "at least one"),
        ({"a.cedar": '@id("x") @reason("x") forbid (principal, action, resource);'}, "no owner could"),
        (
            {**NO_SUBMIT, "cases.yaml": NO_SUBMIT["cases.yaml"].replace("expect: deny", "expect: allow")},
            "wanted allow, got deny",
        ),
        (
            {
                "a.cedar": '@id("x") @reason("x") permit (principal is User, action == Action::"task.submit", resource)'
                ' when { principal.roles.contains("king") };'
            },
            "king",
        ),
    ):
        answer = await api.as_("owner").post("/v1/policies/changes", json={"files": files})
        assert answer.status_code == 422, (says, answer.text)
        assert says in answer.text
    assert await api.owner("select count(*) from policy_sets") == before
    # Who tried it is on record, once a minute.
    leaves = await api.owner('select leaf from audit_records where leaf like \'%%"kind":"policy.refused"%%\'')
    assert ['"why":"input.invalid"' in leaf for (leaf,) in leaves] == [True]


async def test_a_set_that_looks_on_decides_nothing_and_is_counted(api: Running) -> None:
    change = await propose(api, NO_SUBMIT, shadow=True)
    await approve(api, change["number"])
    state = (await api.as_("owner").get("/v1/policies")).json()
    assert state["shadow"] == change["set_number"]
    assert await submitted(api) == 202

    async def counted() -> list[dict[str, Any]]:
        found = (await api.as_("auditor").get("/v1/policies/differences")).json()["items"]
        return [d for d in found if d["action"] == "task.submit"]

    (difference,) = await eventually(counted)
    assert (difference["answer"], difference["would_be"], difference["would_be_reasons"]) == (
        "allow",
        "deny",
        ["freeze"],
    )
    # Requests that are only made up, to see what a set would change, are no decisions.
    made_up = await api.as_("owner").post("/v1/policies/diff?seconds=0.5&prove=true", json={"files": NO_SUBMIT})
    assert made_up.json()["searched"]["everything else"]["counterexamples"]
    assert await submitted(api) == 202

    async def counted_again() -> int | None:
        (again,) = await counted()
        return again["count"] if again["count"] > difference["count"] else None

    assert await eventually(counted_again) == difference["count"] + 1
    assert (await api.as_("owner").post("/v1/policies:stop-shadow")).json()["set_number"] == 0
    assert (await api.as_("owner").get("/v1/policies")).json()["shadow"] == 0


async def test_a_set_that_looks_on_is_asked_at_a_workers_effects_and_at_answers_too(
    api: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker and whoever answers ask both sets: the one in force decides and is on record, the other is counted, shown, and then in force."""
    files = {
        "strict.cedar": """@id("no-steps") @reason("Steps are off.")
forbid (principal is Service, action == Action::"effect.step", resource) when { context.effect like "step:*" };
@id("no-sending") @reason("Nothing is sent.")
forbid (principal is Service, action == Action::"greet.send", resource is Task);
@id("no-answers") @reason("Nothing is approved.")
forbid (principal is Service, action == Action::"greet.answer", resource is Task) when { context.verdict == "approve" };"""
    }
    before = await api.submit(name="Dora", wait="succeeded")
    change = await propose(api, files, shadow=True)
    await approve(api, change["number"])
    decided = await api.submit(name="Dora", wait="succeeded")
    task, review_id = await api.review(name="Dora")
    assert (await api.as_("reviewer").post(f"/v1/reviews/{review_id}:approve")).status_code == 200
    await api.until(task["id"], "succeeded")

    def decisions(of: dict[str, Any]) -> list[tuple[str, str, str]]:
        said = [(e["kind"], e["decision"]) for e in of["effects"] if e["decision"]]
        return [(kind, d["answer"], d["policy_version"]) for kind, d in said]

    # What is on record is of the set in force: the same answers by the same version as without the other.
    assert decisions(decided) == decisions(before)

    async def seen() -> list[dict[str, Any]]:
        found = (await api.as_("auditor").get("/v1/policies/differences")).json()["items"]
        mine = [d for d in found if d["set_number"] == change["set_number"]]
        return mine if {d["action"] for d in mine} >= {"effect.step", "greet.send", "greet.answer"} else []

    by_action = {(d["action"], d["answer"]): d for d in await eventually(seen, timeout_s=30)}
    for action, answer, by in (
        ("effect.step", "allow", "no-steps"),
        ("greet.send", "allow", "no-sending"),
        ("greet.answer", "allow", "no-answers"),
    ):
        difference = by_action[action, answer]
        assert difference["would_be"] == "deny"
        assert by in difference["would_be_reasons"]
        assert difference["count"] >= 1
    async with listening(api) as url:
        monkeypatch.setenv("INTERLOCK_API_URL", url)
        monkeypatch.setenv("INTERLOCK_API_KEY", api.keys["auditor"])
        shown = await asyncio.to_thread(CliRunner().invoke, command_line, ["policy", "differences"])
        assert (shown.exit_code, "greet.answer" in shown.stdout, "effect.step" in shown.stdout) == (0, True, True), (
            shown.output
        )
    # In force, it decides: what was only counted is denied.
    assert (await api.as_("owner").post("/v1/policies:stop-shadow")).status_code == 200
    active = await propose(api, files)
    await approve(api, active["number"])
    denied = await api.submit(name="Dora", wait="failed")
    assert "no-steps" in str(denied["effects"]) + str(denied["error"])
    assert (await api.as_("owner").post("/v1/policies:rollback", json={})).status_code == 200
    await api.submit(name="Dora", wait="succeeded")


async def test_diff_says_which_recorded_decisions_change_and_gives_a_counterexample(api: Running) -> None:
    task = await api.submit(name="Dora", wait="succeeded")
    files = {
        "steps.cedar": """@id("no-steps") @reason("Steps are off.")
forbid (principal is Service, action == Action::"effect.step", resource) when { context.effect like "step:*" };"""
    }
    answer = await api.as_("author").post("/v1/policies/diff?seconds=2", json={"files": files})
    assert answer.status_code == 200, answer.text
    impact = answer.json()
    assert 0 < impact["changed"] <= impact["recorded"]
    mine = [e for e in impact["examples"] if e["task_id"] == task["id"]]
    assert mine
    assert all((e["before"]["answer"], e["after"]["answer"]) == ("allow", "deny") for e in mine)
    counterexamples = [c for found in impact["searched"].values() for c in found["counterexamples"]]
    assert {c["action"] for c in counterexamples} == {"effect.step"}
    assert all("no-steps" in c["after"]["policies"] for c in counterexamples)
    assert (await api.as_("reviewer").post("/v1/policies/diff", json={"files": files})).status_code == 403


STEPS = """@id("no-steps") @reason("Steps are off.")
forbid (principal is Service, action == Action::"effect.step", resource) when {{ {} }};"""


async def test_diff_proves_of_what_no_answer_changes_and_names_what_is_not_decided(
    api: Running, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def proofs(condition: str) -> dict[str, Any]:
        files = {"steps.cedar": STEPS.format(condition)}
        answer = await api.as_("author").post("/v1/policies/diff?seconds=0.5&prove=true", json={"files": files})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()["proofs"]
        return found

    nothing = await proofs('context.effect like "step:*" && !(context.effect like "s*")')
    assert "everything else" in nothing
    assert all(p["kinds"] == p["proved"] > 100 for p in nothing.values())
    for proof in (await proofs('context.effect like "step:*"')).values():
        assert (proof["proved"], proof["undecided"], proof["problem"]) == (proof["kinds"] - 1, [], None)
        (difference,) = proof["differs"]
        assert (difference["action"], difference["before"]["answer"], difference["after"]["answer"]) == (
            "effect.step",
            "allow",
            "deny",
        )
    unknown = '[["a", "b"]].contains([context.kind])'
    for proof in (await proofs(unknown)).values():
        (undecided,) = proof["undecided"]
        assert (undecided["principal"], undecided["action"], undecided["resource"]) == (
            "Service",
            "effect.step",
            "Task",
        )
        assert undecided["reason"].startswith("no-steps uses a written set")
    (tmp_path / "steps.cedar").write_text(STEPS.format(unknown))
    async with listening(api) as url:
        monkeypatch.setenv("INTERLOCK_API_URL", url)
        monkeypatch.setenv("INTERLOCK_API_KEY", api.keys["author"])
        command = ["policy", "diff", str(tmp_path), "--seconds", "0.5"]
        shown = await asyncio.to_thread(CliRunner().invoke, command_line, [*command, "--prove"])
        silent = await asyncio.to_thread(CliRunner().invoke, command_line, command)
        change = await propose(api, NO_SUBMIT)
        asked = ["policy", "show", str(change["set_number"])]
        files = await asyncio.to_thread(CliRunner().invoke, command_line, asked)
    assert (shown.exit_code, silent.exit_code) == (0, 0), shown.output
    assert NO_SUBMIT["freeze.cedar"] in files.stdout  # line by line, as it was written
    assert "\\n" not in shown.stdout + silent.stdout + files.stdout
    turned_down = await api.as_("owner").post(
        f"/v1/policies/changes/{change['number']}:reject", json={"reason": "It was only looked at."}
    )
    assert turned_down.status_code == 200, turned_down.text
    assert "no answer changes, whatever is asked" in shown.stdout
    assert "no-steps" in shown.stdout
    assert "whatever is asked" not in silent.stdout


async def test_diff_asks_recorded_answers_to_reviews_again(api: Running) -> None:
    """Each answer with what it said: an approval, an amendment, a rejection, and each of several approvals, once."""
    reviewer, other = api.as_("reviewer"), api.as_("reviewer2")
    approved, one = await api.review(name="Ursula")
    assert (await reviewer.post(f"/v1/reviews/{one}:approve")).status_code == 200
    amended, two = await api.review(name="Ursula")
    answer = await reviewer.post(f"/v1/reviews/{two}:amend", json={"values": {"name": "Berta"}})
    assert answer.status_code == 200, answer.text
    rejected, three = await api.review(name="Ursula")
    assert (await reviewer.post(f"/v1/reviews/{three}:reject", json={"reason": "no"})).status_code == 200
    both, four = await api.review(name="Ursula", approvals=2)
    for who in (reviewer, other):
        assert (await who.post(f"/v1/reviews/{four}:approve")).status_code == 200
    still_open, _ = await api.review(name="Ursula")
    files = {
        "ursula.cedar": """@id("not-ursula") @reason("Ursula is not greeted.")
forbid (principal is Service, action == Action::"greet.answer", resource is Task)
when { context.verdict != "reject" && context.values has name && context.values.name == "Ursula" };"""
    }
    answer = await api.as_("author").post("/v1/policies/diff?seconds=0.5", json={"files": files})
    assert answer.status_code == 200, answer.text
    changed = [e for e in answer.json()["examples"] if e["action"] == "greet.answer"]
    by_task = [e["task_id"] for e in changed]
    assert sorted(by_task) == sorted([approved["id"], both["id"], both["id"]])
    assert all((e["before"]["answer"], e["after"]["answer"]) == ("allow", "deny") for e in changed)
    assert {e["after"]["policies"][0] for e in changed} == {"not-ursula"}
    assert not {amended["id"], rejected["id"], still_open["id"]} & set(by_task)
    harmless = {"x.cedar": files["ursula.cedar"].replace("Ursula", "Nobody at all")}
    again = await api.as_("author").post("/v1/policies/diff?seconds=0.5", json={"files": harmless})
    assert not [e for e in again.json()["examples"] if e["action"] == "greet.answer"]
    # Of what was erased nothing is asked: there are no values any more.
    await api.owner("update reviews set answer = null where id = %s", (one,))
    left = await api.as_("author").post("/v1/policies/diff?seconds=0.5", json={"files": files})
    assert [e["task_id"] for e in left.json()["examples"] if e["action"] == "greet.answer"] == [both["id"]] * 2


async def test_check_and_show(api: Running) -> None:
    checked = await api.as_("author").post("/v1/policies/check", json={"files": NO_SUBMIT})
    assert checked.status_code == 200, checked.text
    assert [c["passed"] for c in checked.json()["cases"]] == [True]
    state = (await api.as_("auditor").get("/v1/policies")).json()
    assert {"four-eyes-subject", "other-tenant"} <= {p["id"] for p in state["policies"]}
    assert len(state["version"]) == 64


async def test_a_change_may_be_turned_down_with_a_reason(api: Running) -> None:
    change = await propose(api, NO_SUBMIT)
    answer = await api.as_("owner2").post(
        f"/v1/policies/changes/{change['number']}:reject", json={"reason": "Not before January."}
    )
    assert (answer.status_code, answer.json()["state"]) == (200, "rejected")
    assert await submitted(api) == 202
    assert (await api.as_("author").post(f"/v1/policies/changes/{change['number']}:approve")).status_code == 403
    stored = await api.as_("auditor").get(f"/v1/policies/sets/{change['set_number']}")
    assert stored.json()["files"] == NO_SUBMIT


async def test_a_set_that_fits_no_more_can_still_be_replaced_and_lets_nothing_else_through(api: Running) -> None:
    change = await propose(api, NO_SUBMIT)
    await approve(api, change["number"])
    broken = """@id("gone") @reason("x") forbid (principal, action == Action::"gone.away", resource);"""
    await api.owner(
        "update policy_sets set files = json_build_object('gone.cedar', %s::text) where number = %s",
        (broken, change["set_number"]),
    )
    api.app.policies._known.clear()  # as in a process that starts after an automation was taken away

    refused = await api.as_("owner").post("/v1/tasks", json=GREETING)
    assert refused.status_code >= 400
    state = (await api.as_("owner").get("/v1/policies")).json()
    assert "gone" in state["problem"]
    assert state["automations"] == {}
    assert (await api.as_("author").post("/v1/policies:rollback", json={})).status_code == 403
    assert (await api.as_("owner").post("/v1/policies:rollback", json={})).status_code == 200
    assert (await api.as_("owner").get("/v1/policies")).json()["problem"] is None
    assert await submitted(api) == 202


async def test_a_set_must_leave_owners_and_admins_a_way_back(api: Running) -> None:
    for role in ("owner", "admin"):
        closed = f"""@id("closed") @reason("Closed.") forbid (principal is User, action == Action::"policy.rollback", resource)
when {{ principal.roles.contains("{role}") }};"""
        answer = await api.as_("owner").post("/v1/policies/changes", json={"files": {"closed.cedar": closed}})
        assert answer.status_code == 422
        assert f"no {role} could do policy.rollback" in answer.text


async def test_a_tenant_with_a_single_key_needs_no_second_person(api: Running) -> None:
    change = await propose(api, NO_SUBMIT, who="single")
    assert change["state"] == "done"
    leaf = await api.owner("select leaf from audit_records where tenant = 'alone' order by id desc limit 1")
    assert '"alone":true' in leaf[0][0]


async def test_lists_hold_only_what_the_policy_lets_one_read(api: Running) -> None:
    task, review_id = await api.review(name="Gil")
    hidden = {
        "hide.cedar": """@id("greetings-are-private") @reason("Greetings are for their authors.")
forbid (principal is User, action in [Action::"task.read", Action::"review.read"], resource)
when { resource.automation == "greet" && principal.roles.contains("auditor") };"""
    }

    async def seen(who: str) -> tuple[bool, bool]:
        tasks = (await api.as_(who).get("/v1/tasks", params={"correlation_id": task["correlation_id"]})).json()["items"]
        reviews = (await api.as_(who).get("/v1/reviews", params={"task_id": task["id"]})).json()["items"]
        return [t["id"] for t in tasks] == [task["id"]], [r["id"] for r in reviews] == [review_id]

    assert await seen("auditor") == (True, True)
    change = await propose(api, hidden)
    await approve(api, change["number"])
    assert await seen("auditor") == (False, False)
    assert (await api.as_("auditor").get(f"/v1/correlations/{task['correlation_id']}")).status_code == 403
    assert await seen("owner") == (True, True)
    await api.as_("owner").post("/v1/policies:rollback", json={"to": 0})
