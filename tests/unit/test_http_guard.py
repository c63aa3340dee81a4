"""The guarded client over a network that only remembers: what is connected to, and what never is."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import httpcore
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.domain.errors import InvalidInput, OutgoingRefused
from interlock.infra.addresses import why_not_global
from interlock.infra.http import URL_CHARS_MAX, GuardedClient, OutgoingFailed, ResponseTooLarge

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: 1\r\nX-A: 2\r\n\r\nok"
PUBLIC = "93.184.216.34"


class Stream(httpcore.AsyncMockStream):
    """Answers with fixed bytes; notes what was written and which name TLS was asked for."""

    def __init__(self, network: Network) -> None:
        super().__init__(list(network.answer))
        self._network = network

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._network.hangs:
            await asyncio.Event().wait()
        return await super().read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._network.written += buffer

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        self._network.tls_names.append(server_hostname)
        return self


class Network(httpcore.AsyncNetworkBackend):
    """Connects to nothing and remembers what it was asked to connect to."""

    def __init__(self, answer: Sequence[bytes] = (OK,), dead: Sequence[str] = (), hangs: bool = False) -> None:
        self.answer, self.dead, self.hangs = answer, dead, hangs
        self.connected: list[tuple[str, int]] = []
        self.tls_names: list[str | None] = []
        self.written = b""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.connected.append((host, port))
        if host in self.dead:
            raise httpcore.ConnectError("refused")
        return Stream(self)


class Names:
    """A resolver that gives its answers in turn, the last one for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@asynccontextmanager
async def client(
    names: Names, network: Network, allow: Sequence[str] = (), timeout_s: float = 5.0
) -> AsyncIterator[GuardedClient]:
    async with GuardedClient(allow, timeout_s, 1_000, names, network=network) as guarded:
        yield guarded


async def test_connects_to_the_address_and_keeps_the_name() -> None:
    names, network = Names([PUBLIC]), Network()
    async with client(names, network) as guarded:
        response = await guarded.post("https://Hooks.Example/a?b=c#d", b"{}", {"webhook-id": "m"})
    assert (response.status, response.body, response.headers["x-a"]) == (200, b"ok", "1, 2")
    assert names.asked == [("hooks.example", 443)]
    assert network.connected == [(PUBLIC, 443)]
    assert network.tls_names == ["hooks.example"]
    head, _, body = network.written.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /a?b=c HTTP/1.1"
    assert lines.count(b"host: hooks.example") == 1
    assert {b"webhook-id: m", b"content-length: 2", b"accept-encoding: identity"} <= set(lines)
    assert body == b"{}"


async def test_rebinding_between_check_and_call_does_not_help() -> None:
    names, network = Names([PUBLIC], ["127.0.0.1"]), Network()
    async with client(names, network) as guarded:
        await guarded.check("https://rebind.example/", "/url")
        with pytest.raises(OutgoingRefused, match="loopback"):
            await guarded.post("https://rebind.example/", b"")
    assert network.connected == []


async def test_a_second_look_up_has_no_place_in_a_call() -> None:
    names, network = Names([PUBLIC], ["127.0.0.1"]), Network()
    async with client(names, network) as guarded:
        await guarded.get("http://rebind.example/")
    assert len(names.asked) == 1
    assert network.connected == [(PUBLIC, 80)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.ip_addresses(), min_size=1, max_size=4))
def test_only_judged_addresses_are_connected_to(found: list[IPv4Address | IPv6Address]) -> None:
    async def call() -> None:
        network = Network()
        async with client(Names([str(a) for a in found]), network) as guarded:
            if all(why_not_global(a) is None for a in found):
                assert (await guarded.get("http://any.example/")).status == 200
                assert network.connected == [(str(found[0]), 80)]
            else:
                with pytest.raises(OutgoingRefused, match="not public"):
                    await guarded.get("http://any.example/")
                assert network.connected == []

    asyncio.run(call())


