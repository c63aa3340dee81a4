"""Automations: which there are, and what they take and give."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from interlock.api.auth import CallerDep
from interlock.api.parameters import KnownParametersRoute
from interlock.api.problems import responses
from interlock.governance import ask
from interlock.orchestration.automations import Registered

router = APIRouter(prefix="/v1/automations", tags=["automations"], route_class=KnownParametersRoute)


class AutomationModel(BaseModel):
    """A model that an automation brings."""

    name: str
    version: str = Field(description="As outcomes name it: name, version and digest.")


class AutomationSummary(BaseModel):
    """An automation in a list."""

    name: str
    version: str
    owner: str
    goal: str
    description: str


class Automation(AutomationSummary):
    """An automation with its schemas."""

    effects: list[str] = Field(description="What it may do: a kind, or kind:name.")
    complete_within: float | None = Field(description="Seconds that a task aims at where its submitter says nothing.")
    digest: str = Field(description="SHA-256 (hex) over its code.")
    policy_version: str = Field(description="SHA-256 (hex) over schema and policies that decide for it.")
    models: list[AutomationModel]
    input_schema: dict[str, Any] = Field(description="JSON Schema of a task's input.")
    output_schema: dict[str, Any] = Field(description="JSON Schema of a task's output.")
    may_submit: bool = Field(description="Whether the policy lets the caller submit tasks for it now.")


class AutomationList(BaseModel):
    """Every registered automation, by name."""

    items: list[AutomationSummary]


@router.get(
    "",
    operation_id="list_automations",
    response_model=AutomationList,
    responses=responses(),
    summary="List automations",
)
async def list_automations(caller: CallerDep) -> AutomationList:
    """List the automations that tasks can be submitted for."""
    caller.require("automation.read", ask.system(caller.tenant))
    found = sorted(caller.app.automations, key=lambda registered: registered.name)
    return AutomationList(items=[AutomationSummary(**_summary(registered)) for registered in found])


@router.get(
    "/{name}",
    operation_id="get_automation",
    response_model=Automation,
    responses=responses(404),
    summary="Get an automation",
)
async def get_automation(
    caller: CallerDep, name: Annotated[str, Path(max_length=63, description="Name of an automation.")]
) -> Automation:
    """Give an automation with the schemas of its input and output."""
    entity = ask.automation_entity(caller.tenant, name)
    caller.require("automation.read", entity)
    registered = caller.app.automations.get(name)
    return Automation(
        **_summary(registered),
        effects=list(registered.manifest.effects),
        complete_within=registered.manifest.slo.complete_within_s,
        digest=registered.digest,
        policy_version=caller.deciding.bundle(registered.name).version,
        models=[AutomationModel(name=n, version=m.label) for n, m in sorted(registered.models.items())],
        input_schema=registered.automation.input.model_json_schema(),
        output_schema=registered.automation.output.json_schema(mode="serialization"),
        may_submit=caller.may("task.submit", entity, automation=name),
    )


def _summary(registered: Registered) -> dict[str, Any]:
    return {name: getattr(registered.manifest, name) for name in AutomationSummary.model_fields}
