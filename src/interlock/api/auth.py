"""Who calls, and what they may: every route takes a `Caller` and asks it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from interlock.api.transport import CSRF_HEADER, CsrfRefused, Transport
from interlock.app import App
from interlock.domain.decisions import Decision, Entity, Question
from interlock.domain.errors import InterlockError, NotFound, OutgoingRefused, Refused, Unauthenticated
from interlock.governance import ask
from interlock.governance.decide import Bundle
from interlock.governance.identity import FIRST_TENANT, Principal
from interlock.governance.tenant_policies import Deciding

bearer = HTTPBearer(
    scheme_name="apiKey",
    bearerFormat="il_<env>_<id>_<secret>",
    description="An API key, or a JWT of one of the tenant's identity providers; the tenant is then named in X-Interlock-Tenant.",
    auto_error=False,
)
TENANT_HEADER = "x-interlock-tenant"
_TENANT = re.compile(r"[a-z][a-z0-9-]{0,62}\Z")
ELEVATION_HEADER = "Interlock-Elevation"  # in no operation's schema: it would stand in each of them
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


ON_RECORD = (Refused, NotFound, OutgoingRefused)
"""What leaves an audit record: denied, not there or another tenant's, and an address that nothing is sent to."""


@dataclass(frozen=True, kw_only=True)
class Caller:
    """A principal with the parts that it calls. The tenant comes from the key or the session and from nowhere else.

    `lifted` collects what was decided under an emergency elevation: action, type of resource, decision.
    """

    app: App
    principal: Principal
    deciding: Deciding
    lifted: list[tuple[str, str, Decision]] = field(default_factory=list)

    @property
    def tenant(self) -> str:
        return self.principal.tenant

    def require(
        self,
        action: str,
        resource: Entity,
        *,
        automation: str | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> Decision:
        """Ask the policy; raises Refused. Where an automation is named and known, its own policies are asked too."""
        bundle = self.deciding.about_policies()[0] if action.startswith("policy.") else self._bundle(automation)
        try:
            return ask.require(bundle, self.principal, action, resource, context=context)
        except Refused:
            lifted = self._elevated(action, resource, automation, context)
            if lifted is None or not lifted.allowed:
                raise
            return lifted

    def _elevated(
        self, action: str, resource: Entity, automation: str | None, context: Mapping[str, Any] | None
    ) -> Decision | None:
        """Ask again with the emergency elevation: of what it names, by what is shipped alone, whose limits it does not lift.

        It lifts nothing any more for somebody who could not take it now: the role that it stood on may have been taken away.
        """
        elevation = self.principal.elevation
        if elevation is None or action not in elevation.actions:
            return None
        taking = Question(principal=self.principal.entity(), action="elevation.open", resource=ask.system(self.tenant))
        if not self.deciding.shipped(None).decide(taking).allowed:
            return None
        principal = self.principal.entity(elevated=True)
        question = Question(principal=principal, action=action, resource=resource, context=context or {})
        decision = self.deciding.shipped(automation).decide(question)
        self.lifted.append((action, resource.type, decision))
        return decision

    def may(
        self,
        action: str,
        resource: Entity,
        *,
        automation: str | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> bool:
        """Ask the policy without an error, for what is then narrowed instead of refused."""
        try:
            self.require(action, resource, automation=automation, context=context)
        except Refused:
            return False
        return True

    def for_any_automation(self) -> Caller:
        """Give this caller as if the key were not narrowed to automations: only for a list that is held to `scope.automations` itself."""
        scope = replace(self.principal.scope, automations=None)
        return replace(self, principal=replace(self.principal, scope=scope))

    async def acting_for_others(self) -> list[Caller]:
        """Give this caller with the rights that others lent them, once for each."""
        lent = await self.app.access.delegations.acting_for_others(self.principal)
        return [replace(self, principal=principal) for principal in lent]

    def _bundle(self, automation: str | None) -> Bundle:
        return self.deciding.bundle(
            automation
        )  # one that was taken away has the plain one: its tasks are still there to be seen


async def _recorded(app: App, principal: Principal, error: InterlockError, method: str, route: str) -> None:
    """Put on record that a request was refused, before the answer is given: once a minute for each key, route and reason."""
    action = error.extra.get("action")
    if action == "review.answer":
        return  # has a leaf of its own, which says more: `answer.refused`
    facts = {"method": method, "route": route} | ({"action": action} if isinstance(action, str) else {})
    await app.access.refused(principal.tenant, "request.refused", principal.key_id, error.code, **facts)


class RoleCheck:
    """Checks once, before the first answer, that row-level security holds the database role of this process."""

    def __init__(self) -> None:
        self._done = False

    async def __call__(self, app: App) -> None:
        """Raises DatabaseRoleUnsafe, or Unavailable where the database cannot say."""
        if not self._done:
            await app.database.check_role()
            self._done = True


def app_of(request: Request) -> App:
    """Give the running parts."""
    app: App = request.app.state.interlock
    return app


async def checked(request: Request) -> App:
    """Give the running parts, once the database role is known to be safe."""
    app = app_of(request)
    await request.app.state.role_check(app)
    return app


def transport_of(request: Request) -> Transport:
    """Give how the request's connection stands."""
    return Transport(request, app_of(request).settings.trusted_proxies)


async def caller(
    request: Request,
    app: Annotated[App, Depends(checked)],
    sent: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
    elevation: Annotated[str | None, Header(alias=ELEVATION_HEADER, max_length=64, include_in_schema=False)] = None,
) -> AsyncIterator[Caller]:
    """Find who calls: by their API key or an identity provider's token, else by their session's cookie.

    What an elevation lifts is on record before the answer is given.

    Raises:
        Unauthenticated. Refused: the elevation that the request names is not theirs or has ended.
        CsrfRefused: a change by a cookie without the session's token. Unavailable: the database does not answer.
    """
    if len(request.headers.getlist("authorization")) > 1:  # a proxy before us may have looked at the other one
        raise Unauthenticated("The request has more than one Authorization header.", fix="Send one.")
    name = transport_of(request).cookie
    cookie = request.cookies.get(name) if name else None
    if sent is None and cookie and "authorization" not in request.headers:
        principal = await app.access.sessions.tokens.authenticate(cookie)
        if request.method not in SAFE_METHODS:
            await _same_site(app, principal, request.headers.get(CSRF_HEADER))
    elif sent is not None and is_token(sent.credentials):
        principal = await app.access.federation.by_token(_named_tenant(request), sent.credentials)
    else:
        principal = await app.identity.authenticate(sent.credentials if sent else None)
    route = getattr(request.scope.get("route"), "path", "")
    try:
        if elevation is not None:
            principal = await app.access.elevations.elevated(principal, elevation, method=request.method, route=route)
        found = Caller(app=app, principal=principal, deciding=await app.policies.current(principal.tenant))
        try:
            yield found
        finally:
            await app.access.elevations.record_decisions(principal, found.lifted)
    except ON_RECORD as error:
        await _recorded(app, principal, error, request.method, route)
        raise


def is_token(credentials: str) -> bool:
    """Tell whether it is a JWT that was sent, well made or not, and no API key."""
    return "." in credentials


def _named_tenant(request: Request) -> str:
    """Give the tenant that a token is said to be for: only its own providers are asked, so a wrong name opens nothing."""
    named = request.headers.get(TENANT_HEADER, FIRST_TENANT)
    if not _TENANT.match(named):
        raise Unauthenticated(
            "X-Interlock-Tenant is no tenant's ID.", fix="Name the tenant, or leave it out for the first one."
        )
    return named


async def _same_site(app: App, principal: Principal, token: str | None) -> None:
    session_id = principal.session_id or ""
    if not app.access.sessions.tokens.csrf_matches(session_id, token):
        await app.access.refused(principal.tenant, "session.refused", session_id, "csrf")
        raise CsrfRefused(
            "The request came with a session's cookie, and its X-CSRF-Token is missing or another one.",
            fix="Send `csrf_token` of `GET /v1/sessions/current` as X-CSRF-Token.",
        )


AppDep = Annotated[App, Depends(checked)]
# Its end runs before the answer is sent.
CallerDep = Annotated[Caller, Depends(caller, scope="function")]
