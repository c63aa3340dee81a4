"""The trace of values through a journal: what stands where is found, what is derived is said so, and nothing is claimed that does not show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.orchestration.lineage import VALUES_MAX, Value, trace
from interlock.orchestration.task_views import EffectView

JOURNALS = Path(__file__).parents[2] / "automations" / "expenses" / "journals" / "1.0.0"


def effect(kind: str, name: str, took: Any, gave: Any, **more: Any) -> EffectView:
    return EffectView(id=f"/{name}#1", kind=kind, name=name, status="ok", input=took, outcome=gave, **more)


def recorded(name: str) -> list[EffectView]:
    effects = json.loads((JOURNALS / f"{name}.json").read_text())["effects"]
    return [
        EffectView(
            id=e["id"], kind=e["kind"], name=e["name"], status=e["status"], seq=e["seq"], input=e["input"],
            outcome=e.get("value"), decision=e.get("decision"), model_version=e.get("model_version"), by=e.get("by"),
        )
        for e in effects
    ]  # fmt: skip


def traced(effects: list[EffectView]) -> dict[str, Value]:
    values, complete = trace(effects)
    assert complete
    return {value.pointer: value for value in values}


def test_a_receipts_total_is_traced_to_the_decision_the_answer_and_the_posting() -> None:
    values = traced(recorded("amended"))
    assert set(values) == {"/currency", "/date", "/merchant", "/receipt_number", "/tax", "/total"}
    total = values["/total"]
    assert (total.value, total.page, total.confidence, total.box) == ("12.30", 1, 0.98, [0.1, 0.1, 0.5, 0.2])
    assert total.documents == ["doc_00000000000000000000000000000000"]
    approve = total.decisions[0]
    assert (approve.name, approve.how, approve.at, approve.answer) == ("approve", "equal", "/amount", "needs_review")
    assert approve.policy_version is not None
    assert len(approve.policy_version) == 64
    assert approve.reasons == ["expense-claim-unsupported"]
    review = next(use for use in total.decisions if use.kind == "review")
    assert (review.how, review.by) == ("equal", "user:mei")
    assess = total.effects[0]
    assert (assess.name, assess.how) == ("assess-expense", "equal")
    # A person put another total in its place: the posting has what followed from the case, and not this value itself.
    posting = next(use for use in total.effects if use.name == "post-to-ledger")
    assert (posting.how, posting.names) == ("derived", "led_01a2107baa1a74debebb95e2d3831be7")


def test_without_a_person_the_read_value_is_what_is_posted() -> None:
    total = traced(recorded("straight-through"))["/total"]
    posting = next(use for use in total.effects if use.name == "post-to-ledger")
    assert posting.how == "equal"
    assert posting.at is not None
    assert [use.answer for use in total.decisions] == ["allow"]


def test_what_a_step_made_of_it_is_derived_and_what_shows_nowhere_is_before() -> None:
    read = effect("infer", "read", {"documents": []}, {"total": {"value": "31.00", "page": 2}}, model_version="m@1")
    step = effect("step", "convert", {"amount": "31.00"}, {"base": "28.75"})
    decision = effect("decide", "approve", {"amount": {"$decimal": "28.75"}}, None, decision={"answer": "allow"})
    other = effect("decide", "route", {"weekday": "monday"}, None, decision={"answer": "allow"})
    unrelated = effect("step", "greet", {"name": "Ada"}, {"text": "Hello Ada"})
    value = traced([read, step, decision, other, unrelated])["/total"]
    assert [(use.name, use.how, use.at) for use in value.decisions] == [
        ("approve", "derived", None),
        ("route", "before", None),
    ]
    assert [(use.name, use.how) for use in value.effects] == [("convert", "equal")]
    assert value.model_version == "m@1"


def test_a_decision_before_the_reading_did_not_use_it() -> None:
    early = effect("decide", "start", {"amount": "31.00"}, None, decision={"answer": "allow"})
    read = effect("infer", "read", {}, {"total": {"value": "31.00", "page": 1}})
    assert traced([early, read])["/total"].decisions == []


@pytest.mark.parametrize("short", [True, None, 1, "ok", "", 0.5])
def test_a_value_that_stands_everywhere_proves_nothing(short: Any) -> None:
    read = effect("infer", "read", {}, {"flag": {"value": short, "page": 1}})
    step = effect("step", "use", {"other": short}, {})
    uses = traced([read, step])["/flag"].effects
    assert [use.how for use in uses] == (["equal"] if short == 0.5 else [])


def test_a_model_without_boxes_has_plain_values() -> None:
    read = effect("infer", "read", {}, {"order": "100001", "confidence": 0.97}, confidence=0.97)
    find = effect("step", "find", {"order": "100001"}, {})
    values = traced([read, find])
    assert list(values) == ["/order"]
    assert (values["/order"].confidence, values["/order"].effects[0].at) == (0.97, "/order")


def test_more_values_than_the_limit_are_said_to_be_missing() -> None:
    read = effect("infer", "read", {}, {f"f{n}": f"value {n}" for n in range(VALUES_MAX + 1)})
    values, complete = trace([read])
    assert (len(values), complete) == (VALUES_MAX, False)


PLAIN = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text()


@given(st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_any_journal_can_be_traced(anything: Any) -> None:
    read = effect("infer", "read", anything, {"total": anything})
    values, complete = trace([read, effect("step", "use", anything, anything), effect("decide", "d", anything, None)])
    assert len(values) <= VALUES_MAX
    assert complete or len(values) == VALUES_MAX


def test_a_place_that_is_none_is_left_out() -> None:
    odd = {"value": "31.00", "page": "two", "box": [1, "x"], "confidence": "high"}
    value = traced([effect("infer", "read", {}, {"total": odd})])["/total"]
    assert (value.value, value.page, value.box, value.confidence) == ("31.00", None, None, None)
