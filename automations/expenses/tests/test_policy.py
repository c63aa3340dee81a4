"""The policy's own cases, and that each policy decides at least one of them."""

from __future__ import annotations

from pathlib import Path

from automations.expenses.tests.cases import FOLDER

from interlock.governance.cases import run_cases
from interlock.governance.decide import Bundle

BUNDLE = Bundle.load([FOLDER / "policy"])


def test_every_case_holds() -> None:
    results = run_cases(BUNDLE, FOLDER / "policy")
    assert len(results) >= 20
    assert [(r.name, r.got, r.reasons, r.detail) for r in results if not r.passed] == []


def test_every_policy_decides_a_case() -> None:
    decided = {reason for result in run_cases(BUNDLE, FOLDER / "policy") for reason in result.reasons}
    own = {p.id for p in BUNDLE.rules.policies.values() if Path(p.file).parent == FOLDER / "policy"}
    assert own - decided == set()
