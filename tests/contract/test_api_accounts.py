"""People, service accounts and tenants: what an owner does with them, and what is on record."""

from __future__ import annotations

from typing import Any

import pytest
from tests.contract.api_fixture import MARKS, api
from tests.contract.running_api import Running
from tests.contract.test_api_keys import make, status, with_key
from tests.contract.test_api_tenants import PNG

pytestmark = MARKS
__all__ = ["api"]
WORDS = "four words stand here"


async def leaves(api: Running, kind: str) -> list[str]:
    rows = await api.owner("select leaf from audit_records where leaf like %s", (f'%"kind":"{kind}"%',))
    return [leaf for (leaf,) in rows]


async def test_disabling_a_service_refuses_all_its_keys_at_once(api: Running) -> None:
    owner = api.as_("owner")
    missing = await owner.post("/v1/keys", json={"name": "k", "user": "service:mail", "roles": ["author"]})
    assert (missing.status_code, missing.json()["errors"][0]["pointer"]) == (422, "/user")
    made = await owner.post("/v1/services", json={"id": "service:mail", "name": "The mail intake"})
    assert made.status_code == 201, made.text
    keys = [await make(api, user="service:mail") for _ in range(2)]
    assert [await status(api, key["key"]) for key in keys] == [200, 200]
    assert (await owner.post("/v1/services/service:mail:disable")).json()["disabled_at"]
    assert [await status(api, key["key"]) for key in keys] == [401, 401]
    assert (
        await owner.post("/v1/keys", json={"name": "k", "user": "service:mail", "roles": ["author"]})
    ).status_code == 409
    assert (await owner.post("/v1/services/service:mail:disable")).status_code == 409
    assert (await owner.post("/v1/services/service:mail:enable")).status_code == 200
    assert await status(api, keys[0]["key"]) == 200
    said = [leaf for kind in ("created", "disabled", "enabled") for leaf in await leaves(api, f"account.{kind}")]
    assert len(said) >= 3
    assert all("mail" not in leaf for leaf in said)
    assert any('"why":"disabled"' in leaf for leaf in await leaves(api, "key.refused"))


async def test_a_key_of_a_disabled_account_can_still_be_revoked(api: Running) -> None:
    owner = api.as_("owner")
    await owner.post("/v1/services", json={"id": "service:old", "name": "Old"})
    key = await make(api, user="service:old")
    await owner.post("/v1/services/service:old:disable")
    assert (await owner.post(f"/v1/keys/{key['id']}:rotate")).status_code == 404
    assert (await owner.delete(f"/v1/keys/{key['id']}")).status_code == 204


async def test_a_person_is_made_changed_and_disabled(api: Running) -> None:
    owner = api.as_("owner")
    body = {"id": "user:noor", "name": "Noor", "roles": ["reviewer"], "approval_limit": "200.50", "password": WORDS}
    made = await owner.post("/v1/users", json=body)
    assert made.status_code == 201, made.text
    assert (made.json()["signs_in_by"], made.json()["approval_limit"]) == (["password"], "200.50")
    assert WORDS not in made.text
    assert (await owner.post("/v1/users", json=body)).status_code == 409
    changed = await owner.post("/v1/users/user:noor:roles", json={"roles": ["boss", "author"]})
    assert (changed.json()["roles"], changed.json()["approval_limit"]) == (["author", "boss"], None)
    key = await make(api, user="user:noor")
    assert (await owner.post("/v1/users/user:noor:disable")).status_code == 200
    assert await status(api, key["key"]) == 401
    listed = (await api.as_("auditor").get("/v1/users")).json()["items"]
    assert next(u for u in listed if u["id"] == "user:noor")["disabled_at"]
    assert (await owner.get("/v1/services")).json()["items"] == [
        s for s in (await owner.get("/v1/services")).json()["items"] if s["id"].startswith("service:")
    ]
    for leaf in await leaves(api, "account.created"):
        assert "oor" not in leaf
        assert "argon2" not in leaf


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"password": "short"}, "/password"),
        ({"password": "Password1234"}, "/password"),
        ({"roles": ["queen"]}, "/roles/0"),
        ({"id": "service:noor"}, "/id"),
        ({"id": "user:"}, "/id"),
        ({"name": ""}, "/name"),
        ({"approval_limit": "-1"}, "/approval_limit"),
    ],
)
async def test_an_account_that_does_not_fit_is_refused(api: Running, given: dict[str, Any], pointer: str) -> None:
    answer = await api.as_("owner").post("/v1/users", json={"id": "user:weak", "name": "Weak", **given})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert str(given.get("password", "never said")) not in answer.text
    assert await api.owner("select 1 from accounts where id = 'user:weak'") == []


async def test_a_route_of_people_changes_no_service(api: Running) -> None:
    owner = api.as_("owner")
    await owner.post("/v1/services", json={"id": "service:kind", "name": "Kind"})
    assert (await owner.post("/v1/users/service:kind:password", json={"password": WORDS})).status_code == 404
    assert (await owner.post("/v1/users/service:kind:disable")).status_code == 404


