"""Whose word about HTTPS and addresses is believed."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from interlock.api.transport import COOKIE_HTTPS, COOKIE_LOOPBACK, Transport

PROXIES = ("10.0.0.0/8",)


def at(peer: str, *, scheme: str = "http", host: str = "interlock.test", **headers: str) -> Transport:
    sent = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {
        "type": "http", "scheme": scheme, "path": "/", "server": (host, 80), "client": (peer, 1), "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
    }  # fmt: skip
    return Transport(Request(scope), PROXIES)


@pytest.mark.parametrize(
    ("transport", "cookie", "address"),
    [
        (at("192.0.2.1", scheme="https"), COOKIE_HTTPS, "192.0.2.1"),
        (at("192.0.2.1"), None, "192.0.2.1"),
        (at("127.0.0.1", host="localhost"), COOKIE_LOOPBACK, "127.0.0.1"),
        (at("::1", host="[::1]:8080"), COOKIE_LOOPBACK, "::1"),
        (at("127.0.0.1"), None, "127.0.0.1"),  # another name that leads here
        (at("10.0.0.1", x_forwarded_proto="https", x_forwarded_for="192.0.2.9"), COOKIE_HTTPS, "192.0.2.9"),
        (at("10.0.0.1", x_forwarded_proto="http"), None, "10.0.0.1"),
        (at("10.0.0.1", scheme="https", x_forwarded_proto="http"), None, "10.0.0.1"),
        (at("192.0.2.1", x_forwarded_proto="https", x_forwarded_for="192.0.2.9"), None, "192.0.2.1"),
        # What stands before the last address that is no proxy, the client wrote.
        (
            at("10.0.0.1", x_forwarded_proto="https", x_forwarded_for="1.1.1.1, 192.0.2.9, 10.0.0.2"),
            COOKIE_HTTPS,
            "192.0.2.9",
        ),
        (at("10.0.0.1", host="localhost", x_forwarded_proto="http", x_forwarded_for="127.0.0.1"), None, "127.0.0.1"),
        (at("testclient", host="localhost"), None, "testclient"),
    ],
)
def test_only_a_trusted_proxy_is_believed(transport: Transport, cookie: str | None, address: str) -> None:
    assert (transport.cookie, transport.address) == (cookie, address)
