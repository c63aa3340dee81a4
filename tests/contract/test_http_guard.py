"""The guarded client over real sockets: refused by default, served when allow-listed, certificates checked by name."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from interlock.domain.errors import OutgoingRefused
from interlock.infra.http import GuardedClient, OutgoingFailed


class Server:
    """Answers each request with itself, or begins an answer that never ends; counts connections."""

    def __init__(self, *, ends: bool = True) -> None:
        self.connections = 0
        self.handlers: set[asyncio.Task[None] | None] = set()
        self._ends = ends

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.handlers.add(asyncio.current_task())
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if not self._ends:
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
                    await reader.read()
                    return
                lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                body = await reader.readexactly(int(lengths[0].split(b":")[1])) if lengths else b""
                echoed = head + body
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(echoed), echoed))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()


@asynccontextmanager
async def server(tls: ssl.SSLContext | None = None, *, ends: bool = True) -> AsyncIterator[tuple[Server, int]]:
    answering = Server(ends=ends)
    listening = await asyncio.start_server(answering.serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield answering, listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        async with asyncio.timeout(10):
            await asyncio.gather(*(handler for handler in answering.handlers if handler))


async def test_loopback_is_refused_unless_allow_listed() -> None:
    async with server() as (answering, port):
        async with GuardedClient([], 5, 10_000) as guarded:
            for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
                with pytest.raises(OutgoingRefused, match="loopback"):
                    await guarded.post(f"http://{host}:{port}/", b"x")
        assert answering.connections == 0
        async with GuardedClient([f"127.0.0.1:{port}"], 5, 10_000) as guarded:
            await guarded.check(f"http://127.0.0.1:{port}/hook", "/url")
            response = await guarded.post(f"http://127.0.0.1:{port}/hook", b"hello", {"webhook-id": "m"})
            again = await guarded.get(f"http://127.0.0.1:{port}/again")
        assert response.status == 200
        assert response.body.startswith(b"POST /hook HTTP/1.1\r\n")
        assert response.body.endswith(b"hello")
        assert again.body.startswith(b"GET /again HTTP/1.1\r\n")
        assert answering.connections == 1, "a connection is used again"


async def test_a_port_where_nobody_listens() -> None:
    async with server() as (_, port):
        pass
    async with GuardedClient(["127.0.0.1"], 5, 10_000) as guarded:
        with pytest.raises(OutgoingFailed):
            await guarded.get(f"http://127.0.0.1:{port}/")


async def test_a_server_that_never_ends_its_answer() -> None:
    async with server(ends=False) as (_, port), GuardedClient(["127.0.0.1"], 0.3, 10_000) as guarded:
        with pytest.raises(OutgoingFailed, match="did not answer within"):
            await guarded.get(f"http://127.0.0.1:{port}/")


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Make a self-signed certificate for a name; give the server's context and one that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    file = folder / "server.pem"
    file.write_bytes(
        pem
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(file)
    return serving, ssl.create_default_context(cadata=pem.decode())


async def test_tls_is_checked_against_the_name_and_not_the_address(tmp_path: Path) -> None:
    async def names(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    serving, trusting = certificate(tmp_path, "hooks.example")
    async with server(serving) as (_, port):
        async with GuardedClient(["127.0.0.0/8"], 5, 10_000, names, tls=trusting) as guarded:
            response = await guarded.get(f"https://hooks.example:{port}/x")
            assert f"host: hooks.example:{port}".encode() in response.body
            with pytest.raises(OutgoingFailed, match=r"(?i)certificate"):
                await guarded.get(f"https://other.example:{port}/x")
        async with GuardedClient(["127.0.0.0/8"], 5, 10_000, names) as guarded:
            with pytest.raises(OutgoingFailed, match=r"(?i)certificate"):
                await guarded.get(f"https://hooks.example:{port}/x")
