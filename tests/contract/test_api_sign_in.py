"""Signing in by an identity provider: a real one, and one that lies; browsers that are not the one that began."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
import pytest_asyncio
from tests.contract.api_fixture import MARKS
from tests.contract.running_api import Running, client, prepare, running_api
from tests.contract.small_provider import CLIENT, EC, OTHER_RSA, RSA, SECRET, SmallProvider, small_provider
from tests.contract.test_api_accounts import leaves
from tests.eventually import eventually

from interlock.infra.embedded_postgres import EmbeddedPostgres
from interlock.infra.ports import remembered_port

pytestmark = MARKS
HOME = "https://interlock.test"
SIGN_IN, COOKIE = "/v1/sign-in/oidc/default/small", "__Host-interlock"
CALLBACK = f"{SIGN_IN}/callback"
GROUPS: list[dict[str, Any]] = [
    {"display": "finance", "roles": ["reviewer"], "approval_limit": "2000"},
    {"display": "Leads", "value": "8f1c-22", "roles": ["author", "reviewer"], "approval_limit": "500.50"},
    {"display": "programs", "roles": ["author"]},
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(
    make_database: Callable[[], str], postgres_server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    urls = await prepare(Path(postgres_server.data_dir), make_database())
    given: dict[str, Any] = {"outgoing_allow": ("127.0.0.1",), "public_url": HOME, "sign_in_address_tries_max": 10_000}
    async with running_api(tmp_path_factory.mktemp("api"), urls, worker=False, **given) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def small(api: Running) -> AsyncIterator[SmallProvider]:
    async with small_provider() as provider:
        await put(api, "small", provider.issuer)
        yield provider


@pytest_asyncio.fixture(loop_scope="module")
async def provider(small: SmallProvider) -> AsyncIterator[SmallProvider]:
    yield small
    small.reset()


async def put(api: Running, name: str, issuer: str, who: str = "owner", **given: Any) -> dict[str, Any]:
    body = {"issuer": issuer, "client_id": CLIENT, "client_secret": SECRET, "groups": GROUPS, **given}
    answer = await api.as_(who).put(f"/v1/identity-providers/{name}", json=body)
    assert answer.status_code == 200, answer.text
    assert SECRET not in answer.text
    found: dict[str, Any] = answer.json()
    return found


def browser(api: Running, base_url: str = HOME, **options: Any) -> httpx.AsyncClient:
    return client(api.api, None, base_url=base_url, follow_redirects=False, **options)


async def begin(caller: httpx.AsyncClient, provider: str = "small", **params: str) -> str:
    answer = await caller.get(f"/v1/sign-in/oidc/default/{provider}", params=params)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


async def sign_in(
    caller: httpx.AsyncClient, provider: SmallProvider, subject: str, *groups: Any, **claims: Any
) -> httpx.Response:
    back = provider.approve(await begin(caller), subject, groups or ("finance",), **claims)
    return await caller.get(CALLBACK, params=back)


@pytest.fixture(scope="session")
def real_provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A provider that others wrote, in a process of its own; gives its issuer."""
    port = remembered_port(tmp_path_factory.mktemp("provider") / "ports", "provider")
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), "--require-nonce", "true"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(timeout=60)


async def there_is(issuer: str, subject: str, **claims: Any) -> None:
    """Have the real provider know somebody, once it runs."""

    async def told() -> bool:
        try:
            return (await there.put(f"{issuer}/users/{subject}", json=claims)).is_success
        except httpx.TransportError:
            return False

    async with httpx.AsyncClient(trust_env=False, timeout=60) as there:
        await eventually(told, timeout_s=60, message="the provider")


