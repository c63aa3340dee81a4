"""The API as one application, and the server that runs it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any, Final

import structlog
import uvicorn
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from interlock.api import (
    access,
    accounts,
    audit,
    authzen,
    automations,
    console,
    correlations,
    delegations,
    deliveries,
    documents,
    elevations,
    events,
    evidence,
    identity_providers,
    keys,
    lineage,
    metrics,
    model_versions,
    person_links,
    policies,
    privacy,
    problems,
    review_rules,
    reviews,
    saved_views,
    secrets,
    sessions,
    sign_in,
    statistics,
    system,
    tasks,
    tenant_webhook,
)
from interlock.api.auth import RoleCheck
from interlock.api.console import Console
from interlock.api.events import Streams
from interlock.api.limits import REQUEST_TIMEOUT_S, Limits
from interlock.app import DEFAULT_TENANT, App, opened
from interlock.domain.errors import Unavailable
from interlock.infra.settings import Settings

log = structlog.get_logger("interlock.api")
ROUTERS: Final = (
    tasks,
    statistics,
    metrics,
    events,
    correlations,
    documents,
    review_rules,
    reviews,
    saved_views,
    deliveries,
    keys,
    secrets,
    accounts,
    person_links,
    identity_providers,
    delegations,
    elevations,
    tenant_webhook,
    sessions,
    sign_in,
    policies,
    access,
    authzen,
    automations,
    audit,
    evidence,
    model_versions,
    lineage,
    privacy,
    system,
    console,
)
TITLE: Final = "Interlock API"
DESCRIPTION: Final = (
    "Submit tasks, follow them, answer their reviews, and read what was decided. Lists are paged by cursor; errors are "
    "application/problem+json (RFC 9457) with a stable code; every response carries traceparent and x-correlation-id."
)
KEEP_ALIVE_S: Final = 30
BACKLOG: Final = 1024


def create_api(app: App, *, timeout_s: float = REQUEST_TIMEOUT_S, built: Console | None = None) -> FastAPI:
    """Build the API over the running parts.

    `timeout_s` is for one request; event streams are free of it. `built` is the console; by default that of the package.
    """
    api = describe()
    settings = app.settings
    api.state.interlock = app
    api.state.streams = Streams(settings.event_streams_max)
    api.state.role_check = RoleCheck()
    api.state.console = built or Console()
    problems.install(api)
    api.add_middleware(
        Limits,
        body_bytes_max=settings.body_size_bytes_max,
        document_bytes_max=settings.document_size_bytes_max,
        in_flight_max=settings.requests_in_flight_max,
        timeout_s=timeout_s,
    )
    return api


def describe() -> FastAPI:
    """Build the routes alone: enough to give the OpenAPI document, without a database."""
    api = FastAPI(
        title=TITLE,
        description=DESCRIPTION,
        version=version("interlock"),
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    for module in ROUTERS:
        api.include_router(module.router)

    def openapi() -> dict[str, Any]:
        if api.openapi_schema is None:
            api.openapi_schema = _document(api)
        return api.openapi_schema

    api.openapi = openapi  # type: ignore[method-assign]
    return api


def _document(api: FastAPI) -> dict[str, Any]:
    """Give the OpenAPI document, with the schema of problems, which no route returns by itself."""
    document = get_openapi(
        title=api.title,
        version=api.version,
        description=api.description,
        routes=api.routes,
        license_info=api.license_info,
        tags=[{"name": name, "description": text} for name, text in TAGS.items()],
    )
    schemas: dict[str, Any] = document["components"]["schemas"]
    problem = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs")
    schemas["Problem"] = problem
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    return document


TAGS: Final = {
    "tasks": "Work for an automation: submit it, follow it, cancel it, try it again.",
    "events": "What happens, as it happens.",
    "correlations": "Everything about one matter.",
    "documents": "Files that tasks read.",
    "reviews": "Questions to people.",
    "views": "Filters of pages, kept under a name.",
    "deliveries": "Callbacks, with their attempts.",
    "keys": "Who may call.",
    "accounts": "People, services and tenants.",
    "identity providers": "Whose word is taken for who somebody is.",
    "sessions": "Signing in with a browser.",
    "automations": "What tasks can be submitted for.",
    "models": "Model versions: who made, measured and approved them, and which may serve.",
    "lineage": "From a document to what came of it.",
    "audit": "What happened, provably.",
    "privacy": "What is kept of a person, and erasing it.",
    "system": "The installation itself.",
}


class Server(uvicorn.Server):
    """Ends cleanly on a signal: event streams are told to end, open requests are finished, and nothing is raised afterwards."""

    def __init__(self, api: FastAPI, settings: Settings) -> None:
        super().__init__(
            uvicorn.Config(
                api,
                host=settings.host,
                port=settings.port,
                loop="none",
                http="httptools",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=BACKLOG,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=max(1, int(settings.shutdown_s) - 1),
            )
        )
        self._streams: Streams = api.state.streams

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGTERM, signal.SIGINT)
        for number in numbers:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._streams.close()
        await super().shutdown(sockets)


async def serve_api(settings: Settings) -> None:
    """Run the API role until a signal comes. With the database down it answers 503, and goes on by itself afterwards.

    Raises:
        ConfigurationError: a setting or an automation is wrong, or the database role has too many rights.
    """
    async with opened(settings, name="interlock-api") as app:
        api = create_api(app)
        try:
            await api.state.role_check(app)
            if settings.shipped_models == "released":
                await app.models.adopt_shipped(DEFAULT_TENANT)
        except Unavailable as error:
            log.warning("database_unavailable", detail=error.detail)
        server = Server(api, settings)
        log.info("starting", host=settings.host, port=settings.port)
        await server.serve()
        log.info("stopped", role="api")
