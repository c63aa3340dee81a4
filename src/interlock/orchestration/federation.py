"""Signing in by an identity provider: the authorization code flow with PKCE (RFC 6749, RFC 7636, OpenID Connect Core 1.0), and programs' tokens.

What a sign-in must remember between its two requests (state, nonce, verifier, where to go) lies sealed in a cookie of the browser that began
it, so a code or a state of another browser is worth nothing. A state is taken once. No token is kept.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.client import OAuth2Client
from cryptography.exceptions import InvalidTag

from interlock.domain import canonical
from interlock.domain.errors import InterlockError, InvalidInput, NotFound, Unauthenticated
from interlock.governance import signed_tokens
from interlock.governance.identity import FIRST_TENANT, Principal
from interlock.governance.identity_providers import IdentityProvider, IdentityProviders, granted
from interlock.governance.provider_metadata import Endpoints, ProviderMetadata
from interlock.governance.signed_tokens import TokenRefused
from interlock.infra.clock import Clock
from interlock.infra.database import Database
from interlock.infra.http import GuardedClient
from interlock.infra.sealing import Sealing
from interlock.orchestration.federated_accounts import FederatedAccounts, NotLetIn
from interlock.orchestration.refusals import Refusals
from interlock.orchestration.sessions import Sessions, Started
from interlock.orchestration.sign_in_tries import TooManyTries, Tries

SIGN_IN_S: Final = 600
RETURN_CHARS_MAX: Final = 512
ANSWER_BYTES_MAX: Final = 65_536
_BEARER: Final = re.compile(r"[A-Za-z0-9._~+/-]{1,8192}=*\Z")
_LOCAL: Final = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*\Z")


class SignInRefused(Unauthenticated):
    """A sign-in by an identity provider that leads nowhere. Who it was about is not said."""

    code, title = "sign_in.refused", "You are not signed in"


@dataclass(frozen=True, kw_only=True)
class Begun:
    """Where the browser goes, and the cookie that it brings back."""

    url: str
    cookie: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the provider sends the browser back with; tenant and provider are those of the address that it is sent to."""

    tenant: str
    provider: str
    state: str | None
    code: str | None
    error: str | None
    issuer: str | None


@dataclass(frozen=True, kw_only=True)
class _UnderWay:
    """A sign-in between its two requests."""

    tenant: str
    provider: str
    state: str
    nonce: str
    verifier: str
    return_to: str
    redirect_uri: str
    until: float


