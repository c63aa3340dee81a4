"""Whatever a gateway asks over AuthZEN: an answer or a problem, never a server error, and true only for an allow."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contract.api_fixture import MARKS, api
from tests.contract.running_api import Running
from tests.unit.test_policy_fuzz import OBLIGATION, SHAPES, fitting

from interlock.domain.decisions import Entity

pytestmark = MARKS
__all__ = ["api"]
LONG = st.sampled_from([300, 5_000, 200_000]).map(lambda n: "ö" * n)
text = (
    st.text(st.characters(exclude_categories=()), max_size=10)
    | LONG
    | st.sampled_from(["__entity", "\u0000", "\ud800", ""])
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text | st.sampled_from([2**63, -(2**70), 1e400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
) | st.integers(1, 120).map(lambda depth: json.loads("[" * depth + "]" * depth))
PROBLEMS = {400, 413, 422}


def plain(value: Any) -> Any:
    """Give a fact as JSON can say it."""
    if isinstance(value, Entity):
        return {"__entity": {"type": value.type, "id": value.id}}
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value if isinstance(value, str | int | bool) else str(value)


@st.composite
def evaluations(draw: st.DrawFn) -> dict[str, Any]:
    """A question that fits the schema, in which some part is often replaced by anything at all."""
    action = draw(st.sampled_from(sorted(SHAPES.actions)))
    shape = SHAPES.actions[action]
    found: dict[str, Any] = {"action": {"name": action}, "context": plain(draw(fitting(shape.context)))}
    for part, kinds in (("subject", shape.principals), ("resource", shape.resources)):
        kind = draw(st.sampled_from(sorted(kinds)))
        found[part] = {"type": kind, "id": "user:mei", "properties": plain(draw(fitting(SHAPES.entities[kind])))}
    for place in draw(st.lists(st.sampled_from(PLACES), max_size=2)):
        at, *inside = place.split("/")
        if not inside:
            found[at] = draw(anything)
        elif isinstance(found[at], dict):
            found[at][inside[0]] = draw(anything)
    return found


PLACES = ("subject", "subject/type", "subject/id", "subject/properties", "action", "action/name", "resource",
          "resource/type", "resource/properties", "context", "context/verb", "subject/surplus")  # fmt: skip


async def sent(api: Running, path: str, body: Any) -> tuple[int, Any]:
    """Send JSON as Python writes it, with what JSON does not have too: NaN, Infinity, lone surrogates."""
    data = json.dumps(body)
    answer = await api.as_("owner").post(path, content=data, headers={"content-type": "application/json"})
    return answer.status_code, answer.json()


def is_answer(answer: dict[str, Any]) -> bool:
    """Check an answer; gives its decision."""
    said = answer["context"]
    assert answer["decision"] is (said["answer"] == "allow")
    if said["answer"] == "error":
        assert said["error"]
        assert len(said["error"]) < 12_000
    else:
        assert said["answer"] in ("allow", "deny", "needs_review")
        assert said["reasons"]
        assert all(OBLIGATION.fullmatch(one) for one in said["obligations"])
    return bool(answer["decision"])


async def test_any_evaluation_is_answered_or_is_a_problem(api: Running) -> None:
    seen: Counter[str] = Counter()
    bodies: list[dict[str, Any]] = []

    @settings(max_examples=250, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(evaluations())
    def collect(body: dict[str, Any]) -> None:
        bodies.append(body)

    collect()
    for body in bodies:
        status, answer = await sent(api, "/access/v1/evaluation", body)
        if status == 200:
            seen["true" if is_answer(answer) else answer["context"]["answer"]] += 1
        else:
            assert status in PROBLEMS, (status, str(answer)[:500])
            assert answer["status"] == status
            assert answer["code"]
            seen["problem"] += 1
    # All kinds were met: the check is not of nothing.
    assert min(seen["true"], seen["deny"], seen["error"], seen["problem"]) > 3, seen


async def test_several_at_once_are_answered_or_are_a_problem(api: Running) -> None:
    packs: list[Any] = []

    @settings(max_examples=400, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(
        st.fixed_dictionaries(
            {"evaluations": st.lists(evaluations() | st.just({}), max_size=4) | anything},
            optional={
                "options": st.just({"evaluations_semantic": "deny_on_first_deny"}) | anything,
                "subject": st.just({"type": "user", "id": "user:mei", "properties": {"roles": ["auditor"]}}) | anything,
            },
        )
    )
    def collect(body: Any) -> None:
        packs.append(body)

    collect()
    met = Counter[int]()
    for body in packs:
        status, answer = await sent(api, "/access/v1/evaluations", body)
        met[status] += 1
        if status == 200:
            found = answer["evaluations"] if body["evaluations"] else [answer]
            assert len(found) <= max(1, len(body["evaluations"]))
            for one in found:
                is_answer(one)
        else:
            assert status in PROBLEMS, (status, str(answer)[:500])
    assert met[200] > 3, met
    assert len(met) > 1, met
