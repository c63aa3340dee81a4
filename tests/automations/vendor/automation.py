"""Tell a vendor, with what it asks to sign in."""

from __future__ import annotations

from interlock import Task, automation

from .schema import Told, Wanted
from .steps import sign


@automation
async def vendor(task: Task, wanted: Wanted) -> Told:
    signature = await task.step(sign, wanted.text, wanted.how)
    if not wanted.url:
        return Told(signature=signature)
    answer = await task.fetch(
        wanted.url, method="POST", body={"signature": signature}, secrets={"authorization": "vendor-token"}
    )
    return Told(signature=signature, status=answer.status, body=answer.body)
