"""Signing in: with a key or a password, over which connections, for how long; cookies, forged requests, too many tries."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from tests.contract.api_fixture import MARKS, api
from tests.contract.running_api import Running, client
from tests.contract.test_api_accounts import leaves
from tests.contract.test_api_keys import make

pytestmark = MARKS
__all__ = ["api"]
WORDS = "four words stand here"
COOKIE = "__Host-interlock"


def browser(api: Running, base_url: str = "https://interlock.test", **options: Any) -> httpx.AsyncClient:
    return client(api.api, None, base_url=base_url, **options)


async def person(api: Running, name: str, *roles: str) -> str:
    body = {"id": f"user:{name}", "name": name, "roles": list(roles), "password": WORDS}
    made = await api.as_("owner").post("/v1/users", json=body)
    assert made.status_code == 201, made.text
    return f"user:{name}"


async def sign_in(caller: httpx.AsyncClient, user: str, password: str = WORDS, **given: Any) -> httpx.Response:
    return await caller.post("/v1/sessions", json={"user": user, "password": password, **given})


async def test_a_password_gives_a_session_whose_cookie_scripts_cannot_read(api: Running) -> None:
    user = await person(api, "sia", "reviewer")
    async with browser(api) as sia:
        answer = await sign_in(sia, user)
        assert answer.status_code == 201, answer.text
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"{COOKIE}=ils_test_session_")
        for part in ("HttpOnly", "Path=/", "SameSite=strict", "Secure", "Max-Age=43200"):
            assert part in cookie
        assert "Domain" not in cookie
        assert sia.cookies[COOKIE] not in answer.text
        current = (await sia.get("/v1/sessions/current")).json()
        assert (current["user"], current["roles"], current["method"]) == (user, ["reviewer"], "password")
        assert current["csrf_token"] == answer.json()["csrf_token"]
        assert (await sia.get("/v1/tasks")).status_code == 200
        stored = await api.owner("select token_hash::text from sessions where id = %s", (current["id"],))
        assert sia.cookies[COOKIE].split("_", 4)[4] not in str(stored)  # all of the secret, which may hold a "_" itself


async def test_a_change_needs_the_token_against_forged_requests(api: Running) -> None:
    user = await person(api, "cass", "author")
    async with browser(api) as cass:
        token = (await sign_in(cass, user)).json()["csrf_token"]
        body = {"automation": "greet", "input": {"name": "Ada"}}
        for headers in ({}, {"x-csrf-token": ""}, {"x-csrf-token": token[:-1] + "x"}, {"x-csrf-token": "ü"}):
            sent = {name.encode(): value.encode() for name, value in headers.items()}
            refused = await cass.post("/v1/tasks", json=body, headers=sent)
            assert (refused.status_code, refused.json()["code"]) == (403, "auth.csrf")
        assert (await cass.get("/v1/tasks", params={"submitted_by": user})).json()["items"] == []
        assert (await cass.post("/v1/tasks", json=body, headers={"x-csrf-token": token})).status_code == 202
    assert any('"why":"csrf"' in leaf for leaf in await leaves(api, "session.refused"))


async def test_a_session_of_a_key_may_what_the_key_may_and_ends_with_it(api: Running) -> None:
    key = await make(api, roles=["owner"], scope={"actions": ["task.list"]})
    async with browser(api) as caller:
        answer = await caller.post("/v1/sessions", headers={"authorization": f"Bearer {key['key']}"})
        assert (answer.status_code, answer.json()["key_id"]) == (201, key["id"]), answer.text
        assert (await caller.get("/v1/tasks")).status_code == 200
        assert (await caller.get("/v1/keys")).status_code == 403
        await api.as_("owner").delete(f"/v1/keys/{key['id']}")
        assert (await caller.get("/v1/tasks")).status_code == 401


@pytest.mark.parametrize(
    ("base_url", "options", "status", "cookie"),
    [
        ("https://interlock.test", {}, 201, COOKIE),
        ("http://localhost:8080", {}, 201, "interlock"),
        ("http://127.0.0.1:8080", {}, 201, "interlock"),
        ("http://interlock.test", {}, 403, None),
        ("http://localhost:8080", {"peer": ("192.0.2.7", 1)}, 403, None),
        # Nobody trusts this proxy.
        ("http://interlock.test", {"headers": {"x-forwarded-proto": "https"}}, 403, None),
    ],
)
async def test_nobody_signs_in_over_plain_http_from_elsewhere(
    api: Running, base_url: str, options: dict[str, Any], status: int, cookie: str | None
) -> None:
    key = {"authorization": f"Bearer {api.keys['author']}"}
    peer = {k: v for k, v in options.items() if k == "peer"}
    async with browser(api, base_url, **peer) as caller:
        answer = await caller.post("/v1/sessions", headers={**key, **options.get("headers", {})})
        assert answer.status_code == status, answer.text
        assert [c.name for c in caller.cookies.jar] == ([cookie] if cookie else [])
        if cookie is None:
            assert answer.json()["code"] == "auth.insecure_transport"
            # A password is not even looked at.
            assert (await sign_in(caller, "user:nobody", "wrong", **{})).status_code == 403
        else:
            assert ("Secure" in answer.headers["set-cookie"]) == (cookie == COOKIE)


async def test_a_cookie_opens_nothing_over_plain_http(api: Running) -> None:
    async with browser(api) as caller:
        await caller.post("/v1/sessions", headers={"authorization": f"Bearer {api.keys['author']}"})
        token = caller.cookies[COOKIE]
    async with browser(api, "http://interlock.test") as plain:
        for name in (COOKIE, "interlock"):
            assert (await plain.get("/v1/whoami", headers={"cookie": f"{name}={token}"})).status_code == 401


@pytest.mark.parametrize("what", ["ended", "expired", "idle", "forged", "disabled", "password"])
async def test_a_session_that_is_over_opens_nothing(api: Running, what: str) -> None:
    user = await person(api, f"over-{what}", "author")
    owner = api.as_("owner")
    async with browser(api) as caller:
        started = (await sign_in(caller, user)).json()
        assert (await caller.get("/v1/whoami")).status_code == 200
        if what == "ended":
            assert (await owner.delete(f"/v1/sessions/{started['id']}")).status_code == 204
        elif what == "disabled":
            assert (await owner.post(f"/v1/users/{user}:disable")).status_code == 200
            assert (await owner.post(f"/v1/users/{user}:enable")).status_code == 200
        elif what == "password":
            assert (
                await owner.post(f"/v1/users/{user}:password", json={"password": WORDS + " now"})
            ).status_code == 200
        elif what == "expired":
            await api.owner("update sessions set expires_at = time_now() where id = %s", (started["id"],))
        elif what == "idle":
            await api.owner(
                "update sessions set last_used_at = time_now() - interval '31 minutes' where id = %s", (started["id"],)
            )
        else:
            token = caller.cookies[COOKIE]
            caller.cookies.clear()
            caller.headers["cookie"] = f"{COOKIE}={token[:-1] + ('A' if token[-1] != 'A' else 'B')}"
        answer = await caller.get("/v1/whoami")
        assert (answer.status_code, answer.json()["code"]) == (401, "auth.required")
        assert answer.json()["detail"] == "The session is not known, or it is over."
    said = [leaf for leaf in await leaves(api, "session.refused") if started["id"] in leaf]
    assert len(said) == 1


async def test_who_is_not_known_gets_the_same_answer_and_a_record_without_the_name(api: Running) -> None:
    user = await person(api, "quinn", "author")
    async with browser(api) as caller:
        wrong = await sign_in(caller, user, "not the words at all")
        unknown = await sign_in(caller, "user:zaphod", "not the words at all")
        nowhere = await sign_in(caller, user, "not the words at all", tenant="nowhere")
        elsewhere = await sign_in(caller, user, WORDS, tenant="other")
        for answer in (wrong, unknown, nowhere, elsewhere):
            assert answer.status_code == 401
            assert {**answer.json(), "correlation_id": ""} == {**wrong.json(), "correlation_id": ""}
        assert "set-cookie" not in wrong.headers
    said = await leaves(api, "sign_in.refused")
    assert {why for leaf in said for why in ("password", "unknown") if f'"why":"{why}"' in leaf} == {
        "password",
        "unknown",
    }
    assert all("zaphod" not in leaf and "quinn" not in leaf for leaf in said)


async def test_too_many_tries_are_refused_until_the_window_is_over_also_with_the_right_password(api: Running) -> None:
    user = await person(api, "tess", "author")
    async with browser(api, peer=("192.0.2.44", 1)) as caller:
        for _ in range(10):
            assert (await sign_in(caller, user, "not the words at all")).status_code == 401
        refused = await sign_in(caller, user)
        assert (refused.status_code, refused.json()["code"]) == (429, "sign_in.too_many")
        assert 0 < int(refused.headers["retry-after"]) <= 900
        assert (await sign_in(caller, user)).status_code == 429
        await api.owner("update sign_in_tries set since = since - interval '15 minutes'")
        assert (await sign_in(caller, user)).status_code == 201
    assert sum('"why":"too many tries"' in leaf for leaf in await leaves(api, "sign_in.refused")) == 1


async def test_one_lists_and_ends_the_own_sessions_and_an_owner_all(api: Running) -> None:
    user = await person(api, "liv", "author")
    async with browser(api) as one, browser(api) as two:
        first, second = (await sign_in(one, user)).json(), (await sign_in(two, user)).json()
        assert [s["id"] for s in (await one.get("/v1/sessions")).json()["items"]] == [second["id"], first["id"]]
        assert (await one.get("/v1/sessions", params={"all": True})).status_code == 403
        every = {s["id"] for s in (await api.as_("auditor").get("/v1/sessions", params={"all": True})).json()["items"]}
        assert {first["id"], second["id"]} <= every
        csrf = {"x-csrf-token": first["csrf_token"]}
        assert (await one.delete(f"/v1/sessions/{second['id']}", headers=csrf)).status_code == 204
        assert (await two.get("/v1/whoami")).status_code == 401
        assert (await api.as_("author").delete(f"/v1/sessions/{first['id']}")).status_code == 403
        out = await one.delete("/v1/sessions/current", headers=csrf)
        assert (out.status_code, "Max-Age=0" in out.headers["set-cookie"]) == (204, True)
        assert COOKIE not in one.cookies
    assert len([leaf for leaf in await leaves(api, "session.ended") if '"why":"revoked"' in leaf]) >= 2


async def test_the_oldest_of_too_many_sessions_ends(api: Running) -> None:
    key = {"authorization": f"Bearer {api.keys['reviewer2']}"}
    async with browser(api) as caller:
        begun = [(await caller.post("/v1/sessions", headers=key)).json()["id"] for _ in range(21)]
        items = (await api.as_("reviewer2").get("/v1/sessions")).json()["items"]
    assert [s["id"] for s in items] == begun[:0:-1]


async def test_a_request_with_a_key_has_no_session(api: Running) -> None:
    assert (await api.as_("author").get("/v1/sessions/current")).status_code == 404
