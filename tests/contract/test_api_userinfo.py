"""Groups that stand in no ID token: asked of the provider's userinfo, which is believed about the right subject alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from tests.contract.api_fixture import MARKS
from tests.contract.running_api import Running
from tests.contract.small_provider import SmallProvider, small_provider
from tests.contract.test_api_accounts import leaves
from tests.contract.test_api_sign_in import COOKIE, api, begin, browser, put

pytestmark = MARKS
__all__ = ["api"]


@pytest_asyncio.fixture(loop_scope="module")
async def provider(api: Running) -> AsyncIterator[SmallProvider]:
    """A provider whose ID tokens name no groups; each test has one of its own, since what a provider publishes is kept."""
    async with small_provider() as running:
        running.claims["groups"] = None
        running.metadata["userinfo_endpoint"] = f"{running.issuer}/userinfo"
        await put(api, "info", running.issuer)
        yield running
    assert (await api.as_("owner").delete("/v1/identity-providers/info")).status_code == 204


async def sign_in(caller: httpx.AsyncClient, provider: SmallProvider, subject: str, **claims: Any) -> httpx.Response:
    back = provider.approve(await begin(caller, "info"), subject, **claims)
    return await caller.get("/v1/sign-in/oidc/default/info/callback", params=back)


async def test_groups_come_from_userinfo_and_nothing_else_does(api: Running, provider: SmallProvider) -> None:
    provider.userinfo = (
        200,
        {"sub": "una", "groups": ["finance"], "name": "Somebody Else", "iss": "https://evil.example"},
    )
    async with browser(api) as una:
        assert (await sign_in(una, provider, "una", name="Una")).status_code == 200
        current = (await una.get("/v1/sessions/current")).json()
        assert (current["user"], current["roles"]) == ("user:info.una", ["reviewer"])
        provider.userinfo = (200, {"sub": "una", "groups": ["choir"]})  # and with them the roles go
        assert (await sign_in(una, provider, "una", name="Una")).status_code == 401
    users = (await api.as_("owner").get("/v1/users")).json()["items"]
    assert [(a["name"], a["roles"]) for a in users if a["id"] == "user:info.una"] == [("Una", [])]


async def test_an_id_token_that_names_groups_is_not_asked_about(api: Running, provider: SmallProvider) -> None:
    provider.userinfo = (200, {"sub": "ned", "groups": ["finance"]})
    named: list[Any] = [["choir"], [], "finance", {}]
    for groups in named:
        provider.claims["groups"] = groups
        async with browser(api) as ned:
            assert (await sign_in(ned, provider, "ned")).status_code == 401
    assert "/userinfo" not in provider.asked


WRONG: dict[str, tuple[tuple[int, Any], str]] = {
    "about another subject": ((200, {"sub": "boss", "groups": ["finance"]}), "userinfo: subject"),
    "about nobody": ((200, {"groups": ["finance"]}), "userinfo: subject"),
    "an error": ((403, {"sub": "pia", "groups": ["finance"]}), "userinfo: no answer"),
    "another page": ((302, {"sub": "pia", "groups": ["finance"]}), "userinfo: no answer"),
    "a list": ((200, [{"sub": "pia", "groups": ["finance"]}]), "userinfo: no answer"),
    "too long": ((200, {"sub": "pia", "groups": ["finance"], "x": "x" * 65_536}), "userinfo: no answer"),
    "no groups": ((200, {"sub": "pia"}), "no group"),
    "other groups": ((200, {"sub": "pia", "groups": ["choir"]}), "no group"),
}


@pytest.mark.parametrize("what", WRONG)
async def test_a_userinfo_that_is_wrong_lets_nobody_in(api: Running, provider: SmallProvider, what: str) -> None:
    provider.userinfo, why = WRONG[what]
    async with browser(api) as pia:
        refused = await sign_in(pia, provider, "pia")
        assert (refused.status_code, refused.json()["code"]) == (401, "sign_in.refused"), refused.text
        assert f": {why}." in refused.json()["detail"]
        assert COOKIE not in pia.cookies
    assert "user:info.pia" not in (await api.as_("owner").get("/v1/users")).text
    assert any(f'"why":"{why}"' in leaf for leaf in await leaves(api, "sign_in.refused"))


async def test_without_an_access_token_nobody_is_asked(api: Running, provider: SmallProvider) -> None:
    provider.userinfo = (200, {"sub": "pia", "groups": ["finance"]})
    for token in (None, "", "two words", "x\r\ny: z", "x" * 9_000):
        provider.answer["access_token"], provider.claims["at_hash"] = token, None
        async with browser(api) as pia:
            assert (await sign_in(pia, provider, "pia")).status_code == 401
    assert "/userinfo" not in provider.asked


@pytest.mark.parametrize(
    "url", ["https://169.254.169.254/latest", "https://[::ffff:169.254.169.254]/", "https://10.0.0.1/userinfo"]
)
async def test_userinfo_is_asked_through_the_guard(api: Running, provider: SmallProvider, url: str) -> None:
    provider.metadata["userinfo_endpoint"] = url
    async with browser(api) as pia:
        refused = await sign_in(pia, provider, "pia")
        assert refused.status_code in (400, 401, 403, 422, 502), refused.text
        assert COOKIE not in pia.cookies


async def test_userinfo_without_tls_is_no_endpoint(api: Running, provider: SmallProvider) -> None:
    provider.metadata["userinfo_endpoint"] = "http://login.example/userinfo"
    async with browser(api) as pia:
        answer = await pia.get("/v1/sign-in/oidc/default/info")
        assert (answer.status_code, answer.json()["code"]) == (502, "sign_in.provider_failed")
