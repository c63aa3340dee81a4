"""Views: filters that a person keeps under a name, shares where policy lets them, and that go when they are erased."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from tests.contract.api_fixture import MARKS, api
from tests.contract.running_api import Running, client

from interlock.app import audit_log
from interlock.governance.verify import verify
from interlock.orchestration.saved_views import OWN_MAX

pytestmark = MARKS
__all__ = ["api"]
FILTERS = {"find": "failed unresolved"}


async def save(who: httpx.AsyncClient, name: str, page: str = "tasks", **more: Any) -> httpx.Response:
    return await who.post("/v1/views", json={"page": page, "name": name, "filters": FILTERS, **more})


async def names(who: httpx.AsyncClient, **params: str) -> list[str]:
    return [view["name"] for view in (await who.get("/v1/views", params=params)).json()["items"]]


async def findings(api: Running) -> set[str]:
    log, public = audit_log(api.app.settings, api.relay), api.app.keys.audit_key.public_key()
    report = await verify(api.app.database, api.relay, log, api.app.subject_keys, public)
    return {one.what for one in report.findings}


async def test_a_view_is_kept_renamed_and_deleted(api: Running) -> None:
    mei = api.as_("reviewer")
    made = await save(mei, "To look at")
    assert made.status_code == 201, made.text
    view = made.json()
    assert (view["owner"], view["filters"], view["shared"], view["may_change"]) == ("user:mei", FILTERS, False, True)
    assert await names(mei) == await names(mei, page="tasks") == ["To look at"]
    assert await names(mei, page="inbox") == await names(api.as_("reviewer2")) == []
    same = await save(mei, "To look at")
    assert (same.status_code, same.json()["errors"][0]["pointer"]) == (409, "/name")
    assert (await save(mei, "To look at", page="inbox")).status_code == 201  # a name is unlike others of its page
    assert (await save(api.as_("reviewer2"), "To look at")).status_code == 201  # and of its person
    assert (await save(mei, "Other")).status_code == 201

    body = {
        "page": "tasks",
        "name": "Failed",
        "filters": {"find": "failed", "columns": "state,what", "since": "7d"},
        "shared": False,
    }
    changed = await mei.put(f"/v1/views/{view['id']}", json=body)
    assert changed.status_code == 200, changed.text
    assert {k: changed.json()[k] for k in body} == body
    assert (await mei.put(f"/v1/views/{view['id']}", json={**body, "name": "Other"})).status_code == 409
    moved = await mei.put(f"/v1/views/{view['id']}", json={**body, "page": "inbox", "filters": {}})
    assert (moved.status_code, moved.json()["errors"][0]["pointer"]) == (422, "/page")
    assert (await mei.delete(f"/v1/views/{view['id']}")).status_code == 204
    assert (await mei.delete(f"/v1/views/{view['id']}")).status_code == 404
    assert await names(mei, page="tasks") == ["Other"]
    assert await findings(api) == set()
    leaves = [row[0] for row in await api.owner("select leaf from audit_records where leaf like '%%\"view\"%%'")]
    assert sum(f'"view":"{view["id"]}"' in leaf for leaf in leaves) == 3
    assert all(said not in leaf for leaf in leaves for said in ("user:mei", "To look at", "unresolved"))


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": " x"}, "/name"),
        ({"name": "x" * 81}, "/name"),
        ({"page": "audit"}, "/page"),
        ({"filters": {"queue": "mine"}}, "/filters/queue"),
        ({"filters": {"find": "x" * 501}}, "/filters/find"),
        ({"filters": {"find": 7}}, "/filters/find"),
        ({"filters": {f"f{n}": "x" for n in range(17)}}, "/filters"),
        ({"owner": "user:ravi"}, "/owner"),
    ],
)
async def test_a_view_that_is_none_names_the_field(api: Running, change: dict[str, Any], pointer: str) -> None:
    body = {"page": "tasks", "name": "x", "filters": FILTERS, **change}
    answer = await api.as_("reviewer").post("/v1/views", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer


async def test_views_are_shared_by_policy_and_seen_by_the_tenant(api: Running) -> None:
    owner, mei = api.as_("owner"), api.as_("reviewer")
    refused = await save(mei, "Ours", shared=True)
    assert (refused.status_code, refused.json()["code"]) == (403, "auth.refused")
    assert "view.share" in refused.json()["detail"]
    assert (await save(api.as_("agent"), "Ours")).status_code == 403
    own = (await save(owner, "Mine alone")).json()
    shared = (await save(owner, "Ours", shared=True)).json()
    seen = {view["name"]: view for view in (await mei.get("/v1/views")).json()["items"]}
    assert seen["Ours"]["may_change"] is False
    assert "Mine alone" not in seen
    assert await names(api.as_("stranger")) == []
    body = {"page": "tasks", "name": "Theirs", "filters": {}, "shared": True}
    for view, who, status in (
        (shared, "reviewer", 403), (own, "reviewer", 403), (own, "owner2", 404), (shared, "stranger", 404), (shared, "owner2", 200),
    ):  # fmt: skip
        answer = await api.as_(who).put(f"/v1/views/{view['id']}", json=body)
        assert answer.status_code == status, (who, answer.text)
    assert "Theirs" in await names(mei)
    assert (await api.as_("owner2").get("/v1/views")).json()["items"][-1][
        "owner"
    ] == "user:olga"  # it stays whose it was
    assert await findings(api) == set()


async def test_there_is_a_limit_of_views(api: Running) -> None:
    ravi = api.as_("reviewer2")
    own = [view for view in (await ravi.get("/v1/views")).json()["items"] if view["owner"] == "user:ravi"]
    room = OWN_MAX - len(own)
    made = [await save(ravi, f"v{number}") for number in range(room + 1)]
    assert [one.status_code for one in made] == [201] * room + [409]
    assert "50 views" in made[-1].json()["detail"]


async def test_tampering_with_a_view_is_found(api: Running) -> None:
    view = (await save(api.as_("boss"), "Bo's", page="inbox", filters={"queue": "mine"})).json()["id"]
    columns = "owner, page, name, filters, shared"
    for change, what in (
        ("owner = 'user:eve'", "the subject's key is there, or was erased"),
        ("name = 'other'", "the view is what its last leaf commits to"),
        ("filters = '{}'", "the view is what its last leaf commits to"),
        ("page = 'tasks'", "the view's page is that of its last leaf"),
        ("shared = true", "the view's shared is that of its last leaf"),
    ):
        [kept] = await api.owner(
            "select owner, page, name, filters::text, shared from saved_views where id = %s", (view,)
        )
        await api.owner(f"update saved_views set {change} where id = %s", (view,))
        assert await findings(api) == {what}
        await api.owner(f"update saved_views set ({columns}) = (%s, %s, %s, %s::json, %s) where id = %s", (*kept, view))
    assert await findings(api) == set()
    invented = "insert into saved_views (tenant, id, owner, page, name, filters) values ('default', 'view_x', 'user:bo', 'tasks', 'x', '{}')"
    await api.owner(invented)
    assert await findings(api) == {"a view is there as the log says"}
    await api.owner("delete from saved_views where id = 'view_x'")
    [kept] = await api.owner(
        "delete from saved_views where id = %s returning owner, page, name, filters::text", (view,)
    )
    assert await findings(api) == {"a view is there as the log says"}
    back = (
        "insert into saved_views (tenant, id, owner, page, name, filters) values ('default', %s, %s, %s, %s, %s::json)"
    )
    await api.owner(back, (view, *kept))


async def test_views_of_who_is_erased_go_and_are_shown_before(api: Running) -> None:
    key = (await api.as_("owner").post("/v1/keys", json={"name": "k", "user": "user:vi", "roles": ["owner"]})).json()
    vi = client(api.api, key["key"])
    made = (await save(vi, "Vi's own", shared=True)).json()
    about = (await api.as_("owner").get("/v1/privacy/subjects/user:vi")).json()
    assert [(v["id"], v["name"], v["filters"]) for v in about["views"]] == [(made["id"], "Vi's own", FILTERS)]
    await api.as_("owner").delete(f"/v1/keys/{key['id']}")
    erasure = await api.as_("owner").post("/v1/privacy/erasures", json={"subject": "user:vi"})
    assert erasure.status_code == 202, erasure.text
    await api.app.erasures.once()
    assert (await api.as_("owner").get("/v1/privacy/subjects/user:vi")).json()["views"] == []
    assert "Vi's own" not in await names(api.as_("owner"))
    assert await findings(api) == set()
    [leaf] = [
        row[0]
        for row in await api.owner(
            "select leaf from audit_records where leaf like '%%view.removed%%' and leaf like %s", (f"%{made['id']}%",)
        )
    ]
    assert erasure.json()["id"] in leaf
    await vi.aclose()