async def test_somebody_signs_in_by_a_real_provider_and_has_the_roles_of_their_groups(
    api: Running, real_provider: str
) -> None:
    await put(api, "real", real_provider)
    await there_is(real_provider, "mei", groups=["finance", "choir"], name="Mei Lin")
    async with httpx.AsyncClient(trust_env=False, timeout=60) as there, browser(api) as mei:
        tested = await api.as_("owner").post("/v1/identity-providers/real:test")
        assert (tested.status_code, tested.json()["keys"]) == (200, 1), tested.text
        url = await begin(mei, "real", return_to="/reviews?state=open&x=%22")
        assert mei.cookies[f"{COOKIE}-sign-in"]
        approved = await there.post(url, data={"sub": "mei"})
        back = urlsplit(approved.headers["location"])
        assert f"{back.scheme}://{back.netloc}{back.path}" == f"{HOME}/v1/sign-in/oidc/default/real/callback"
        done = await mei.get(back.path, params=dict(parse_qsl(back.query)))
        assert done.status_code == 200, done.text
        assert 'content="0; url=/reviews?state=open&amp;x=%22"' in done.text
        assert "default-src 'none'" in done.headers["content-security-policy"]
        assert f"{COOKIE}-sign-in" not in mei.cookies
        given = [c for c in done.headers.get_list("set-cookie") if c.startswith(f"{COOKIE}=")]
        assert all(part in given[0] for part in ("HttpOnly", "SameSite=strict", "Secure", "Path=/"))
        current = (await mei.get("/v1/sessions/current")).json()
        assert (current["user"], current["method"], current["roles"]) == ("user:real.mei", "oidc", ["reviewer"])
        assert current["approval_limit"] == "2000"
        assert (await mei.get("/v1/reviews")).status_code == 200
        assert (await mei.get("/v1/keys")).status_code == 403
    account = (await api.as_("owner").get("/v1/users")).json()["items"]
    assert [(a["name"], a["signs_in_by"]) for a in account if a["id"] == "user:real.mei"] == [("Mei Lin", ["oidc"])]


async def test_the_way_there_carries_pkce_state_and_nonce_and_the_cookie_is_lax(
    api: Running, provider: SmallProvider
) -> None:
    async with browser(api) as caller:
        answer = await caller.get(SIGN_IN)
        asked = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
        assert asked["redirect_uri"] == HOME + CALLBACK
        assert asked["scope"] == "openid profile email"
        assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) >= 43
        cookie = answer.headers["set-cookie"]
        assert all(part in cookie for part in ("HttpOnly", "SameSite=lax", "Secure", "Path=/", "Max-Age=600"))
        assert asked["state"] not in cookie
        again = dict(parse_qsl(urlsplit(await begin(caller)).query))
        assert all(again[name] != asked[name] for name in ("state", "nonce", "code_challenge"))


async def test_roles_follow_the_groups_at_every_sign_in_and_go_with_them(api: Running, provider: SmallProvider) -> None:
    async with browser(api) as ravi:
        assert (
            await sign_in(ravi, provider, "ravi", "finance", {"value": "8f1c-22", "display": "x"})
        ).status_code == 200
        current = (await ravi.get("/v1/sessions/current")).json()
        assert (current["roles"], current["approval_limit"]) == (["author", "reviewer"], "2000")
        # A group that is known by its ID is not known by a name that anybody may give another one.
        assert (await sign_in(ravi, provider, "ravi", "Leads", "programs")).status_code == 200
        current = (await ravi.get("/v1/sessions/current")).json()
        assert (current["roles"], current["approval_limit"]) == (["author"], None)
        async with browser(api) as elsewhere:
            refused = await sign_in(elsewhere, provider, "ravi", "choir")
            assert (refused.status_code, refused.json()["code"]) == (401, "sign_in.refused")
            assert COOKIE not in elsewhere.cookies
        assert (await ravi.get("/v1/whoami")).status_code == 401
    users = (await api.as_("owner").get("/v1/users")).json()["items"]
    assert [a["roles"] for a in users if a["id"] == "user:small.ravi"] == [[]]
    assert any(
        '"why":"no group"' in leaf and '"account":"acc_' in leaf for leaf in await leaves(api, "sign_in.refused")
    )


@pytest.mark.parametrize(
    "groups", [("choir",), (), "finance", None, {"finance": True}, ["finance"] * 1_001, [["finance"]], [1]]
)
async def test_nobody_without_a_mapped_group_gets_in(api: Running, provider: SmallProvider, groups: Any) -> None:
    provider.claims["groups"] = groups
    async with browser(api) as caller:
        refused = await sign_in(caller, provider, "nora")
        assert refused.status_code == 401
        assert COOKIE not in caller.cookies
    assert "user:small.nora" not in (await api.as_("owner").get("/v1/users")).text


