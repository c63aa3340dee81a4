"""The tenant's webhook: loud events are posted, signed, to one address; who may set it; and nobody silences it unseen."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from standardwebhooks import Webhook
from tests.contract.api_fixture import MARKS
from tests.contract.running_api import Running, listening, prepare, running_api
from tests.contract.test_api_approvals import found_wrong
from tests.contract.test_deliveries import Receiver
from typer.testing import CliRunner

from interlock.cli import app as command_line
from interlock.infra.embedded_postgres import EmbeddedPostgres
from interlock.infra.keys import Keys

pytestmark = MARKS
WHY = "The imports run away and nobody of them is in."
SOON = "61 seconds"  # past an elevation's minute, and a few of them within the five minutes that a signature's time may be off


@dataclass
class Given:
    api: Running
    receiver: Receiver

    async def calls(self) -> list[dict[str, Any]]:
        """Deliver what is due; give what came since the last time, each checked by its signature."""
        while await self.api.app.deliveries.once():
            pass
        got, self.receiver.got[:] = list(self.receiver.got), []
        secret = Keys.of(self.api.app.settings).webhook_secret("default")
        # They are delivered beside each other, so they arrive in any order.
        return sorted(
            (Webhook(secret).verify(body, headers) for headers, body in got), key=lambda one: one["timestamp"]
        )

    async def set(self, url: str | None = None, who: str = "owner") -> Any:
        return await self.api.as_(who).put("/v1/webhook", json={"url": url or self.receiver.url})

    async def elevate(self) -> dict[str, Any]:
        asked = {"actions": ["task.cancel"], "reason": WHY, "minutes": 1}
        answer = await self.api.as_("owner").post("/v1/elevations", json=asked)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(
    make_database: Callable[[], str], postgres_server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Given]:
    receiver = Receiver()
    await receiver.start()
    urls = await prepare(Path(postgres_server.data_dir), make_database())
    folder = tmp_path_factory.mktemp("api")
    allowed = [f"127.0.0.1:{receiver.port}"]
    async with running_api(folder, urls, worker=False, outgoing_allow=allowed, callback_attempts_max=1) as api:
        yield Given(api, receiver)
    await receiver.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def given(running: Given) -> AsyncIterator[Given]:
    yield running
    await running.api.as_("owner").delete("/v1/webhook")
    for one in (await running.api.as_("owner").get("/v1/elevations", params={"state": "open"})).json()["items"]:
        await running.api.as_("owner").post(f"/v1/elevations/{one['id']}:end")
    running.receiver.answers.clear()
    await running.calls()


async def test_an_elevation_is_told_at_once_signed_and_without_the_person(given: Given) -> None:
    assert (await given.set()).status_code == 200
    made = await given.elevate()
    ended = await given.api.as_("owner").post(f"/v1/elevations/{made['id']}:end")
    seen = await given.api.as_("owner2").post(f"/v1/elevations/{made['id']}:acknowledge", json={"note": "talked over"})
    assert (ended.status_code, seen.status_code) == (200, 200)
    calls = await given.calls()
    assert [call["type"] for call in calls] == ["elevation.opened", "elevation.ended", "elevation.acknowledged"]
    assert calls[0]["data"] == {
        "tenant": "default", "elevation": made["id"], "actions": ["task.cancel"], "ends_at": made["ends_at"],
    }  # fmt: skip
    assert calls[0]["timestamp"].endswith("Z")
    assert not any(said in json.dumps(calls) for said in ("olga", WHY, "talked over"))
    listed = (await given.api.as_("owner").get("/v1/deliveries")).json()["items"][:3]
    assert [(d["task_id"], d["state"], d["url"]) for d in listed] == [(None, "delivered", given.receiver.url)] * 3


async def test_an_elevation_that_runs_out_is_told_once(given: Given) -> None:
    await given.set()
    made = await given.elevate()
    run_out = given.api.app.access.elevations.run_out
    assert not await run_out()
    await given.api.skip(SOON)
    await asyncio.gather(*(run_out() for _ in range(4)))  # as many relays
    assert not await run_out()
    calls = await given.calls()
    assert [call["type"] for call in calls] == ["elevation.opened", "elevation.ran-out"]
    said = {"elevation": made["id"], "actions": ["task.cancel"], "ends_at": made["ends_at"]}
    assert calls[1]["data"] == {"tenant": "default", **said}
    told = "select data::json from outbox where type = 'elevation.ran-out' and data->>'elevation' = %s"
    assert await given.api.owner(told, (made["id"],)) == [(said,)]
    assert await found_wrong(given.api, made["id"]) == set()
    stranger = await given.api.as_("stranger").get("/v1/elevations")
    assert made["id"] not in stranger.text


async def test_one_that_ran_out_is_told_before_its_review_and_not_again(given: Given) -> None:
    await given.set()
    made = await given.elevate()
    await given.api.skip(SOON)
    seen = await given.api.as_("owner2").post(f"/v1/elevations/{made['id']}:acknowledge", json={"note": "talked over"})
    assert seen.status_code == 200
    await given.api.app.access.elevations.run_out()
    said = ["elevation.opened", "elevation.ran-out", "elevation.acknowledged"]
    assert [call["type"] for call in await given.calls()] == said
    ended = await given.elevate()
    await given.api.as_("owner").post(f"/v1/elevations/{ended['id']}:end")
    await given.api.skip(SOON)
    await given.api.app.access.elevations.run_out()  # it was ended: it does not run out as well
    assert [call["type"] for call in await given.calls()] == ["elevation.opened", "elevation.ended"]
    assert await found_wrong(given.api, "elv_") == set()


async def test_what_decides_from_now_on_is_told(given: Given) -> None:
    """Activation, a set that looks on, its end and a rollback; a proposal puts nothing in force, nor does turning it down."""
    await given.set()
    owner, owner2 = given.api.as_("owner"), given.api.as_("owner2")
    files = {"a.cedar": '@id("a") @reason("a") forbid (principal, action == Action::"task.cancel", resource);'}
    numbers = []
    for body, then in (
        ({}, "approve"), ({"shadow": True}, "approve"), ({"note": "no"}, "reject"),
    ):  # fmt: skip
        made = (await owner.post("/v1/policies/changes", json={"files": files, **body})).json()
        numbers.append((made["number"], made["set_number"]))
        answer = await owner2.post(
            f"/v1/policies/changes/{made['number']}:{then}", json={"reason": "no"} if then == "reject" else None
        )
        assert answer.status_code == 200, answer.text
    assert (await owner.post("/v1/policies:stop-shadow")).status_code == 200
    assert (await owner.post("/v1/policies:rollback", json={})).status_code == 200
    calls = await given.calls()
    assert [(c["type"], c["data"]["mode"], c["data"]["set"], c["data"]["alone"]) for c in calls] == [
        ("policy.activated", "active", numbers[0][1], False),
        ("policy.activated", "shadow", numbers[1][1], False),
        ("policy.activated", "shadow", 0, True),
        ("policy.rolled-back", "active", 0, False),
    ]
    assert set(calls[0]["data"]) == {"tenant", "change", "set", "set_version", "mode", "alone"}
    assert calls[0]["data"]["change"] == numbers[0][0]
    assert "olga" not in json.dumps(calls)
    assert await found_wrong(given.api, "polic") == set()


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ("delete from deliveries where id = %s", "a call of the webhook with a leaf is there"),
        ("update deliveries set body = replace(body, 'opened', 'ended') where id = %s", "the call of the webhook is what"),
        ("update deliveries set url = 'https://evil.example' where id = %s", "the call of the webhook is what"),
    ],
)  # fmt: skip
async def test_a_call_that_was_dropped_changed_or_led_elsewhere_is_found(
    given: Given, statement: str, finding: str
) -> None:
    await given.set()
    await given.elevate()
    [(call,)] = await given.api.owner("select id from deliveries where task_id is null order by id desc limit 1")
    assert await found_wrong(given.api, call) == set()
    await given.api.owner("create table public.kept as select * from interlock.deliveries where id = %s", (call,))
    await given.api.owner(statement, (call,))
    try:
        assert any(finding in what for what in await found_wrong(given.api, call))
    finally:
        await given.api.owner("delete from deliveries where id = %s", (call,))
        await given.api.owner("insert into deliveries select * from public.kept")
        await given.api.owner("drop table public.kept")


async def test_without_a_webhook_nobody_is_called(given: Given) -> None:
    await given.elevate()
    assert await given.calls() == []
    answer = await given.api.as_("owner").get("/v1/webhook")
    assert (answer.status_code, answer.json()["detail"]) == (404, "The tenant has no webhook.")
    assert (await given.api.as_("owner").delete("/v1/webhook")).status_code == 404


async def test_nobody_silences_it_unseen(given: Given) -> None:
    """Another address and a removal are told to the address that was there, and are on record; the address itself stands in no leaf."""
    other = f"{given.receiver.url}/other"
    await given.set()
    await given.set(other)
    assert (await given.api.as_("owner").delete("/v1/webhook")).status_code == 204
    await given.calls()
    rows = await given.api.owner("select url, body from deliveries where task_id is null order by id desc limit 2")
    assert [(url, json.loads(body)["type"]) for url, body in rows] == [
        (other, "webhook.removed"),
        (given.receiver.url, "webhook.set"),
    ]
    leaves = await given.api.owner(
        "select leaf from audit_records where leaf like '%%\"webhook.%%' order by id desc limit 3"
    )
    assert ['"kind":"webhook.removed"' in leaves[0][0], '"kind":"webhook.set"' in leaves[1][0]] == [True, True]
    assert "127.0.0.1" not in str(leaves)
    told = await given.api.owner("select type from outbox where type like 'webhook.%%' order by id desc limit 2")
    assert [kind for (kind,) in told] == ["webhook.removed", "webhook.set"]


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest", "http://[::ffff:169.254.169.254]/", "ftp://x.example", "no address"]
)
async def test_no_address_inside_is_called(given: Given, url: str) -> None:
    answer = await given.set(url)
    assert answer.status_code in (403, 422), answer.text
    assert answer.json()["errors"][0]["pointer"] == "/url"
    assert (await given.api.as_("owner").get("/v1/webhook")).status_code == 404


async def test_a_host_without_an_address_is_what_was_handed_in_wrong(given: Given) -> None:
    answer = await given.set("https://nowhere.invalid/loud")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/url"), answer.text


async def test_roles_and_tenants(given: Given) -> None:
    assert (await given.set()).json()["set_by"] == "user:olga"
    for who in ("author", "reviewer", "operator", "auditor"):
        if who not in given.api.keys:
            continue
        assert (await given.set(who=who)).status_code == 403, who
        assert (await given.api.as_(who).delete("/v1/webhook")).status_code == 403, who
        seen = await given.api.as_(who).get("/v1/webhook")
        assert seen.status_code == (200 if who == "auditor" else 403), who
    narrowed = await given.api.as_("owner").post(
        "/v1/keys", json={"name": "k", "user": "user:kit", "roles": ["owner"], "scope": {"actions": ["webhook.*"]}}
    )
    headers = {"authorization": f"Bearer {narrowed.json()['key']}"}
    answer = await given.api.as_("anonymous").put("/v1/webhook", json={"url": given.receiver.url}, headers=headers)
    assert answer.status_code == 403
    # Another tenant sees, changes and hears nothing of it.
    assert (await given.api.as_("stranger").get("/v1/webhook")).status_code == 404
    assert (await given.api.as_("stranger").delete("/v1/webhook")).status_code == 404
    await given.api.as_("stranger").post("/v1/elevations", json={"actions": ["task.cancel"], "reason": WHY})
    assert [call["type"] for call in await given.calls()] == []
    assert (await given.api.as_("owner").get("/v1/webhook")).status_code == 200


async def test_a_dead_letter_is_sent_again(given: Given) -> None:
    await given.set()
    given.receiver.answers.append((500, ""))
    await given.elevate()
    await given.calls()
    dead = (await given.api.as_("owner").get("/v1/deliveries", params={"state": "dead"})).json()["items"][0]
    path = f"/v1/deliveries/{dead['id']}:redeliver"
    assert (await given.api.as_("stranger").post(path)).status_code == 404
    assert (await given.api.as_("author").post(path)).status_code == 403
    assert (await given.api.as_("owner").post(path)).status_code == 202
    assert [call["type"] for call in await given.calls()] == ["elevation.opened"]
    assert (await given.api.as_("owner").post(path)).status_code == 409


async def test_its_calls_are_listed_with_their_outcome_for_whoever_may_see_it(given: Given) -> None:
    path = "/v1/webhook/deliveries"
    await given.set()
    await given.calls()
    before = [one["id"] for one in (await given.api.as_("owner").get(path)).json()["items"]]  # of the tests before
    given.receiver.answers.append((500, ""))
    await given.elevate()
    await given.calls()
    await given.api.owner(
        "insert into deliveries (tenant, id, task_id, url, body, due_at)"
        " select tenant, 'dlv_zz', id, 'https://elsewhere.test', '{}', now() from tasks limit 1"
    )
    items = (await given.api.as_("auditor").get(path)).json()["items"]
    assert [one["id"] for one in items[1:]] == before[: len(items) - 1]
    assert (items[0]["state"], items[0]["attempts"][-1]["status"]) == ("dead", 500)
    assert {one["task_id"] for one in items} == {None}  # and no callback of a task
    first = (await given.api.as_("owner").get(path, params={"limit": 1})).json()
    assert (len(first["items"]), first["webhook"]["url"]) == (1, given.receiver.url)
    assert (await given.api.as_("author").get(path)).status_code == 403
    assert (await given.api.as_("stranger").get(path)).json() == {"webhook": None, "items": [], "next_cursor": None}


async def test_the_command_line_sets_shows_and_removes_it(given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*arguments: str) -> str:
        done = CliRunner().invoke(command_line, ["webhook", *arguments], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    async with listening(given.api) as url:
        monkeypatch.setenv("INTERLOCK_API_URL", url)
        monkeypatch.setenv("INTERLOCK_API_KEY", given.api.keys["owner"])
        assert given.receiver.url in await asyncio.to_thread(run, "set", given.receiver.url)
        assert json.loads(await asyncio.to_thread(run, "show", "--json"))["url"] == given.receiver.url
        assert "removed" in await asyncio.to_thread(run, "remove")
