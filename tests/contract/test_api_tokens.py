"""Programs that call with a token of an identity provider: let in by their groups, and every forgery of such a token, which changes nothing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import serialization
from tests.contract.api_fixture import MARKS
from tests.contract.running_api import Running
from tests.contract.small_provider import AUDIENCE, CLIENT, EC, ED, OTHER_RSA, RSA, SmallProvider, b64, sign
from tests.contract.test_api_accounts import leaves
from tests.contract.test_api_sign_in import api, browser, provider, put, sign_in, small

pytestmark = MARKS
__all__ = ["api", "provider", "small"]


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def programs(api: Running, small: SmallProvider) -> AsyncIterator[None]:
    await put(api, "small", small.issuer, audience=AUDIENCE)
    yield


async def call(api: Running, token: str, path: str = "/v1/whoami", method: str = "GET", **given: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {token}", **given.pop("headers", {})}
    return await api.as_("anonymous").request(method, path, headers=headers, **given)


async def test_a_program_is_let_in_with_the_roles_of_its_groups(api: Running, provider: SmallProvider) -> None:
    token = sign(provider.access_token("robot-7"))
    me = (await call(api, token)).json()
    assert (me["id"], me["roles"], me["tenant"]) == ("service:small.robot-7", ["author"], "default")
    body = {"automation": "greet", "input": {"name": "Ada"}}
    task = await call(api, token, "/v1/tasks", "POST", json=body)
    assert task.status_code == 202, task.text
    seen = (await api.as_("owner").get(f"/v1/tasks/{task.json()['id']}")).json()
    assert seen["submitted_by"] == "service:small.robot-7"
    assert (await call(api, token, "/v1/keys")).status_code == 403
    other = sign(provider.access_token("robot-7", ["finance"]))
    assert (await call(api, other)).json()["roles"] == ["reviewer"]
    services = (await api.as_("owner").get("/v1/services")).json()["items"]
    assert [s["created_by"] for s in services if s["id"] == "service:small.robot-7"] == ["user:olga"]
    assert sum('"federated":true' in leaf for leaf in await leaves(api, "account.created")) >= 1


@pytest.mark.parametrize(("algorithm", "key"), [("ES256", EC), ("EdDSA", ED)])
async def test_each_algorithm_that_can_be_set_works(
    api: Running, provider: SmallProvider, algorithm: str, key: Any
) -> None:
    await put(api, "small", provider.issuer, audience=AUDIENCE, algorithm=algorithm)
    try:
        assert (await call(api, sign(provider.access_token(), key, alg=algorithm))).status_code == 200
        assert (await call(api, sign(provider.access_token()))).status_code == 401
    finally:
        await put(api, "small", provider.issuer, audience=AUDIENCE)


def hs256_with_the_public_key(p: SmallProvider, form: str) -> str:
    """The classic confusion: HMAC under what everybody knows."""
    public = RSA.as_dict(private=False)
    number = int.from_bytes(base64.urlsafe_b64decode(str(public["n"]) + "=="), "big")
    secrets = {
        "pem": RSA.as_pem(private=False),
        "der": RSA.get_op_key("verify").public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
        "jwk": json.dumps(public).encode(),
        "modulus": number.to_bytes(256, "big"),
    }
    signed = f"{b64({'alg': 'HS256', 'kid': 'rsa-1', 'typ': 'JWT'})}.{b64(p.access_token())}"
    return f"{signed}.{b64(hmac.digest(secrets[form], signed.encode(), hashlib.sha256))}"


def swapped(token: str, signature: bytes | str) -> str:
    return f"{token.rpartition('.')[0]}.{signature if isinstance(signature, str) else b64(signature)}"


def twice(p: SmallProvider) -> str:
    claims = json.dumps(p.access_token())
    return sign(f'{{"groups": ["finance"], {claims[1:]}'.encode())


def twice_in_the_header(p: SmallProvider) -> str:
    header = b64(b'{"alg": "none", "alg": "RS256", "kid": "rsa-1"}')
    return f"{header}.{b64(p.access_token())}.{sign(p.access_token()).rpartition('.')[2]}"


NOW = int(time.time())
FORGED: dict[str, tuple[str, Callable[[SmallProvider], str]]] = {
    "alg none": ("algorithm", lambda p: swapped(sign_none(p, "none"), "")),
    "alg None": ("algorithm", lambda p: swapped(sign_none(p, "None"), "")),
    "alg nOnE with a signature": ("algorithm", lambda p: sign_none(p, "nOnE")),
    "HS256 with the PEM": ("algorithm", lambda p: hs256_with_the_public_key(p, "pem")),
    "HS256 with the DER": ("algorithm", lambda p: hs256_with_the_public_key(p, "der")),
    "HS256 with the JWK": ("algorithm", lambda p: hs256_with_the_public_key(p, "jwk")),
    "HS256 with the modulus": ("algorithm", lambda p: hs256_with_the_public_key(p, "modulus")),
    "RS512": ("algorithm", lambda p: sign(p.access_token(), alg="RS512")),
    "PS256": ("algorithm", lambda p: sign(p.access_token(), alg="PS256")),
    "ES256": ("algorithm", lambda p: sign(p.access_token(), EC, alg="ES256")),
    "ES256 of zeros": ("algorithm", lambda p: swapped(sign(p.access_token(), EC, alg="ES256"), bytes(64))),
    "no alg": ("header", lambda p: sign_none(p, None)),
    "an unknown kid": ("key", lambda p: sign(p.access_token(), kid="rsa-9")),
    "another key under the kid": ("signature", lambda p: sign(p.access_token(), OTHER_RSA, kid="rsa-1")),
    "the kid of another type of key": ("key", lambda p: sign(p.access_token(), kid="ec-1")),
    "a kid that is a path": ("key", lambda p: sign(p.access_token(), kid="../../dev/null")),
    "a kid that is SQL": ("key", lambda p: sign(p.access_token(), kid="' or 1=1 --")),
    "a kid that is a number": ("header", lambda p: sign(p.access_token(), kid=1)),
    "an embedded jwk": ("header", lambda p: sign(p.access_token(), OTHER_RSA, jwk=OTHER_RSA.as_dict(private=False))),
    "jku": ("header", lambda p: sign(p.access_token(), OTHER_RSA, jku=f"{p.issuer}/evil")),
    "x5u": ("header", lambda p: sign(p.access_token(), OTHER_RSA, x5u=f"{p.issuer}/evil")),
    "x5c": ("header", lambda p: sign(p.access_token(), OTHER_RSA, x5c=["MII"])),
    "crit": ("header", lambda p: sign(p.access_token(), crit=["exp"])),
    "crit and b64": ("header", lambda p: sign(p.access_token(), crit=["b64"], b64=False)),
    "zip": ("header", lambda p: sign(p.access_token(), zip="DEF")),
    "expired": ("expired", lambda p: sign(p.access_token(exp=NOW - 3_600))),
    "no exp": ("exp", lambda p: sign(p.access_token(exp=None))),
    "exp true": ("exp", lambda p: sign(p.access_token(exp=True))),
    "exp 10^400": ("exp", lambda p: sign(p.access_token(exp=10**400))),
    "exp 1e400": ("exp", lambda p: sign((json.dumps(p.access_token(exp=None))[:-1] + ', "exp": 1e400}').encode())),
    "exp below 0": ("exp", lambda p: sign(p.access_token(exp=-1))),
    "iat 10^400": ("iat", lambda p: sign(p.access_token(iat=10**400))),
    "exp Infinity": ("malformed", lambda p: sign(json.dumps(p.access_token(exp=float("inf"))).encode())),
    "for a year": ("life", lambda p: sign(p.access_token(exp=NOW + 31_536_000))),
    "not yet": ("nbf", lambda p: sign(p.access_token(nbf=NOW + 3_600))),
    "issued tomorrow": ("iat", lambda p: sign(p.access_token(iat=NOW + 86_400))),
    "another audience": ("audience", lambda p: sign(p.access_token(aud="https://elsewhere.test"))),
    "no audience": ("audience", lambda p: sign(p.access_token(aud=None))),
    "an audience in another case": ("audience", lambda p: sign(p.access_token(aud=AUDIENCE.upper()))),
    "audiences that are no texts": ("audience", lambda p: sign(p.access_token(aud=[AUDIENCE, 1]))),
    "another issuer": ("issuer", lambda p: sign(p.access_token(iss="https://evil.example"))),
    "issuers": ("issuer", lambda p: sign(p.access_token(iss=[p.issuer]))),
    "an issuer with a NUL": ("issuer", lambda p: sign(p.access_token(iss=p.issuer + "\0"))),
    "an issuer with half a character": ("issuer", lambda p: sign(p.access_token(iss="\ud800"))),
    "no issuer": ("issuer", lambda p: sign(p.access_token(iss=None))),
    "an ID token": ("audience", lambda p: sign(p.access_token(aud=CLIENT, nonce="n"))),
    "an ID token for the API": ("ID token", lambda p: sign(p.access_token(nonce="n"))),
    "an ID token with at_hash": ("ID token", lambda p: sign(p.access_token(at_hash="n"))),
    "a logout token": ("type", lambda p: sign(p.access_token(), typ="logout+jwt")),
    "claims that stand twice": ("malformed", twice),
    "a header that stands twice": ("malformed", twice_in_the_header),
    "a giant": ("too long", lambda p: sign(p.access_token(padding="x" * 20_000))),
    "another's signature": (
        "signature",
        lambda p: swapped(sign(p.access_token()), sign(p.access_token("other")).rpartition(".")[2]),
    ),
    "a signature of zeros": ("signature", lambda p: swapped(sign(p.access_token()), bytes(256))),
    "a short signature": ("signature", lambda p: swapped(sign(p.access_token()), b"x")),
    "other claims": (
        "signature",
        lambda p: ".".join(b64(p.access_token("boss")) if n == 1 else x for n, x in enumerate(sign(p.access_token()).split("."))),
    ),
    "claims that are a list": ("malformed", lambda p: sign(b"[]")),
    "claims that are no JSON": ("malformed", lambda p: sign(b"{")),
    "four parts": ("malformed", lambda p: sign(p.access_token()) + ".x"),
    "two parts": ("malformed", lambda p: sign(p.access_token()).rpartition(".")[0]),
    "dots": ("malformed", lambda p: ".."),
    "an encrypted one": ("malformed", lambda p: "e30.e30.e30.e30.e30"),
    "no group": ("no group", lambda p: sign(p.access_token(groups=["choir"]))),
    "no subject": ("subject", lambda p: sign(p.access_token(sub=""))),
}  # fmt: skip


async def test_a_token_nested_without_end_is_refused(api: Running, provider: SmallProvider) -> None:
    deep = sign(b'{"a":' + b"[" * 5_000 + b"]" * 5_000 + b"}")
    answer = await call(api, deep, "/v1/whoami")
    # From 3.13 on, Python reads claims that are as deep as this, and they have no issuer.
    why = ("The token is not believed: malformed.", "The token is not believed: issuer.")
    assert (answer.status_code, answer.json()["detail"] in why) == (401, True), answer.text


def sign_none(p: SmallProvider, algorithm: str | None) -> str:
    header = {"kid": "rsa-1", "typ": "JWT"} | ({} if algorithm is None else {"alg": algorithm})
    return f"{b64(header)}.{b64(p.access_token())}.AAAA"


@pytest.mark.parametrize("what", FORGED)
async def test_a_forged_token_changes_nothing_and_is_on_record(
    api: Running, provider: SmallProvider, what: str
) -> None:
    why, forge = FORGED[what]
    token = forge(provider)
    count = "select (select count(*) from tasks), (select count(*) from accounts), (select count(*) from sessions)"
    before = await api.owner(count)
    for path, method, json_ in (
        ("/v1/whoami", "GET", None),
        ("/v1/tasks", "POST", {"automation": "greet", "input": {"name": "x"}}),
    ):
        answer = await call(api, token, path, method, json=json_)
        assert (answer.status_code, answer.json()["code"]) == (401, "auth.required"), answer.text
        assert answer.json()["detail"] == f"The token is not believed: {why}."
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert token not in answer.text
    assert await api.owner(count) == before
    assert "/evil" not in provider.asked
    said = await leaves(api, "token.refused")
    assert any(f'"why":"{why}"' in leaf for leaf in said)
    assert not any(token[-20:] in leaf for leaf in said)


async def test_a_token_opens_its_own_tenant_alone(api: Running, provider: SmallProvider) -> None:
    token = sign(provider.access_token("walker"))
    assert (await call(api, token)).status_code == 200
    for tenant in ("other", "alone", "nowhere", "", "A", "x" * 64, "default'--"):
        answer = await call(api, token, headers={"x-interlock-tenant": tenant})
        assert (answer.status_code, answer.json()["code"]) == (401, "auth.required"), tenant
    await put(api, "theirs", provider.issuer, "stranger", audience=AUDIENCE)
    try:
        answer = await call(api, token, headers={"x-interlock-tenant": "other"})
        assert (answer.json()["tenant"], answer.json()["id"]) == ("other", "service:theirs.walker")
        assert (await call(api, token)).json()["tenant"] == "default"
    finally:
        assert (await api.as_("stranger").delete("/v1/identity-providers/theirs")).status_code == 204


async def test_without_an_audience_no_token_is_taken(api: Running, provider: SmallProvider) -> None:
    await put(api, "small", provider.issuer)
    try:
        for audience in (AUDIENCE, CLIENT, "", None):
            assert (await call(api, sign(provider.access_token(aud=audience)))).status_code == 401
    finally:
        await put(api, "small", provider.issuer, audience=AUDIENCE)


async def test_a_disabled_program_is_not_let_in(api: Running, provider: SmallProvider) -> None:
    token = sign(provider.access_token("tired"))
    assert (await call(api, token)).status_code == 200
    assert (await api.as_("owner").post("/v1/services/service:small.tired:disable")).status_code == 200
    assert (await call(api, token)).status_code == 401
    assert (await api.as_("owner").post("/v1/services/service:small.tired:enable")).status_code == 200
    assert (await call(api, token)).status_code == 200


async def test_a_persons_token_is_that_persons_and_gives_their_account_no_roles(
    api: Running, provider: SmallProvider
) -> None:
    async with browser(api) as caller:
        assert (await sign_in(caller, provider, "pat", "finance")).status_code == 200
        me = (await call(api, sign(provider.access_token("pat", ["programs"])))).json()
        assert (me["id"], me["roles"]) == ("user:small.pat", ["author"])
        assert (await caller.get("/v1/whoami")).json()["roles"] == ["reviewer"]
        # And a program's account is no person's, whoever signs in as it.
        assert (await call(api, sign(provider.access_token("machine")))).status_code == 200
        refused = await sign_in(caller, provider, "machine", "finance")
        assert (refused.status_code, ": service." in refused.json()["detail"]) == (401, True)


async def test_a_token_begins_no_session(api: Running, provider: SmallProvider) -> None:
    async with browser(api) as caller:
        headers = {"authorization": f"Bearer {sign(provider.access_token())}"}
        answer = await caller.post("/v1/sessions", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "auth.required")
        assert "set-cookie" not in answer.headers


async def test_a_flood_of_unknown_keys_is_no_flood_of_calls(api: Running, provider: SmallProvider) -> None:
    assert (await call(api, sign(provider.access_token()))).status_code == 200
    before = provider.asked.count("/jwks")
    for number in range(20):
        assert (await call(api, sign(provider.access_token(), kid=f"rsa-x{number}"))).status_code == 401
    assert provider.asked.count("/jwks") <= before + 1