HOSTILE: dict[str, tuple[str, Callable[[SmallProvider], Any]]] = {
    "another nonce": ("nonce", lambda p: p.claims.update(nonce="x" * 43)),
    "no nonce": ("nonce", lambda p: p.claims.update(nonce=None)),
    "another issuer": ("issuer", lambda p: p.claims.update(iss="https://evil.example")),
    "issuer with a slash": ("issuer", lambda p: p.claims.update(iss=p.issuer + "/")),
    "another audience": ("audience", lambda p: p.claims.update(aud="somebody")),
    "no audience": ("audience", lambda p: p.claims.update(aud=[])),
    "several audiences": ("azp", lambda p: p.claims.update(aud=[CLIENT, "somebody"])),
    "another azp": ("azp", lambda p: p.claims.update(azp="somebody")),
    "expired": ("expired", lambda p: p.claims.update(exp=1_700_000_000)),
    "no exp": ("exp", lambda p: p.claims.update(exp=None)),
    "exp as text": ("exp", lambda p: p.claims.update(exp="9999999999")),
    "old": ("iat", lambda p: p.claims.update(iat=1_700_000_000)),
    "of the future": ("iat", lambda p: p.claims.update(iat=9_000_000_000)),
    "not yet": ("nbf", lambda p: p.claims.update(nbf=9_000_000_000)),
    "another at_hash": ("at_hash", lambda p: p.claims.update(at_hash="AAAAAAAAAAAAAAAAAAAAAA")),
    "no subject": ("subject", lambda p: p.claims.update(sub=None)),
    "a long subject": ("subject", lambda p: p.claims.update(sub="x" * 256)),
    "a NUL": ("subject", lambda p: p.claims.update(sub="me\0i")),
    "access token": ("type", lambda p: p.header.update(typ="at+jwt")),
    "another key": ("signature", lambda p: p.lie(OTHER_RSA, kid="rsa-1")),
    "an unknown key": ("key", lambda p: p.lie(OTHER_RSA)),
    "another algorithm": ("key", lambda p: p.lie(EC, alg="ES256")),
    "no token": ("missing", lambda p: p.answer.update(id_token=None)),
    "no JWT": ("malformed", lambda p: p.answer.update(id_token="x.y.z")),
}


@pytest.mark.parametrize("what", HOSTILE)
async def test_an_id_token_that_is_wrong_lets_nobody_in(api: Running, provider: SmallProvider, what: str) -> None:
    why, lie = HOSTILE[what]
    lie(provider)
    subject = f"liar-{len(what)}"
    async with browser(api) as caller:
        refused = await sign_in(caller, provider, subject)
        assert (refused.status_code, refused.json()["code"]) == (401, "sign_in.refused"), refused.text
        assert f": {why}." in refused.json()["detail"]
        assert COOKIE not in caller.cookies
    assert subject not in (await api.as_("owner").get("/v1/users")).text
    assert any(f'"why":"token: {why}"' in leaf for leaf in await leaves(api, "sign_in.refused"))


async def test_a_state_is_taken_once_and_in_its_own_browser_only(api: Running, provider: SmallProvider) -> None:
    async with browser(api) as mine, browser(api) as other:
        url = await begin(mine)
        kept = mine.cookies[f"{COOKIE}-sign-in"]
        back = provider.approve(url, "kim")
        without = await other.get(CALLBACK, params=back)
        assert (without.status_code, "no cookie" in without.json()["detail"]) == (401, True)
        # Somebody is led to finish another one's sign-in: the state is not that of their cookie.
        await begin(other)
        forged = await other.get(CALLBACK, params=back)
        assert (forged.status_code, ": state." in forged.json()["detail"]) == (401, True)
        assert (await mine.get(CALLBACK, params=back)).status_code == 200
        mine.cookies.set(f"{COOKIE}-sign-in", kept, domain="interlock.test")
        again = await mine.get(CALLBACK, params=provider.approve(url, "kim"))
        assert (again.status_code, "state was used" in again.json()["detail"]) == (401, True)


