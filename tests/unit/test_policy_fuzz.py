"""Whatever a policy is asked: a well-formed decision or a PolicyError, nothing let through that erred, nothing across tenants."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.unit.test_decide import SERVICE, TASK

from interlock.domain.decisions import Answer, Decision, Entity, Question
from interlock.governance.decide import Bundle
from interlock.governance.facts import PolicyError
from interlock.governance.policy_schema import Type, shapes

BASE = Bundle.load([])
SHAPES = shapes(BASE.rules.schema)
TYPES = ("User", "Agent", "Service", "System", "Automation", "Task", "Review", "Document", "Policy", "AuditLog", "ApiKey",
         "Account", "Session", "Delegation", "Elevation", "Tool", "Endpoint", "ModelVersion", "Nothing")  # fmt: skip
NAMES = ("tenant", "roles", "approval_limit", "elevation", "automation", "name", "role", "effects", "tools", "submitted_by",
         "subject", "submitters", "also_people", "amount", "verb", "persons", "single_operator", "on_behalf_of", "kind",
         "effect", "region", "__entity", "__extn", "")  # fmt: skip
OBLIGATION = re.compile(r"redact(:[a-z_]+(,[a-z_]+)*)?|reroute:[a-z0-9-]+|escalate|review:([1-9]|[a-z][a-z0-9-]{0,62})")


def _nested(depth: int) -> Any:
    found: Any = "x"
    for _ in range(depth):
        found = [found]
    return found


# Every character, lone surrogates too; and some text that is long.
text = (
    st.text(st.characters(exclude_categories=()), max_size=12)
    | st.sampled_from(["acme", "other", "owner", "user:mei", "approve", '"; permit(principal, action, resource); //'])
    | st.builds(lambda one, n: one * n, st.text(min_size=1, max_size=2), st.sampled_from([10_000, 300_000]))
)
entities = st.builds(Entity, type=st.sampled_from(TYPES) | text, id=text)
scalars = (
    st.none() | st.booleans() | st.integers() | st.sampled_from([2**63, -(2**63) - 1, 10**30]) | st.floats() | text
    | st.decimals() | st.dates() | st.datetimes() | st.datetimes(timezones=st.just(UTC)) | st.binary(max_size=4) | entities
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | text, inner, max_size=3),
    max_leaves=6,
) | st.integers(1, 40).map(_nested)
facts = st.dictionaries(st.sampled_from(NAMES) | text, values, max_size=5)
WORDS = {
    "tenant": st.sampled_from(["acme", "other"]),
    "roles": st.lists(st.sampled_from(["owner", "reviewer", "auditor", "operator"]), max_size=2),
    "verb": st.sampled_from(["approve", "reject"]),
    "role": st.sampled_from(["reviewer", "owner"]),
}


def fitting(kind: Type, name: str = "") -> st.SearchStrategy[Any]:
    """Values of a type of the schema."""
    if name in WORDS:
        return WORDS[name]
    if kind.kind == "record":
        needed = {part: fitting(one, part) for part, (one, must) in kind.fields.items() if must}
        return st.fixed_dictionaries(
            needed, optional={part: fitting(one, part) for part, (one, must) in kind.fields.items() if not must}
        )
    if kind.kind == "set":
        assert kind.of is not None
        return st.lists(fitting(kind.of), max_size=2)
    if kind.kind == "entity":
        return st.builds(Entity, type=st.just(kind.name), id=st.sampled_from(["user:mei", "user:ada"]))
    plain: dict[str, st.SearchStrategy[Any]] = {
        "string": st.sampled_from(["x", "user:mei", "acme"]),
        "bool": st.booleans(),
        "long": st.integers(-(2**63), 2**63 - 1),
        "decimal": st.decimals(min_value=0, max_value=10, places=2),
        "datetime": st.datetimes(timezones=st.just(UTC)),
    }
    return plain[kind.kind]


@st.composite
def questions(draw: st.DrawFn) -> Question:
    """A question that fits the schema, in which often something is put wrong: a fact, the type of a thing, the action."""
    action = draw(st.sampled_from(sorted(SHAPES.actions)))
    shape = SHAPES.actions[action]
    wrong = draw(st.sampled_from(["nothing", "nothing", "principal", "resource", "context", "type", "action", "more"]))
    things = {}
    for part, kinds in (("principal", shape.principals), ("resource", shape.resources)):
        kind = draw(st.sampled_from(sorted(kinds)))
        attrs = draw(fitting(SHAPES.entities[kind]))
        attrs |= draw(facts) if wrong == part else {}
        named = draw(st.sampled_from(TYPES) | text) if wrong == "type" and part == "resource" else kind
        things[part] = Entity(type=named, id=draw(st.sampled_from(["user:mei", "user:ada"]) | text), attrs=attrs)
    context = draw(fitting(shape.context)) | (draw(facts) if wrong == "context" else {})
    return Question(
        action=draw(text) if wrong == "action" else action,
        context=context,
        entities=tuple(draw(st.lists(entities, max_size=2))) if wrong == "more" else (),
        **things,
    )


def asked(bundle: Bundle, question: Question) -> Decision | None:
    """The decision; None for an error, which is a PolicyError and nothing else."""
    try:
        return bundle.decide(question)
    except PolicyError as error:
        failed = error
    # What was asked is quoted at most in part, and so that it can be sent.
    assert 0 < len(failed.detail.encode()) < 12_000
    return None


def well_formed(decision: Decision) -> None:
    assert isinstance(decision.answer, Answer)
    assert decision.reasons
    assert all(reason.policy and reason.text for reason in decision.reasons)
    assert re.fullmatch(r"[0-9a-f]{64}", decision.policy_version)
    assert all(OBLIGATION.fullmatch(one) for one in decision.obligations), decision.obligations
    assert not (decision.allowed and decision.obligations)
    assert (decision.answer is Answer.NEEDS_REVIEW) <= bool(decision.obligations)
    assert 1 <= decision.approvals <= 9
    assert Decision.from_json(decision.as_json()) == decision


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(questions())
def test_any_question_has_a_decision_or_a_policy_error(question: Question) -> None:
    decision = asked(BASE, question)
    if decision is not None:
        well_formed(decision)
        assert asked(BASE, question) == decision  # remembered or not
        tenants = [one.attrs.get("tenant") for one in (question.principal, question.resource)]
        assert not decision.allowed or tenants[0] == tenants[1]


@settings(max_examples=200, deadline=None)
@given(questions())
def test_no_question_that_fits_crosses_tenants(question: Question) -> None:
    principal = replace(question.principal, attrs={**question.principal.attrs, "tenant": "acme"})
    resource = replace(question.resource, attrs={**question.resource.attrs, "tenant": "other"})
    decision = asked(BASE, replace(question, principal=principal, resource=resource))
    assert decision is None or decision.answer is Answer.DENY


def test_most_of_these_questions_are_decided_and_some_allowed() -> None:
    """Else the properties above would hold of nothing."""
    found: Counter[str] = Counter()

    @settings(max_examples=300, deadline=None, database=None, derandomize=True, phases=[Phase.generate])
    @given(questions())
    def count(question: Question) -> None:
        decision = asked(BASE, question)
        found["error" if decision is None else decision.answer.value] += 1

    count()
    assert found["deny"] > 30, found
    assert found["allow"] > 5, found
    assert found["error"] > 30, found


@cache
def guarded() -> Bundle:
    """A permit for all, and forbids of which one errs for large numbers: what Cedar would skip, and so let through."""
    schema = (
        'action "expenses.pay" appliesTo { principal: [Service], resource: [Task], context: { n: Long, m: Long } };'
    )
    policies = """
