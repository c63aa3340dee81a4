"""The system itself: who am I, is it alive, is it ready, and a plain page that lists the API."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Iterator
from html import escape
from importlib.metadata import version
from typing import Any, Final, Literal

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field

from interlock.api.auth import AppDep, CallerDep
from interlock.api.problems import responses
from interlock.api.values import At
from interlock.domain.errors import InterlockError, Unavailable
from interlock.governance import ask

router = APIRouter(tags=["system"])

_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}"
    "h1,h2{line-height:1.2}table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.4rem .6rem;"
    "border-bottom:1px solid #d8dee4}code{font:14px ui-monospace,monospace;overflow-wrap:anywhere}a{color:#0550ae}"
    "@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}td,th{border-color:#30363d}a{color:#79c0ff}}"
)
_STYLE_DIGEST: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
READY_S: Final = 2.0
_VERBS: Final = ("get", "post", "put", "patch", "delete")


class Health(BaseModel):
    status: Literal["ok"] = "ok"


class WhoAmI(BaseModel):
    """The principal that a key stands for."""

    tenant: str
    id: str
    roles: list[str]
    key_id: str = Field(description="The middle part of the key.")
    approval_limit: str | None = Field(description="Decimal string; null is no limit.")
    single_operator: bool = Field(
        description="The tenant has one active key and never had another person, so four-eyes rules are relaxed, and say so."
    )


@router.get("/v1/whoami", operation_id="whoami", response_model=WhoAmI, responses=responses(), summary="Say who calls")
async def whoami(caller: CallerDep) -> WhoAmI:
    """Say whom the key stands for; every key may ask this of itself."""
    principal = caller.principal
    limit = principal.approval_limit
    return WhoAmI(
        tenant=principal.tenant,
        id=principal.id,
        roles=list(principal.roles),
        key_id=principal.key_id,
        approval_limit=None if limit is None else format(limit, "f"),
        single_operator=principal.single_operator,
    )


class OpenElevation(BaseModel):
    """An emergency elevation that is open, or waits to be reviewed; whose and why stands in `GET /v1/elevations`."""

    id: str
    state: Literal["open", "to_review", "reviewed"]
    actions: list[str]
    ends_at: At


class SystemView(BaseModel):
    """What should be seen by whoever looks after the system."""

    version: str
    elevations: list[OpenElevation] = Field(
        description="Open ones, and those that nobody has reviewed yet; newest first."
    )


@router.get(
    "/v1/system", operation_id="get_system", response_model=SystemView, responses=responses(), summary="See the system"
)
async def get_system(caller: CallerDep) -> SystemView:
    """Give the version, and every emergency elevation that is open or was not reviewed."""
    caller.require("system.read", ask.system(caller.tenant))
    found = await caller.app.access.elevations.find(caller.tenant, which="unreviewed")
    shown = [OpenElevation(id=e.id, state=e.state.value, actions=list(e.actions), ends_at=e.ends_at) for e in found]
    return SystemView(version=version("interlock"), elevations=shown)


@router.get("/healthz", operation_id="healthz", response_model=Health, summary="Is this process alive?")
async def healthz() -> Health:
    """Answer, whatever else is down."""
    return Health()


@router.get(
    "/readyz",
    operation_id="readyz",
    response_model=Health,
    responses={503: responses()[503]},
    summary="Can it answer requests?",
)
async def readyz(app: AppDep) -> Health:
    """Answer 200 while the database answers, as a role that row-level security holds; else 503, within two seconds."""
    try:
        async with asyncio.timeout(READY_S):
            await app.database.fetch(None, b"select 1", ())
    except TimeoutError:
        raise Unavailable(f"The database did not answer within {READY_S:g} s.", retry_after_s=2) from None
    return Health()


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> HTMLResponse:
    """List every operation, on a page that loads nothing from anywhere."""
    document = request.app.openapi()
    return _html(document["info"]["title"], _operations(document))


@router.get("/docs/errors", include_in_schema=False)
async def errors() -> HTMLResponse:
    """List every error code: where the `type` of a problem leads."""
    found = {kind.code: kind for kind in sorted(_kinds(InterlockError), key=lambda kind: kind.code)}
    rows = "".join(
        f'<tr id="{escape(code)}"><td><code>{escape(code)}</code></td><td>{kind.status}</td>'
        f"<td>{'yes' if kind.retryable else 'no'}</td><td>{escape(kind.title)}</td></tr>"
        for code, kind in found.items()
    )
    head = "<tr><th>code</th><th>status</th><th>retry</th><th>meaning</th></tr>"
    return _html("Error codes", f"<h1>Error codes</h1><table>{head}{rows}</table>")


def _kinds(kind: type[InterlockError]) -> Iterator[type[InterlockError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _kinds(below)


def _html(title: str, body: str) -> HTMLResponse:
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>{body}</body></html>',
        headers={
            "content-security-policy": f"default-src 'none'; style-src 'sha256-{_STYLE_DIGEST}'; base-uri 'none'; frame-ancestors 'none'",
            "cache-control": "no-cache",
        },
    )


def _operations(document: dict[str, Any]) -> str:
    rows: dict[str, list[str]] = {}
    for path, item in document["paths"].items():
        for verb in _VERBS:
            if verb in item:
                operation = item[verb]
                rows.setdefault(operation["tags"][0], []).append(
                    f"<tr><td><code>{verb.upper()}&nbsp;{escape(path)}</code></td>"
                    f"<td><b>{escape(operation['summary'])}</b><br>{escape(operation.get('description', ''))}</td></tr>"
                )
    tables = "".join(f"<h2>{escape(tag)}</h2><table>{''.join(found)}</table>" for tag, found in rows.items())
    info = document["info"]
    return (
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{escape(info['description'])}</p>"
        '<p>For programs: <a href="/openapi.json">/openapi.json</a> (OpenAPI 3.1). '
        f'Problems: <a href="/docs/errors">error codes</a>.</p>{tables}'
    )
