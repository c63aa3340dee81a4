"""Sessions of browsers: sign in with an API key or a password, see who is signed in, list and end sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.security import HTTPAuthorizationCredentials
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from interlock.api.auth import AppDep, Caller, CallerDep, bearer, transport_of
from interlock.api.bodies import StrictRoute
from interlock.api.problems import responses
from interlock.api.values import At
from interlock.domain.decisions import Entity
from interlock.domain.errors import NotFound, Unauthenticated
from interlock.governance import ask
from interlock.governance.passwords import CHARS_MAX
from interlock.orchestration import sessions

router = APIRouter(prefix="/v1/sessions", tags=["sessions"], route_class=StrictRoute)
SessionId = Annotated[str, Path(max_length=128, description="ID of a session.")]


def _any_model(tenant: str) -> Entity:
    """Give a model version of nobody's making: who may do something with versions at all may with this one."""
    return ask.model_version(tenant, automation="any", model="any", version="0")


def _any_view(tenant: str) -> Entity:
    return ask.view(tenant, "any")


# What whole pages depend on; each route asks by itself, of the very thing that it is about.
_AS_A_WHOLE: Final[dict[str, Callable[[str], Entity]]] = {
    "account.create": ask.system,
    "account.list": ask.system,
    "audit.read": ask.audit_log,
    "automation.read": ask.system,
    "delegation.give": ask.system,
    "delegation.list": ask.system,
    "document.create": ask.system,
    "elevation.list": ask.system,
    "elevation.open": ask.system,
    "key.create": ask.system,
    "key.list": ask.system,
    "model.list": ask.system,
    "model.register": _any_model,
    "model.release": _any_model,
    "policy.approve": ask.policy,
    "policy.ask": ask.policy,
    "policy.propose": ask.policy,
    "policy.read": ask.policy,
    "policy.rollback": ask.policy,
    "privacy.erase": ask.system,
    "privacy.read": ask.system,
    "provider.read": ask.system,
    "provider.write": ask.system,
    "review.list": ask.system,
    "secret.read": ask.system,
    "session.list": ask.system,
    "task.list": ask.system,
    "view.share": _any_view,
    "webhook.read": ask.system,
    "webhook.write": ask.system,
}


class SessionRequest(BaseModel):
    """Who signs in: nothing where an API key is sent, else user and password."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"user": "user:mei", "password": "four words stand here"}]}
    )

    tenant: str = Field("default", min_length=1, max_length=63)
    user: str | None = Field(None, min_length=1, max_length=132, description="user:NAME.")
    password: SecretStr | None = Field(None, min_length=1, max_length=CHARS_MAX)


class Session(BaseModel):
    """An open session."""

    id: str
    user: str
    method: Literal["key", "password", "oidc"] = Field(description="How they signed in.")
    key_id: str | None = Field(description="The key that it was exchanged for, and that it ends with.")
    created_at: At
    last_used_at: At = Field(description="Within a minute.")
    expires_at: At = Field(description="When it is over however much it is used.")
    idle_until: At = Field(description="When it is over without another request.")


class CurrentSession(Session):
    """The session that a request came with."""

    tenant: str
    roles: list[str]
    approval_limit: str | None = Field(description="Decimal string.")
    may: list[str] = Field(
        description="What the policy lets them do in the tenant now, of what a page depends on as a whole."
    )
    csrf_token: str = Field(description="Send it as X-CSRF-Token with every request that is no GET.")


class SessionList(BaseModel):
    """Open sessions, newest first."""

    items: list[Session]


@router.post(
    "", operation_id="create_session", status_code=201, response_model=CurrentSession, responses=responses(413, 429),
    summary="Sign in",
)  # fmt: skip
async def create_session(
    app: AppDep,
    request: Request,
    response: Response,
    sent: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
    body: SessionRequest | None = None,
) -> CurrentSession:
    """Begin a session and give its cookie, which scripts cannot read: `__Host-interlock` on HTTPS, `interlock` on this machine."""
    transport = transport_of(request)
    if sent is not None:
        principal = await app.identity.authenticate(sent.credentials)
        transport.require_safe()
        started = await app.access.sessions.by_key(principal)
    elif body is not None and body.user is not None and body.password is not None:
        transport.require_safe()
        password = body.password.get_secret_value()
        started = await app.access.sessions.by_password(body.tenant, body.user, password, address=transport.address)
    else:
        raise Unauthenticated("Nobody signs in here.", fix="Send an API key, or user and password.")
    principal = await app.access.sessions.tokens.authenticate(started.token)
    transport.set_cookie(response, started.token, max_age_s=int(app.settings.session_s))
    response.headers["cache-control"] = "no-store"
    return _current(
        Caller(app=app, principal=principal, deciding=await app.policies.current(started.tenant)), started.session
    )


@router.get(
    "/current", operation_id="get_current_session", response_model=CurrentSession, responses=responses(404),
    summary="Say who is signed in",
)  # fmt: skip
async def current_session(caller: CallerDep, response: Response) -> CurrentSession:
    """Give the session that the request came with, and the token that its changes must carry."""
    session_id = caller.principal.session_id
    if session_id is None:
        raise NotFound("The request came with an API key and no session.", fix="See `GET /v1/whoami`.")
    response.headers["cache-control"] = "no-store"
    return _current(caller, await caller.app.access.sessions.get(caller.tenant, session_id))


@router.get(
    "", operation_id="list_sessions", response_model=SessionList, responses=responses(), summary="List open sessions"
)
async def list_sessions(
    caller: CallerDep, everybody: Annotated[bool, Query(alias="all", description="Those of everybody.")] = False
) -> SessionList:
    """List one's own open sessions, or with `all` those of the tenant."""
    if everybody:
        caller.require("session.list", ask.system(caller.tenant))
    found = await caller.app.access.sessions.find(caller.tenant, user=None if everybody else caller.principal.id)
    return SessionList(items=[_shown(session) for session in found])


@router.delete(
    "/{session_id}", operation_id="end_session", status_code=204, response_class=Response, responses=responses(404),
    summary="End a session",
)  # fmt: skip
async def end_session(caller: CallerDep, request: Request, session_id: SessionId) -> Response:
    """Sign out: one's own session (`current` is the one of the request), or somebody else's."""
    own = caller.principal.session_id
    session_id = own if session_id == "current" and own is not None else session_id
    caller.require("session.end", await _entity(caller, session_id))
    await caller.app.access.sessions.end(caller.principal, session_id)
    response = Response(status_code=204)
    if session_id == own:
        transport_of(request).set_cookie(response, "", max_age_s=0)
    return response


async def _entity(caller: Caller, session_id: str) -> Entity:
    """Give the session as policies know it: whose it is, where it is known."""
    try:
        found = await caller.app.access.sessions.get(caller.tenant, session_id)
    except NotFound:
        return ask.session(caller.tenant, session_id)
    return ask.session(caller.tenant, session_id, user=found.user)


def _current(caller: Caller, session: sessions.Session) -> CurrentSession:
    principal, limit = caller.principal, caller.principal.approval_limit
    return CurrentSession(
        **_shown(session).model_dump(mode="python"),
        tenant=principal.tenant,
        roles=list(principal.roles),
        approval_limit=None if limit is None else format(limit, "f"),
        may=[action for action, resource in _AS_A_WHOLE.items() if caller.may(action, resource(principal.tenant))],
        csrf_token=caller.app.access.sessions.tokens.csrf(session.id),
    )


def _shown(session: sessions.Session) -> Session:
    return Session.model_validate({name: getattr(session, name) for name in Session.model_fields})
