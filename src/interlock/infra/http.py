"""Outgoing HTTP on behalf of users, guarded against being turned on our own network (SSRF).

A name is resolved once for each connection, its addresses are judged, and the connection goes to an address that was judged:
a second look-up that answers otherwise (DNS rebinding) has nowhere to happen. TLS and the Host header keep the name. Redirects are
returned and never followed; proxies of the environment are not used; bodies are not decompressed.

`httpcore` and not `httpx` above it, because the guard is then the one door: httpcore opens every connection by the network backend
that is given to it.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import httpcore

from interlock.domain.errors import FieldError, InterlockError, InvalidInput, OutgoingRefused
from interlock.infra.addresses import Address, AllowedTarget, allow_list, literal, parse_address, why_not_global

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the addresses of a host name for a port; raises OSError where there are none."""

URL_CHARS_MAX: Final = 2_048
ADDRESSES_MAX: Final = 32
ADDRESSES_TRIED_MAX: Final = 4
CONNECTIONS_MAX: Final = 100
IDLE_CONNECTIONS_MAX: Final = 20
IDLE_S_MAX: Final = 15.0
CHECK_S_MAX: Final = 3.0
_NO_SUCH_HOST: Final = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})
_PORTS: Final = {"http": 80, "https": 443}
_OWN_HEADERS: Final = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding"})
_ALLOW_FIX: Final = "Use a public address, or have an operator put the host on the allow-list of outgoing calls."


class OutgoingFailed(InterlockError):
    """The other side did not answer, or not in HTTP. Whether it received the request is not known."""

    code, title, status, retryable, exit_code = "outgoing.failed", "The other side does not answer", 502, True, 5


class HostUnknown(OutgoingFailed):
    """The name service says that there is no such host, or what it says of it cannot be used. Nothing was sent."""

    code, title = "outgoing.host_unknown", "There is no such host"


class ResponseTooLarge(InterlockError):
    """The other side answered with a longer body than is read. It did receive the request."""

    code, title, status = "outgoing.response_too_large", "The other side's answer is over a limit", 502


