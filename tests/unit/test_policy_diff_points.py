"""Two policies that part at one point: that point is found, in a smallest request, whatever the condition is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from interlock.governance import policy_diff
from interlock.governance.decide import Bundle
from interlock.governance.policy_diff import Difference
from interlock.governance.policy_requests import Requests
from interlock.governance.policy_schema import shapes
from interlock.governance.policy_terms import ID

EXPENSES = Path("automations/expenses/policy")
H = '@id("own") @reason("Own.") '
NESTED = (
    'context.verb == "approve" && resource.automation == "expenses" && resource has amount && resource.amount.{}(decimal("7919.00"))'
    ' && principal.roles.contains("reviewer") && resource.role == "finance"'
)
A = "expenses.approve"


def F(
    cond: str,
    action: str = "review.answer",
    kind: str = "when",
    eff: str = "forbid",
    p: str = "principal is User",
    r: str = "resource",
) -> str:
    return H + f'{eff} ({p}, action == Action::"{action}", {r}) {kind} {{ {cond} }};'


def E(cond: str, **given: str) -> str:
    return F(cond, action=A, p="principal", **given)


PAIRS: dict[str, tuple[str, str]] = {
    "long < to <=": (E("context.age_days < 100"), E("context.age_days <= 100")),
    "long == 7919": (E("context.age_days == 7919"), E("context.age_days == 7920")),
    "long > 7919 >=": (E("context.confidence_pct > 7919"), E("context.confidence_pct >= 7919")),
    "long arith": (E("context.age_days + 5 > context.age_days_max"), E("context.age_days + 6 > context.age_days_max")),
    "long mult": (E("context.age_days * 3 > 7919"), E("context.age_days * 3 > 7921")),
    "decimal > >=": (
        F('resource has amount && resource.amount.greaterThan(decimal("250.00"))'),
        F('resource has amount && resource.amount.greaterThanOrEqual(decimal("250.00"))'),
    ),
    "decimal 4 places": (
        F('resource has amount && resource.amount.greaterThan(decimal("250.00"))'),
        F('resource has amount && resource.amount.greaterThanOrEqual(decimal("250.0002"))'),
    ),
    "decimal attrs": (
        E("context.amount.greaterThan(context.limit)"),
        E("context.amount.greaterThanOrEqual(context.limit)"),
    ),
    "string const": (F('resource.role == "zebra-committee"'), F('resource.role == "zebra-comittee"')),
    "string !=": (F('context.verb != "amend"'), F('context.verb == "approve"')),
    "unless": (
        F('context.verb == "reject"', kind="unless"),
        F('context.verb == "reject" || context.verb == "amend"', kind="unless"),
    ),
    "has": (F("resource has amount"), F("resource has assignee")),
    "has value": (
        F("resource has assignee && resource.assignee == principal"),
        F("resource has assignee && resource.assignee != principal"),
    ),
    "like": (F('resource.role like "fin*"'), F('resource.role like "fin*-x"')),
    "like esc": (F(r'resource.role like "a\*b*"'), F(r'resource.role like "a*b*"')),
    "like mid": (
        F('resource has subject && resource.role like "*-emea-*"'),
        F('resource has subject && resource.role like "*-emea-2*"'),
    ),
    "containsAll": (
        F('principal.roles.containsAll(["reviewer","auditor"])'),
        F('principal.roles.containsAll(["reviewer","auditor","author"])'),
    ),
    "containsAny": (F('["a","b"].contains(resource.role)'), F('["a","b","c"].contains(resource.role)')),
    "set ==": (F('principal.roles == ["reviewer","auditor"]'), F('principal.roles == ["reviewer","author"]')),
    "isEmpty": (
        F("resource has submitters && resource.submitters.isEmpty()"),
        F("resource has submitters && !resource.submitters.isEmpty()"),
    ),
    "principal literal": (
        H + 'forbid (principal == User::"user:ada", action == Action::"review.answer", resource);',
        H + 'forbid (principal == User::"user:bob", action == Action::"review.answer", resource);',
    ),
    "resource literal": (
        H + 'forbid (principal, action == Action::"review.answer", resource == Review::"r1");',
        H + 'forbid (principal, action == Action::"review.answer", resource == Review::"r2");',
    ),
    "principal in literal": (
        H + 'forbid (principal in User::"user:ada", action == Action::"review.answer", resource);',
        H + 'forbid (principal in User::"user:bob", action == Action::"review.answer", resource);',
    ),
    "attr literal entity": (
        F('resource has subject && resource.subject == User::"user:ada"'),
        F('resource has subject && resource.subject == User::"user:ada2"'),
    ),
    "set of entities": (
        F('resource has also_people && resource.also_people.contains(User::"user:ada")'),
        F('resource has also_people && resource.also_people.contains(User::"user:bob")'),
    ),
    "action group": (
        H
        + 'forbid (principal is User, action in [Action::"read"], resource) when { principal.roles.contains("author") };',
        H
        + 'forbid (principal is User, action in [Action::"route"], resource) when { principal.roles.contains("author") };',
    ),
    "tenant const": (F('principal.tenant == "acme-eu"'), F('principal.tenant == "acme-us"')),
    "nested 4": (
        F(NESTED.format("greaterThan")),
        F(NESTED.format("greaterThanOrEqual")),
    ),
    "nested or": (
        F(
            '(resource.role == "x" && (context.verb == "amend" || (resource has subject && resource has assignee))) && resource has amount'
        ),
        F(
            '(resource.role == "x" && (context.verb == "amend" || (resource has subject && resource has assignee'
            " && resource.assignee == resource.subject))) && resource has amount"
        ),
    ),
    "if": (
        F('if resource has amount then resource.amount.lessThan(decimal("10.00")) else context.verb == "amend"'),
        F('if resource has amount then resource.amount.lessThanOrEqual(decimal("10.00")) else context.verb == "amend"'),
    ),
    "datetime": (
        F('context.today < datetime("2027-03-01")', action="expenses.answer", p="principal"),
        F('context.today <= datetime("2027-03-01")', action="expenses.answer", p="principal"),
    ),
    "duration": (
        F(
            'context.values has date && context.today.durationSince(context.values.date) > duration("30d")',
            action="expenses.answer",
            p="principal",
        ),
        F(
            'context.values has date && context.today.durationSince(context.values.date) > duration("31d")',
            action="expenses.answer",
            p="principal",
        ),
    ),
    "remedy": (
        (
            '@remedy("redact") '
            + F(
                'context.kind == "infer" && context has data_class && context.data_class == "secret"',
                action="effect.infer",
                p="principal",
            )
        ),
        (
            '@remedy("redact") '
            + F(
                'context.kind == "infer" && context has data_class && context.data_class == "secrets"',
                action="effect.infer",
                p="principal",
            )
        ),
    ),
    "obligation only": (
        '@review("finance") ' + F("context.age_days > 7", action=A, p="principal"),
        '@review("cfo") ' + F("context.age_days > 7", action=A, p="principal"),
    ),
    "permit 5": (
        F(
            'resource.role == "intern" && context.verb == "amend" && resource.automation == "payroll" && principal.roles.contains("auditor")',
            eff="permit",
        ),
        F(
            'resource.role == "intern" && context.verb == "amend" && resource.automation == "payroll" && principal.roles.contains("author")',
            eff="permit",
        ),
    ),
    "everywhere": (
        H
        + 'forbid (principal, action, resource) when { principal has roles && principal.roles.contains("author") && principal.tenant == "x1" };',
        H
        + 'forbid (principal, action, resource) when { principal has roles && principal.roles.contains("author") && principal.tenant == "x2" };',
    ),
    "set in attr subset": (
        F('resource has submitters && ["a","b"].containsAll(resource.submitters)'),
        F('resource has submitters && ["a","b","c"].containsAll(resource.submitters)'),
    ),
    "neg has": (
        F('!(resource has amount) && context.verb == "approve"'),
        F('!(resource has amount) && context.verb == "amend"'),
    ),
    "optional has bool": (
        F("context has single_operator && context.single_operator"),
        F("context has single_operator && !context.single_operator"),
    ),
    "id of entity": (
        H
        + 'forbid (principal is User, action == Action::"review.answer", resource) when { principal == User::"user:x" && context.verb == "amend" };',
        H + 'forbid (principal is User, action == Action::"review.answer", resource) when { principal == User::"user:x"'
        ' && context.verb == "approve" };',
    ),
}

EVERYWHERE = ("everywhere", "action group")


def bundle(text: str) -> Bundle:
    return Bundle.load([EXPENSES], texts={"more.cedar": text})


def facts_of(difference: Difference, space: Requests) -> dict[tuple[str, ...], Any]:
    """Give what is other than plain in a request."""

    def flat(at: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
        if isinstance(value, Mapping):
            for name, inner in value.items():
                yield from flat((*at, name), inner)
        else:
            yield at, value

    asked = difference.question
    facts: dict[tuple[str, ...], Any] = {("principal", ID): asked.principal.id, ("resource", ID): asked.resource.id}
    for part, attrs in (
        ("principal", asked.principal.attrs), ("resource", asked.resource.attrs), ("context", asked.context),
    ):  # fmt: skip
        facts |= dict(flat((part,), attrs))
    return space.other_than_plain(facts)


@pytest.mark.parametrize("name", [name for name in PAIRS if name not in EVERYWHERE])
def test_a_difference_at_one_point_is_found_and_nothing_can_be_left_out_of_it(name: str) -> None:
    before, after = (bundle(text) for text in PAIRS[name])
    (found,) = policy_diff.search(before, after, seconds=10).differences
    action = found.question.action
    space = Requests(
        shapes(after.rules.schema),
        action,
        found.question.principal.type,
        found.question.resource.type,
        (),
        before,
        after,
    )
    facts = facts_of(found, space)
    told = policy_diff.compare(before, after, space.question(facts))
    assert told is not None
    assert (told.before, told.after) == (found.before, found.after)
    for path in facts:
        fewer = policy_diff.compare(before, after, space.question({at: v for at, v in facts.items() if at != path}))
        assert fewer is None or (fewer.before.answer == fewer.after.answer) > (
            told.before.answer == told.after.answer
        ), path


@pytest.mark.parametrize("name", EVERYWHERE)
def test_a_policy_about_many_actions_is_looked_at_in_each_however_short_the_time(name: str) -> None:
    before, after = (bundle(text) for text in PAIRS[name])
    assert len(policy_diff.search(before, after, seconds=0).differences) >= 20


@pytest.mark.parametrize(
    ("name", "part", "fact", "value"),
    [
        ("long < to <=", "context", "age_days", "100"),
        ("long == 7919", "context", "age_days", "7919"),
        ("long mult", "context", "age_days", "2640"),
        ("decimal > >=", "resource", "amount", "250.00"),
        ("decimal 4 places", "resource", "amount", "250.0001"),
        ("string const", "resource", "role", "zebra-committee"),
        ("like", "resource", "role", "fin"),
        ("like esc", "resource", "role", "ab"),
        ("datetime", "context", "today", "2027-03-01 00:00:00+00:00"),
        ("containsAll", "principal", "roles", "['reviewer', 'auditor', 'admin']"),
    ],
)
def test_the_point_itself_is_told(name: str, part: str, fact: str, value: str) -> None:
    before, after = (bundle(text) for text in PAIRS[name])
    (found,) = policy_diff.search(before, after, seconds=10).differences
    parts = {
        "context": found.question.context,
        "principal": found.question.principal.attrs,
        "resource": found.question.resource.attrs,
    }
    assert str(parts[part][fact]) == value
