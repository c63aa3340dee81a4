"""What an identity provider publishes of itself: its endpoints (OpenID Connect Discovery 1.0) and its keys (RFC 7517), fetched by the guard, kept."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from joserfc.jwk import Key

from interlock.domain.errors import InterlockError
from interlock.governance.identity_providers import IdentityProvider
from interlock.governance.signed_tokens import TokenRefused, choose, import_keys, loads
from interlock.infra.http import GuardedClient

DOCUMENT_BYTES_MAX: Final = 262_144
KEPT_MAX: Final = 256
KEPT_S: Final = 3_600.0
LOOK_AGAIN_S: Final = 30.0  # for a key that was not there, and after a provider that did not answer
URL_CHARS_MAX: Final = 1_024
_LOOPBACK: Final = "localhost"


class ProviderFailed(InterlockError):
    """The identity provider does not answer, or not as it should. Nobody signs in by it meanwhile."""

    code, title, status, retryable, exit_code = (
        "sign_in.provider_failed", "The identity provider does not answer as it should", 502, True, 5,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """Where a provider is asked."""

    authorization: str
    token: str
    keys: str
    userinfo: str | None
    token_auth_methods: tuple[str, ...]


@dataclass
class _Kept:
    """What is known of one provider; times are of the monotonic clock."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    endpoints: Endpoints | None = None
    keys: dict[str | None, Key] = field(default_factory=dict)
    endpoints_at: float = 0.0
    keys_at: float = 0.0
    failed_at: float | None = None
    failure: InterlockError | None = None


class ProviderMetadata:
    """Keeps what providers publish, for an hour; a key that is not known is looked for at most every 30 s. One a process."""

    def __init__(self, client: GuardedClient) -> None:
        self._client = client
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()

    async def endpoints(self, provider: IdentityProvider) -> Endpoints:
        """Give a provider's endpoints. Raises ProviderFailed, OutgoingRefused, OutgoingFailed."""
        kept = self._of(provider)
        async with kept.lock:
            return await self._endpoints(provider, kept)

    async def key(self, provider: IdentityProvider, kid: str | None) -> Key:
        """Give the key that a token names. Raises TokenRefused where the provider has no such one, and as `endpoints` does."""
        kept = self._of(provider)
        async with kept.lock:
            age = time.monotonic() - kept.keys_at
            known = choose(kept.keys, kid) if kept.keys and age < KEPT_S else None
            if known is None and (not kept.keys or age >= LOOK_AGAIN_S):
                endpoints = await self._endpoints(provider, kept)
                document = await self._fetched(kept, endpoints.keys)
                try:
                    kept.keys = import_keys(document, provider.algorithm)
                except TokenRefused as error:
                    raise self._failed(kept, f"{endpoints.keys} has no set of keys.") from error
                kept.keys_at = time.monotonic()
                if not kept.keys:
                    raise self._failed(kept, f"{endpoints.keys} has no key for {provider.algorithm}.")
                known = choose(kept.keys, kid)
        if known is None:
            raise TokenRefused("key")
        return known

    async def check(self, provider: IdentityProvider) -> tuple[Endpoints, int]:
        """Look anew; gives the endpoints and how many keys fit the algorithm. Raises as `endpoints` does."""
        self._kept.pop(_name(provider), None)
        kept = self._of(provider)
        async with kept.lock:
            endpoints = await self._endpoints(provider, kept)
        try:
            await self.key(provider, "")
        except TokenRefused:
            pass  # no key is called so; that they were read is what was asked
        return endpoints, len(kept.keys)

    def _of(self, provider: IdentityProvider) -> _Kept:
        kept = self._kept.setdefault(_name(provider), _Kept())
        self._kept.move_to_end(_name(provider))
        while len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return kept

    async def _endpoints(self, provider: IdentityProvider, kept: _Kept) -> Endpoints:
        if kept.endpoints is not None and time.monotonic() - kept.endpoints_at < KEPT_S:
            return kept.endpoints
        url = provider.issuer.rstrip("/") + "/.well-known/openid-configuration"
        document = await self._fetched(kept, url)
        if document.get("issuer") != provider.issuer:
            raise self._failed(kept, f"{url} is that of another issuer than {provider.issuer}.")
        named = [document.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
        if not all(isinstance(one, str) and is_safe(one) for one in named):
            raise self._failed(kept, f"{url} names an endpoint that is missing or no HTTPS.")
        userinfo = document.get("userinfo_endpoint")
        if userinfo is not None and not (isinstance(userinfo, str) and is_safe(userinfo)):
            raise self._failed(kept, f"{url} names a userinfo endpoint that is no HTTPS.")
        methods = document.get("token_endpoint_auth_methods_supported")
        kept.endpoints = Endpoints(
            authorization=str(named[0]),
            token=str(named[1]),
            keys=str(named[2]),
            userinfo=userinfo,
            token_auth_methods=tuple(m for m in methods if isinstance(m, str)) if isinstance(methods, list) else (),
        )
        kept.endpoints_at = time.monotonic()
        return kept.endpoints

    async def _fetched(self, kept: _Kept, url: str) -> Mapping[str, Any]:
        """Fetch a JSON object; a failure is answered with for a while, so that a flood of tokens is none of calls."""
        if kept.failure is not None and time.monotonic() - (kept.failed_at or 0.0) < LOOK_AGAIN_S:
            raise kept.failure.with_traceback(None)
        try:
            answer = await self._client.get(url, {"accept": "application/json"})
        except InterlockError as error:
            kept.failure, kept.failed_at = error, time.monotonic()
            raise
        if answer.status != 200 or len(answer.body) > DOCUMENT_BYTES_MAX:
            raise self._failed(kept, f"{url} answers {answer.status} with {len(answer.body)} bytes.")
        try:
            found = loads(answer.body)
        except ValueError as error:
            raise self._failed(kept, f"{url} does not answer with a JSON object.") from error
        kept.failure = None
        return found

    def _failed(self, kept: _Kept, detail: str) -> ProviderFailed:
        failure = ProviderFailed(
            detail, fix="Ask an owner to look: `interlock provider test`.", retry_after_s=LOOK_AGAIN_S
        )
        kept.failure, kept.failed_at = failure, time.monotonic()
        return failure


def is_safe(url: str) -> bool:
    """Tell whether a URL is HTTPS, or HTTP to this machine, without credentials, query of its own kind or fragment."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if len(url) > URL_CHARS_MAX or "@" in parts.netloc or parts.fragment or not host or not url.isascii():
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))


def is_issuer(url: str) -> bool:
    """Tell whether a URL may be an issuer's: as `is_safe`, and without a query (OpenID Connect Discovery 1.0, 3)."""
    return is_safe(url) and not urlsplit(url).query


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == _LOOPBACK


def _name(provider: IdentityProvider) -> tuple[str, str]:
    return provider.issuer, provider.algorithm