@id("pays") @reason("All may pay.") permit (principal, action == Action::"expenses.pay", resource);
@id("large") @reason("Too large.") forbid (principal, action == Action::"expenses.pay", resource) when { context.n * context.m > 1000 };
@id("two") @reason("Two look.") @remedy("review:2") forbid (principal, action == Action::"expenses.pay", resource) when { context.n > 100 };
@id("plain") @reason("Redacted.") @remedy("redact") forbid (principal, action == Action::"expenses.pay", resource) when { context.m > 100 };
"""
    with tempfile.TemporaryDirectory() as at:
        (Path(at) / "schema.cedarschema").write_text(schema)
        (Path(at) / "rules.cedar").write_text(policies)
        return Bundle.load([Path(at)])


numbers = (
    st.integers(-(2**63), 2**63 - 1) | st.integers(-200, 200) | st.sampled_from([2**62, 2**32, -(2**32), 3_037_000_500])
)


@settings(max_examples=400, deadline=None)
@given(numbers, numbers)
def test_an_error_in_a_forbid_never_lets_anything_through(n: int, m: int) -> None:
    question = Question(principal=SERVICE, action="expenses.pay", resource=TASK, context={"n": n, "m": m})
    decision = asked(guarded(), question)
    overflows = not -(2**63) <= n * m < 2**63
    assert (decision is None) is overflows
    if decision is None:
        return
    well_formed(decision)
    assert decision.allowed is (n * m <= 1000 and n <= 100 and m <= 100)
    if decision.answer is Answer.NEEDS_REVIEW:
        assert decision.obligations == ("review:2",)
    if n * m > 1000:
        assert (decision.answer, decision.obligations) == (Answer.DENY, ())


def test_facts_of_every_kind_that_cedar_has_are_taken() -> None:
    """The fuzz above would pass if all were refused."""
    principal = Entity(type="User", id="user:mei", attrs={"tenant": "acme", "roles": ["reviewer"]})
    resource = Entity(
        type="Review", id="r", attrs={"tenant": "acme", "automation": "x", "role": "reviewer", "amount": Decimal("1.5")}
    )
    context = {"verb": "approve", "on_behalf_of": Entity(type="User", id="user:ö\u202e")}
    decision = asked(BASE, Question(principal=principal, action="review.answer", resource=resource, context=context))
    assert decision is not None
    assert decision.allowed
    for odd in (date(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC), 1.5, object(), "\ud800"):
        wrong = Question(principal=principal, action="review.answer", resource=resource, context={"verb": odd})
        assert asked(BASE, wrong) is None, odd