async def test_a_stolen_code_is_worth_nothing_with_another_verifier(api: Running, provider: SmallProvider) -> None:
    async with browser(api) as victim, browser(api) as thief:
        stolen = provider.approve(await begin(victim), "victim")["code"]
        own = dict(parse_qsl(urlsplit(await begin(thief)).query))
        refused = await thief.get(CALLBACK, params={"code": stolen, "state": own["state"]})
        assert (refused.status_code, ": code." in refused.json()["detail"]) == (401, True)
        assert COOKIE not in thief.cookies


async def test_another_providers_code_is_not_sent_to_the_one_that_began(api: Running, provider: SmallProvider) -> None:
    """A provider that lies leads on to an honest one, whose code it would then be asked about (RFC 9700, 4.4)."""
    async with small_provider() as evil, browser(api) as victim:
        await put(api, "evil", evil.issuer, "stranger", client_secret="")
        began = await victim.get("/v1/sign-in/oidc/other/evil")
        asked = dict(parse_qsl(urlsplit(began.headers["location"]).query))
        back = provider.approve(began.headers["location"], "victim")
        provider.codes[back["code"]]["redirect_uri"] = HOME + CALLBACK  # where the honest one sends people
        refused = await victim.get(CALLBACK, params={"code": back["code"], "state": asked["state"]})
        assert (refused.status_code, "another provider" in refused.json()["detail"]) == (401, True)
        assert "/token" not in evil.asked
        assert COOKIE not in victim.cookies
    assert (await api.as_("stranger").delete("/v1/identity-providers/evil")).status_code == 204


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"code": "x"},
        {"state": "x", "code": "x"},
        {"error": "access_denied"},
        {"code": "code-99"},
        {"iss": "https://evil.example"},
    ],
)
async def test_a_callback_that_lacks_something_is_refused(
    api: Running, provider: SmallProvider, params: dict[str, str]
) -> None:
    async with browser(api) as caller:
        back = provider.approve(await begin(caller), "lack")
        sent = params if "state" in params or not params else {**back, **params}
        if "error" in params:
            del sent["code"]
        if params == {"code": "x"}:
            del sent["state"]
        refused = await caller.get(CALLBACK, params=sent)
        assert (refused.status_code, refused.json()["code"]) == (401, "sign_in.refused")
        assert COOKIE not in caller.cookies


@pytest.mark.parametrize(
    "cookie", ["", "x", "AAAA", "=" * 20, "é", "A" * 4_000], ids=["empty", "x", "short", "padding", "é", "long"]
)
async def test_a_cookie_that_is_none_of_ours_is_no_sign_in(api: Running, provider: SmallProvider, cookie: str) -> None:
    async with browser(api) as caller:
        sent = {b"cookie": f"{COOKIE}-sign-in={cookie}".encode()}
        answer = await caller.get(CALLBACK, params={"state": "x", "code": "x"}, headers=sent)
        assert (answer.status_code, answer.json()["code"]) == (401, "sign_in.refused")


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "",
        "evil",
        "/a b",
        "/a\r\nx: y",
        "/" + "a" * 512,
    ],
)
async def test_nobody_is_led_elsewhere(api: Running, provider: SmallProvider, path: str) -> None:
    async with browser(api) as caller:
        answer = await caller.get(SIGN_IN, params={"return_to": path})
        assert answer.status_code == 422
        assert "set-cookie" not in answer.headers


async def test_nobody_signs_in_over_plain_http_but_on_this_machine(api: Running, provider: SmallProvider) -> None:
    for url, options in (("http://interlock.test", {}), ("http://localhost", {"peer": ("192.0.2.7", 1)})):
        async with browser(api, url, **options) as caller:
            for path in (SIGN_IN, CALLBACK):
                answer = await caller.get(path)
                assert (answer.status_code, answer.json()["code"]) == (403, "auth.insecure_transport")
    async with browser(api, "http://localhost:8080") as caller:
        answer = await caller.get(SIGN_IN)
        assert "Secure" not in answer.headers["set-cookie"]
        assert answer.headers["set-cookie"].startswith("interlock-sign-in=")