class Federation:
    """Signs people in, and finds whom a program's token stands for."""

    def __init__(
        self,
        *,
        database: Database,
        providers: IdentityProviders,
        metadata: ProviderMetadata,
        accounts: FederatedAccounts,
        sessions: Sessions,
        tries: Tries,
        refused: Refusals,
        outgoing: GuardedClient,
        clock: Clock,
        key: bytes,
    ) -> None:
        self.metadata = metadata
        self._database = database
        self._providers = providers
        self._accounts = accounts
        self._sessions = sessions
        self._tries = tries
        self._refused = refused
        self._outgoing = outgoing
        self._clock = clock
        self._sealing = Sealing(key)

    async def begin(self, tenant: str, name: str, *, return_to: str, redirect_uri: str) -> Begun:
        """Begin a sign-in; nothing is written. Raises NotFound, InvalidInput for a return path, ProviderFailed, OutgoingRefused."""
        if len(return_to) > RETURN_CHARS_MAX or not _LOCAL.match(return_to):
            raise InvalidInput("The return path leads elsewhere.", fix="Give a path of this installation, such as /.")
        async with self._database.tenant(tenant) as conn:
            provider = await self._providers.get(conn, name)
        endpoints = await self.metadata.endpoints(provider)
        under_way = _UnderWay(
            tenant=tenant,
            provider=name,
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            return_to=return_to,
            redirect_uri=redirect_uri,
            until=self._clock.now().timestamp() + SIGN_IN_S,
        )
        client = _CodeExchange(self._outgoing, provider, None, endpoints, redirect_uri)
        url, _ = client.create_authorization_url(
            endpoints.authorization, state=under_way.state, code_verifier=under_way.verifier, nonce=under_way.nonce
        )
        return Begun(url=url, cookie=self._sealed(under_way))

    async def finish(self, cookie: str | None, answer: Answer, *, address: str) -> tuple[Started, str]:
        """Finish a sign-in: give the session that began, and the path to go on at.

        Raises:
            SignInRefused: on record with why. TooManyTries. ProviderFailed, OutgoingFailed, OutgoingRefused: nobody is signed in; retryable.
        """
        under_way = self._opened(cookie)
        tenant = under_way.tenant if under_way else FIRST_TENANT
        try:
            await self._tries.count_address(tenant, address=address)
        except TooManyTries as error:
            if error.first:
                await self._sessions.refused(tenant, method="oidc", account=None, why="too many tries")
            raise
        try:
            if under_way is None:
                raise NotLetIn(
                    "no cookie", "Begin again, in one browser, within ten minutes, at the installation's own address."
                )
            started = await self._finish(under_way, answer)
        except NotLetIn as error:
            await self._sessions.refused(tenant, method="oidc", account=error.account, why=error.why)
            raise SignInRefused(f"The sign-in is refused: {error.why}.", fix=error.fix) from error
        except TokenRefused as error:
            await self._sessions.refused(tenant, method="oidc", account=None, why=f"token: {error.why}")
            raise SignInRefused(
                f"The identity provider's ID token is not believed: {error.why}.", fix="Begin again; else ask an owner."
            ) from error
        except InterlockError as error:
            await self._sessions.refused(tenant, method="oidc", account=None, why=error.code)
            raise
        return started, under_way.return_to

    async def _finish(self, under_way: _UnderWay, answer: Answer) -> Started:
        tenant, again = under_way.tenant, "Begin again."
        if (answer.tenant, answer.provider) != (tenant, under_way.provider):
            raise NotLetIn("another provider", again)
        if answer.state is None or not hmac.compare_digest(answer.state.encode(), under_way.state.encode()):
            raise NotLetIn("state", again)
        if not await self._tries.only_once(tenant, under_way.state):
            raise NotLetIn("state was used", again)
        if answer.error is not None or answer.code is None:
            raise NotLetIn("the provider said no", "Begin again, or ask whoever runs the identity provider.")
        try:
            async with self._database.tenant(tenant) as conn:
                provider = await self._providers.get(conn, under_way.provider)
                secret = await self._providers.secret(conn, tenant, under_way.provider)
        except NotFound as error:
            raise NotLetIn("no such provider", "It was removed; ask an owner.") from error
        if answer.issuer is not None and answer.issuer != provider.issuer:  # RFC 9207
            raise NotLetIn("issuer", again)
        claims = await self._exchanged(provider, secret, under_way, answer.code)
        grant = granted(provider, claims)
        if grant is None:
            async with self._database.tenant(tenant) as conn:
                account = await self._accounts.turn_away(conn, tenant, provider, claims["sub"])
            fix = (
                "Have somebody put you into a group that may use this; an owner sees them by `interlock provider show`."
            )
            raise NotLetIn("no group", fix, account=account)
        async with self._database.tenant(tenant) as conn:
            if not await self._providers.still_as(conn, provider):
                raise NotLetIn("the provider was changed", again)
            admitted = await self._accounts.admit(conn, tenant, provider, claims, grant, kind="user")
            return await self._sessions.begin(conn, tenant, admitted.id, method="oidc")

    async def _exchanged(
        self, provider: IdentityProvider, secret: str | None, under_way: _UnderWay, code: str
    ) -> Mapping[str, Any]:
        """Exchange a code for an ID token; gives its claims, all of them checked."""
        endpoints = await self.metadata.endpoints(provider)
        client = _CodeExchange(self._outgoing, provider, secret, endpoints, under_way.redirect_uri)
        try:
            given = await client.fetch_token(
                endpoints.token, grant_type="authorization_code", code=code, code_verifier=under_way.verifier
            )
        except OAuth2Error as error:
            raise NotLetIn("code", "Begin again.") from error
        if not isinstance(given.get("id_token"), str):
            raise TokenRefused("missing")
        token = signed_tokens.split(given["id_token"])
        access_token = given.get("access_token")
        signed_tokens.verify(token, await self.metadata.key(provider, token.kid), provider.algorithm)
        claims = signed_tokens.check_id_token(
            token,
            issuer=provider.issuer,
            client_id=provider.client_id,
            nonce=under_way.nonce,
            access_token=access_token if isinstance(access_token, str) else None,
            algorithm=provider.algorithm,
            now=self._clock.now(),
        )
        if provider.groups_claim in claims or endpoints.userinfo is None:
            return claims
        groups = await self._groups(provider, endpoints.userinfo, access_token, claims["sub"])
        return claims if groups is None else {**claims, provider.groups_claim: groups}

    async def _groups(self, provider: IdentityProvider, url: str, access_token: object, subject: str) -> Any:
        """Give the groups that the provider's userinfo says of a subject (OpenID Connect Core 1.0, 5.3); None where it names none.

        Nothing else is taken from it: who somebody is stands in the ID token, which is signed.

        Raises:
            NotLetIn: it does not answer with 200 and a JSON object about this subject. OutgoingFailed, OutgoingRefused.
        """
        if not isinstance(access_token, str) or not _BEARER.match(access_token):
            raise NotLetIn("userinfo: no access token", "Begin again; else ask an owner.")
        sent = {"authorization": f"Bearer {access_token}", "accept": "application/json"}
        answer = await self._outgoing.get(url, sent)
        try:
            if answer.status != 200 or len(answer.body) > ANSWER_BYTES_MAX:
                raise ValueError("no answer")
            said = signed_tokens.loads(answer.body)
        except ValueError as error:
            fix = "Begin again; else have the provider put the groups into the ID token."
            raise NotLetIn("userinfo: no answer", fix) from error
        if said.get("sub") != subject:  # 5.3.2: an answer about somebody else may not be used
            raise NotLetIn("userinfo: subject", "Begin again; else ask an owner.")
        return said.get(provider.groups_claim)

    async def by_token(self, tenant: str, text: str) -> Principal:
        """Give the principal of a program's token: a JWT of one of the tenant's providers, for the audience that is set for it.

        Raises:
            Unauthenticated: it is not believed, or gives no role; on record with why. ProviderFailed, OutgoingFailed: the keys cannot be had.
        """
        where = about = None
        try:
            token = signed_tokens.split(text)
            issuer = token.claims.get("iss")
            async with self._database.tenant(tenant) as conn:
                asked = issuer if isinstance(issuer, str) and issuer.isprintable() else ""
                provider = await self._providers.of_issuer(conn, asked)
            if provider is None or provider.audience is None:
                raise TokenRefused("issuer")
            where, about = tenant, provider.name
            if token.algorithm != provider.algorithm:
                raise TokenRefused("algorithm")
            signed_tokens.verify(token, await self.metadata.key(provider, token.kid), provider.algorithm)
            claims = signed_tokens.check_access_token(
                token, issuer=provider.issuer, audience=provider.audience, now=self._clock.now()
            )
            if (grant := granted(provider, claims)) is None:
                raise NotLetIn("no group", "")
            async with self._database.tenant(tenant) as conn:
                account = await self._accounts.known(conn, provider, claims["sub"])
                if account is None or account.disabled_at is not None:
                    account = await self._accounts.admit(conn, tenant, provider, claims, grant, kind="service")
        except (TokenRefused, NotLetIn) as error:
            await self._refused(where, "token.refused", about, error.why)
            raise Unauthenticated(
                f"The token is not believed: {error.why}.",
                fix="Send an access token that an identity provider of the tenant signed for this API; name the tenant in X-Interlock-Tenant.",
            ) from error
        return Principal(
            tenant=tenant,
            id=account.id,
            roles=grant.roles,
            key_id=account.ref,
            approval_limit=grant.approval_limit,
        )

    def _sealed(self, under_way: _UnderWay) -> str:
        data = canonical.dumps({**under_way.__dict__, "until": int(under_way.until)})
        return base64.urlsafe_b64encode(self._sealing.seal(data, "sign-in")).decode()

    def _opened(self, cookie: str | None) -> _UnderWay | None:
        """Give the sign-in of a cookie; None where it is none of ours, or over."""
        try:
            data = self._sealing.open(base64.urlsafe_b64decode(cookie or ""), "sign-in")
            under_way = _UnderWay(**canonical.loads(data))
        except (binascii.Error, InvalidTag, ValueError, TypeError):  # TypeError: another version of ours sealed it
            return None
        return under_way if self._clock.now().timestamp() < under_way.until else None


