"""A small OpenID provider that does what a test tells it to, wrong things too. It checks codes, PKCE and the client's secret as a real one does."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwk
from joserfc.jws import JWSRegistry
from starlette.types import Receive, Scope, Send
from tests.eventually import eventually

CLIENT, SECRET, AUDIENCE = "interlock-client", "a-secret-of-the-client", "https://api.interlock.test"
RSA = jwk.generate_key("RSA", 2048, {"kid": "rsa-1"})
OTHER_RSA = jwk.generate_key("RSA", 2048, {"kid": "rsa-2"})
EC = jwk.generate_key("EC", "P-256", {"kid": "ec-1"})
ED = jwk.import_key(
    {
        "kty": "OKP",
        "crv": "Ed25519",
        "kid": "ed-1",
        "x": base64.urlsafe_b64encode(Ed25519PrivateKey.from_private_bytes(b"1" * 32).public_key().public_bytes_raw())
        .rstrip(b"=")
        .decode(),
        "d": base64.urlsafe_b64encode(b"1" * 32).rstrip(b"=").decode(),
    }
)
KEYS = {"RS256": RSA, "ES256": EC, "EdDSA": ED}


def b64(data: bytes | dict[str, Any]) -> str:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def sign(claims: dict[str, Any] | bytes, key: Any = RSA, **header: Any) -> str:
    """Sign as the header says, without any of the checks that a library makes; a header of None is left out."""
    algorithm = header.get("alg", "RS256")
    shown = {"alg": algorithm, "kid": key.kid, **header}
    signed = f"{b64({k: v for k, v in shown.items() if v is not None})}.{b64(claims)}"
    return f"{signed}.{b64(signature(signed.encode(), key, algorithm))}"


def signature(data: bytes, key: Any, algorithm: str) -> bytes:
    made: bytes = JWSRegistry.algorithms[algorithm].sign(data, key)
    return made


@dataclass
class SmallProvider:
    """`approve` is what a person's browser does there; `claims`, `header`, `key` and `answer` change what comes out of the exchange."""

    issuer: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    key: Any = field(default_factory=lambda: RSA)
    answer: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    userinfo: tuple[int, Any] = (404, {})
    published: list[Any] = field(default_factory=lambda: [RSA, EC, ED])
    asked: list[str] = field(default_factory=list)
    issued: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, Any]] = field(default_factory=dict)

    def reset(self) -> None:
        """Be honest again."""
        for name in ("claims", "header", "answer", "metadata"):
            getattr(self, name).clear()
        self.userinfo = (404, {})
        self.key, self.published = RSA, [RSA, EC, ED]

    def lie(self, key: Any, **header: Any) -> None:
        """Sign with another key, under another header."""
        self.key = key
        self.header |= header

    def approve(self, url: str, subject: str, groups: Any = ("finance",), **claims: Any) -> dict[str, str]:
        """Sign somebody in there; gives what the browser is sent back with."""
        asked = dict(parse_qsl(urlsplit(url).query))
        assert (asked["response_type"], asked["client_id"], asked["code_challenge_method"]) == ("code", CLIENT, "S256")
        code = f"code-{len(self.codes)}"
        self.codes[code] = {**asked, "claims": {"sub": subject, "groups": list(groups), **claims}}
        return {"code": code, "state": asked["state"]}

    def access_token(self, subject: str = "robot", groups: Any = ("programs",), **claims: Any) -> dict[str, Any]:
        """Give the claims of an access token of a program."""
        now = int(time.time())
        said = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "sub": subject,
            "groups": list(groups),
            "iat": now,
            "exp": now + 300,
        }
        return {k: v for k, v in {**said, **claims}.items() if v is not None}

    def _token(self, body: dict[str, list[str]], authorization: str) -> tuple[int, dict[str, Any]]:
        asked = self.codes.pop(body.get("code", [""])[0], None)
        right = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if authorization != right:
            return 401, {"error": "invalid_client"}
        verifier = body.get("code_verifier", [""])[0]
        challenge = b64(hashlib.sha256(verifier.encode()).digest())
        if asked is None or challenge != asked["code_challenge"] or body["redirect_uri"][0] != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        now, access = int(time.time()), "opaque-access-token"
        claims = {
            "iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"],
            "at_hash": b64(hashlib.sha256(access.encode()).digest()[:16]), **asked["claims"], **self.claims,
        }  # fmt: skip
        token = sign({k: v for k, v in claims.items() if v is not None}, self.key, **self.header)
        self.issued.append(token)
        return 200, {"access_token": access, "token_type": "Bearer", "id_token": token, **self.answer}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, status = scope["path"], 200
        self.asked.append(path)
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        found: dict[str, Any]
        if path == "/.well-known/openid-configuration":
            names = (("authorization_endpoint", "authorize"), ("token_endpoint", "token"), ("jwks_uri", "jwks"))
            found = {"issuer": self.issuer, **{n: f"{self.issuer}/{p}" for n, p in names}, **self.metadata}
        elif path == "/jwks":
            found = {"keys": [key.as_dict(private=False) for key in self.published]}
        elif path == "/userinfo":
            headers = {k.decode(): v.decode() for k, v in scope["headers"]}
            assert headers["authorization"] == "Bearer opaque-access-token"
            status, found = self.userinfo
        else:
            headers = {k.decode(): v.decode() for k, v in scope["headers"]}
            status, found = self._token(parse_qs(body.decode()), headers.get("authorization", ""))
        data = json.dumps(found).encode()
        await send(
            {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]}
        )
        await send({"type": "http.response.body", "body": data})


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def small_provider() -> AsyncIterator[SmallProvider]:
    """Run a provider on this machine."""
    provider = SmallProvider()
    server = _Server(uvicorn.Config(provider, lifespan="off", log_config=None, access_log=False, ws="none"))
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        sock.setblocking(False)
        provider.issuer = f"http://127.0.0.1:{sock.getsockname()[1]}"
        served = asyncio.create_task(server.serve(sockets=[sock]))
        try:
            await eventually(lambda: server.started, message="the provider")
            yield provider
        finally:
            server.should_exit = True
            await served
