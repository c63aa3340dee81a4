"""Lineage over the API: from a document to its task's values, and for nobody who may not see the task."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.contract.running_api import Running, prepare, running_api

from interlock.infra.embedded_postgres import EmbeddedPostgres

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio(loop_scope="module")]
JOURNAL = Path(__file__).parents[2] / "automations" / "expenses" / "journals" / "1.0.0" / "straight-through.json"
EXPENSES = JOURNAL.parents[3]
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(
    make_database: Callable[[], str], postgres_server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    urls = await prepare(Path(postgres_server.data_dir), make_database())
    folder = tmp_path_factory.mktemp("api")
    async with running_api(folder, urls, automations_dir=EXPENSES, worker=False) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def done(api: Running) -> AsyncIterator[dict[str, str]]:
    """A task of a real document, with the effects of a recorded journal."""
    document = (await api.as_("owner").post("/v1/documents", files={"file": ("a.png", PNG)})).json()
    given = {"automation": "expenses", "input": {"documents": [{"id": document["id"]}]}}
    task = (await api.as_("author").post("/v1/tasks", json=given)).json()
    for effect in json.loads(JOURNAL.read_text())["effects"]:
        text = json.dumps(effect["input"]).replace("doc_00000000000000000000000000000000", document["id"])
        await api.owner(
            "insert into effects (tenant, task_id, generation, effect_id, seq, kind, name, target, input_digest, input, status, value,"
            " decision, meta, salt, epoch) values ('default', %s, 1, %s, %s, %s, %s, '', '', %s::json, %s, %s::json, %s::json, %s::json, '', 1)",
            (
                task["id"], effect["id"], effect["seq"], effect["kind"], effect["name"], text, effect["status"],
                json.dumps(effect.get("value")), json.dumps(effect.get("decision")),
                json.dumps({"model_version": effect.get("model_version"), "by": effect.get("by")}),
            ),
        )  # fmt: skip
    yield {"task": task["id"], "document": document["id"], "sha256": document["sha256"]}


async def found(api: Running, path: str, who: str = "auditor") -> Any:
    answer = await api.as_(who).get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_from_a_document_to_the_decision_and_the_ledger(api: Running, done: dict[str, str]) -> None:
    lineage = await found(api, f"/v1/documents/{done['document']}/lineage")
    assert (lineage["document"]["sha256"], lineage["complete"]) == (done["sha256"], True)
    (task,) = lineage["tasks"]
    assert (task["task_id"], [d["id"] for d in task["documents"]]) == (done["task"], [done["document"]])
    total = next(value for value in task["values"] if value["pointer"] == "/total")
    assert (total["page"], total["documents"]) == (1, [done["document"]])
    assert [(use["name"], use["answer"], len(use["policy_version"])) for use in total["decisions"]] == [
        ("approve", "allow", 64)
    ]
    posting = next(use for use in total["effects"] if use["name"] == "post-to-ledger")
    assert (posting["how"], posting["names"].startswith("led_")) == ("equal", True)
    assert await found(api, f"/v1/tasks/{done['task']}/lineage") == task


async def test_what_stands_in_the_object_store_is_traced_too(api: Running, done: dict[str, str]) -> None:
    before = await found(api, f"/v1/tasks/{done['task']}/lineage")
    key = "tenants/default/outcomes/of-a-test"
    (value,) = (
        await api.owner("select value::text from effects where task_id = %s and kind = 'infer'", (done["task"],))
    )[0]
    await api.app.objects.put(key, value.encode())
    await api.owner(
        "update effects set value = null, value_ref = %s where task_id = %s and kind = 'infer'",
        (json.dumps({"ref": key}), done["task"]),
    )
    assert await found(api, f"/v1/tasks/{done['task']}/lineage") == before


async def test_a_task_that_may_not_be_seen_is_not_in_a_documents_lineage(api: Running, done: dict[str, str]) -> None:
    made = await api.as_("owner").post(
        "/v1/policies/changes",
        json={
            "files": {
                "mine.cedar": '@id("hidden") @reason("Tasks are not for auditors.") forbid (principal is User,'
                ' action == Action::"task.read", resource) when { principal.roles.contains("auditor") };'
            }
        },
    )
    await api.as_("owner2").post(f"/v1/policies/changes/{made.json()['number']}:approve")
    assert (await found(api, f"/v1/documents/{done['document']}/lineage"))["tasks"] == []
    assert (await api.as_("auditor").get(f"/v1/tasks/{done['task']}/lineage")).status_code == 403
    assert len((await found(api, f"/v1/documents/{done['document']}/lineage", "owner"))["tasks"]) == 1
