"""Connection secrets: set and rotate, list, remove. No route gives a value."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from interlock.api import pages
from interlock.api.auth import CallerDep
from interlock.api.bodies import StrictRoute
from interlock.api.pages import LIMIT_DEFAULT, Cursor, Limit
from interlock.api.problems import responses
from interlock.api.values import At
from interlock.governance import ask
from interlock.governance.connection_secrets import VALUE_CHARS_MAX, VALUE_CHARS_MIN, SecretInfo

router = APIRouter(prefix="/v1/secrets", tags=["secrets"], route_class=StrictRoute)
_CURSOR: Final = "secrets"
_NAME: Final = r"^[a-z0-9]+(-[a-z0-9]+)*$"
Name = Annotated[str, Path(pattern=_NAME, max_length=63, description="Lower-case words joined by dashes.")]
Host = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
AutomationName = Annotated[str, StringConstraints(pattern=_NAME, max_length=63)]


class SecretRequest(BaseModel):
    """A value to keep. What is left out stays as it was where the secret is there already."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"value": "Bearer …", "automations": ["expenses"], "hosts": ["api.vendor.example"]}]
        },
    )

    value: Annotated[SecretStr, Field(min_length=VALUE_CHARS_MIN, max_length=VALUE_CHARS_MAX)] = Field(
        description="What to keep. It is never shown again."
    )
    automations: list[AutomationName] | None = Field(None, max_length=100, description="Which automations may use it.")
    hosts: list[Host] | None = Field(None, max_length=100, description="To which hosts `fetch` may send it.")
    note: str | None = Field(None, max_length=512, description="What it is for.")


class Secret(BaseModel):
    """A secret, without its value."""

    name: str
    version: int = Field(description="Raised by each rotation.")
    automations: list[str]
    hosts: list[str]
    note: str
    created_by: str
    created_at: At = Field(description="When this version was set.")


class SecretPage(BaseModel):
    """Secrets by name."""

    items: list[Secret]
    next_cursor: str | None = Field(None, description="Send it as `cursor` for the next page; null at the end.")


@router.put(
    "/{name}",
    operation_id="set_secret",
    response_model=Secret,
    responses=responses(404, 413),
    summary="Set or rotate a secret",
)
async def set_secret(caller: CallerDep, name: Name, body: SecretRequest) -> Secret:
    """Keep a value under a name. The one that was there is destroyed; effects use the new one from their next attempt on."""
    caller.require("secret.write", ask.system(caller.tenant))
    made = await caller.app.secrets.put(
        caller.principal,
        name,
        body.value.get_secret_value(),
        automations=body.automations,
        hosts=body.hosts,
        note=body.note,
    )
    return _shown(made)


@router.get("", operation_id="list_secrets", response_model=SecretPage, responses=responses(), summary="List secrets")
async def list_secrets(caller: CallerDep, cursor: Cursor = None, limit: Limit = LIMIT_DEFAULT) -> SecretPage:
    """List secrets by name, without their values."""
    caller.require("secret.read", ask.system(caller.tenant))
    count = min(limit, caller.app.settings.list_page_size_max)
    keys = pages.after(_CURSOR, cursor, (str,))
    found = await caller.app.secrets.list(caller.tenant, after=keys[0] if keys else None, limit=count + 1)
    shown = found[:count]
    more = pages.encode(_CURSOR, shown[-1].name) if len(found) > count else None
    return SecretPage(items=[_shown(one) for one in shown], next_cursor=more)


@router.get(
    "/{name}", operation_id="get_secret", response_model=Secret, responses=responses(404), summary="Get a secret"
)
async def get_secret(caller: CallerDep, name: Name) -> Secret:
    """Tell what a secret is for and when it was set, without its value."""
    caller.require("secret.read", ask.system(caller.tenant))
    return _shown(await caller.app.secrets.get(caller.tenant, name))


@router.delete(
    "/{name}",
    operation_id="remove_secret",
    status_code=204,
    response_class=Response,
    responses=responses(404),
    summary="Remove a secret",
)
async def remove_secret(caller: CallerDep, name: Name) -> Response:
    """Destroy the value. Effects that use it fail from now on, and go on after it was set again and their task retried."""
    caller.require("secret.write", ask.system(caller.tenant))
    await caller.app.secrets.remove(caller.principal, name)
    return Response(status_code=204)


def _shown(info: SecretInfo) -> Secret:
    fields = {name: getattr(info, name) for name in Secret.model_fields}
    return Secret(**fields | {"automations": list(info.automations), "hosts": list(info.hosts)})
