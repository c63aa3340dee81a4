"""Signing in by an identity provider: to the provider, and back. Opened by browsers as pages, so both are GET and carry no key."""

from __future__ import annotations

import html
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from interlock.api.auth import AppDep, transport_of
from interlock.api.problems import responses
from interlock.app import App
from interlock.domain.errors import Conflict
from interlock.orchestration.federation import RETURN_CHARS_MAX, SIGN_IN_S, Answer

# What a provider sends beside these parameters is left out of account (RFC 6749, 4.1.2).
# An address of its own for each provider, or a provider that lies could have another one's code sent to it (RFC 9700, 4.4).
router = APIRouter(prefix="/v1/sign-in/oidc/{tenant}/{name}", tags=["sessions"])
Tenant = Annotated[str, Path(pattern=r"^[a-z][a-z0-9-]{0,62}$", description="The tenant to sign in to.")]
ProviderName = Annotated[
    str, Path(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=32, description="The tenant's identity provider.")
]
ReturnTo = Annotated[str, Query(max_length=RETURN_CHARS_MAX, description="The path to go on at, of this installation.")]
Sent = Annotated[str | None, Query(max_length=2_048)]
# A page of this site leads on, and not a redirect: the browser would count that as the provider's, and keep the session's cookie back.
_PAGE: Final = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Signed in</title>
<meta http-equiv="refresh" content="0; url={path}"></head><body><p>You are signed in. <a href="{path}">Go on</a></p></body></html>"""
_POLICY: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


@router.get(
    "", operation_id="begin_sign_in", status_code=303, response_class=RedirectResponse, responses=responses(404, 409, 502),
    summary="Sign in by an identity provider",
)  # fmt: skip
async def begin(
    app: AppDep, request: Request, tenant: Tenant, name: ProviderName, return_to: ReturnTo = "/"
) -> RedirectResponse:
    """Lead the browser to the provider, with a cookie that it must bring back within ten minutes."""
    transport = transport_of(request)
    transport.require_safe()
    back = f"{_origin(app, request)}/v1/sign-in/oidc/{tenant}/{name}/callback"
    begun = await app.access.federation.begin(tenant, name, return_to=return_to, redirect_uri=back)
    response = RedirectResponse(begun.url, status_code=303)
    transport.set_sign_in_cookie(response, begun.cookie, max_age_s=SIGN_IN_S)
    return response


@router.get(
    "/callback", operation_id="finish_sign_in", response_class=HTMLResponse, responses=responses(404, 429, 502),
    summary="Come back from an identity provider",
)  # fmt: skip
async def finish(
    app: AppDep,
    request: Request,
    tenant: Tenant,
    name: ProviderName,
    state: Sent = None,
    code: Sent = None,
    error: Sent = None,
    iss: Sent = None,
) -> HTMLResponse:
    """Exchange the provider's code, begin a session, and lead on to where the sign-in was asked for."""
    transport = transport_of(request)
    transport.require_safe()
    answer = Answer(tenant=tenant, provider=name, state=state, code=code, error=error, issuer=iss)
    cookie = request.cookies.get(transport.sign_in_cookie or "")
    started, path = await app.access.federation.finish(cookie, answer, address=transport.address)
    response = HTMLResponse(_PAGE.format(path=html.escape(path, quote=True)))
    response.headers["content-security-policy"] = _POLICY
    transport.set_cookie(response, started.token, max_age_s=int(app.settings.session_s))
    transport.set_sign_in_cookie(response, "", max_age_s=0)
    return response


def _origin(app: App, request: Request) -> str:
    """Give where the provider sends the browser back to: what is set, and on this machine what the browser asked."""
    if app.settings.public_url is not None:
        return app.settings.public_url
    if transport_of(request).loopback:
        return f"{request.url.scheme}://{request.url.netloc}"
    raise Conflict(
        "It is not set where browsers reach this installation.", fix="Have an operator set INTERLOCK_PUBLIC_URL."
    )
