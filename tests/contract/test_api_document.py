"""The OpenAPI document: kept as a golden file, valid, good enough for generators, and true of the running API."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from tests.contract.api_fixture import MARKS, api
from tests.contract.running_api import Running, listening
from tests.contract.test_api_tenants import DOORS

from write_openapi import COMMAND, FILE, text

pytestmark = MARKS
__all__ = ["api"]
VERBS = ("get", "post", "put", "patch", "delete")
FUZZ_S = 20


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    paths = json.loads(text())["paths"]
    return [(path, verb, item[verb]) for path, item in paths.items() for verb in VERBS if verb in item]


async def test_the_golden_file_is_up_to_date() -> None:
    assert FILE.read_text() == text(), (
        f"run `{COMMAND}`, and look at the difference: a breaking one needs a new version"
    )


async def test_the_document_is_valid_openapi_3_1() -> None:
    document = json.loads(text())
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()


async def test_every_operation_is_documented_with_its_problems() -> None:
    seen = set()
    for path, verb, operation in operations():
        assert operation["operationId"].replace("_", "").isalnum(), path
        assert operation["operationId"] == operation["operationId"].lower()
        assert operation["summary"], path
        assert operation["description"], path
        assert len(operation["tags"]) == 1, path
        seen.add(operation["operationId"])
        if not path.startswith("/v1/"):
            continue
        assert operation.get("security") == (None if path in DOORS else [{"apiKey": []}]), path
        for status in ("401", "403", "422", "503"):
            assert "application/problem+json" in operation["responses"][status]["content"], (path, verb, status)
        if "{" in path:
            assert "404" in operation["responses"], path
        for parameter in operation.get("parameters", []):
            assert parameter["name"] != "authorization"
    assert len(seen) == len(operations())


@pytest.fixture
def generated(tmp_path: Path) -> Iterator[Any]:
    """Give the importer of a client that was generated from the golden file just now."""
    sys.path.insert(0, str(tmp_path))
    yield lambda name: importlib.import_module(f"generated_client.{name}")
    sys.path.remove(str(tmp_path))
    for name in [n for n in sys.modules if n.partition(".")[0] == "generated_client"]:
        del sys.modules[name]


async def run(*command: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env={**os.environ, **(env or {})}
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), 240)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, output.decode()


def tool(name: str) -> str:
    return str(Path(sys.executable).parent / name)


async def test_a_generated_client_submits_gets_lists_and_answers(api: Running, generated: Any, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"post_hooks": []}')
    code, output = await run(
        tool("openapi-python-client"), "generate", "--path", str(FILE), "--meta", "none", "--config", str(config),
        "--output-path", str(tmp_path / "generated_client"), "--fail-on-warning",
    )  # fmt: skip
    assert code == 0, output
    models = generated("models")

    def client(who: str) -> Any:
        return generated("client").AuthenticatedClient(base_url=url, token=api.keys[who])

    async with listening(api) as url, client("author") as author, client("reviewer") as reviewer:
        submission = models.TaskSubmission.from_dict(
            {"automation": "greet", "input": {"name": "Gen", "amount": "200"}, "slo": {"complete_within": 60}}
        )
        accepted = await generated("api.tasks.submit_task").asyncio(
            client=author, body=submission, idempotency_key="generated"
        )
        assert isinstance(accepted, models.AcceptedTask)
        await api.until(accepted.id, "waiting")

        listed = await generated("api.reviews.list_reviews").asyncio(client=reviewer, task_id=accepted.id)
        (review,) = listed.items
        assert review.request.values["name"] == "Gen"
        amended = await generated("api.reviews.amend_review").asyncio(
            client=reviewer, review_id=review.id, body=models.AmendReview.from_dict({"values": {"name": "Jen"}})
        )
        assert [change.pointer for change in amended.answer.changes] == ["/name"]
        late = await generated("api.reviews.approve_review").asyncio(
            client=reviewer, review_id=review.id, body=models.ApproveReview()
        )
        assert isinstance(late, models.Problem)
        assert late.code == "review.answered"

        await api.until(accepted.id, "succeeded")
        task = await generated("api.tasks.get_task").asyncio(client=author, task_id=accepted.id)
        assert task.output["by"] == "user:mei"
        assert [effect.name for effect in task.effects] == ["compose", "send", "check-greeting"]
        page = await generated("api.tasks.list_tasks").asyncio(client=author, limit=1, state=[task.state])
        assert [item.id for item in page.items] == [task.id]
        missing = await generated("api.tasks.get_task").asyncio(client=author, task_id="task_nothing")
        assert isinstance(missing, models.Problem)


async def test_whatever_is_sent_the_answers_are_as_documented(api: Running, tmp_path: Path) -> None:
    async with listening(api) as url:
        code, output = await run(
            tool("schemathesis"), "run", str(FILE), "--url", url, "-H", f"Authorization: Bearer {api.keys['owner']}",
            "--exclude-operation-id", "follow_events",  # it does not end
            "--exclude-operation-id", "revoke_key",  # it would find the key that it calls with
            "--mode", "all", "--max-time", str(FUZZ_S), "--request-timeout", "60", "--max-examples", "20", "--seed", "20260101", "--workers", "2",
            "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
            "--generation-database", "none", "--no-color",
        )  # fmt: skip
        report = output.partition("FAILURES")[2] or output
        assert code == 0, report[:6000]
