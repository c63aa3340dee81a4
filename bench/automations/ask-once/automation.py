"""A step, a question, a step."""

from __future__ import annotations

from interlock import Task, automation

from .schema import Done, Form, Order
from .steps import after, before


@automation
async def ask_once(task: Task, order: Order) -> Done:
    number = await task.step(before, order.number)
    answer = await task.review("may-it", Form(number=number), title="May it?")
    return Done(number=await task.step(after, answer.values.number), approved=answer.approved)