@settings(max_examples=60, deadline=None)
@given(st.ip_addresses(), st.sampled_from(["http", "https"]), st.integers(1, 65_535))
def test_literal_addresses_are_judged_without_a_look_up(
    address: IPv4Address | IPv6Address, scheme: str, port: int
) -> None:
    async def call() -> None:
        names, network = Names([PUBLIC]), Network()
        host = f"[{address}]" if address.version == 6 else str(address)
        async with client(names, network) as guarded:
            if why_not_global(address) is None:
                await guarded.get(f"{scheme}://{host}:{port}/")
                assert network.connected == [(str(address), port)]
            else:
                with pytest.raises(OutgoingRefused, match="not public"):
                    await guarded.get(f"{scheme}://{host}:{port}/")
                assert network.connected == []
        assert names.asked == []

    asyncio.run(call())


@pytest.mark.parametrize(
    "inner", ["::ffff:169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:7f00:1::", "fe80::1", "fd00::1"]
)
async def test_a_name_that_leads_into_a_tunnel(inner: str) -> None:
    network = Network()
    async with client(Names([PUBLIC, inner]), network) as guarded:
        with pytest.raises(OutgoingRefused, match="not public"):
            await guarded.check("https://tunnel.example/", "/url")
        with pytest.raises(OutgoingRefused, match="not public"):
            await guarded.get("https://tunnel.example/")
    assert network.connected == []


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "//example.com/",
        "example.com",
        "http://",
        "http:///path",
        "http://user@example.com/",
        "http://user:secret@example.com/",
        "http://@example.com/",
        "http://example.com@127.0.0.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://017700000001/",
        "http://127.1/",
        "http://0177.0.0.1/",
        "http://[::1%25lo]/",
        "http://[::1/",
        "http://example.com:0/",
        "http://example.com:99999/",
        "http://example.com:http/",
        "http://example.com\\@127.0.0.1/",
        "http://exam\tple.com/",
        "http://example.com/a b",
        "http://example.com/\r\nx: y",
        "http://exämple.com/",
        "http://１２７.0.0.1/",
        "http://127.0.0.1%2f@example.com/",
        "http://exa%6dple.com/",
        "",
        "http://example.com/" + "x" * URL_CHARS_MAX,
    ],
)
async def test_urls_that_are_refused_unseen(url: str) -> None:
    names, network = Names([PUBLIC]), Network()
    async with client(names, network, allow=["127.0.0.0/8"]) as guarded:
        with pytest.raises(OutgoingRefused):
            await guarded.check(url, "/url")
        with pytest.raises(OutgoingRefused):
            await guarded.get(url)
    assert (names.asked, network.connected) == ([], [])


async def test_an_allowed_target_may_be_private_but_only_it() -> None:
    names, network = Names(["10.1.2.3"]), Network()
    async with client(names, network, allow=["hooks.internal:8080"]) as guarded:
        assert (await guarded.get("http://hooks.internal:8080/")).status == 200
        for url in ("http://hooks.internal/", "http://other.internal:8080/", "http://10.1.2.3:8080/"):
            with pytest.raises(OutgoingRefused):
                await guarded.get(url)
    assert network.connected == [("10.1.2.3", 8080)]


async def test_a_redirect_is_an_answer_and_not_followed() -> None:
    network = Network([b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n"])
    async with client(Names([PUBLIC]), network) as guarded:
        response = await guarded.post("http://example.com/", b"")
    assert (response.status, response.headers["location"]) == (302, "http://127.0.0.1/")
    assert len(network.connected) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1001,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1001,
    ],
)
async def test_a_long_body_is_not_read(answer: bytes) -> None:
    async with client(Names([PUBLIC]), Network([answer])) as guarded:
        with pytest.raises(ResponseTooLarge) as caught:
            await guarded.get("http://example.com/")
    assert caught.value.extra == {"status": 200}
    assert not caught.value.retryable


