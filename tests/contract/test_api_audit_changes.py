"""Values before and after a record, told from the log: of accounts, keys, secrets, models and policies, and to whom they are shown."""

from __future__ import annotations

from typing import Any

from tests.contract.api_fixture import MARKS, api
from tests.contract.running_api import Running
from tests.eventually import eventually

pytestmark = MARKS
__all__ = ["api"]

FREEZE = """@id("freeze") @reason("Nothing is submitted during the freeze.")
forbid (principal is User, action == Action::"task.submit", resource) when { principal.roles.contains("author") };"""


async def record(api: Running, kind: str, **facts: Any) -> dict[str, Any]:
    """Give the newest record of a kind with these facts, once it has a position."""

    async def found() -> dict[str, Any] | None:
        params = {"newest": "true", "limit": "50", "kind": kind}
        items = (await api.as_("owner").get("/v1/audit/records", params=params)).json()["items"]
        return next((one for one in items if facts.items() <= one["facts"].items()), None)

    result: dict[str, Any] = await eventually(found, message=f"a record {kind}")
    return result


async def changes(api: Running, position: int, who: str = "owner") -> tuple[dict[str, Any], dict[str, tuple[Any, Any]]]:
    answer = await api.as_(who).get(f"/v1/audit/records/{position}/changes")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body, {one["field"]: (one["before"], one["after"]) for one in body["items"]}


async def test_roles_and_a_limit_stand_before_and_after(api: Running) -> None:
    owner = api.as_("owner")
    person = {"id": "user:lena", "name": "Lena", "roles": ["reviewer"], "approval_limit": 500}
    assert (await owner.post("/v1/users", json=person)).status_code == 201
    other = {"id": "user:otto", "name": "Otto", "roles": ["auditor"]}
    assert (await owner.post("/v1/users", json=other)).status_code == 201  # a record of another one, between the two
    changed = await owner.post("/v1/users/user:lena:roles", json={"roles": ["auditor"], "approval_limit": 1500})
    assert changed.status_code == 200, changed.text
    said = await record(api, "account.changed", approval_limit="1500")
    assert (said["by"], "lena" in said["leaf"]) == ("user:olga", False)
    body, found = await changes(api, said["position"])
    assert found == {
        "state": ("created", "changed"),
        "roles": (["reviewer"], ["auditor"]),
        "approval_limit": ("500", "1500"),
    }
    assert body["about"] == "user:lena"
    first = await record(api, "account.created", account=said["facts"]["account"])
    assert body["since"] == first["position"]
    began, fields = await changes(api, first["position"])
    assert (began["since"], fields["roles"]) == (None, (None, ["reviewer"]))
    disabled = await owner.post("/v1/users/user:lena:disable")
    assert disabled.status_code == 200
    said = await record(api, "account.disabled", account=said["facts"]["account"])
    assert (await changes(api, said["position"]))[1]["disabled"] == (False, True)


async def test_a_key_keeps_what_it_was_made_with_through_its_changes(api: Running) -> None:
    owner = api.as_("owner")
    made = (await owner.post("/v1/keys", json={"name": "k", "user": "user:kai", "roles": ["reviewer"]})).json()
    at = "2030-01-01T00:00:00Z"
    assert (await owner.post(f"/v1/keys/{made['id']}:expire", json={"at": at})).status_code == 200
    said = await record(api, "key.expiring", key=made["id"])
    body, found = await changes(api, said["position"])
    assert (body["about"], found["state"]) == ("user:kai", ("created", "expiring"))
    before, after = found["expires_at"]
    assert (before, after[:10]) == (None, "2030-01-01")
    assert "roles" not in found  # a record that does not speak of them changed none
    await owner.delete(f"/v1/keys/{made['id']}")
    said = await record(api, "key.revoked", key=made["id"])
    assert (await changes(api, said["position"]))[1] == {"state": ("expiring", "revoked")}


async def test_policies_stand_file_by_file_before_and_after(api: Running) -> None:
    owner, other = api.as_("owner"), api.as_("owner2")
    number = (await owner.post("/v1/policies/changes", json={"files": {"own.cedar": FREEZE}})).json()["number"]
    assert (await other.post(f"/v1/policies/changes/{number}:approve")).status_code == 200
    try:
        said = await record(api, "policy.activated", change=number)
        body, found = await changes(api, said["position"])
        assert (found["own.cedar"], found["set"][0]) == ((None, FREEZE), 0)
        assert body["about"] is None
    finally:
        assert (await owner.post("/v1/policies:rollback", json={"to": 0})).status_code == 200
    back = await record(api, "policy.rolled-back", set=0)
    body, found = await changes(api, back["position"])
    assert (body["since"], found["own.cedar"]) == (said["position"], (FREEZE, None))


async def test_what_changes_nothing_has_no_values_and_others_see_none(api: Running) -> None:
    task = await api.submit(wait="succeeded", name="Ada")
    position = (await record(api, "task.succeeded", task=task["id"]))["position"]
    assert (await changes(api, position))[1] == {}
    assert (await api.as_("owner").get("/v1/audit/records/99999999/changes")).status_code == 404
    assert (await api.as_("author").get(f"/v1/audit/records/{position}/changes")).status_code == 403