@pytest.mark.parametrize(
    "issuer", ["https://169.254.169.254", "https://[fd00:ec2::254]", "https://10.0.0.1", "http://[::1]:9"]
)
async def test_a_provider_in_our_own_network_is_not_called(api: Running, issuer: str) -> None:
    await put(api, "inside", issuer)
    tested = await api.as_("owner").post("/v1/identity-providers/inside:test")
    assert (tested.status_code, tested.json()["code"]) == (422, "outgoing.refused")
    async with browser(api) as caller:
        answer = await caller.get("/v1/sign-in/oidc/default/inside")
        assert (answer.status_code, answer.json()["code"]) == (422, "outgoing.refused")
    assert (await api.as_("owner").delete("/v1/identity-providers/inside")).status_code == 204


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://evil.example/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": None},
        {"token_endpoint": "https://user:word@evil.example/"},
    ],
)
async def test_a_provider_that_publishes_something_else_is_not_used(
    api: Running, provider: SmallProvider, metadata: dict[str, Any]
) -> None:
    provider.metadata |= metadata
    tested = await api.as_("owner").post("/v1/identity-providers/small:test")
    assert (tested.status_code, tested.json()["code"]) == (502, "sign_in.provider_failed")
    provider.metadata.clear()
    assert (await api.as_("owner").post("/v1/identity-providers/small:test")).status_code == 200


async def test_an_account_belongs_to_a_subject_and_never_to_a_name(api: Running, provider: SmallProvider) -> None:
    await put(api, "small", provider.issuer, user_claim="preferred_username")
    try:
        async with browser(api) as caller:
            # Olga has a key here and no account: whoever is called so elsewhere is not her.
            for name in ("olga", "OLGA"):
                refused = await sign_in(caller, provider, "not-olga", preferred_username=name)
                assert (refused.status_code, "name taken" in refused.json()["detail"]) == (401, True)
            assert (await sign_in(caller, provider, "zoe-1", preferred_username="Zoe")).status_code == 200
            assert (await caller.get("/v1/whoami")).json()["id"] == "user:zoe"
            refused = await sign_in(caller, provider, "zoe-2", preferred_username="zoe")
            assert (refused.status_code, "name taken" in refused.json()["detail"]) == (401, True)
            for given in ({}, {"preferred_username": 7}, {"preferred_username": "a b"}):
                refused = await sign_in(caller, provider, "nameless", **given)
                assert (refused.status_code, ": name." in refused.json()["detail"]) == (401, True)
        await put(api, "small", provider.issuer, user_claim="email")
        async with browser(api) as caller:
            refused = await sign_in(caller, provider, "mail", email="mail@example.com")
            assert (refused.status_code, ": name." in refused.json()["detail"]) == (401, True)
            assert (
                await sign_in(caller, provider, "mail", email="mail@example.com", email_verified=True)
            ).status_code == 200
    finally:
        await put(api, "small", provider.issuer)


async def test_who_is_signed_in_is_signed_out_when_the_provider_is_set_otherwise(
    api: Running, provider: SmallProvider
) -> None:
    async with browser(api) as caller:
        assert (await sign_in(caller, provider, "chg")).status_code == 200
        await put(api, "small", provider.issuer)
        assert (await caller.get("/v1/whoami")).status_code == 200
        await put(api, "small", provider.issuer, groups=[{"display": "finance", "roles": ["author"]}])
        assert (await caller.get("/v1/whoami")).status_code == 401
        assert (await sign_in(caller, provider, "chg")).status_code == 200
        assert (await caller.get("/v1/whoami")).json()["roles"] == ["author"]
    await put(api, "small", provider.issuer)


async def test_a_required_claim_pins_the_domain(api: Running, provider: SmallProvider) -> None:
    await put(api, "small", provider.issuer, required_claims={"hd": "example.com"})
    try:
        async with browser(api) as caller:
            assert (await sign_in(caller, provider, "dom")).status_code == 401
            assert (await sign_in(caller, provider, "dom", hd="evil.example")).status_code == 401
            assert (await sign_in(caller, provider, "dom", hd="example.com")).status_code == 200
    finally:
        await put(api, "small", provider.issuer)


