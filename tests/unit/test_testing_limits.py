"""`interlock.testing` where a task or an answer goes too far: too many effects, a field that the form does not have, data that does not parse."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from interlock import Task, automation, step
from interlock.domain.errors import InvalidInput
from interlock.domain.tasks import State
from interlock.testing import Harness


class Order(BaseModel):
    amount: int = 1


@automation
async def counting(task: Task, order: Order) -> int:
    for _ in range(4):
        await task.now()
    return order.amount


@automation
async def asking(task: Task, order: Order) -> int:
    return (await task.review("check", order, title="How many?")).values.amount


@step
async def look_up() -> int:
    raise NotImplementedError


@automation
async def looking(task: Task, order: Order) -> int:
    return await task.step(look_up)


async def test_a_task_of_too_many_effects_is_parked_and_goes_on_where_more_are_allowed() -> None:
    harness = Harness(automation=counting, effects_max=3)
    parked = await harness.run(Order())
    assert parked.state is State.BLOCKED
    assert parked.error is not None
    assert parked.error["kind"] == "TooManyEffects"
    assert "INTERLOCK_EFFECTS_PER_TASK_MAX" in parked.error["message"]
    assert len(parked.effects) == 3
    harness.effects_max = 4
    assert (await harness.replay()).output == 1


async def test_an_amendment_of_a_field_that_the_form_does_not_have_is_refused() -> None:
    harness = Harness(automation=asking)
    await harness.run(Order())
    with pytest.raises(InvalidInput, match="amuont"):
        await harness.answer("check", "amend", values={"amuont": "7"})
    assert (await harness.answer("check", "amend", values={"amount": "7"})).output == 7


async def test_an_answer_that_does_not_parse_is_asked_for_again() -> None:
    answers = ['{"amount": "many"}', '{"amount": 7}']

    def asked() -> int:
        return Order.model_validate_json(answers.pop(0)).amount

    result = await Harness(automation=looking, steps={"look-up": asked}).run(Order())
    assert (result.output, result.effect("look-up").attempts) == (7, 2)
