"""Which answers change: a smallest request for each change of a rule, none where nothing changes, and what was recorded asked again."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.domain.decisions import Entity, Question
from interlock.governance import policy_diff
from interlock.governance.decide import Bundle
from interlock.governance.policies import BASE
from interlock.governance.policy_requests import Requests
from interlock.governance.policy_schema import shapes

EXPENSES = Path("automations/expenses/policy")
BEFORE = Bundle.load([EXPENSES])
FORBIDS = sorted(
    p.id for p in BEFORE.rules.policies.values() if p.file.endswith("expenses.cedar") and p.effect == "forbid"
)


def changed(folder: Path, *, text: str | None = None, more: str = "") -> Bundle:
    folder.mkdir()
    for file in EXPENSES.glob("*.cedar*"):
        (folder / file.name).write_text(file.read_text())
    if text is not None:
        (folder / "expenses.cedar").write_text(text)
    return Bundle.load([folder], texts={"more.cedar": more} if more else None)


def without(policy: str) -> str:
    parts = (EXPENSES / "expenses.cedar").read_text().split("\n\n")
    kept = [part for part in parts if f'@id("{policy}")' not in part]
    assert len(kept) == len(parts) - 1
    return "\n\n".join(kept)


def test_bundles_that_are_the_same_have_no_difference() -> None:
    found = policy_diff.search(BEFORE, Bundle.load([EXPENSES]), seconds=1)
    assert (found.differences, found.actions) == ((), ())


@pytest.mark.parametrize("policy", FORBIDS)
def test_a_forbid_that_is_taken_out_is_found_by_what_it_forbade(policy: str, tmp_path: Path) -> None:
    after = changed(tmp_path / "policy", text=without(policy))
    found = policy_diff.search(BEFORE, after, seconds=90)
    assert found.differences
    assert any(policy in d.before.policies and policy not in d.after.policies for d in found.differences)


def test_a_limit_is_found_at_its_edge_and_nothing_that_could_be_left_out_is_in_the_way(tmp_path: Path) -> None:
    more = """@id("tenant-large") @reason("Large amounts are for finance.")
    forbid (principal is User, action == Action::"review.answer", resource)
    when { context.verb == "approve" && resource has amount && resource.amount.greaterThan(decimal("250.00")) };"""
    found = policy_diff.search(BEFORE, changed(tmp_path / "policy", more=more), seconds=10)
    (difference,) = found.differences
    assert (difference.before.answer, difference.after.answer) == ("allow", "deny")
    assert str(difference.question.resource.attrs["amount"]) == "250.01"
    assert difference.question.context["verb"] == "approve"
    assert "approval_limit" not in difference.question.principal.attrs


@pytest.mark.parametrize("long", ["9223372036854775807ms", "9000000d"])
def test_a_duration_that_no_fact_can_be_away_is_no_reason_to_stop(long: str, tmp_path: Path) -> None:
    more = f"""@id("late") @reason("It is late.") forbid (principal is Service, action == Action::"expenses.answer", resource)
    when {{ context.today.offset(duration("-1d")) > context.today.offset(duration("{long}")) || context.verdict == "reject" }};"""
    found = policy_diff.search(BEFORE, changed(tmp_path / "policy", more=more), seconds=5)
    assert [d.question.action for d in found.differences] == ["expenses.answer"]


def test_recorded_decisions_are_asked_again_and_name_where_they_were_made(tmp_path: Path) -> None:
    after = changed(tmp_path / "policy", text=without("expense-in-future"))
    (difference,) = policy_diff.search(BEFORE, after, seconds=90).differences
    untouched = Requests(shapes(BEFORE.rules.schema), "expenses.confirm", "Service", "Task", (), BEFORE)
    asked = [(untouched.question({("context", "in_future"): value}), {"task": str(value)}) for value in (True, False)]
    count, found = policy_diff.on_recorded(BEFORE, after, [*asked, (difference.question, {"task": "future"})])
    assert count == 3
    ((where, was, would_be),) = [(d.where, d.before, d.after) for d in found]
    assert where == {"task": "future"}
    assert "expense-in-future" in was.policies
    assert "expense-in-future" not in would_be.policies


@given(st.sampled_from(sorted(shapes(BEFORE.rules.schema).actions)), st.data())
@settings(max_examples=200, deadline=None)
def test_every_request_that_the_search_makes_fits_the_schema(action: str, data: st.DataObject) -> None:
    known = shapes(BEFORE.rules.schema)
    types = data.draw(
        st.sampled_from([(p, r) for p in known.actions[action].principals for r in known.actions[action].resources])
    )
    space = Requests(known, action, *types, (), BEFORE)
    changes = space.changes({})
    chosen = data.draw(st.lists(st.sampled_from(changes), max_size=4, unique_by=lambda c: c[0])) if changes else []
    assert policy_diff.verdict(BEFORE, space.question(dict(chosen))).answer != "error"


def test_shapes_are_those_of_the_schema() -> None:
    known = shapes(Bundle.load([]).rules.schema)
    assert set(known.actions) == {a for a in Bundle.load([]).rules.actions if "." in a}
    limit, required = known.entities["User"].fields["approval_limit"]
    assert (limit.kind, required) == ("decimal", False)
    assert known.actions["review.answer"].context.fields["verb"][0].kind == "string"
    assert BASE.is_dir()


def test_a_question_that_neither_can_decide_is_no_difference_and_one_that_a_single_one_cannot_is() -> None:
    question = Question(
        principal=Entity(type="Service", id="s", attrs={"tenant": "a", "automation": "expenses", "effects": []}),
        action="expenses.confirm",
        resource=Entity(type="Task", id="t", attrs={"tenant": "a", "automation": "expenses"}),
        context={"in_future": False},
    )
    assert policy_diff.verdict(BEFORE, question).answer == "error"
    assert policy_diff.compare(BEFORE, Bundle.load([]), question) is None
    asked = Requests(shapes(BEFORE.rules.schema), "expenses.confirm", "Service", "Task", (), BEFORE).question({})
    found = policy_diff.compare(BEFORE, Bundle.load([]), asked)
    assert found is not None
    assert found.before.answer != "error"
    assert found.after.answer == "error"
