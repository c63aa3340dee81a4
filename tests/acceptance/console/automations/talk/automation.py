"""Post something; the first try finds the book locked, and says so."""

from __future__ import annotations

from interlock import Task, automation

from .schema import Entry, Posted
from .steps import post


@automation
async def talk(task: Task, entry: Entry) -> Posted:
    return Posted(number=await task.step(post, entry.amount))
