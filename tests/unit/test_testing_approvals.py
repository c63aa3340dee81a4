"""`interlock.testing` where several people must approve."""

from __future__ import annotations

import pytest
from tests.unit.test_testing import REQUEST, Form, Outcome, Refund

from interlock import Task, automation
from interlock.domain.errors import Refused
from interlock.domain.tasks import State
from interlock.testing import Harness


@automation
async def paired(task: Task, request: Refund) -> Outcome:
    answer = await task.review("approve-pair", Form(amount=request.amount), title="Two of you?", approvals=2)
    return Outcome(decision=answer.verdict.value, amount=answer.values.amount, by=answer.by)


async def test_two_people_approve_the_same_values_and_nobody_twice() -> None:
    testing = Harness(automation=paired)
    assert (await testing.run(REQUEST)).state is State.WAITING
    assert (await testing.answer("approve-pair", "approve", by="user:mia")).state is State.WAITING
    with pytest.raises(Refused, match="already"):
        await testing.answer("approve-pair", "approve", by="USER:Mia")
    amended = await testing.answer("approve-pair", "amend", values={"amount": "11.00"}, by="user:bo")
    assert amended.state is State.WAITING
    result = await testing.answer("approve-pair", "approve", by="user:mia")
    assert (result.output["decision"], result.output["amount"]) == ("amend", "11.00")
