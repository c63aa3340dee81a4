"""Proofs by example: what is the same in other words, what is not, what errs, what is not modelled, and what a prover may take."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.policy_lab import KIND, KNOWN, Written, bundle

from interlock.domain.decisions import Entity, Question
from interlock.governance import policy_diff, policy_formula, policy_proof
from interlock.governance.decide import Bundle
from interlock.governance.policy_diff import Difference
from interlock.governance.policy_proof import Kind, Proof, Prover
from interlock.governance.policy_symbols import Outside

EXPENSES = Path("automations/expenses/policy")
OPEN = Written("open", "permit", "", "true")


def said(before: Bundle, after: Bundle, kind: Kind = KIND) -> tuple[str, Difference | None, list[str]]:
    """Give what came out, the difference that the engine confirms, and what was outside."""
    found = policy_formula.decide(policy_proof.question(before, after, kind))
    difference = policy_proof.shown(before, after, KNOWN, kind, found)
    return found["result"], difference, [what for _, what in found["outside"]]


def of(condition: str, other: str) -> tuple[str, Difference | None, list[str]]:
    """Say it of a forbid with one condition, then with another."""
    before, after = (bundle([OPEN, Written("p", "forbid", "", text)]) for text in (condition, other))
    return said(before, after)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("context.n < 3", "!(context.n >= 3)"),
        ("context.n < 3", "context.n <= 2"),
        ("context.n + context.inner.x > 0", "context.inner.x + context.n > 0"),
        ("context.n - 1 < context.n", "context.n - 1 != context.n"),  # both err at the least number
        ("context.n * 2 == 6", "context.n * 2 > 5 && context.n * 2 < 7"),
        ("context.flag && context.n > 0", "(if context.n > 0 then context.flag else false)"),
        ("context has on && context.on", "context has on && context.on == true"),
        ("context.on && context.flag", "context.on && (context.flag || !context.on)"),
        ("context.tags.containsAny([\"a\", \"b\"])", "context.tags.contains(\"b\") || context.tags.contains(\"a\")"),
        ("context.tags.containsAll([\"a\", \"b\"])", "context.tags.contains(\"b\") && context.tags.contains(\"a\")"),
        ("context.tags.containsAny(principal.effects)", "principal.effects.containsAny(context.tags)"),
        ("context.tags == principal.effects", "context.tags.containsAll(principal.effects) && principal.effects.containsAll(context.tags)"),
        ("context.tags.isEmpty()", "!context.tags.containsAny(context.tags)"),
        (
            "principal.effects.containsAll(context.tags) && [\"a\"].containsAll(principal.effects)",
            "principal.effects.containsAll(context.tags) && [\"a\"].containsAll(principal.effects) && [\"a\", \"b\"].containsAll(context.tags)",
        ),
        ("context.d.greaterThan(decimal(\"1.0\"))", "context.d.greaterThanOrEqual(decimal(\"1.0001\"))"),
        ("context.d.lessThan(decimal(\"-0.5\"))", "!(context.d.greaterThanOrEqual(decimal(\"-0.50\")))"),
        ("context.at < datetime(\"2026-01-02\")", "context.at < datetime(\"2026-01-01\").offset(duration(\"1d\"))"),
        ("context.at <= datetime(\"2026-01-01T01:00:00.000+0100\")", "context.at < datetime(\"2026-01-01T00:00:00.001Z\")"),
        ("context.at.durationSince(datetime(\"2026-01-01\")) > duration(\"1h\")", "context.at > datetime(\"2026-01-01T01:00:00Z\")"),
        ("context.who in User::\"a\"", "context.who == User::\"a\""),
        ("context.who in [User::\"a\", User::\"b\"]", "context.who == User::\"b\" || context.who == User::\"a\""),
        ("context.who in Group::\"g\"", "false"),  # a User stands under nothing
        ("context.who is User", "true"),
        ("context has people && context.people.contains(principal)", "context has people && context.who is Agent"),
        ("principal.tenant == resource.tenant && resource.tenant == context.s", "principal.tenant == context.s && resource.tenant == context.s"),
        ("context.s like \"ab*\"", "context.s like \"ab*\" && context.s like \"a*\""),
        ("context.s like \"a\\*\"", "context.s == \"a*\""),
        ("action == Action::\"lab.try\"", "true"),
    ],
)  # fmt: skip
def test_other_words_for_the_same_are_proved(one: str, other: str) -> None:
    assert of(one, other)[0] == "proved"
    assert of(other, one)[0] == "proved"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("context.n < 3", "context.n <= 3"),
        ("context.n * context.inner.x == 35", "context.n * context.inner.x == 35 && context.n > 5"),
        ("context.d.greaterThan(decimal(\"1.0\"))", "context.d.greaterThanOrEqual(decimal(\"1.0\"))"),
        ("context.tags.contains(\"a\")", "[\"a\"].containsAll(context.tags)"),
        ("context.tags.containsAny(principal.effects)", "context.tags.containsAll(principal.effects)"),
        ("context.tags.isEmpty()", "false"),
        ("context.numbers.contains(context.n)", "false"),
        ("context.at < datetime(\"2026-01-02\")", "context.at <= datetime(\"2026-01-02\")"),
        ("context.at > datetime(\"9000-01-01\")", "false"),
        ("context.at < datetime(\"0200-01-01\")", "false"),
        ("context.who == User::\"a\"", "context.who == User::\"A\""),
        ("context has other && context.other == context.who", "false"),
        ("context.s like \"a*\"", "context.s like \"ab*\""),
        ("context.s like \"x\\\\*y\"", "false"),
        ("context.s == \"\\u{1F600}\\\\u{41}\"", "false"),
        ("context.s like \"\\u{1F600}\\\\u{41}*\"", "false"),
        ("context has deep && context.deep has w && context.deep.w == 4", "false"),
        ("principal.tenant == resource.tenant", "principal.tenant == context.s"),
        ('context.s == "\\\\u{41}" && context.s like "*41}"', "false"),
        ('context has a && context has "a.b" && context["a.b"] != context.a.b', "false"),
    ],
)  # fmt: skip
def test_what_differs_is_shown_by_a_request_that_the_engine_answers_so(one: str, other: str) -> None:
    result, difference, outside = of(one, other)
    assert (result, outside) == ("differs", [])
    assert difference is not None
    assert {difference.before.answer, difference.after.answer} == {"allow", "deny"}


@pytest.mark.parametrize(
    ("one", "other", "answers"),
    [
        # An attribute that is absent.
        ("context.on", "context has on && context.on", ("error", "allow")),
        ("context.flag && context.on", "context.on && context.flag", ("allow", "error")),
        ("context.flag || context.on", "context.on || context.flag", ("deny", "error")),
        ("context.deep.z", "context has deep && context.deep.z", ("error", "allow")),
        ("context has deep && context.deep.w > 0", "context has deep && context.deep has w && context.deep.w > 0", ("error", "allow")),
        ("(if context.flag then context.n else context.m) > 0", "context.n > 0", ("error", None)),
        ("context.on == context.on", "true", ("error", "deny")),
        # Overflow.
        ("context.n + 1 > context.n", "true", ("error", "deny")),
        ("context.n - 1 < context.n", "true", ("error", "deny")),
        ("context.n * 2 == context.n + context.n || true", "true", ("error", "deny")),
        ("-context.n <= 0 || true", "true", ("error", "deny")),
        ("context.at.offset(duration(\"9223372036854775807ms\")) > context.at", "true", ("error", "deny")),
    ],
)  # fmt: skip
def test_an_error_is_an_answer_of_its_own(one: str, other: str, answers: tuple[str, str | None]) -> None:
    result, difference, outside = of(one, other)
    assert (result, outside) == ("differs", [])
    assert difference is not None
    assert difference.before.answer == answers[0]
    assert answers[1] in (None, difference.after.answer)


def test_an_error_decides_whatever_else_matches_and_where_it_is_not_reached_it_is_none() -> None:
    erring = Written("errs", "permit", "", "context.on")
    hard = Written("hard", "forbid", "", "true")
    result, difference, _ = said(bundle([OPEN, hard]), bundle([OPEN, hard, erring]))
    assert result == "differs"
    assert difference is not None
    assert (difference.before.answer, difference.after.answer) == ("deny", "error")
    elsewhere = erring._replace(scope="principal is Agent, action, resource")
    assert said(bundle([OPEN, hard]), bundle([OPEN, hard, elsewhere]))[0] == "proved"
    sometimes = erring._replace(scope='principal == Service::"a", action, resource')
    result, difference, _ = said(bundle([OPEN, hard, erring]), bundle([OPEN, hard, sometimes]))
    assert result == "differs"
    assert difference is not None
    assert difference.question.principal.id != "a"
    twice = erring._replace(condition="context.on && context.flag")
    assert said(bundle([OPEN, hard, erring]), bundle([OPEN, hard, erring, twice._replace(id="t")]))[0] == "proved"


MANAGER, FINANCE, TWO, REDACT = '@review("manager")', '@review("finance")', '@remedy("review:2")', '@remedy("redact")'


@pytest.mark.parametrize(
    ("before", "after", "result"),
    [
        # Who is asked, and what cures it, are part of the answer.
        ([("p", MANAGER, "context.flag")], [("p", FINANCE, "context.flag")], "differs"),
        ([("p", MANAGER, "context.flag")], [("p", "", "context.flag")], "differs"),
        ([("p", MANAGER, "context.flag")], [("p", REDACT, "context.flag")], "differs"),
        ([("p", MANAGER, "context.flag")], [("p", MANAGER, "context.flag"), ("q", TWO, "context.flag")], "differs"),
        # Which policies say so is not.
        ([("p", MANAGER, "context.flag")], [("other", MANAGER, "context.flag")], "proved"),
        ([("p", MANAGER, "context.flag")], [("p", MANAGER, "context.flag"), ("q", MANAGER, "context.flag")], "proved"),
        (
            [("p", MANAGER, "context.n > 3")],
            [("p", MANAGER, "context.n > 9"), ("q", MANAGER, "context.n > 3 && context.n < 10")],
            "proved",
        ),
        # Behind a forbid that nothing cures, nobody is asked.
        (
            [("h", "", "context.flag"), ("p", MANAGER, "context.flag")],
            [("h", "", "context.flag"), ("p", FINANCE, "context.flag && context.n > 0")],
            "proved",
        ),
    ],
)
def test_the_answer_is_what_interlock_gives(
    before: list[tuple[str, str, str]], after: list[tuple[str, str, str]], result: str
) -> None:
    sides = [bundle([OPEN, *(Written(i, "forbid", n, c) for i, n, c in side)]) for side in (before, after)]
    found, difference, outside = said(sides[0], sides[1])
    assert (found, outside, difference is not None) == (result, [], result == "differs")


def test_where_nothing_permits_it_matters_not_what_forbids() -> None:
    before, after = (bundle([Written("p", "forbid", note, "context.flag")]) for note in (MANAGER, ""))
    assert said(before, after)[0] == "proved"
    permits = [OPEN._replace(condition=text) for text in ("context.n > 0", "context.n > 1")]
    assert said(bundle([permits[0]]), bundle([permits[1]]))[0] == "differs"
    assert said(bundle(permits[:1]), bundle([permits[0], permits[1]._replace(id="more")]))[0] == "proved"


def test_scopes_are_modelled() -> None:
    def scoped(scope: str) -> Bundle:
        return bundle([OPEN, Written("p", "forbid", "", "context.flag", scope=scope)])

    everybody = scoped("principal, action, resource")
    assert said(everybody, scoped('principal is Service, action == Action::"lab.try", resource is Task'))[0] == "proved"
    assert said(scoped("principal is Agent, action, resource"), bundle([OPEN]))[0] == "proved"
    assert said(scoped('principal == User::"a", action, resource'), bundle([OPEN]))[0] == "proved"
    result, difference, _ = said(everybody, scoped('principal == Service::"a", action, resource'))
    assert result == "differs"
    assert difference is not None
    assert difference.question.principal.id != "a"
    assert (
        said(
            scoped('principal in Service::"a", action, resource'), scoped('principal == Service::"a", action, resource')
        )[0]
        == "proved"
    )


@pytest.mark.parametrize(
    ("one", "other", "what"),
    [
        (
            'context has member && context.member in Group::"g"',
            'context has member && context.member in [Group::"g"]',
            "`in` for Member, which the schema puts under others",
        ),
        ('ip("1.1.1.1").isLoopback()', "false", "`ip`"),
        (
            'context has address && context.address == ip("::1")',
            'context has address && ip("::1") == context.address',
            "a fact that is a ipaddr",
        ),
        ("context.inner == {x: 1}", "{x: 1} == context.inner", "`Record`"),
        ("context.at.toDate() == context.at", "context.at == context.at.toDate()", "`toDate`"),
        (
            "context has flags && context.flags.contains(true)",
            "context has flags && context.flags.containsAll([true])",
            "a set of bools",
        ),
        (
            "context.who has level",
            "(if true then context.who else context.who) has level",
            "`has` of another entity, or of a record that is written out",
        ),
        (
            'context.tags.contains("a")',
            '(if true then context.tags else context.tags).contains("a")',
            "`if` between sets, records or different types",
        ),
        (
            '[["a"]].contains(context.tags)',
            'context.tags == ["a"]',
            "a written set of other items than texts, numbers or entities",
        ),
        ('context.who.hasTag("x")', "false", "`hasTag`"),
        (
            'context has odd && context.odd has "x\\"y" && context.odd["x\\"y"] > 2',
            'context has odd && context.odd has "x\\"y" && context.odd["x\\"y"] >= 3',
            "an attribute beside one whose name has escapes",
        ),
        ('action in Action::"lab.try"', "true", "`in` for Action, which the schema puts under others"),
        (
            'context.s like "\U0003ffff*"',
            'context.s == "\U0003ffff" || context.s like "\U0003ffff*"',
            "a text with characters beyond Unicode's third plane",
        ),
    ],
)
def test_what_is_not_modelled_is_undecided_and_named_and_the_same_in_both_bundles(
    one: str, other: str, what: str
) -> None:
    result, difference, outside = of(one, other)
    assert difference is None
    assert result == "differs"  # for Z3; the engine says otherwise, and nobody is told of it
    assert what in outside
    # Of it one thing is known, that the same words mean the same.
    assert of(f"context.n > 2 && {one}", f"context.n >= 3 && {one}")[0] == "proved"


async def outcome(before: Bundle, after: Bundle, prover: Prover, *, seconds: float = 60.0) -> Proof:
    try:
        return await prover.prove(before, after, until=time.monotonic() + seconds)
    finally:
        await prover.close()


def changed(other: str) -> tuple[Bundle, Bundle]:
    before, after = (bundle([OPEN, Written("p", "forbid", "", text)]) for text in ("context.n > 3", other))
    return before, after


async def test_a_prover_says_all_three_and_names_what_is_not_modelled() -> None:
    found = await outcome(*changed("context.n >= 4"), Prover())
    assert (found.kinds, found.proved, found.differences, found.undecided, found.problem) == (1, 1, (), (), None)
    found = await outcome(*changed("context.n >= 5"), Prover())
    ((difference,), proved) = (found.differences, found.proved)
    assert (difference.question.context["n"], proved) == (4, 0)
    found = await outcome(*changed('context.n > 3 || ip("1.1.1.1").isLoopback()'), Prover())
    (undecided,) = found.undecided
    assert (undecided.kind, undecided.reason) == (KIND, "p uses `ip`")


async def test_what_takes_too_long_or_too_much_is_undecided() -> None:
    root_of_two = "context.n > 0 && context.n * context.n == 2 * context.inner.x * context.inner.x"
    before, after = (
        bundle([OPEN, Written("p", "forbid", "", text)]) for text in (root_of_two, f"{root_of_two} && context.flag")
    )
    found = await outcome(before, after, Prover(solver_s=0.05))
    assert [one.reason for one in found.undecided] == ["it took too long"]
    found = await outcome(*changed("context.n >= 4"), Prover(), seconds=-1)
    assert [one.reason for one in found.undecided] == ["it took too long"]
    found = await outcome(*changed("context.n >= 4"), Prover(memory_mib=1))
    assert [one.reason for one in found.undecided] == ["no answer: Its process died."]
    assert found.proved == 0


async def test_without_the_extra_nothing_is_proved_and_it_says_how_to_get_it() -> None:
    found = await outcome(*changed("context.n >= 4"), Prover(there=lambda: False))
    assert (found.kinds, found.proved, found.differences) == (0, 0, ())
    assert found.problem is not None
    assert "`prove` is not installed" in found.problem
    assert "interlock[prove]" in found.problem


async def test_schemas_that_let_other_requests_be_asked_prove_nothing(tmp_path: Path) -> None:
    for name, facts in (("a", "n: Long"), ("b", "n: Long, m?: Long")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "schema.cedarschema").write_text(
            f'action "lab.try" appliesTo {{ principal: [Service], resource: [Task], context: {{ {facts} }} }};'
        )
    before, after = (Bundle.load([], schemas=[tmp_path / name]) for name in ("a", "b"))
    found = await outcome(before, after, Prover())
    assert [(one.kind.action, one.reason) for one in found.undecided] == [
        ("lab.try", "the two schemas say otherwise of it")
    ]
    assert found.proved == found.kinds - 1


async def test_of_what_is_shipped_a_change_differs_where_it_should_and_all_else_is_proved() -> None:
    more = """@id("tenant-large") @reason("Large amounts are for finance.")
    forbid (principal is User, action == Action::"review.answer", resource)
    when { context.verb == "approve" && resource has amount && resource.amount.greaterThan(decimal("250.00")) };"""
    before, after = Bundle.load([EXPENSES]), Bundle.load([EXPENSES], texts={"more.cedar": more})
    found = await outcome(before, after, Prover())
    assert found.undecided == ()
    (difference,) = found.differences
    assert difference.question.action == "review.answer"
    assert str(difference.question.resource.attrs["amount"]) == "250.01"
    assert found.proved == found.kinds - 1 > 100


UNITS = r"-?([0-9]{1,4}d)?([0-9]{1,4}h)?([0-9]{1,4}m)?([0-9]{1,4}s)?([0-9]{1,4}ms)?"
DAYS = r"(19|20|00|99)[0-9]{2}-[01][0-9]-[0-3][0-9]"
TIMES = r"(T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](\.[0-9]{3})?(Z|[+-][012][0-9][0-6][0-9]))?"
FORMS = {"decimal": r"-?[0-9]{1,15}\.[0-9]{1,4}", "duration": UNITS, "datetime": DAYS + TIMES}


@given(
    st.sampled_from(sorted(FORMS)).flatmap(
        lambda kind: st.tuples(st.just(kind), st.from_regex(FORMS[kind], fullmatch=True))
    )
)
@settings(max_examples=150, deadline=None)
def test_literals_are_read_as_the_engine_reads_them(given_: tuple[str, str]) -> None:
    kind, text = given_
    try:
        number = policy_formula.literal(kind, [{"Value": text}])
    except Outside:
        return
    same = {
        "decimal": f'decimal("{"-" if number < 0 else ""}{abs(number) // 10_000}.{abs(number) % 10_000:04}")',
        "duration": f'duration("{number}ms")',
        "datetime": f'datetime("1970-01-01").offset(duration("{number}ms"))',
    }[kind]
    lab = bundle([OPEN._replace(condition=f'{kind}("{text}") == {same}')])
    space = Question(
        principal=Entity(type="Service", id="a", attrs={"tenant": "t", "automation": "a", "effects": []}),
        action=KIND.action,
        resource=Entity(type="Task", id="t", attrs={"tenant": "t", "automation": "a"}),
        context={
            "flag": True, "n": 0, "s": "", "d": Decimal(0), "at": datetime(2026, 1, 1, tzinfo=UTC), "who": Entity(type="User", id="u"),
            "tags": [], "numbers": [], "inner": {"x": 0},
        },
    )  # fmt: skip
    assert policy_diff.verdict(lab, space).answer == "allow"
