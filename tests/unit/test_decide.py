"""Decisions: allow, deny, needs review; and that an error is none of them."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import cedarpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.domain.decisions import Answer, Decision, Entity, Question
from interlock.governance.cases import run_cases
from interlock.governance.decide import QUESTION_BYTES_MAX, Bundle
from interlock.governance.facts import PolicyError
from interlock.governance.policies import BASE, ActionRules

SCHEMA = """
action "expenses.approve" appliesTo {
  principal: [Service], resource: [Task], context: { a: Bool, b: Bool, n: Long, amount?: decimal, note?: String }
};
"""
SERVICE = Entity(type="Service", id="expenses", attrs={"tenant": "acme", "automation": "expenses", "effects": []})
TASK = Entity(type="Task", id="t1", attrs={"tenant": "acme", "automation": "expenses"})
# Overflows, and so errs, where n is over 0: the trap, since Cedar then skips the policy.
ERRS = "context.n + 9223372036854775807 > 0"
CONDITIONS = {"context.a": "a", "context.b": "b", "!context.a": "not a", "true": "always", ERRS: "errs"}


@dataclass(frozen=True)
class Rule:
    effect: str
    condition: str
    review: str | None = None

    def text(self, number: int) -> str:
        review = f' @review("{self.review}")' if self.review else ""
        return (
            f'@id("p{number}") @reason("Because {number}."){review} {self.effect} '
            f'(principal, action == Action::"expenses.approve", resource) when {{ {self.condition} }};'
        )

    def holds(self, a: bool, b: bool) -> bool:
        return {"context.a": a, "context.b": b, "!context.a": not a, "true": True, ERRS: False}[self.condition]


def bundle(rules: list[Rule], cache_size: int = 64) -> Bundle:
    with tempfile.TemporaryDirectory() as at:
        text = "\n".join(rule.text(number) for number, rule in enumerate(rules))
        (Path(at) / "rules.cedar").write_text(text or "// none")
        (Path(at) / "schema.cedarschema").write_text(SCHEMA)
        return Bundle.load([Path(at)], cache_size=cache_size)


def question(a: bool = True, b: bool = True, n: Any = 0, **context: Any) -> Question:
    return Question(
        principal=SERVICE, action="expenses.approve", resource=TASK, context={"a": a, "b": b, "n": n, **context}
    )


def ids(decision: Decision) -> list[str]:
    return [reason.policy for reason in decision.reasons]


def test_allow_names_the_permits_and_the_version() -> None:
    rules = bundle([Rule("permit", "context.a"), Rule("permit", "context.b")])
    decision = rules.decide(question(a=True, b=False))
    assert decision.answer is Answer.ALLOW
    assert [(r.policy, r.text) for r in decision.reasons] == [("p0", "Because 0.")]
    assert decision.policy_version == rules.version


def test_a_default_deny_says_what_permission_is_missing() -> None:
    decision = bundle([Rule("permit", "context.a")]).decide(question(a=False))
    assert (decision.answer, ids(decision)) == (Answer.DENY, ["default-deny"])
    assert decision.reasons[0].text == (
        "No permit of the automation's policy holds for expenses.approve with these facts. Its author can add one in its folder `policy`."
    )


def test_review_where_every_forbid_asks_for_one_and_the_permits_allow() -> None:
    rules = bundle([Rule("permit", "true"), Rule("forbid", "context.a", "manager"), Rule("forbid", "context.b", "cfo")])
    decision = rules.decide(question(a=True, b=True))
    assert (decision.answer, ids(decision)) == (Answer.NEEDS_REVIEW, ["p1", "p2"])
    assert decision.obligations == ("review:cfo", "review:manager")
    assert rules.decide(question(a=False, b=False)).answer is Answer.ALLOW


def test_no_review_where_one_forbid_is_final() -> None:
    rules = bundle([Rule("permit", "true"), Rule("forbid", "context.a", "manager"), Rule("forbid", "context.b")])
    decision = rules.decide(question(a=True, b=True))
    assert (decision.answer, ids(decision), decision.obligations) == (Answer.DENY, ["p1", "p2"], ())


def test_no_review_where_nothing_permits() -> None:
    decision = bundle([Rule("permit", "context.b"), Rule("forbid", "true", "manager")]).decide(question(b=False))
    assert (decision.answer, ids(decision)) == (Answer.DENY, ["p1", "default-deny"])


RULES = st.builds(
    Rule,
    effect=st.sampled_from(["permit", "forbid"]),
    condition=st.sampled_from(sorted(set(CONDITIONS) - {ERRS})),
).flatmap(
    lambda rule: (
        st.just(rule)
        if rule.effect == "permit"
        else st.sampled_from([None, "manager"]).map(lambda review: Rule("forbid", rule.condition, review))
    )
)
RANK = {Answer.DENY: 0, Answer.NEEDS_REVIEW: 1, Answer.ALLOW: 2}


@settings(max_examples=30, deadline=None)
@given(rules=st.lists(RULES, max_size=5), a=st.booleans(), b=st.booleans())
def test_answers_as_the_rules_say(rules: list[Rule], a: bool, b: bool) -> None:
    held = [rule for rule in rules if rule.holds(a, b)]
    forbids = [rule for rule in held if rule.effect == "forbid"]
    if len(forbids) == len(held):
        wanted = Answer.DENY
    elif not forbids:
        wanted = Answer.ALLOW
    else:
        wanted = Answer.NEEDS_REVIEW if all(rule.review for rule in forbids) else Answer.DENY
    assert bundle(rules).decide(question(a, b)).answer is wanted


@settings(max_examples=20, deadline=None)
@given(
    rules=st.lists(RULES, max_size=5),
    forbid=RULES.filter(lambda rule: rule.effect == "forbid"),
    a=st.booleans(),
    b=st.booleans(),
)
def test_another_forbid_never_allows_more(rules: list[Rule], forbid: Rule, a: bool, b: bool) -> None:
    before = bundle(rules).decide(question(a, b)).answer
    after = bundle([*rules, forbid]).decide(question(a, b)).answer
    assert RANK[after] <= RANK[before]


@settings(max_examples=20, deadline=None)
@given(
    rules=st.lists(RULES, max_size=4),
    effect=st.sampled_from(["permit", "forbid"]),
    a=st.booleans(),
    b=st.booleans(),
)
def test_a_policy_that_errs_is_never_an_answer(rules: list[Rule], effect: str, a: bool, b: bool) -> None:
    asked = bundle([*rules, Rule(effect, ERRS)])
    assert asked.decide(question(a, b, n=-1)).answer in Answer
    with pytest.raises(PolicyError, match="overflow") as caught:
        asked.decide(question(a, b, n=1))
    assert caught.value.retryable


@pytest.mark.parametrize(
    "wrong",
    [
        question(extra=1),
        question(n="many"),
        question(amount="12"),
        question(note="\ud800"),
        Question(principal=SERVICE, action="expenses.approve", resource=TASK, context={"a": True}),
        Question(principal=SERVICE, action="expenses.unknown", resource=TASK, context={}),
        Question(principal=TASK, action="expenses.approve", resource=TASK, context=question().context),
        Question(principal=SERVICE, action="expenses.approve", resource=SERVICE, context=question().context),
        Question(
            principal=Entity(type="Service", id="x", attrs={}),
            action="expenses.approve",
            resource=TASK,
            context=question().context,
        ),
        Question(
            principal=SERVICE,
            action="expenses.approve",
            resource=TASK,
            context=question().context,
            entities=(Entity(type="Unheard", id="x"),),
        ),
        question(note="x" * QUESTION_BYTES_MAX),
    ],
)
def test_a_question_outside_the_schema_is_an_error(wrong: Question) -> None:
    with pytest.raises(PolicyError):
        bundle([Rule("permit", "true")]).decide(wrong)


def test_amounts_may_be_decimals_or_decimal_text() -> None:
    rules = bundle([Rule("permit", 'context has amount && context.amount.lessThan(decimal("50.00"))')])
    assert rules.decide(question(amount=Decimal("49.99"))).allowed
    assert rules.decide(question(amount="49.99")).allowed
    assert not rules.decide(question(amount=Decimal("50"))).allowed


def test_messages_hold_no_facts_of_the_entities() -> None:
    person = Entity(type="User", id="canary-person", attrs={"tenant": "canary-tenant", "roles": [], "extra": "canary"})
    wrong = Question(principal=person, action="system.read", resource=Entity(type="System", id="x"))
    with pytest.raises(PolicyError) as caught:
        Bundle.load([]).decide(wrong)
    assert "`extra`" in str(caught.value)
    assert "canary" not in str(caught.value)


def test_the_cache_is_bounded_and_tells_questions_apart() -> None:
    rules = bundle([Rule("permit", "context.a"), Rule("forbid", "context.n > 5")], cache_size=2)
    for _ in range(2):
        for n in range(4, 8):
            assert rules.decide(question(n=n)).allowed is (n <= 5)
    assert rules.cached == 2
    assert rules.decide(question(n=4)) is rules.decide(question(n=4))
    assert not rules.decide(question(a=False, n=4)).allowed


def test_an_entity_that_is_referred_to_decides_too() -> None:
    """The cache key covers attributes of resource and principal, not only their names."""
    rules = Bundle.load([])
    person = Entity(type="User", id="mei", attrs={"tenant": "acme", "roles": ["reviewer"]})
    for tenant, allowed in (("acme", True), ("other", False), ("acme", True)):
        system = Entity(type="System", id="s", attrs={"tenant": tenant})
        assert rules.decide(Question(principal=person, action="review.list", resource=system)).allowed is allowed


def test_leaving_out_other_actions_policies_changes_no_answer() -> None:
    """The engine's own answer over all shipped policies is the one that is given."""
    text = "\n".join(file.read_text() for file in sorted(BASE.glob("*.cedar")))
    rules = Bundle.load([])
    everything = ActionRules(
        ids=(),
        everything=cedarpy.PolicySet.from_json_str(_named(text)),
        permits=cedarpy.PolicySet.from_json_str(_named(text, "permit")),
    )
    actions = {name: replace(everything, holders=one.holders) for name, one in rules.rules.actions.items()}
    whole = Bundle(replace(rules.rules, actions=actions))
    sliced = run_cases(rules, BASE)
    assert len(sliced) > 50
    assert run_cases(whole, BASE) == sliced


def _named(text: str, effect: str = "") -> str:
    parsed = json.loads(cedarpy.policies_to_json_str(text))
    forms = [form for form in parsed["staticPolicies"].values() if form["effect"] == (effect or form["effect"])]
    return json.dumps({**parsed, "staticPolicies": {form["annotations"]["id"]: form for form in forms}})


def test_the_shipped_cases_hold() -> None:
    results = run_cases(Bundle.load([]), BASE)
    assert [r for r in results if not r.passed] == []
    named = {policy for r in results for policy in r.reasons}
    assert named >= set(Bundle.load([]).rules.policies), "each shipped policy decides at least one case"
