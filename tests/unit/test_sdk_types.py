"""mypy finds a wrong field, argument or result in an automation: the kit's types reach the author's lines."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

# Each line that ends in "# error: CODE TEXT" must be reported so, and no other line.
AUTOMATION = """
from __future__ import annotations

import asyncio
from datetime import timedelta

from pydantic import BaseModel

from interlock import Endpoint, Task, automation, step


class Claim(BaseModel):
    amount: str


class Reading(BaseModel):
    total: str


class Posting(BaseModel):
    number: int


reader = Endpoint("receipt-reader", Claim, Reading)


@step
def post(amount: str, copies: int = 1) -> Posting:
    return Posting(number=1)


@step(timeout_s=5)
async def look_up(amount: str) -> Posting:
    return Posting(number=1)


@automation
async def expenses(task: Task, claim: Claim) -> Posting:
    prediction = await task.infer(reader, claim)
    prediction.value.total
    prediction.value.sum  # error: attr-defined "Reading" has no attribute "sum"
    prediction.value.total + prediction.confidence  # error: operator Unsupported operand types for +
    await task.infer(reader, Reading(total="1"))  # error: misc Cannot infer value of type parameter "I"
    posting = await task.step(post, claim.amount)
    posting.number
    posting.id  # error: attr-defined "Posting" has no attribute "id"
    (await task.step(look_up, claim.amount)).id  # error: attr-defined "Posting" has no attribute "id"
    await task.step(post, 12)  # error: arg-type incompatible type "int"; expected "str"
    await task.step(post)  # error: call-arg Missing positional argument "amount"
    await task.step(post, claim.amount, copy=2)  # error: call-arg Unexpected keyword argument "copy"
    answer = await task.review("approve", claim, title="?", deadline=timedelta(days=1))
    answer.values.amount
    answer.values.total  # error: attr-defined "Claim" has no attribute "total"
    answer.approve  # error: attr-defined has no attribute "approve"
    decision = await task.decide("approve", claim)
    decision.answer == "allow"
    decision.allow  # error: attr-defined "Decision" has no attribute "allow"
    both = await asyncio.gather(task.infer(reader, claim), task.step(post, claim.amount))
    both[0].value.total, both[1].number
    both[1].value  # error: attr-defined "Posting" has no attribute "value"
    winner, first = await task.race(task.step(post, "1"), task.step(post, "2"))
    first.number + winner
    first.id  # error: attr-defined "Posting" has no attribute "id"
    return claim  # error: return-value Incompatible return value type (got "Claim", expected "Posting")
"""


def test_mypy_finds_what_is_wrong_in_an_automation_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "small_automation.py"
    file.write_text(AUTOMATION)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", "pyproject.toml", "--follow-imports=silent",
         "--no-error-summary", "--hide-error-context", "--no-pretty", str(file)],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    found: dict[int, list[str]] = {}
    for line in done.stdout.splitlines():
        place, _, message = line.partition(": error: ")
        if message:
            found.setdefault(int(place.rpartition(":")[2]), []).append(message)
    lines = enumerate(AUTOMATION.splitlines(), 1)
    wanted = {number: line.partition("# error: ")[2] for number, line in lines if "# error: " in line}
    assert found.keys() == wanted.keys(), done.stdout + done.stderr
    for number, expected in wanted.items():
        code, _, text = expected.partition(" ")
        assert any(f"[{code}]" in message and text in message for message in found[number]), (number, found[number])