async def test_a_person_changes_the_own_password_with_the_one_before(api: Running) -> None:
    owner = api.as_("owner")
    await owner.post("/v1/users", json={"id": "user:pat", "name": "Pat", "roles": [], "password": WORDS})
    key = await make(api, user="user:pat", roles=["reviewer"])
    path = "/v1/users/user:pat:password"
    async with with_key(api, key["key"]) as pat:
        assert (await pat.post(path, json={"password": WORDS + " too"})).status_code == 403
        assert (await pat.post(path, json={"password": WORDS + " too", "current": "wrong"})).status_code == 403
        assert (await pat.post(path, json={"password": WORDS + " too", "current": WORDS})).status_code == 200
        assert (await pat.post("/v1/users/user:ada:password", json={"password": WORDS})).status_code == 403
        assert (await pat.post("/v1/users/user:pat:roles", json={"roles": ["owner"]})).status_code == 403
    assert (await owner.post(path, json={"password": WORDS})).status_code == 200


async def test_the_last_owner_is_not_disabled(api: Running) -> None:
    single = api.as_("single")
    assert (
        await single.post("/v1/users", json={"id": "user:una", "name": "Una", "roles": ["owner"]})
    ).status_code == 201
    assert (await single.get("/v1/whoami")).json()["single_operator"] is True
    assert (await single.post("/v1/users/user:una:disable")).status_code == 409
    assert (await single.post("/v1/users", json={"id": "user:two", "name": "Two"})).status_code == 201
    assert (await single.get("/v1/whoami")).json()["single_operator"] is False


async def test_a_narrowed_key_makes_no_account_and_sets_no_password(api: Running) -> None:
    narrowed = await make(api, roles=["owner"], scope={"actions": ["account.*", "tenant.*"]})
    await api.as_("owner").post("/v1/users", json={"id": "user:far", "name": "Far"})
    async with with_key(api, narrowed["key"]) as caller:
        for path, body in (
            ("/v1/users", {"id": "user:new", "name": "New", "roles": ["owner"]}),
            ("/v1/users/user:far:password", {"password": WORDS}),
            ("/v1/users/user:far:roles", {"roles": ["owner"]}),
            ("/v1/tenants", {"tenant": "newer", "name": "Newer"}),
        ):
            assert (await caller.post(path, json=body)).status_code == 403, path
        assert (await caller.post("/v1/users/user:far:disable")).status_code == 200


async def test_an_admin_of_the_first_tenant_makes_tenants_and_nobody_else(api: Running) -> None:
    body = {"tenant": "acme", "name": "Acme", "owner": "user:olga"}
    for who in ("stranger", "auditor", "author"):
        assert (await api.as_(who).post("/v1/tenants", json=body)).status_code == 403
    assert (await api.as_("stranger").get("/v1/tenants")).status_code == 403
    made = await api.as_("owner").post("/v1/tenants", json=body)
    assert made.status_code == 201, made.text
    assert (await api.as_("owner").post("/v1/tenants", json=body)).status_code == 409
    assert (await api.as_("owner").post("/v1/tenants", json={**body, "tenant": "No"})).status_code == 422
    listed = (await api.as_("auditor").get("/v1/tenants")).json()
    assert {"acme", "default", "other"} <= {t["tenant"] for t in listed["items"]}
    assert made.json()["key"] not in str(listed)
    async with with_key(api, made.json()["key"]) as owner:
        me = (await owner.get("/v1/whoami")).json()
        assert (me["tenant"], me["id"], me["roles"]) == ("acme", "user:olga", ["owner"])
        assert (await owner.get("/v1/tasks")).json()["items"] == []
        assert (await owner.get("/v1/tenants")).status_code == 403
    rows = await api.owner(
        "select tenant from audit_records where leaf like %s order by 1", ('%"kind":"tenant.created"%',)
    )
    assert [tenant for (tenant,) in rows] == ["acme", "default"]
    assert len((await api.as_("owner").get("/v1/tenants", params={"after": "acme"})).json()["items"]) < len(
        listed["items"]
    )


async def test_a_refused_key_is_on_record_without_its_secret_and_once_a_minute(api: Running) -> None:
    key = await make(api)
    forged = key["key"][:-4] + ("AAAA" if key["key"][-4:] != "AAAA" else "BBBB")
    for _ in range(3):
        assert await status(api, forged) == 401
    said = [leaf for leaf in await leaves(api, "key.refused") if key["id"] in leaf]
    assert len(said) == 1
    assert '"why":"secret"' in said[0]
    assert key["key"].rpartition("_")[2][:8] not in said[0]
    assert await status(api, "il_test_" + "z" * 12 + "_" + "A" * 40) == 401
    assert any('"why":"unknown"' in leaf and '"key":null' in leaf for leaf in await leaves(api, "key.refused"))


async def test_objects_of_a_tenant_lie_under_its_name(api: Running) -> None:
    answers = [
        await api.as_(who).post("/v1/documents", files={"file": ("a.png", PNG)}) for who in ("owner", "stranger")
    ]
    assert [a.status_code for a in answers] == [201, 201]
    rows = await api.owner("select tenant, object_key from documents")
    assert {tenant for tenant, _ in rows} >= {"default", "other"}
    assert all(key.startswith(f"tenants/{tenant}/") for tenant, key in rows)
