"""Loading policies: what the lint finds, and that the version names the content."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pytest

from interlock.domain.errors import ConfigurationError
from interlock.governance.policies import BASE, FILE_BYTES_MAX, ROLES, load_rules, split

GOOD = '@id("good") @reason("Good.") permit (principal, action == Action::"expenses.pay", resource);\n'
SCHEMA = 'action "expenses.pay" appliesTo { principal: [Service], resource: [Task], context: { n: Long } };\n'


def folder(at: Path, policies: str = GOOD, schema: str | None = SCHEMA, file: str = "a.cedar") -> Path:
    at.mkdir(parents=True, exist_ok=True)
    (at / file).write_text(policies)
    if schema is not None:
        (at / "schema.cedarschema").write_text(schema)
    return at


def test_loads_the_base_alone_and_knows_where_each_policy_came_from() -> None:
    rules = load_rules([])
    assert rules.policies["four-eyes-subject"].file == str(BASE / "limits.cedar")
    assert {p.effect for p in rules.policies.values()} == {"permit", "forbid"}


def test_each_action_is_decided_by_the_policies_that_admit_it(tmp_path: Path) -> None:
    schema = """
      action "outer"; action "inner" in ["outer"];
      action "x.one", "x.two" in ["inner"] appliesTo { principal: [Service], resource: [Task], context: {} };
      action "x.three" appliesTo { principal: [Service], resource: [Task], context: {} };
    """
    scopes = {
        "any": "action",
        "one": 'action == Action::"x.one"',
        "listed": 'action in [Action::"x.two", Action::"x.three"]',
        "group": 'action in Action::"inner"',
        "groups": 'action in [Action::"outer"]',
    }
    text = "".join(
        f'@id("{id_}") @reason("R.") {effect} (principal, {scope}, resource) when {{ principal is Service }};\n'
        for effect in ("permit", "forbid")
        for id_, scope in ((f"{effect}-{name}", scope) for name, scope in scopes.items())
    )
    rules = load_rules([folder(tmp_path, text, schema)])
    admitted = {"x.one": ["any", "one", "group", "groups"], "x.two": ["any", "listed", "group", "groups"]}
    admitted |= {"x.three": ["any", "listed"]}
    for action, names in admitted.items():
        permits, everything = str(rules.actions[action].permits), str(rules.actions[action].everything)
        for name in scopes:
            assert (f'@id("permit-{name}")' in permits) is (name in names)
            assert (f'@id("permit-{name}")' in everything) is (name in names)
            assert (f'@id("forbid-{name}")' in everything) is (name in names)
        assert "forbid" not in permits
        assert '@id("other-tenant")' in everything


def test_an_automation_adds_its_own_actions(tmp_path: Path) -> None:
    rules = load_rules([folder(tmp_path / "expenses")])
    assert rules.policies["good"].reason == "Good."


PAY = 'permit (principal, action == Action::"expenses.pay", resource)'


@pytest.mark.parametrize(
    ("policies", "names"),
    [
        ("permit (principal, action", "Correct the Cedar syntax"),
        (f'@reason("x") {PAY};', "policy 1 has no @id"),
        (f'@id("") @reason("x") {PAY};', "policy 1 has no @id"),
        (f'@id("p") {PAY};', '"p" has no @reason'),
        (f'@id("p") @reason {PAY};', '"p" has no @reason'),
        (f'@id("p") @reason("x") @hint("y") {PAY};', "unknown annotation @hint"),
        (f'@id("p") @reason("x") @field("") {PAY};', "@field that names none"),
        (f'@id("p") @reason("x") @field("total,") {PAY};', "@field that names none"),
        (f'@id("p") @reason("x") @field("/total") {PAY};', "@field that names none"),
        (f'@id("p") @reason("x") @review("manager") {PAY};', "@review that cannot work"),
        ('@id("p") @reason("x") @review forbid (principal, action, resource);', "@review that cannot work"),
        (f'@id("p") @reason("x") @remedy("redact") {PAY};', "@remedy that cannot work"),
        (
            '@id("p") @reason("x") @remedy("redact:SHOE_SIZE") forbid (principal, action, resource);',
            "@remedy that cannot work",
        ),
        ('@id("p") @reason("x") @remedy("review:1") forbid (principal, action, resource);', "@remedy that cannot work"),
        ('@id("p") @reason("x") @remedy("Ask Mia.") forbid (principal, action, resource);', "@remedy that cannot work"),
        (f'@id("p") @reason("x") {PAY} when {{ principal.effects.contains("a") && false }};', "can never match"),
        (f'@id("p") @reason("x") {PAY} unless {{ true || principal.effects.contains("a") }};', "can never match"),
        (
            f'@id("p") @reason("x") {PAY} when {{ principal.automation == "a" && principal.automation == "b" }};',
            "can never match",
        ),
        (
            f'@id("p") @reason("x") {PAY} when {{ resource.automation == "a" && !(resource.automation == "a") }};',
            "can never match",
        ),
        (GOOD + GOOD, '"good" is used already'),
        (f'@id("other-tenant") @reason("x") {PAY};', "limits.cedar"),
        (f'@id("default-deny") @reason("x") {PAY};', "name of the default deny"),
        (f'@id("p") @reason("x") {PAY} when {{ context.missing > 1 }};', "p: attribute `missing`"),
        (f'@id("p") @reason("x") {PAY} when {{ context.n > "1" }};', "p: "),
        ('@id("p") @reason("x") permit (principal, action == Action::"nope", resource);', 'Action::"nope"'),
        ('@id("p") @reason("x") permit (principal == ?principal, action, resource);', "template"),
        ("// " + "x" * FILE_BYTES_MAX, "bytes"),
    ],
)
def test_the_lint_names_file_policy_and_fix(tmp_path: Path, policies: str, names: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_rules([folder(tmp_path / "expenses", policies)])
    assert names in str(caught.value)
    assert str(tmp_path / "expenses" / "a.cedar") in caught.value.detail
    assert caught.value.fix


@pytest.mark.parametrize("schema", ["entity User;", "action broken", 'action "task.read" appliesTo {};'])
def test_a_wrong_fragment_is_named(tmp_path: Path, schema: str) -> None:
    first = folder(tmp_path / "first")
    second = folder(tmp_path / "second", GOOD.replace("good", "other"), schema)
    with pytest.raises(ConfigurationError, match=r"second/schema\.cedarschema"):
        load_rules([first, second])


def test_a_folder_without_policies_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no \*\.cedar file"):
        load_rules([tmp_path])
    with pytest.raises(ConfigurationError, match="is not a folder"):
        load_rules([tmp_path / "missing"])


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "b.cedar").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match=r"b\.cedar"):
        load_rules([tmp_path])


def test_the_version_is_of_the_content_only(tmp_path: Path) -> None:
    one = folder(tmp_path / "one")
    two = folder(tmp_path / "two", GOOD.replace("good", "other"), None)
    version = load_rules([one, two]).version
    assert len(version) == 64
    assert load_rules([two, one]).version == version
    shutil.move(one / "a.cedar", one / "z.cedar")
    assert load_rules([one, two]).version == version
    (one / "z.cedar").write_text(GOOD.replace("Good.", "Better."))
    assert load_rules([one, two]).version != version
    assert load_rules([one]).version != load_rules([]).version


def test_each_policy_has_its_own_text_with_its_comments() -> None:
    text = (
        '// About a; with a ; and an @id("no") in the comment.\n'
        '@id("a") @reason("Ends; here: // no comment, and \\" too.") permit (principal, action, resource);\n\n'
        '// About b.\n@reason("First the reason.")\n@id("b")\nforbid (principal, action, resource);\n// The end; nothing.\n'
    )
    found = split(text)
    assert list(found) == ["a", "b"]
    assert found["a"].startswith("// About a;")
    assert found["a"].endswith("permit (principal, action, resource);")
    assert found["b"].startswith("// About b.")
    assert "About a" not in found["b"]


def test_every_shipped_policy_has_its_text_and_names_its_fields() -> None:
    rules = load_rules([Path("automations/expenses/policy")])
    for policy in rules.policies.values():
        assert f'@id("{policy.id}")' in policy.text
        assert policy.text.count("@id(") == 1
        assert policy.text.endswith(";")
    assert rules.policies["expense-incomplete"].fields == ("merchant", "date", "total", "currency", "receipt_number")
    assert rules.policies["owner-does-everything"].fields == ()


NEVER = {
    "two conditions that contradict": 'when { principal.roles.contains("author") } when { !principal.roles.contains("author") }',
    "an exception for all that it is about": 'when { principal.roles.contains("author") } unless { principal.roles.contains("author") }',
    "two tenants": 'when { principal.tenant == "a" } when { principal.tenant == "b" }',
    "a choice that is none": "when { if true then false else true }",
    "a choice between the same": "when { if principal has approval_limit then false else false }",
    "a pattern that the text does not fit": 'when { principal.tenant == "acme" && principal.tenant like "b*" }',
    "a text that is not in the list": 'when { ["a", "b"].contains(principal.tenant) && principal.tenant == "c" }',
    "lists that share nothing": 'when { ["a", "b"].contains(principal.tenant) } unless { !["c"].contains(principal.tenant) }',
    "each of two ways closed": 'when { (principal.tenant == "a" || principal.tenant == "b") && principal.tenant == "c" }',
    "another type than the scope's": "when { principal is Agent }",
    "above one limit and below another": 'when { principal has approval_limit && principal.approval_limit.lessThan(decimal("1.00"))'
    ' && principal.approval_limit.greaterThan(decimal("2.00")) }',
    "between two neighbours": 'when { principal has approval_limit && principal.approval_limit.greaterThan(decimal("1.0001"))'
    ' && principal.approval_limit.lessThan(decimal("1.0002")) }',
    "an excluded name": 'when { principal == User::"a" && principal == User::"b" }',
}


@pytest.mark.parametrize(
    ("sum_", "ok"),
    [("9223372036854775806 + 1", True), ("9223372036854775807 + 1", False), ("4611686018427387904 * -3", False)],
)
def test_a_sum_that_always_errs_is_found(sum_: str, ok: bool) -> None:
    when = f'{sum_} == 2 || principal.tenant == "a"'
    text = f'@id("x") @reason("r") forbid (principal is User, action == Action::"task.submit", resource) when {{ {when} }};'
    with contextlib.nullcontext() if ok else pytest.raises(ConfigurationError, match="always errs"):
        load_rules([], texts={"a.cedar": text})


SOMETIMES = (
    'principal.tenant == "acme" && principal.tenant like "a*"',
    '["a", "b"].contains(principal.tenant) && principal.tenant != "a"',
    '(principal.tenant == "a" || principal.tenant == "c") && principal.tenant == "c"',
    'principal has approval_limit && principal.approval_limit.lessThan(decimal("2.00")) && principal.approval_limit.greaterThan(decimal("1.9998"))',
    'principal has approval_limit && principal.approval_limit.lessThanOrEqual(decimal("-1.00"))',
    'principal is User && principal == User::"a" && principal != User::"b"',
    'principal.roles.contains("author") && principal.roles.contains("owner")',
    'resource.name == "a" && resource.name == principal.tenant',
)


@pytest.mark.parametrize("condition", SOMETIMES)
def test_what_may_match_is_taken(condition: str) -> None:
    text = f'@id("x") @reason("r") forbid (principal is User, action == Action::"task.submit", resource) when {{ {condition} }};'
    assert "x" in load_rules([], texts={"a.cedar": text}).policies


@pytest.mark.parametrize(("verb", "ok"), [("approve", True), ("aprove", False)])
def test_a_verb_that_nobody_says_never_matches(verb: str, ok: bool) -> None:
    text = f'@id("x") @reason("r") forbid (principal, action == Action::"review.answer", resource) when {{ context.verb == "{verb}" }};'
    with contextlib.nullcontext() if ok else pytest.raises(ConfigurationError, match="can never match"):
        load_rules([], texts={"a.cedar": text})


@pytest.mark.parametrize("what", NEVER)
def test_what_can_never_match_is_found_over_all_of_its_conditions(what: str) -> None:
    text = f'@id("x") @reason("r") forbid (principal is User, action == Action::"task.submit", resource) {NEVER[what]};'
    with pytest.raises(ConfigurationError, match="can never match"):
        load_rules([], texts={"a.cedar": text})


@pytest.mark.parametrize(
    "condition",
    [
        '["athor"].containsAny(principal.roles)',
        'principal.roles == ["athor"]',
        '["athor", "author"] != principal.roles',
    ],
)
def test_a_role_that_nobody_holds_is_found_on_either_side(condition: str) -> None:
    text = f'@id("x") @reason("r") forbid (principal is User, action == Action::"task.submit", resource) when {{ {condition} }};'
    with pytest.raises(ConfigurationError, match='"athor", which nobody can hold'):
        load_rules([], texts={"a.cedar": text}, roles=ROLES)


DEEP = {
    "brackets": "(" * 5_000 + "true" + ")" * 5_000,
    "brackets, just over": "(" * 33 + "true" + ")" * 33,
    "sets": "[" * 5_000 + "1" + "]" * 5_000 + " == [1]",
    "records": "{a: " * 5_000 + "1" + "}" * 5_000 + " == {a: 1}",
    "or, just over": " || ".join(['principal.tenant == "a"'] * 60),
    "or": " || ".join(['principal.tenant == "a"'] * 5_000),
    "if": "if true then " * 20_000 + "true" + " else false" * 20_000,
    "dots": "context" + ".a" * 5_000 + " == 1",
    "open brackets": "(" * 20_000,
    "with texts between": '("a;" == "b" || ' * 5_000 + "true" + ")" * 5_000,
    "with comments between": "( // );\n" * 5_000 + "true" + ")" * 5_000,
}


@pytest.mark.parametrize("what", DEEP)
def test_a_policy_that_would_end_the_process_is_refused_before_the_engine_reads_it(what: str) -> None:
    text = f'@id("x") @reason("r") forbid (principal is User, action == Action::"task.submit", resource) when {{ {DEEP[what]} }};'
    with pytest.raises(ConfigurationError, match="nested too deep"):
        load_rules([], texts={"a.cedar": text})


def test_what_is_long_and_not_deep_is_taken() -> None:
    clauses = " || ".join(f'principal.tenant == "t{n}"' for n in range(50))
    names = ", ".join(f'"t{n}"' for n in range(2_000))
    texts = {
        "a.cedar": "".join(
            f'@id("{id_}") @reason("r") forbid (principal is User, action == Action::"task.submit", resource) when {{ {condition} }};\n'
            for id_, condition in (("x", clauses), ("y", f"[{names}].contains(principal.tenant)"), ("z", clauses))
        )
    }
    assert {"x", "y", "z"} <= set(load_rules([], texts=texts).policies)


def test_an_id_that_is_shipped_is_told_without_where_that_lies() -> None:
    text = '@id("other-tenant") @reason("r") forbid (principal, action == Action::"task.submit", resource);'
    with pytest.raises(ConfigurationError) as raised:
        load_rules([], texts={"a.cedar": text})
    assert raised.value.detail == 'a.cedar: the policy ID "other-tenant" is used already in limits.cedar.'
