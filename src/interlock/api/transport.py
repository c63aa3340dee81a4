"""How a browser's connection stands: whether signing in is safe on it, which cookie it has, and from which address it comes."""

from __future__ import annotations

import ipaddress
from typing import Final, Literal

from fastapi import Request, Response

from interlock.domain.errors import InterlockError

COOKIE_HTTPS: Final = "__Host-interlock"
COOKIE_LOOPBACK: Final = "interlock"
SIGN_IN: Final = "-sign-in"  # what the name of the other cookie ends with
CSRF_HEADER: Final = "x-csrf-token"
_LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class InsecureTransport(InterlockError):
    """Signing in over plain HTTP, from another machine: password and cookie could be read on the way."""

    code, title, status, exit_code = "auth.insecure_transport", "Signing in needs HTTPS", 403, 4


class CsrfRefused(InterlockError):
    """A change that came with a session's cookie and without its `X-CSRF-Token`: another site may have caused it."""

    code, title, status, exit_code = "auth.csrf", "The request's X-CSRF-Token is not the session's", 403, 4


class Transport:
    """One connection. X-Forwarded-… is believed from trusted proxies and from nobody else."""

    def __init__(self, request: Request, proxies: tuple[str, ...]) -> None:
        peer = request.client.host if request.client else ""
        trusted = _within(peer, proxies)
        scheme = request.url.scheme
        self.address = peer
        if trusted:
            scheme = request.headers.get("x-forwarded-proto", scheme).rpartition(",")[2].strip().lower()
            hops = [hop.strip() for hop in request.headers.get("x-forwarded-for", "").split(",") if hop.strip()]
            # From the right: the last one that no trusted proxy is; what stands before it, anybody may have written.
            self.address = next((hop for hop in reversed(hops) if not _within(hop, proxies)), peer)
        self.https = scheme == "https"
        # The name too, or another site's name that leads to this machine would do (DNS rebinding), and a proxy here that says nothing.
        self.loopback = not trusted and _is_loopback(peer) and (request.url.hostname or "") in _LOOPBACK_NAMES

    @property
    def cookie(self) -> str | None:
        """The session cookie's name here; None where none is given or taken."""
        return COOKIE_HTTPS if self.https else COOKIE_LOOPBACK if self.loopback else None

    def require_safe(self) -> None:
        """Raise InsecureTransport where a password or a cookie could be read on the way."""
        if self.cookie is None:
            raise InsecureTransport(
                "Nobody signs in over plain HTTP from another machine.",
                fix="Use https://; behind a proxy that ends TLS, name it in INTERLOCK_TRUSTED_PROXIES.",
            )

    @property
    def sign_in_cookie(self) -> str | None:
        """The name of the cookie of a sign-in that is under way; None where none is given or taken."""
        return None if self.cookie is None else self.cookie + SIGN_IN

    def set_cookie(self, response: Response, value: str, *, max_age_s: int) -> None:
        """Give the session's cookie: scripts cannot read it, no other site's page makes the browser send it; an age of 0 takes it away."""
        self._set(response, self.cookie, value, max_age_s, "strict")

    def set_sign_in_cookie(self, response: Response, value: str, *, max_age_s: int) -> None:
        """Give the cookie of a sign-in under way, which must come along when the provider's page leads back here: Lax, not Strict."""
        self._set(response, self.sign_in_cookie, value, max_age_s, "lax")

    def _set(
        self, response: Response, name: str | None, value: str, max_age_s: int, same_site: Literal["strict", "lax"]
    ) -> None:
        assert name is not None
        response.set_cookie(
            name, value, max_age=max_age_s, path="/", secure=self.https, httponly=True, samesite=same_site
        )


def _within(address: str, networks: tuple[str, ...]) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(found in ipaddress.ip_network(network) for network in networks)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
