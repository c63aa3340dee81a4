"""Journals of released versions replay on today's code; a changed automation is parked, never failed.

`python -m automations.expenses.tests.record` writes the journals of a new version.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from automations.expenses.automation import expenses
from automations.expenses.schema import Expense
from automations.expenses.tests.cases import FOLDER, expense, harness, read

from interlock import Task, automation
from interlock.domain.errors import Nondeterministic
from interlock.domain.tasks import State
from interlock.testing import replay

JOURNALS = sorted((FOLDER / "journals").glob("*/*.json"))


@automation
async def mutant(task: Task, expense: Expense) -> str:
    """Reads the clock before the receipt: another order of effects than any released version has."""
    await task.now()
    return "changed"


def test_there_are_journals() -> None:
    assert len(JOURNALS) >= 4


@pytest.mark.parametrize("journal", JOURNALS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_released_journals_replay(journal: Path) -> None:
    recorded = json.loads(journal.read_text())
    replayed = replay(expenses, journal)
    assert (replayed.state, replayed.output) == (recorded["state"], recorded["output"])


@pytest.mark.parametrize("journal", JOURNALS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_a_changed_automation_does_not(journal: Path) -> None:
    with pytest.raises(Nondeterministic):
        replay(mutant, journal)


async def test_a_changed_automation_is_parked_and_resumes() -> None:
    run = harness(read(trusted=False, confidence=0.3))
    await run.run(expense())
    parked = await run.deploy(mutant)
    assert parked.state is State.BLOCKED
    assert parked.error is not None
    restored = await run.deploy(expenses)
    assert restored.state is State.WAITING
