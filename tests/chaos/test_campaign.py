"""The chaos campaign at its small size, and the two mutants that it must catch."""

from __future__ import annotations

import json
import os

import pytest
from tests.chaos.campaign import PAUSES, Report, plan, run

from interlock.infra.faults import POINTS

KILLS = 20
SEED = int(os.environ.get("CHAOS_SEED", "20260"))

pytestmark = [pytest.mark.chaos, pytest.mark.xdist_group("product")]


def said(report: Report) -> str:
    return json.dumps(report.as_json(), indent=1)


def test_the_seed_decides_the_plan() -> None:
    assert plan(3, 200) == plan(3, 200)
    assert plan(3, 200) != plan(4, 200)
    assert sum(len(one.strikes) for one in plan(3, 200)) >= 200
    assert {strike.point for one in plan(3, KILLS) for strike in one.strikes} == {None, *POINTS}


async def test_nothing_is_lost_and_nothing_happens_twice() -> None:
    print(f"seed {SEED}")
    report = await run(SEED, kills=KILLS)
    print(said(report))
    assert report.violations == [], said(report)
    assert all(report.hits[point] >= 1 for point in POINTS), said(report)
    assert report.kills >= KILLS
    assert {"worker", "api", "relay", "postgres", "supervisor"} <= set(report.killed)
    assert report.pauses.total() == len(PAUSES)
    assert all(report.kinds[kind] for kind in ("honest", "unsure", "duplicate", "cancelled")), said(report)
    assert report.answered
    assert report.cancelled
    assert report.callbacks_refused
    assert report.callbacks


async def test_without_the_fence_the_campaign_fails() -> None:
    """A worker whose statements do not look at the epoch, stopped past its lease, ends and suspends what has ended."""
    report = await run(SEED, kills=0, mutant="no-fence")
    print(said(report))
    assert any("did not end exactly once" in one or "have not ended" in one for one in report.violations), said(report)


async def test_with_leases_that_never_expire_the_campaign_fails() -> None:
    """What a killed worker owned is never taken over."""
    report = await run(SEED, kills=1, pauses=(), mutant="leases-not-claimable")
    print(said(report))
    assert any("have not ended" in one for one in report.violations), said(report)
