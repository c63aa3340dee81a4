"""Erasing a person: what is kept is shown, goes, and leaves an audit log that holds; open tasks are waited for."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.contract.api_fixture import MARKS, api
from tests.contract.running_api import Running, client
from tests.contract.test_api_duties import key_of
from tests.eventually import eventually

from interlock.app import audit_log
from interlock.domain.errors import NotFound
from interlock.governance.findings import Report
from interlock.governance.verify import verify

pytestmark = MARKS
__all__ = ["api"]
MARK = "Zebulon"


def png(shade: int) -> bytes:
    out = io.BytesIO()
    Image.new("L", (8, 8), shade).save(out, "PNG")
    return out.getvalue()


async def uploaded(api: Running, shade: int) -> str:
    files = {"file": (f"{MARK}-{shade}.png", png(shade))}
    return str((await api.as_("author").post("/v1/documents", files=files)).json()["id"])


async def checked(api: Running) -> Report:
    app = api.app
    return await verify(
        app.database,
        api.relay,
        audit_log(app.settings, api.relay),
        app.subject_keys,
        app.keys.audit_key.public_key(),
        digest=app.objects.sha256,
    )


async def erase(api: Running, subject: str) -> dict[str, Any]:
    answer = await api.as_("owner").post("/v1/privacy/erasures", json={"subject": subject})
    assert answer.status_code == 202, answer.text
    await api.app.erasures.once()
    found: dict[str, Any] = (await api.as_("owner").get(f"/v1/privacy/erasures/{answer.json()['id']}")).json()
    return found


async def everywhere(api: Running, word: str) -> list[str]:
    """Give the tables in which a word stands."""
    tables = await api.owner(
        "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'interlock' and c.relkind = 'r'"
    )
    return [
        name
        for (name,) in tables
        if await api.owner(f"select 1 from {name} t where t::text ilike %s limit 1", (f"%{word}%",))
    ]


async def test_erasures_are_listed_in_pages(api: Running) -> None:
    made = []
    for number in range(5):
        await api.submit(wait="succeeded", name="Noor", subject=f"paged:{number}")
        made.append((await erase(api, f"paged:{number}"))["id"])
    listed: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        page = (await api.as_("owner").get("/v1/privacy/erasures", params={"limit": 2, **cursor})).json()
        listed += [one["id"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        assert len(page["items"]) == 2
        cursor = {"cursor": page["next_cursor"]}
    assert [one for one in listed if one in made] == made[::-1]
    assert (await api.as_("owner").get("/v1/privacy/erasures", params={"cursor": "x"})).status_code == 400


async def test_what_a_person_left_goes_and_the_log_still_holds(api: Running) -> None:
    subject = "person:4711"
    document, shared = await uploaded(api, 1), await uploaded(api, 2)
    small = await api.submit(wait="succeeded", name=MARK, subject=subject, document={"id": document})
    large = await api.submit(
        wait="succeeded", name=MARK, subject=subject, padding=MARK + "x" * 40_000, document={"id": shared}
    )
    await api.submit(wait="failed", name=MARK, subject=subject, fail=True)
    await api.submit(wait="succeeded", name="Somebody", subject="person:1", document={"id": shared})
    task, review = await api.review(name=MARK, subject=subject)
    words = {"text": f"Is it {MARK}?"}
    assert (await api.as_("reviewer").post(f"/v1/reviews/{review}:ask", json=words)).status_code == 200
    assert (
        await api.as_("reviewer").post(f"/v1/reviews/{review}:reject", json={"reason": f"not {MARK}"})
    ).status_code == 200
    await api.until(task["id"], "succeeded")
    about = (await api.as_("owner").get(f"/v1/privacy/subjects/{subject}")).json()
    assert {t["id"] for t in about["tasks"]} >= {small["id"], large["id"], task["id"]}
    assert {d["id"] for d in about["documents"]} == {document, shared}
    assert (before := await checked(api)).ok, before.findings

    done = await erase(api, subject)
    assert (done["state"], done["tasks"], done["documents"], done["kept_documents"]) == ("done", 4, 1, 1)
    # What is left is the shared document, and its name in the task of somebody else.
    assert sorted(await everywhere(api, MARK)) == ["documents", "tasks"]
    assert await api.owner("select subject from tasks t where t::text like %s", (f"%{MARK}%",)) == [("person:1",)]
    report = await checked(api)
    assert report.ok, report.findings
    assert report.erased > before.erased
    for path in (f"/v1/tasks/{small['id']}", f"/v1/tasks/{task['id']}/timeline", f"/v1/reviews/{review}"):
        answer = await api.as_("owner").get(path)
        assert answer.status_code == 200, answer.text
        assert MARK not in answer.text
    assert (await api.as_("owner").get(f"/v1/documents/{document}")).status_code == 404
    with pytest.raises(NotFound):
        await api.app.objects.get(f"tenants/default/documents/{document}")
    folder = Path(api.app.settings.data_dir) / "objects" / "tenants" / "default" / "tasks" / large["id"]
    assert [f for f in folder.glob("*") if f.is_file()] == []
    kinds = await api.owner(
        "select leaf::json->>'kind', leaf from audit_records where leaf like %s order by id", ("%erasure%",)
    )
    assert [k for k, _ in kinds][:1] == ["privacy.erasure_requested"]
    assert [k for k, _ in kinds][-1] == "privacy.erasure_done"
    assert subject not in str(kinds)


async def test_what_approvals_said_goes_with_the_task(api: Running) -> None:
    task, review = await api.review(name="Ada", subject="person:4712", approvals=2)
    first = {"values": {"name": MARK}, "reason": f"is {MARK}"}
    assert (await api.as_("reviewer").post(f"/v1/reviews/{review}:amend", json=first)).status_code == 200
    assert "review_approvals" in await everywhere(api, MARK)
    second = {"revision": 1, "reason": f"so is {MARK}"}
    assert (await api.as_("reviewer2").post(f"/v1/reviews/{review}:approve", json=second)).status_code == 200
    await api.until(task["id"], "succeeded")
    assert (await erase(api, "person:4712"))["state"] == "done"
    assert not {"review_approvals", "reviews", "review_events"} & {*await everywhere(api, MARK)}
    shown = (await api.as_("owner").get(f"/v1/reviews/{review}")).json()
    assert [(a["by"], a["reason"]) for a in shown["approvals"]] == [("user:mei", None), ("user:ravi", None)]
    report = await checked(api)
    assert report.ok, report.findings


async def test_why_a_person_rejected_a_change_of_policies_goes_with_them(api: Running) -> None:
    gone, owner = await key_of(api, "user:rhea", "owner"), api.as_("owner")
    files = {
        "x.cedar": '@id("x-one") @reason("x") forbid (principal is User, action == Action::"task.retry", resource);'
    }
    number = (await owner.post("/v1/policies/changes", json={"files": files})).json()["number"]
    said = {"reason": f"I, {MARK}, am against it."}
    assert (await gone.post(f"/v1/policies/changes/{number}:reject", json=said)).status_code == 200
    key_id = (await gone.get("/v1/whoami")).json()["key_id"]
    assert (await owner.delete(f"/v1/keys/{key_id}")).status_code == 204
    assert (await erase(api, "user:rhea"))["state"] == "done"
    listed = (await owner.get("/v1/policies/changes")).json()["items"]
    change = next(one for one in listed if one["number"] == number)
    assert (change["state"], change["decided_by"], change["reason"]) == ("rejected", "user:rhea", None)
    about = f"policy change {number}"
    assert not [one for one in (await checked(api)).findings if about in one.where]
    await api.owner("update policy_changes set reason = 'planted' where number = %s", (number,))
    found = [one.what for one in (await checked(api)).findings if about in one.where]
    assert found == ["of why an erased person rejected a change nothing is left"]
    await api.owner("update policy_changes set reason = null where number = %s", (number,))


async def test_the_person_stays_erased(api: Running) -> None:
    await api.submit(wait="succeeded", name="Once", subject="person:2")
    first = await erase(api, "person:2")
    again = await api.as_("owner").post("/v1/privacy/erasures", json={"subject": "person:2"})
    assert again.json()["id"] == first["id"]
    answer = await api.as_("author").post(
        "/v1/tasks", json={"automation": "greet", "input": {"name": "x", "subject": "person:2"}}
    )
    assert answer.status_code == 409


async def test_open_tasks_are_waited_for_and_no_new_one_comes(api: Running) -> None:
    task, review = await api.review(name="Patient", subject="person:3")
    waiting = await erase(api, "person:3")
    assert (waiting["state"], waiting["open_tasks"]) == ("pending", 1)
    refused = await api.as_("author").post(
        "/v1/tasks", json={"automation": "greet", "input": {"name": "x", "subject": "person:3"}}
    )
    assert refused.status_code == 409
    assert (await api.as_("reviewer").post(f"/v1/reviews/{review}:approve", json={})).status_code == 200
    await api.until(task["id"], "succeeded")
    await api.app.erasures.once()
    assert (await api.as_("owner").get(f"/v1/privacy/erasures/{waiting['id']}")).json()["state"] == "done"
    assert (await checked(api)).ok


async def test_a_retry_of_what_was_erased_is_refused(api: Running) -> None:
    failed = await api.submit(wait="failed", name="Fay", subject="person:5", fail=True)
    await erase(api, "person:5")
    assert (await api.as_("owner").post(f"/v1/tasks/{failed['id']}:retry")).status_code == 409


async def test_who_holds_a_key_or_is_unknown_is_not_erased(api: Running) -> None:
    async def status(who: str, subject: str) -> int:
        return (await api.as_(who).post("/v1/privacy/erasures", json={"subject": subject})).status_code

    assert await status("owner", "user:amir") == 409
    assert await status("owner", "person:nobody") == 404
    assert await status("author", "person:1") == 403
    assert await status("stranger", "person:1") == 404


async def test_an_erasure_that_the_log_knows_nothing_of_is_found(api: Running) -> None:
    task = await api.submit(wait="succeeded", name="Lone", subject="person:6")
    async with api.app.database.tenant("default") as conn:
        await conn.execute("select erase_task(%s)", (task["id"],))
    report = await checked(api)
    assert "a task is erased as the log says" in {f.what for f in report.findings}
    assert {f.where for f in report.findings} <= {f"default/{task['id']}"} | {
        f.where for f in report.findings if task["id"] in f.where
    }
    await api.owner("delete from effects where task_id = %s", (task["id"],))
    await api.owner(
        "delete from audit_pending where record_id in (select id from audit_records where task_id = %s)", (task["id"],)
    )


async def test_the_application_cannot_erase_what_is_open_or_change_what_is_recorded(api: Running) -> None:
    task, _ = await api.review(name="Held", subject="person:7")
    async with api.app.database.tenant("default") as conn:
        assert await (await conn.execute("select erase_task(%s)", (task["id"],))).fetchone() == (False,)
    async with api.app.database.tenant("other") as conn:
        assert await (await conn.execute("select erase_task(%s)", (task["id"],))).fetchone() == (False,)
    with pytest.raises(Exception, match="permission denied"):
        async with api.app.database.tenant("default") as conn:
            await conn.execute("update effects set value = null")


async def test_what_is_kept_too_long_goes_and_open_tasks_keep_their_documents(api: Running) -> None:
    held, old = await uploaded(api, 7), await uploaded(api, 8)
    open_task = await api.submit(wait="waiting", name="Long", amount="200", document={"id": held})
    ended = await api.submit(wait="succeeded", name="Ended", document={"id": old})
    await api.skip("10 days")
    fresh = await api.submit(wait="succeeded", name="Fresh")
    await eventually(api.at_rest)
    while await api.app.erasures.expire({("*", "contents"): 5.0, ("default", "documents"): 5.0}):
        pass
    rows = dict(await api.owner("select id, erased_at is not null from tasks"))
    assert (rows[ended["id"]], rows[fresh["id"]]) == (True, False)
    documents = dict(await api.owner("select id, erased_at is not null from documents"))
    assert documents[old]
    state = (await api.owner("select state from tasks where id = %s", (open_task["id"],)))[0][0]
    assert documents[held] is (state not in ("waiting", "running"))


async def test_a_person_who_may_sign_in_is_erased_once_the_account_is_disabled(api: Running) -> None:
    owner, words = api.as_("owner"), "four words stand here"
    body = {"id": "user:vera", "name": f"{MARK}-vera", "roles": ["reviewer"], "password": words}
    assert (await owner.post("/v1/users", json=body)).status_code == 201
    async with client(api.api, None, base_url="https://interlock.test") as browser:
        assert (await browser.post("/v1/sessions", json={"user": "user:vera", "password": words})).status_code == 201
    refused = await owner.post("/v1/privacy/erasures", json={"subject": "user:vera"})
    assert (refused.status_code, "sign in" in refused.json()["detail"]) == (409, True)
    assert (await owner.post("/v1/users/user:vera:disable")).status_code == 200
    assert (await erase(api, "user:vera"))["state"] == "done"
    [row] = await api.owner("select name, password_hash, disabled_at is not null from accounts where id = 'user:vera'")
    assert row == ("", None, True)
    assert await everywhere(api, f"{MARK}-vera") == []
    assert (await owner.post("/v1/users/user:vera:enable")).status_code == 409
    [(ref,)] = await api.owner("select ref from accounts where id = 'user:vera'")

    async def found() -> list[str]:
        return [f.what for f in (await checked(api)).findings if ref in f.where]

    assert await found() == []
    await api.owner("update accounts set name = 'Vera' where id = 'user:vera'")
    assert await found() == ["of an erased account nothing is left"]
    await api.owner("update accounts set name = '' where id = 'user:vera'")


async def test_what_is_kept_of_a_person_names_their_account_and_sessions(api: Running) -> None:
    owner = api.as_("owner")
    made = await owner.post("/v1/users", json={"id": "user:veit", "name": "Veit V", "roles": ["reviewer"]})
    assert made.status_code == 201, made.text
    key = await owner.post("/v1/keys", json={"name": "k", "user": "user:veit", "roles": ["reviewer"]})
    async with client(api.api, key.json()["key"], base_url="https://interlock.test") as vera:
        session = (await vera.post("/v1/sessions")).json()["id"]
    about = (await owner.get("/v1/privacy/subjects/user:veit")).json()
    assert [(a["id"], a["name"], a["roles"]) for a in about["accounts"]] == [("user:veit", "Veit V", ["reviewer"])]
    assert [(s["id"], s["method"], s["ended_at"]) for s in about["sessions"]] == [(session, "key", None)]
    assert (about["tasks"], about["complete"]) == ([], True)
    assert (await api.as_("stranger").get("/v1/privacy/subjects/user:veit")).status_code == 404
