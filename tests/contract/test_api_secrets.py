"""Connection secrets: set, rotated, used by the effect that declares them, and shown, recorded and logged nowhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.contract.running_api import Running, listening, prepare, running_api
from tests.contract.test_api_approvals import found_wrong
from tests.eventually import eventually
from typer.testing import CliRunner

from interlock.cli import app as command_line
from interlock.infra.embedded_postgres import EmbeddedPostgres

pytestmark = [pytest.mark.postgres]
FIRST, SECOND, TOKEN = "first-signing-key", 'second "signing" key', "Bearer vendor-token-4711"


@pytest_asyncio.fixture
async def api(
    make_database: Callable[[], str], postgres_server: EmbeddedPostgres, tmp_path: Path
) -> AsyncIterator[Running]:
    urls = await prepare(Path(postgres_server.data_dir), make_database())
    async with running_api(tmp_path, urls, outgoing_allow=("127.0.0.1",)) as running:
        yield running
        await eventually(running.at_rest)


async def put(api: Running, name: str, value: str, who: str = "owner", **given: Any) -> dict[str, Any]:
    answer = await api.as_(who).put(f"/v1/secrets/{name}", json={"value": value, **given})
    assert answer.status_code == 200, answer.text
    assert value not in answer.text
    found: dict[str, Any] = answer.json()
    return found


async def told(api: Running, state: str, **given: Any) -> dict[str, Any]:
    answer = await api.as_("author").post("/v1/tasks", json={"automation": "vendor", "input": given})
    assert answer.status_code == 202, answer.text
    return await api.until(answer.json()["id"], state)


def effect(task: dict[str, Any], kind: str) -> dict[str, Any]:
    (found,) = [e for e in task["effects"] if e["kind"] == kind]
    return dict(found)


@asynccontextmanager
async def vendor(echo: str = "") -> AsyncIterator[tuple[str, list[str]]]:
    """Run a server; gives its URL and the requests that it saw."""
    seen: list[str] = []

    handlers: list[asyncio.Task[Any] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.append(asyncio.current_task())
        seen.append((await reader.readuntil(b"\r\n\r\n")).decode())
        body = f"done {echo}".encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b" % (len(body), body))
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/told", seen
    finally:
        server.close()
        async with asyncio.timeout(10):
            await asyncio.gather(*(handler for handler in handlers if handler))


async def test_a_step_is_given_what_it_declares_and_a_rotation_holds_from_the_next_effect_on(api: Running) -> None:
    made = await put(api, "signing-key", FIRST, automations=["vendor"], note="Signs what goes to the vendor.")
    assert (made["version"], made["automations"], made["hosts"]) == (1, ["vendor"], [])
    first = await told(api, "succeeded")
    assert effect(first, "step")["secrets"] == ["signing-key@1"]

    rotated = await put(api, "signing-key", SECOND)
    assert (rotated["version"], rotated["automations"], rotated["note"]) == (
        2,
        ["vendor"],
        "Signs what goes to the vendor.",
    )
    second = await told(api, "succeeded")
    assert effect(second, "step")["secrets"] == ["signing-key@2"]
    assert first["output"]["signature"] != second["output"]["signature"]
    # The value that was replaced is gone for good, not only out of use.
    assert await api.owner("select version from secrets where sealed is not null") == [(2,)]

    kinds = await api.owner("select leaf::json->>'kind' from audit_records where leaf like '%%\"secret.%%' order by id")
    assert [kind for (kind,) in kinds] == ["secret.set", "secret.rotated"]


async def test_a_fetch_signs_in_at_the_hosts_of_the_secret_and_at_no_other(api: Running) -> None:
    await put(api, "signing-key", FIRST, automations=["vendor"])
    await put(api, "vendor-token", TOKEN, automations=["vendor"], hosts=["api.vendor.example"])
    async with vendor() as (url, seen):
        refused = await told(api, "failed", url=url)
        assert refused["error"]["kind"] == "SecretMisdirected"
        assert "127.0.0.1" in refused["error"]["message"]
        assert seen == []

        await put(api, "vendor-token", TOKEN, hosts=["127.0.0.1"])
        task = await told(api, "succeeded", url=url)
        assert (task["output"]["status"], task["output"]["body"]) == (200, "done ")
        assert effect(task, "fetch")["secrets"] == ["vendor-token@2"]
    (request,) = seen
    assert TOKEN in [
        line.partition(": ")[2] for line in request.split("\r\n") if line.lower().startswith("authorization:")
    ]


@pytest.mark.parametrize("how", ["return it", "fail with it"])
@pytest.mark.parametrize("value", [FIRST, SECOND])
async def test_an_answer_or_an_error_that_holds_a_secret_is_not_recorded(api: Running, how: str, value: str) -> None:
    await put(api, "signing-key", value, automations=["vendor"])
    task = await told(api, "failed", how=how)
    assert task["error"]["kind"] == ("SecretLeaked" if how == "return it" else "NonRetryable")
    await nowhere(api, value)


async def test_an_answer_of_a_third_party_that_sends_the_secret_back_is_not_recorded(api: Running) -> None:
    await put(api, "signing-key", FIRST, automations=["vendor"])
    await put(api, "vendor-token", TOKEN, automations=["vendor"], hosts=["127.0.0.1"])
    async with vendor(echo=TOKEN) as (url, _):
        assert (await told(api, "failed", url=url))["error"]["kind"] == "SecretLeaked"
    await nowhere(api, TOKEN)


async def nowhere(api: Running, value: str) -> None:
    """Look through every table, and through every answer about the tasks."""
    tables = await api.owner(
        "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'interlock' and c.relkind = 'r'"
    )
    words = [value, value.replace('"', '\\"')]
    for (table,) in tables:
        for word in words:
            assert not await api.owner(f"select 1 from {table} t where position(%s in t::text) > 0 limit 1", (word,)), (
                table
            )
    for task in (await api.as_("owner").get("/v1/tasks")).json()["items"]:
        for path in ("", "/timeline"):
            text = (await api.as_("owner").get(f"/v1/tasks/{task['id']}{path}")).text
            assert not any(word in text for word in words)


async def test_one_that_is_missing_removed_or_for_another_automation_fails_the_effect_and_a_retry_goes_on(
    api: Running,
) -> None:
    task = await told(api, "failed")
    assert task["error"]["kind"] == "SecretMissing"
    await put(api, "signing-key", FIRST, automations=["greet"])
    assert (await api.as_("author").post(f"/v1/tasks/{task['id']}:retry")).status_code == 202
    await eventually(lambda: _failed_twice(api, task["id"]))
    await put(api, "signing-key", FIRST, automations=["greet", "vendor"])
    assert (await api.as_("author").post(f"/v1/tasks/{task['id']}:retry")).status_code == 202
    await api.until(task["id"], "succeeded")
    assert (await api.as_("owner").delete("/v1/secrets/signing-key")).status_code == 204
    assert (await told(api, "failed"))["error"]["kind"] == "SecretMissing"
    assert (await api.as_("owner").delete("/v1/secrets/signing-key")).status_code == 404
    assert (await put(api, "signing-key", FIRST))["version"] == 3  # a version names one value for ever


async def _failed_twice(api: Running, task_id: str) -> bool:
    task = (await api.as_("author").get(f"/v1/tasks/{task_id}")).json()
    return bool(task["state"] == "failed" and task["effects"][-1]["generation"] == 2)


async def test_who_may_and_what_is_wrong(api: Running) -> None:
    await put(api, "signing-key", FIRST, automations=["vendor"])
    for who in ("author", "reviewer", "auditor", "agent", "nobody"):
        answer = await api.as_(who).put("/v1/secrets/signing-key", json={"value": SECOND})
        assert answer.status_code == 403, who
        assert SECOND not in answer.text
        assert (await api.as_(who).delete("/v1/secrets/signing-key")).status_code == 403, who
    assert (await api.as_("author").get("/v1/secrets")).status_code == 403
    assert [s["name"] for s in (await api.as_("auditor").get("/v1/secrets")).json()["items"]] == ["signing-key"]
    assert (await api.as_("stranger").get("/v1/secrets")).json()["items"] == []
    assert (await api.as_("stranger").get("/v1/secrets/signing-key")).status_code == 404
    for body, pointer in (
        ({"value": "short"}, "/value"),
        ({"value": "x" * 20_000}, "/value"),
        ({"value": SECOND, "automations": ["nobody"]}, "/automations/0"),
        ({"value": SECOND, "hosts": ["https://x"]}, "/hosts/0"),
    ):
        answer = await api.as_("owner").put("/v1/secrets/signing-key", json=body)
        assert answer.status_code == 422, body
        assert answer.json()["errors"][0]["pointer"] == pointer
        assert SECOND not in answer.text
    assert (await api.as_("owner").get("/v1/secrets/signing-key")).json()["version"] == 1


async def test_pages(api: Running) -> None:
    for number in range(3):
        await put(api, f"key-{number}", FIRST)
    first = (await api.as_("owner").get("/v1/secrets", params={"limit": 2})).json()
    rest = (await api.as_("owner").get("/v1/secrets", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [s["name"] for s in first["items"] + rest["items"]] == ["key-0", "key-1", "key-2"]
    assert rest["next_cursor"] is None


async def test_the_command_line_takes_a_value_from_standard_input_and_never_says_it(
    api: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*arguments: str, value: str = "") -> Any:
        done = CliRunner().invoke(command_line, ["secret", *arguments, "--json"], input=value, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        assert FIRST not in done.output
        return json.loads(done.stdout)

    async with listening(api) as url:
        monkeypatch.setenv("INTERLOCK_API_URL", url)
        monkeypatch.setenv("INTERLOCK_API_KEY", api.keys["owner"])
        made = await asyncio.to_thread(run, "set", "signing-key", "--automation", "vendor", value=f"{FIRST}\n")
        assert (made["version"], made["automations"]) == (1, ["vendor"])
        listed = await asyncio.to_thread(run, "list")
        assert [one["name"] for one in listed["items"]] == ["signing-key"]
        await told(api, "succeeded")
        assert (await asyncio.to_thread(run, "remove", "signing-key"))["removed"] is True
        assert (await asyncio.to_thread(run, "list"))["items"] == []


@pytest.mark.parametrize(
    ("what", "statement"),
    [
        ("automations", "update secrets set automations = '{greet,vendor}' where name = %(name)s and version = 2"),
        ("hosts", "update secrets set hosts = '{evil.example}' where name = %(name)s and version = 2"),
        ("who set it", "update secrets set created_by = 'user:olga2' where name = %(name)s and version = 1"),
        ("a note", "update secrets set note = 'y' where name = %(name)s and version = 1"),
        ("a rotation that is gone", "delete from secrets where name = %(name)s and version = 2"),
        (
            "an end",
            "update secrets set sealed = null, ended_at = time_now() where name = %(name)s and version = 2",
        ),
    ],
)
async def test_verify_holds_secrets_against_their_leaves(api: Running, what: str, statement: str) -> None:
    name = f"held-{what.replace(' ', '-')}"
    for value in ("first-value", "second-value"):
        body = {"value": value, "automations": ["vendor"], "hosts": ["a.example"], "note": "x"}
        assert (await api.as_("owner").put(f"/v1/secrets/{name}", json=body)).status_code == 200
    assert await found_wrong(api, name) == set()
    await api.owner(statement, {"name": name})
    assert await found_wrong(api, name), what
    await api.owner("delete from secrets where name = %(name)s", {"name": name})


async def test_a_removed_secret_verifies(api: Running) -> None:
    assert (await api.as_("owner").put("/v1/secrets/gone-soon", json={"value": "some-value"})).status_code == 200
    assert (await api.as_("owner").delete("/v1/secrets/gone-soon")).status_code == 204
    assert (await api.as_("owner").put("/v1/secrets/gone-soon", json={"value": "other-value"})).status_code == 200
    assert await found_wrong(api, "gone-soon") == set()