async def test_a_body_of_just_the_limit_is_read() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000
    async with client(Names([PUBLIC]), Network([answer])) as guarded:
        assert len((await guarded.get("http://example.com/")).body) == 1000


async def test_the_next_address_is_tried() -> None:
    network = Network(dead=["93.184.216.34"])
    async with client(Names([PUBLIC, "93.184.216.35"]), network) as guarded:
        assert (await guarded.get("http://example.com/")).status == 200
    assert [host for host, _ in network.connected] == [PUBLIC, "93.184.216.35"]


async def test_no_answer_is_retryable() -> None:
    async with client(Names([PUBLIC]), Network(dead=[PUBLIC])) as guarded:
        with pytest.raises(OutgoingFailed) as caught:
            await guarded.get("http://example.com/")
    assert caught.value.retryable


async def test_the_time_is_limited_in_all() -> None:
    async with client(Names([PUBLIC]), Network(hangs=True), timeout_s=0.05) as guarded:
        with pytest.raises(OutgoingFailed, match=r"did not answer within 0\.05 s"):
            await guarded.get("http://example.com/")


async def test_a_slow_look_up_counts_too() -> None:
    async def never(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    async with GuardedClient([], 0.05, 10, never, network=Network()) as guarded:
        with pytest.raises(OutgoingFailed, match="did not answer within"):
            await guarded.get("http://example.com/")
        await guarded.check("http://example.com/", "/url")  # nobody's bad input: it is judged when it is called


async def test_a_name_that_the_name_service_does_not_know_is_bad_input_when_it_is_handed_in() -> None:
    async def unknown(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async with GuardedClient([], 5, 10, unknown, network=Network()) as guarded:
        with pytest.raises(OutgoingFailed, match="no address"):
            await guarded.get("http://example.com/")
        with pytest.raises(InvalidInput, match="no address") as refused:
            await guarded.check("http://example.com/", "/callback_url")
    assert [field.pointer for field in refused.value.fields] == ["/callback_url"]


@pytest.mark.parametrize("error", [socket.gaierror(socket.EAI_AGAIN, "try again"), OSError("no file descriptors")])
async def test_a_name_service_that_does_not_answer_keeps_nothing_from_being_handed_in(error: OSError) -> None:
    async def silent(host: str, port: int) -> Sequence[str]:
        raise error

    async with GuardedClient([], 5, 10, silent, network=Network()) as guarded:
        with pytest.raises(OutgoingFailed, match="cannot be looked up now"):
            await guarded.get("http://example.com/")
        await guarded.check("http://example.com/", "/callback_url")


@pytest.mark.parametrize("found", [[], ["fe80::1%2"], ["not an address"], [f"93.184.216.{n}" for n in range(33)]])
async def test_what_a_resolver_should_not_say(found: list[str]) -> None:
    network = Network()
    async with client(Names(found), network) as guarded:
        with pytest.raises((OutgoingRefused, OutgoingFailed)):
            await guarded.get("http://example.com/")
    assert network.connected == []


@pytest.mark.parametrize("headers", [{"Host": "127.0.0.1"}, {"Content-Length": "0"}, {"x": "a\r\nb: c"}, {"x": "ü"}])
async def test_headers_that_would_change_the_request(headers: dict[str, str]) -> None:
    network = Network()
    async with client(Names([PUBLIC]), network) as guarded:
        with pytest.raises(OutgoingRefused):
            await guarded.post("http://example.com/", b"x", headers)
    assert network.written == b""


async def test_an_answer_that_is_no_http() -> None:
    async with client(Names([PUBLIC]), Network([b"SSH-2.0-OpenSSH\r\n\r\n"])) as guarded:
        with pytest.raises(OutgoingFailed):
            await guarded.get("http://example.com/")


def test_ip_address_of_the_tests_is_public() -> None:
    assert why_not_global(ip_address(PUBLIC)) is None
