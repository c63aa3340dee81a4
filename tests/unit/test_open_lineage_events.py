"""Run events have the published form, one run each time that a task runs, and nothing of a person."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from interlock.infra.outbox import Event
from interlock.ingress.open_lineage_events import InputDocument, RunFacts, run_event

TASK = "task_019a2b3c4d5e7f60718293a4b5c6d7e8"
DOCUMENT = "doc_019a2b3c4d5e7f60718293a4b5c6d7e8"
FACTS = RunFacts(
    automation="expenses",
    version="1.2.0",
    documents=[InputDocument(id=DOCUMENT, media_type="image/png", pages=1)],
    model_versions=["receipt-reader@1.1.0+2e70a42eb9d7"],
    policy_versions=["6b4a"],
)
# The published shape (spec 2-0-2): what is required, and of which type.
FACET = {
    "type": "object",
    "required": ["_producer", "_schemaURL"],
    "properties": {n: {"type": "string", "format": "uri"} for n in ("_producer", "_schemaURL")},
}
FACETS = {"type": "object", "additionalProperties": FACET}
NAMED = {
    "type": "object",
    "required": ["namespace", "name"],
    "properties": {"namespace": {"type": "string"}, "name": {"type": "string"}, "facets": FACETS},
}
SCHEMA = {
    "type": "object",
    "required": ["eventTime", "producer", "schemaURL", "run", "job"],
    "properties": {
        "eventType": {"enum": ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]},
        "eventTime": {"type": "string", "format": "date-time"},
        "producer": {"type": "string", "format": "uri"},
        "schemaURL": {"type": "string", "pattern": "^https://openlineage.io/spec/2-0-2/"},
        "run": {
            "type": "object",
            "required": ["runId"],
            "properties": {"runId": {"type": "string", "format": "uuid"}, "facets": FACETS},
        },
        "job": NAMED,
        "inputs": {"type": "array", "items": NAMED},
        "outputs": {"type": "array", "items": NAMED},
    },
}
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=FormatChecker())


def event(kind: str, **data: Any) -> Event:
    at = datetime(2026, 5, 4, 12, tzinfo=UTC)
    return Event(position=7, type=kind, task_id=TASK, correlation_id="c0ffee", data=data, at=at)


def made(kind: str, **data: Any) -> dict[str, Any]:
    found = run_event(event(kind, **data), FACTS, namespace="interlock", tenant="acme", product="0.1.0")
    assert found is not None
    VALIDATOR.validate(json.loads(json.dumps(found)))
    return found


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("task.accepted", "START"),
        ("task.succeeded", "COMPLETE"),
        ("task.failed", "FAIL"),
        ("task.cancelled", "ABORT"),
        ("task.retried", "START"),
    ],
)
def test_each_state_has_its_event_in_the_published_form(kind: str, state: str) -> None:
    found = made(kind)
    assert (found["eventType"], found["eventTime"]) == (state, "2026-05-04T12:00:00.000000Z")
    assert (found["job"]["namespace"], found["job"]["name"]) == ("interlock/acme", "expenses")
    assert [one["name"] for one in found["inputs"]] == [f"documents/{DOCUMENT}"]
    assert [one["name"] for one in found["outputs"]] == ([f"tasks/{TASK}"] if state == "COMPLETE" else [])
    assert found["run"]["facets"]["interlock_models"]["versions"] == ["receipt-reader@1.1.0+2e70a42eb9d7"]


def test_the_validator_says_no_to_what_is_wrong() -> None:
    wrong: list[dict[str, Any]] = [{"eventTime": "yesterday"}, {"run": {}}, {"schemaURL": "x"}, {"eventType": "DONE"}]
    for change in wrong:
        assert list(VALIDATOR.iter_errors(made("task.accepted") | change))


def test_a_retry_is_another_run_that_keeps_its_id() -> None:
    first, again = made("task.accepted"), made("task.retried", generation=2)
    assert first["run"]["runId"] == str(uuid.UUID(TASK[5:]))
    assert again["run"]["runId"] != first["run"]["runId"]
    assert made("task.succeeded", generation=2)["run"]["runId"] == again["run"]["runId"]


@pytest.mark.parametrize("kind", ["task.effect", "review.opened", "expense.approved", "task.waiting"])
def test_what_lineage_does_not_ask_about_is_passed_over(kind: str) -> None:
    assert run_event(event(kind), FACTS, namespace="n", tenant="t", product="0") is None


def test_what_stands_in_the_events_data_is_not_told() -> None:
    found = made("task.failed", state="failed", generation=1, by="user:ada", error={"message": "Ada Lovelace"})
    assert "ada" not in json.dumps(found).lower()
