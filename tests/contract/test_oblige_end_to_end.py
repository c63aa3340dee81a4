"""A policy that is against personal data, over the real worker: processes, journal and API. The policy itself is made by hand here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from tests.contract.running_api import Running, prepare, running_api
from tests.eventually import eventually

from interlock.app import Worker
from interlock.boundary import oblige
from interlock.domain.decisions import Answer, Decision, Reason
from interlock.domain.effects import Effect, Kind
from interlock.domain.tasks import Claimed
from interlock.infra.embedded_postgres import EmbeddedPostgres

pytestmark = [pytest.mark.postgres]
NAME = "Radia Perlman"


class Cautious(Worker):
    """A worker whose policy lets no step see personal data."""

    async def _decide(self, effect: Effect, task: Claimed) -> Decision:
        decision = await super()._decide(effect, task)
        if effect.kind is not Kind.STEP or oblige.facts(effect).get("redacted"):
            return decision
        why = Reason(policy="no-personal-data", text="Steps see no personal data.")
        return Decision(
            answer=Answer.DENY,
            reasons=(why,),
            policy_version=decision.policy_version,
            obligations=("escalate", "redact"),
        )


@pytest_asyncio.fixture
async def api(
    make_database: Callable[[], str], postgres_server: EmbeddedPostgres, tmp_path: Path
) -> AsyncIterator[Running]:
    urls = await prepare(Path(postgres_server.data_dir), make_database())
    async with running_api(tmp_path, urls, worker=False, pii_detector="rules") as running:
        worker = Cautious(running.app)
        engine = asyncio.create_task(worker.engine.run())
        yield running
        await eventually(running.at_rest)
        engine.cancel()
        await asyncio.gather(engine, return_exceptions=True)
        await worker.close()


async def test_a_step_sees_a_pseudonym_and_the_task_the_name_and_the_timeline_says_so(api: Running) -> None:
    task = await api.submit(name=NAME, padding=", or radia.perlman@example.org", wait="succeeded")
    assert task["output"]["text"] == f"Hello {NAME}, or radia.perlman@example.org"
    (effect,) = [e for e in task["effects"] if e["kind"] == "step"]
    assert effect["decision"]["answer"] == "allow"
    assert [(r["type"], r["pointer"], r["count"]) for r in effect["redactions"]] == [
        ("PERSON", "/name", 1), ("EMAIL_ADDRESS", "/padding", 1),
    ]  # fmt: skip
    assert NAME not in str(effect["redactions"])
    rows = await api.owner("select name, sealed from pseudonyms where task_id = %s order by 1", (task["id"],))
    assert [name for name, _ in rows] == ["EMAIL_ADDRESS_1", "PERSON_1"]
    assert all(b"adia" not in bytes(sealed) for _, sealed in rows)
    timeline = (await api.as_("author").get(f"/v1/tasks/{task['id']}/timeline")).json()
    assert "EMAIL_ADDRESS" in str(timeline)
