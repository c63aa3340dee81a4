"""Record the journals of this version, for `test_replay.py` of all later ones: `python -m automations.expenses.tests.record`."""

from __future__ import annotations

import asyncio
import tempfile
import tomllib
from pathlib import Path

from automations.expenses.tests.cases import FOLDER, expense, harness, read


async def main() -> None:
    version = tomllib.loads((FOLDER / "automation.toml").read_text())["version"]
    folder = FOLDER / "journals" / version
    folder.mkdir(parents=True, exist_ok=True)
    unsure = read(trusted=False, confidence=0.3)
    with tempfile.TemporaryDirectory() as scratch:
        ledger = Path(scratch) / "ledger.sqlite"
        (await harness(ledger=ledger).run(expense())).dump_journal(folder / "straight-through.json")
        run = harness(unsure, ledger=ledger)
        (await run.run(expense())).dump_journal(folder / "waiting-for-a-manager.json")
        answered = await run.answer("approve-expense", "amend", values={"total": "12.00"}, by="user:mei")
        answered.dump_journal(folder / "amended.json")
        run = harness(unsure, ledger=ledger)
        await run.run(expense())
        rejected = await run.answer("approve-expense", "reject", by="user:mei", reason="private")
        rejected.dump_journal(folder / "rejected.json")
        (await harness().run(expense(category="fines"))).dump_journal(folder / "not-reimbursable.json")


if __name__ == "__main__":
    asyncio.run(main())