class _CodeExchange(OAuth2Client):
    """Authlib's client of OAuth 2.0, whose requests go through the guard."""

    def __init__(
        self,
        outgoing: GuardedClient,
        provider: IdentityProvider,
        secret: str | None,
        endpoints: Endpoints,
        redirect_uri: str,
    ) -> None:
        methods = endpoints.token_auth_methods
        post = "client_secret_post" in methods and "client_secret_basic" not in methods
        super().__init__(
            outgoing,
            client_id=provider.client_id,
            client_secret=secret,
            token_endpoint_auth_method="none" if secret is None else "client_secret_post" if post else None,
            scope=" ".join(("openid", *provider.scopes)),
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
        )
        self._outgoing = outgoing

    async def _fetch_token(self, url: str, body: str, headers: dict[str, str], auth: Any, **_: Any) -> Any:
        # A copy: Authlib writes the client's secret into the headers that it is given, and those are one for all.
        url, sent, body = auth.prepare("POST", url, dict(headers), body)
        answer = await self._outgoing.post(url, body.encode(), sent)
        if len(answer.body) > ANSWER_BYTES_MAX:
            raise TokenRefused("too long")
        try:
            given = signed_tokens.loads(answer.body)
        except ValueError as error:
            raise OAuth2Error(f"answered {answer.status} without a JSON object") from error
        if answer.status != 200 or "error" in given:
            raise OAuth2Error(f"answered {answer.status}")
        return given
