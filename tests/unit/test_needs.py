"""Data minimisation: what is declared is sent, the rest is named, and a wrong declaration is found before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from interlock import Task, automation, step
from interlock.domain import needs
from interlock.domain.errors import AutomationRejected
from interlock.infra import modules
from interlock.orchestration.automations import load
from interlock.testing import Harness

CLAIM = {"claim": {"amount": "1", "name": "Ada", "items": [{"price": "2", "note": "x"}, {"price": "3"}]}, "note": "y"}


def test_only_what_is_needed_is_kept_and_the_rest_is_named() -> None:
    kept, left = needs.keep(CLAIM, ["/claim/amount", "/claim/items/price"])
    assert kept == {"claim": {"amount": "1", "items": [{"price": "2"}, {"price": "3"}]}}
    assert left == ("/claim/name", "/claim/items/*/note", "/note")
    assert needs.keep(CLAIM, []) == (CLAIM, ())
    assert needs.keep(CLAIM, ["/claim"]) == ({"claim": CLAIM["claim"]}, ("/note",))


values = st.recursive(
    st.integers(0, 9),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("ab/~"), inner, max_size=3)),
)


@given(values, st.lists(st.sampled_from(["/a", "/a/b", "/~1", "/~0/a", ""]), max_size=3))
def test_nothing_is_added_and_keeping_twice_is_keeping_once(value: Any, needed: list[str]) -> None:
    kept, left = needs.keep(value, needed)
    assert needs.keep(kept, needed) == (kept, ())
    assert (kept == value) or left or not needed


class Claim(BaseModel):
    amount: str
    name: str = ""


class Answered(BaseModel):
    text: str


@step(needs=("/claim/amount", "/why"))
def judge(claim: Claim, why: str) -> Answered:
    return Answered(text=f"{claim.amount} {claim.name or 'nobody'} {why}")


@automation
async def judging(task: Task, claim: Claim) -> Answered:
    return await task.step(judge, claim, "so")


async def test_a_step_gets_what_it_needs_and_the_record_says_what_it_did_not_get() -> None:
    result = await Harness(automation=judging).run({"amount": "12", "name": "Ada"})
    assert result.output == {"text": "12 nobody so"}
    assert result.effect("judge").outcome.left_out == ("/claim/name",)
    assert result.effect("judge").input["claim"]["name"] == "Ada"


@automation
async def fetching(task: Task, claim: Claim) -> Answered:
    answer = await task.fetch("https://example.org", method="POST", body=claim, needs=("/amount", f"/{claim.name}"))
    return Answered(text=answer.body)


async def test_a_fetch_that_needs_what_its_body_does_not_have_fails() -> None:
    result = await Harness(automation=fetching, fetch=lambda request: {"ok": True}).run(
        {"amount": "12", "name": "iban"}
    )
    assert result.error is not None
    assert "/iban" in result.error["message"]


def test_a_step_that_needs_an_unknown_field_is_refused_where_it_is_declared() -> None:
    def pay(claim: Claim) -> str:
        return claim.amount

    with pytest.raises(ValueError, match="/claim/iban"):
        step(needs=("/claim/iban",))(pay)
    with pytest.raises(ValueError, match="leaves out '/claim/amount'"):
        step(needs=("/claim/name",))(pay)


AUTOMATION = """
from pydantic import BaseModel
from interlock import Endpoint, Task, automation
class Asked(BaseModel):
    text: str
    name: str = ""
reader = Endpoint("reader", Asked, Asked)
@automation
async def run(task: Task, value: Asked) -> Asked:
    return (await task.infer(reader, value)).value
"""


@pytest.mark.parametrize(
    ("needed", "complaint"),
    [('["/text"]', None), ('["/shoe"]', "'/shoe', which is no field"), ('["/name"]', "leaves out '/text'")],
)
def test_a_model_that_needs_an_unknown_field_is_found_before_registration(
    tmp_path: Path, needed: str, complaint: str | None
) -> None:
    folder = tmp_path / "minimal"
    (folder / "models" / "reader").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "automation.toml").write_text('name = "minimal"\nversion = "1.0.0"\nowner = "o"\neffects = ["infer"]\n')
    (folder / "automation.py").write_text(AUTOMATION)
    (folder / "models" / "reader" / "model.toml").write_text(
        f'name = "reader"\nversion = "1"\nruntime = "process"\nentry = "p:P"\nneeds = {needed}\n'
    )
    modules.mount(tmp_path)
    if complaint is None:
        assert load(folder).models["reader"].card.needs == ("/text",)
    else:
        with pytest.raises(AutomationRejected, match=complaint):
            load(folder)
