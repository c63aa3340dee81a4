"""The edge of the API: what every request may cost, and what every response carries.

Plain ASGI, because it must see a body before anybody reads it, and a stream while it is sent.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, MutableMapping
from typing import Any, Final

import structlog
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from interlock.api import problems
from interlock.domain.errors import MalformedRequest, TooLarge, Unavailable
from interlock.domain.ids import correlation_from_traceparent, new_correlation_id

REQUEST_TIMEOUT_S: Final = 60.0
MULTIPART_OVERHEAD_BYTES: Final = 65_536  # boundaries and headers around one file
HEADERS_MAX: Final = 100
REQUEST_ID_BYTES_MAX: Final = 256
_ACCESS: Final = "/access/"
QUERY_BYTES_MAX: Final = 8_192
PATH_CHARS_MAX: Final = 2_048
EVENT_STREAM: Final = "text/event-stream"
_ALWAYS_ANSWERED: Final = frozenset({"/healthz", "/readyz"})
_UPLOADS: Final = "/v1/documents"
_PAGES: Final = "/console/"
_SECURITY: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}


class Limits:
    """Wraps the API: size of bodies, requests in flight, time, identifiers, security headers, and the last word on errors.

    Args:
        body_bytes_max: size of a body; document_bytes_max: size of an uploaded file.
        in_flight_max: requests that are worked on at the same time; open event streams are counted elsewhere.
        timeout_s: for a whole request, its body included; an event stream is free of it once it has begun.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        body_bytes_max: int,
        document_bytes_max: int,
        in_flight_max: int,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> None:
        self._app = app
        self._body_bytes_max = body_bytes_max
        self._document_bytes_max = document_bytes_max
        self._in_flight_max = in_flight_max
        self._timeout_s = timeout_s
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        state: MutableMapping[str, Any] = scope.setdefault("state", {})
        state["correlation_id"] = correlation_from_traceparent(headers.get(b"traceparent")) or new_correlation_id()
        exchange = _Exchange(scope, receive, send, self._bytes_max(scope["path"]))
        with structlog.contextvars.bound_contextvars(correlation_id=state["correlation_id"]):
            if refused := self._refused(scope, headers, exchange.bytes_max):
                await refused(scope, exchange.receive, exchange.send)
                return
            await self._within_limits(exchange)

    async def _within_limits(self, exchange: _Exchange) -> None:
        self._in_flight += 1
        released = False

        def release() -> None:
            nonlocal released
            if not released:
                released = True
                self._in_flight -= 1

        try:
            async with asyncio.timeout(self._timeout_s) as limit:

                def streams() -> None:
                    release()
                    limit.reschedule(None)

                exchange.on_stream = streams
                await self._app(exchange.scope, exchange.receive, exchange.send)
        except TimeoutError:
            late = Unavailable(f"The request took over {self._timeout_s:g} s.", fix="Try again later.", retry_after_s=5)
            await exchange.fail(problems.of_error(late, exchange.scope))
        except Exception as error:  # nothing of it goes out; it is logged under the correlation ID
            await exchange.fail(problems.of_unexpected(error, exchange.scope))
        finally:
            release()

    def _bytes_max(self, path: str) -> int:
        return self._document_bytes_max + MULTIPART_OVERHEAD_BYTES if path == _UPLOADS else self._body_bytes_max

    def _refused(self, scope: Scope, headers: dict[bytes, str], bytes_max: int) -> ASGIApp | None:
        """Give the answer to a request that is not let in."""
        query = scope["query_string"]
        if len(query) > QUERY_BYTES_MAX or len(scope["path"]) > PATH_CHARS_MAX or len(scope["headers"]) > HEADERS_MAX:
            return problems.of_error(MalformedRequest("The path, query or headers are over a limit."), scope)
        # The console's pages give none of it on to a database: a person gets a page, which says what is wrong.
        if not scope["path"].startswith(_PAGES) and ("\0" in scope["path"] or b"%00" in query):
            return problems.of_error(MalformedRequest("The path or query holds a NUL character."), scope)
        length = headers.get(b"content-length", "0")
        if length.isdigit() and int(length) > bytes_max:
            return problems.of_error(_too_large(bytes_max), scope)
        if self._in_flight >= self._in_flight_max and scope["path"] not in _ALWAYS_ANSWERED:
            busy = Unavailable(f"{self._in_flight} requests are being worked on.", retry_after_s=1, fix="Try again.")
            return problems.of_error(busy, scope)
        return None


class _Exchange:
    """One request and its response: counts what comes in, completes the headers of what goes out."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, bytes_max: int) -> None:
        self.scope = scope
        self.bytes_max = bytes_max
        self.on_stream: Callable[[], None] = _nothing
        self._receive = receive
        self._send = send
        self._received = 0
        self._started = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._received += len(message.get("body", b""))
        if self._received > self.bytes_max:
            # An HTTPException, because that is what passes through the framework's own reading of bodies unchanged.
            raise HTTPException(413, _too_large(self.bytes_max).detail, headers={"connection": "close"})
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._started = True
            headers = MutableHeaders(scope=message)
            correlation_id = problems.correlation_of(self.scope)
            headers["x-correlation-id"] = correlation_id
            headers["traceparent"] = f"00-{correlation_id}-{secrets.token_hex(8)}-01"
            for name, value in _SECURITY.items():
                headers.setdefault(name, value)
            if self.scope["path"].startswith(_ACCESS) and (asked_as := self._request_id()) is not None:
                headers["x-request-id"] = asked_as
            if message["status"] == 413:
                headers["connection"] = "close"  # or the rest of the body would be read to its end
            if headers.get("content-type", "").startswith(EVENT_STREAM):
                self.on_stream()
        await self._send(message)

    def _request_id(self) -> str | None:
        """Give the ID that whoever asks gave the request: AuthZEN 1.0 wants it in the answer."""
        sent = next((value for name, value in self.scope["headers"] if name == b"x-request-id"), None)
        return None if sent is None else str(sent[:REQUEST_ID_BYTES_MAX].decode("latin-1"))

    async def fail(self, answer: ASGIApp) -> None:
        """Answer with a problem, unless the response has begun: then all that is left is to break off."""
        if self._started:
            raise ConnectionAbortedError("the response had begun when it failed")
        await answer(self.scope, self.receive, self.send)


def _nothing() -> None:
    """What happens when a stream begins, until somebody minds."""


def _too_large(bytes_max: int) -> TooLarge:
    return TooLarge(f"The body is over {bytes_max} bytes.", fix="Send less; pass files as documents, one a request.")
