"""What an automation returns is held to the type that it declares."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

from interlock import Task, automation, step
from interlock.domain.tasks import State
from interlock.testing import Harness


class Order(BaseModel):
    returned: Any


class Line(BaseModel):
    text: str
    amount: Decimal = Decimal(1)


class Paid(BaseModel):
    by: str
    lines: list[Line] = []


@step
async def pay() -> str:
    return "paid"


@automation
async def a_model(task: Task, order: Order) -> Paid:
    await task.step(pay)
    return order.returned  # type: ignore[no-any-return]


@automation
async def an_instance(task: Task, order: Order) -> Paid:
    return Paid(by="policy", lines=[Line(text="a")])


@automation
async def a_list(task: Task, order: Order) -> list[int]:
    return order.returned  # type: ignore[no-any-return]


@automation
async def nothing(task: Task, order: Order) -> None:
    return order.returned  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("declared", "returned", "wrong"),
    [
        (a_model, {"by": 7, "secret": "hunter2"}, "/by: Input should be a valid string"),
        (
            a_model,
            {"by": "policy", "lines": [{"text": "a"}, {"amount": "x"}]},
            "/lines/1/text: Field required; /lines/1/amount: ",
        ),
        (a_model, None, "the whole: Input should be a valid dictionary or instance of Paid"),
        (a_model, {"by": "policy", "lines": [{}] * 12}, "/lines/9/text: Field required; and 2 more."),
        (a_list, [1, "two"], "/1: Input should be a valid integer"),
        (nothing, 1, "the whole: Input should be None"),
    ],
)
async def test_a_result_of_another_type_fails_the_task_and_names_the_field(
    declared: Any, returned: Any, wrong: str
) -> None:
    result = await Harness(automation=declared).run(Order(returned=returned))
    assert (result.state, result.output) == (State.FAILED, None)
    assert result.error is not None
    assert result.error["kind"] == "OutputInvalid"
    assert result.error["message"].startswith(
        f"{declared.function.__name__} returned what its declared type does not allow: "
    )
    assert wrong in result.error["message"]
    assert "hunter2" not in str(result.error)


@pytest.mark.parametrize(
    ("declared", "returned", "output"),
    [
        (
            a_model,
            {"by": "policy", "lines": [{"text": "a"}]},
            {"by": "policy", "lines": [{"text": "a", "amount": "1"}]},
        ),
        (an_instance, None, {"by": "policy", "lines": [{"text": "a", "amount": "1"}]}),
        (a_list, [1, 2], [1, 2]),
        (nothing, None, None),
    ],
)
async def test_a_result_of_the_declared_type_is_stored_as_its_schema_says(
    declared: Any, returned: Any, output: Any
) -> None:
    result = await Harness(automation=declared).run(Order(returned=returned))
    assert (result.state, result.output) == (State.SUCCEEDED, output)


async def test_a_task_whose_result_was_wrong_is_tried_again_and_repeats_nothing() -> None:
    paid: list[str] = []
    returned: list[Any] = [None, {"by": "policy"}]  # what the code before its mend returned, and the one after it

    def count() -> str:
        paid.append("once")
        return "paid"

    @automation
    async def mended(task: Task, order: Order) -> Paid:
        await task.step(pay)
        return returned.pop(0)  # type: ignore[no-any-return]

    testing = Harness(automation=mended, steps={"pay": count})
    assert (await testing.run(Order(returned=None))).state is State.FAILED
    assert (await testing.retry()).state is State.SUCCEEDED
    assert paid == ["once"]