async def test_a_disabled_account_and_one_of_a_removed_provider_do_not_get_in(
    api: Running, provider: SmallProvider
) -> None:
    owner = api.as_("owner")
    async with browser(api) as caller:
        assert (await sign_in(caller, provider, "dis")).status_code == 200
        assert (await owner.post("/v1/users/user:small.dis:disable")).status_code == 200
        assert (await caller.get("/v1/whoami")).status_code == 401
        refused = await sign_in(caller, provider, "dis")
        assert (refused.status_code, "disabled" in refused.json()["detail"]) == (401, True)
        assert (await owner.post("/v1/users/user:small.dis:enable")).status_code == 200
        assert (await sign_in(caller, provider, "dis")).status_code == 200
        # A password would be a way in for those who lost their groups.
        words = {"password": "four words stand here"}
        assert (await owner.post("/v1/users/user:small.dis:password", json=words)).status_code == 409
        back = provider.approve(await begin(caller), "dis")
        assert (await owner.delete("/v1/identity-providers/small")).status_code == 204
        assert (await caller.get("/v1/whoami")).status_code == 401
        assert (await caller.get(CALLBACK, params=back)).status_code == 401
        assert (await caller.get(SIGN_IN)).status_code == 404
        await put(api, "small", provider.issuer)
    assert any('"why":"provider removed"' in leaf for leaf in await leaves(api, "session.ended"))


async def test_keys_are_looked_for_anew_when_they_change_and_not_at_every_token(
    api: Running, provider: SmallProvider
) -> None:
    assert (await api.as_("owner").post("/v1/identity-providers/small:test")).status_code == 200
    provider.published, provider.key = [OTHER_RSA], OTHER_RSA
    before = provider.asked.count("/jwks")
    async with browser(api) as caller:
        for _ in range(3):
            assert (await sign_in(caller, provider, "rot")).status_code == 401
        assert provider.asked.count("/jwks") == before
        assert (await api.as_("owner").post("/v1/identity-providers/small:test")).status_code == 200
        assert (await sign_in(caller, provider, "rot")).status_code == 200
    provider.reset()
    assert (await api.as_("owner").post("/v1/identity-providers/small:test")).status_code == 200


async def test_the_algorithm_that_is_set_is_the_one_that_is_believed(api: Running, provider: SmallProvider) -> None:
    try:
        for algorithm, key in (("ES256", EC), ("RS256", RSA)):
            await put(api, "small", provider.issuer, algorithm=algorithm)
            provider.key = key
            provider.header["alg"] = algorithm
            async with browser(api) as caller:
                assert (await sign_in(caller, provider, f"alg-{algorithm}")).status_code == 200
                provider.header["alg"], provider.key = ("RS256", RSA) if algorithm == "ES256" else ("ES256", EC)
                assert (await sign_in(caller, provider, f"alg-{algorithm}")).status_code == 401
    finally:
        await put(api, "small", provider.issuer)


async def test_no_token_code_or_secret_stands_anywhere(
    api: Running, provider: SmallProvider, capfd: pytest.CaptureFixture[str]
) -> None:
    async with browser(api) as caller:
        url = await begin(caller)
        back = provider.approve(url, "quiet")
        assert (await caller.get(CALLBACK, params=back)).status_code == 200
        asked = dict(parse_qsl(urlsplit(url).query))
    tables = await api.owner(
        "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'interlock' and c.relkind = 'r'"
    )
    _, claims, signature = provider.issued[-1].split(".")
    words = (SECRET, asked["state"], asked["nonce"], "opaque-access-token", claims, signature)
    for word in words:
        for (table,) in tables:
            assert not await api.owner(f"select 1 from {table} t where strpos(t::text, %s) > 0 limit 1", (word,)), (
                table,
                word,
            )
    out, err = capfd.readouterr()
    assert not any(word in out + err for word in (*words, f'"{back["code"]}"'))
