"""Five effects, one after the other."""

from __future__ import annotations

from interlock import Task, automation

from .schema import Done, Order
from .steps import nothing


@automation
async def five_steps(task: Task, order: Order) -> Done:
    total = 0
    for number in range(order.first, order.first + 5):
        total += await task.step(nothing, number)
    return Done(total=total)
