"""`interlock.testing` gives steps the connection secrets that they declare."""

from __future__ import annotations

from pydantic import BaseModel
from tests.unit.test_testing import harness

from interlock import Task, automation, current_step, step


class Wanted(BaseModel):
    who: str


class Signed(BaseModel):
    text: str


@step(secrets=["ledger-password"])
def sign_in(who: str) -> str:
    return f"{who}:{len(current_step().secrets['ledger-password'])}"


@automation
async def signs_in(task: Task, wanted: Wanted) -> Signed:
    return Signed(text=await task.step(sign_in, wanted.who))


async def test_secrets_are_given_and_a_missing_one_is_named() -> None:
    result = await harness(automation=signs_in, secrets={"ledger-password": "12345678"}).run(Wanted(who="ledger"))
    assert result.output == {"text": "ledger:8"}
    failed = await harness(automation=signs_in).run(Wanted(who="ledger"))
    assert failed.error is not None
    assert failed.error["kind"] == "SecretMissing"