@dataclass(frozen=True, kw_only=True)
class Response:
    """What came back. Header names are lower-case; a repeated header is joined with a comma."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True)
class _Target:
    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


class GuardedClient:
    """Calls URLs that users gave. One a process; it belongs to the event loop that first uses it.

    Args:
        allow: host names or CIDRs that may be called although they are not global, each with an optional `:port`.
        timeout_s: for the whole exchange, from look-up to the last byte of the body.
        response_bytes_max: longest response body that is read.
        resolver: looks names up; the system's by default.
        network: opens the connections below the guard; sockets by default.
        tls: whom to trust; the system's and certifi's authorities by default.
    """

    def __init__(
        self,
        allow: Sequence[str],
        timeout_s: float,
        response_bytes_max: int,
        resolver: Resolver | None = None,
        *,
        network: httpcore.AsyncNetworkBackend | None = None,
        tls: ssl.SSLContext | None = None,
        connections_max: int = CONNECTIONS_MAX,
    ) -> None:
        self._timeout_s = timeout_s
        self._response_bytes_max = response_bytes_max
        self._guard = _Guard(allow_list(allow), resolver or _system_resolver, network or httpcore.AnyIOBackend())
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=connections_max,
            max_keepalive_connections=min(IDLE_CONNECTIONS_MAX, connections_max),
            keepalive_expiry=IDLE_S_MAX,
            http1=True,
            http2=False,
            retries=0,
            network_backend=self._guard,
        )

    async def check(self, url: str, pointer: str) -> None:
        """Say early, when a URL is handed in, that it may not be called. Calls judge again, so nothing rests on this.

        A name service that does not answer in time is nobody's bad input, and no reason to refuse work: the URL is taken then, and judged
        when it is called.

        Args:
            pointer: where in the input the URL stands; the error names it.

        Raises:
            OutgoingRefused: the URL, or an address of its host, is refused.
            InvalidInput: there is no such host.
        """
        try:
            target = _target(url)
            async with asyncio.timeout(min(self._timeout_s, CHECK_S_MAX)):
                await self._guard.addresses(target.host, target.port)
        except OutgoingRefused as error:
            error.fields = (FieldError(pointer=pointer, detail="may not be called", kind=error.code),)
            raise
        except HostUnknown as error:
            field = FieldError(pointer=pointer, detail="its host has no address", kind=error.code)
            raise InvalidInput(error.detail, fix=error.fix, fields=[field]) from error
        except (OutgoingFailed, TimeoutError):
            return

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> Response:
        """Send a GET; see `post` for what it raises."""
        return await self._exchange("GET", url, None, headers or {})

    async def post(self, url: str, content: bytes, headers: Mapping[str, str] | None = None) -> Response:
        """Send a POST and read the whole answer, whatever its status; 3xx is an answer like any other.

        Raises:
            OutgoingRefused: the URL, or an address of its host, is refused, or a header is none. Nothing was sent.
            OutgoingFailed: no connection, no HTTP, or no end within `timeout_s`. Retryable; it may have been received.
            ResponseTooLarge: the body is over `response_bytes_max`. It was received.
        """
        return await self._exchange("POST", url, content, headers or {})

    async def aclose(self) -> None:
        """Close idle connections."""
        await self._pool.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _exchange(self, method: str, url: str, content: bytes | None, headers: Mapping[str, str]) -> Response:
        target = _target(url)
        sent = _headers(target, content, headers)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._send(method, target, sent, content)
        except TimeoutError as error:
            raise self._late(target) from error
        except (httpcore.LocalProtocolError, httpcore.UnsupportedProtocol) as error:
            raise OutgoingRefused(f"The request to {target.authority} is no HTTP: {error}.") from error
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            what = str(error) or type(error).__name__
            raise OutgoingFailed(f"{target.authority} does not answer: {what}.", fix="Try again later.") from error

    async def _send(
        self, method: str, target: _Target, headers: list[tuple[str, str]], content: bytes | None
    ) -> Response:
        # Given in parts, so that no second parser can read the URL otherwise than `_target` did.
        url = httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
        limits = dict.fromkeys(("connect", "read", "write", "pool"), self._timeout_s)
        async with self._pool.stream(
            method, url, headers=headers, content=content, extensions={"timeout": limits}
        ) as response:
            body = bytearray()
            async for chunk in response.aiter_stream():
                body += chunk
                if len(body) > self._response_bytes_max:
                    raise ResponseTooLarge(
                        f"{target.authority} answered {response.status} with over {self._response_bytes_max} bytes.",
                        fix="Answer with a short body.",
                        extra={"status": response.status},
                    )
            received: dict[str, str] = {}
            for raw_name, raw_value in response.headers:
                name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
                received[name] = f"{received[name]}, {value}" if name in received else value
            return Response(status=response.status, headers=received, body=bytes(body))

    def _late(self, target: _Target) -> OutgoingFailed:
        return OutgoingFailed(
            f"{target.authority} did not answer within {self._timeout_s:g} s.",
            fix="Answer sooner, and work afterwards.",
        )


class _Guard(httpcore.AsyncNetworkBackend):
    """Opens connections only to addresses that it has judged itself, in the same call."""

    def __init__(
        self, allow: tuple[AllowedTarget, ...], resolver: Resolver, network: httpcore.AsyncNetworkBackend
    ) -> None:
        self._allow = allow
        self._resolver = resolver
        self._network = network

    async def addresses(self, host: str, port: int) -> list[Address]:
        """Give the addresses of a host that may be called; refuses the host if one of its addresses is refused."""
        found = await self._resolve(host, port)
        for address in found:
            if any(target.covers(host, address, port) for target in self._allow):
                continue
            if what := why_not_global(address):
                raise OutgoingRefused(f"{host} leads to an address that is not public ({what}).", fix=_ALLOW_FIX)
        return found

    async def _resolve(self, host: str, port: int) -> list[Address]:
        if (address := _literal(host)) is not None:
            return [address]
        try:
            found = await self._resolver(host, port)
        except OSError as error:
            if isinstance(error, socket.gaierror) and error.errno in _NO_SUCH_HOST:
                raise HostUnknown(
                    f"The host {host} has no address: {error.strerror}.", fix="Correct the name."
                ) from error
            raise OutgoingFailed(
                f"The host {host} cannot be looked up now: {error}.", fix="Try again later."
            ) from error
        if not 0 < len(found) <= ADDRESSES_MAX:
            raise HostUnknown(f"The host {host} has {len(found)} addresses.", fix=f"1 to {ADDRESSES_MAX} are taken.")
        try:
            return [parse_address(text) for text in dict.fromkeys(found)]
        except ValueError as error:
            raise OutgoingRefused(f"{host} leads to an address that cannot be judged: {error}.") from error

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        tried = (await self.addresses(host, port))[:ADDRESSES_TRIED_MAX]
        for address in tried[:-1]:
            try:
                # A share of the time each, so that one dead address does not use up what the next would need.
                share_s = None if timeout is None else timeout / len(tried)
                return await self._network.connect_tcp(str(address), port, share_s, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._network.connect_tcp(str(tried[-1]), port, timeout, local_address, socket_options)

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        raise OutgoingRefused("Outgoing calls do not use Unix sockets.")

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)


def _target(url: str) -> _Target:
    if len(url) > URL_CHARS_MAX:
        raise OutgoingRefused(f"The URL is over {URL_CHARS_MAX} characters.", fix="Use a shorter one.")
    if any(not 0x20 < ord(c) < 0x7F or c == "\\" for c in url):
        raise OutgoingRefused(
            "The URL has white space, a backslash or characters beyond ASCII.", fix="Percent-encode them."
        )
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError as error:
        raise OutgoingRefused(f"The URL cannot be read: {error}.", fix="Write https://host/path.") from error
    if parts.scheme not in _PORTS or not host:
        raise OutgoingRefused("The URL is not http:// or https:// with a host.", fix="Write https://host/path.")
    if "@" in parts.netloc:
        raise OutgoingRefused("The URL holds credentials.", fix="Leave out what stands before the @.")
    if port == 0:
        raise OutgoingRefused("The URL names port 0.", fix="Give a port from 1 to 65535, or none.")
    _literal(host)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _Target(scheme=parts.scheme, host=host, port=port or _PORTS[parts.scheme], path=path)


def _literal(host: str) -> Address | None:
    try:
        return literal(host)
    except ValueError as error:
        raise OutgoingRefused(
            f"The URL's host cannot be judged: {error}.", fix="Use a host name, or an address in its usual spelling."
        ) from error


def _headers(target: _Target, content: bytes | None, headers: Mapping[str, str]) -> list[tuple[str, str]]:
    for name, value in headers.items():
        if name.lower() in _OWN_HEADERS:
            raise OutgoingRefused(f"The header {name} is set by the client.", fix="Leave it out.")
        if not (name + value).isascii():
            raise OutgoingRefused(f"The header {name} has characters beyond ASCII.", fix="Encode them.")
    sent = [("host", target.authority), ("accept-encoding", "identity"), *headers.items()]
    if content is not None:
        sent.append(("content-length", str(len(content))))
    return sent


async def _system_resolver(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]
