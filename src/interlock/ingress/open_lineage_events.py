"""OpenLineage run events, spec 2-0-2: what happens to a task, as data catalogues read it. https://openlineage.io/spec/2-0-2/OpenLineage.json

A task is a run of its automation's job; documents are its inputs, the task's output is its output. Nothing of a person is in an event: no
file name, no digest of a document, no input or output, no error message, nobody's name.

Own values and not `openlineage-python`: the package brings a transport of its own, past the guarded client, and five more packages.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from interlock.domain import canonical
from interlock.infra.outbox import Event

SCHEMA: Final = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS: Final = "https://openlineage.io/spec/facets"
PRODUCER: Final = "urn:interlock"
STATES: Final[Mapping[str, str]] = {
    "task.accepted": "START",
    "task.retried": "START",
    "task.succeeded": "COMPLETE",
    "task.failed": "FAIL",
    "task.cancelled": "ABORT",
}


@dataclass(frozen=True, kw_only=True)
class InputDocument:
    """A document that a task's input names, without what says whose it is."""

    id: str
    media_type: str
    pages: int


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What an event needs to know of a task beside what happened."""

    automation: str
    version: str
    documents: Sequence[InputDocument] = ()
    model_versions: Sequence[str] = ()
    policy_versions: Sequence[str] = ()


def run_event(event: Event, facts: RunFacts, *, namespace: str, tenant: str, product: str) -> dict[str, Any] | None:
    """Give the run event of what happened to a task; None for what lineage does not ask about.

    Each retry is a run of its own, since a run ends once; the first one has the UUID of the task's ID.
    """
    state = STATES.get(event.type)
    if state is None or event.task_id is None:
        return None
    place, generation = f"{namespace}/{tenant}", int(event.data.get("generation") or 1)
    first = uuid.UUID(event.task_id.partition("_")[2])
    run = first if generation == 1 else uuid.uuid5(first, str(generation))
    return {
        "eventType": state,
        "eventTime": canonical.rfc3339(event.at),
        "producer": PRODUCER,
        "schemaURL": SCHEMA,
        "run": {"runId": str(run), "facets": _run_facets(event, facts, generation, product)},
        "job": {
            "namespace": place,
            "name": facts.automation,
            "facets": {
                "jobType": _facet(
                    f"{_FACETS}/2-0-3/JobTypeJobFacet.json#/$defs/JobTypeJobFacet",
                    processingType="BATCH",
                    integration="INTERLOCK",
                    jobType="TASK",
                )
            },
        },
        "inputs": [
            {
                "namespace": place,
                "name": f"documents/{one.id}",
                "facets": {
                    "interlock_document": _facet(_own("document"), mediaType=one.media_type, pages=one.pages),
                },
            }
            for one in facts.documents
        ],
        "outputs": [{"namespace": place, "name": f"tasks/{event.task_id}", "facets": {}}]
        if state == "COMPLETE"
        else [],
    }


def _run_facets(event: Event, facts: RunFacts, generation: int, product: str) -> dict[str, Any]:
    return {
        "processing_engine": _facet(
            f"{_FACETS}/1-1-1/ProcessingEngineRunFacet.json#/$defs/ProcessingEngineRunFacet",
            name="interlock",
            version=product,
        ),
        "interlock_task": _facet(
            _own("task"),
            taskId=event.task_id,
            correlationId=event.correlation_id,
            generation=generation,
            automationVersion=facts.version,
        ),
        "interlock_models": _facet(_own("models"), versions=list(facts.model_versions)),
        "interlock_policies": _facet(_own("policies"), versions=list(facts.policy_versions)),
    }


def _facet(schema: str, **values: Any) -> dict[str, Any]:
    return {"_producer": PRODUCER, "_schemaURL": schema, **values}


def _own(name: str) -> str:
    return f"urn:interlock:openlineage:{name}:1"
