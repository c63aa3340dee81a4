"""The relay tells a real HTTP server, or a file, what happened: in order, at least once, after failures, and never for long."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.contract.running_api import Running, prepare, running_api
from tests.contract.test_deliveries import Receiver
from tests.eventually import eventually

from interlock.infra.embedded_postgres import EmbeddedPostgres
from interlock.infra.http import GuardedClient
from interlock.infra.settings import Settings
from interlock.ingress.open_lineage import OpenLineage, Sink, build, file_sink, http_sink

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio(loop_scope="module")]
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(
    make_database: Callable[[], str], postgres_server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    urls = await prepare(Path(postgres_server.data_dir), make_database())
    async with running_api(tmp_path_factory.mktemp("api"), urls) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    await made.start()
    yield made
    await made.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def client() -> AsyncIterator[GuardedClient]:
    async with GuardedClient(["127.0.0.1"], 2.0, 1000) as made:
        yield made


def feed(api: Running, sink: Sink, **changes: Any) -> OpenLineage:
    given = {"namespace": "interlock", "product": "0.1.0", "attempts_max": 3, "backoff_max_s": 60.0, **changes}
    return OpenLineage(api.app.database, sink, uniform=lambda: 0.0, **given)


async def begun(api: Running, sink: Sink, **changes: Any) -> OpenLineage:
    """A feed that has looked at every tenant, so that it tells what comes from now on."""
    await settled(api)
    await api.owner("delete from lineage_feeds")
    made = feed(api, sink, **changes)
    assert not await made.once()
    return made


async def settled(api: Running) -> None:
    async def placed() -> bool:
        return await api.owner("select 1 from outbox where position is null limit 1") == []

    await eventually(placed)


async def test_a_task_is_told_from_start_to_end_without_a_person(
    api: Running, receiver: Receiver, client: GuardedClient
) -> None:
    url = f"http://127.0.0.1:{receiver.port}/api/v1/lineage"
    made = await begun(api, http_sink(client, url, "key-of-the-backend"))
    document = (await api.as_("owner").post("/v1/documents", files={"file": ("ada-lovelace.png", PNG)})).json()
    done = await api.submit(name="Ada Lovelace", document={"id": document["id"]}, wait="succeeded")
    failed = await api.submit(name="Grace Hopper", fail=True, wait="failed")
    await settled(api)
    await made.once()
    events = [json.loads(body) for _, body in receiver.got]
    told = {(e["run"]["facets"]["interlock_task"]["taskId"], e["eventType"]): e for e in events}
    assert len(events) == len(told)
    assert {(done["id"], "START"), (done["id"], "COMPLETE"), (failed["id"], "START"), (failed["id"], "FAIL")} == set(
        told
    )
    end = told[done["id"], "COMPLETE"]
    assert [one["name"] for one in end["inputs"]] == [f"documents/{document['id']}"]
    assert end["job"] == {**end["job"], "namespace": "interlock/default", "name": "greet"}
    assert len(end["run"]["facets"]["interlock_policies"]["versions"][0]) == 64
    assert receiver.got[0][0]["authorization"] == "Bearer key-of-the-backend"
    text = json.dumps(events).lower()
    # No name that IDs and digests may hold by chance, as they do "ada".
    for word in ("lovelace", "hopper", document["sha256"], "amir", "user:"):
        assert word not in text
    before = len(receiver.got)
    await made.once()
    assert len(receiver.got) == before  # each once, as long as nothing fails


async def test_a_backend_that_fails_is_asked_again_later_and_holds_up_nobody_else(
    api: Running, receiver: Receiver, client: GuardedClient
) -> None:
    made = await begun(api, http_sink(client, receiver.url, None))
    receiver.answers = [(500, "")]
    await api.submit(name="Ada", wait="succeeded")
    await api.submit("stranger", name="Sam", wait="succeeded")
    await settled(api)
    await made.once()
    tenants = [json.loads(body)["job"]["namespace"] for _, body in receiver.got]
    assert tenants == ["interlock/default", "interlock/other", "interlock/other"]
    [(paused,)] = await api.owner(
        "select due_at > time_now() - interval '1 hour' from lineage_feeds where tenant = 'default'"
    )
    assert paused
    await api.owner("update lineage_feeds set due_at = due_at + interval '1 hour' where tenant = 'default'")
    await made.once()
    assert len(receiver.got) == 3  # its pause is not over
    await api.owner("update lineage_feeds set due_at = time_now()")
    await made.once()
    types = [json.loads(body)["eventType"] for _, body in receiver.got]
    assert types == ["START", "START", "COMPLETE", "START", "COMPLETE"]


async def test_an_event_that_is_never_taken_is_passed_over_and_counted(
    api: Running, receiver: Receiver, client: GuardedClient
) -> None:
    made = await begun(api, http_sink(client, receiver.url, None), attempts_max=2)
    receiver.answers = [(500, "")] * 2
    await api.submit(name="Ada", wait="succeeded")
    await settled(api)
    await made.once()
    await api.owner("update lineage_feeds set due_at = time_now()")
    await made.once()
    assert [json.loads(body)["eventType"] for _, body in receiver.got] == ["START", "START", "COMPLETE"]
    assert await api.owner("select dropped, attempts from lineage_feeds where tenant = 'default'") == [(1, 0)]


async def test_an_address_inside_is_never_called(api: Running, receiver: Receiver) -> None:
    async with GuardedClient([], 2.0, 1000) as guarded:
        made = await begun(api, http_sink(guarded, receiver.url, None), attempts_max=1)
        await api.submit(name="Ada", wait="succeeded")
        await settled(api)
        await made.once()
    assert receiver.got == []
    assert await api.owner("select dropped from lineage_feeds where tenant = 'default'") == [(2,)]


async def test_whoever_lost_the_lease_writes_nothing(api: Running) -> None:
    sent: list[bytes] = []

    async def stolen(data: bytes) -> None:
        sent.append(data)
        await api.owner("update lineage_feeds set epoch = epoch + 1, position = 0 where tenant = 'default'")

    made = await begun(api, stolen)
    await api.submit(name="Ada", wait="succeeded")
    await settled(api)
    await made.once()
    assert len(sent) == 2
    assert await api.owner("select position from lineage_feeds where tenant = 'default'") == [(0,)]


async def test_a_file_gets_a_line_for_each_event(api: Running, tmp_path: Path) -> None:
    file = tmp_path / "lineage.jsonl"
    settings = Settings(data_dir=tmp_path, openlineage_url=file.as_uri(), openlineage_namespace="here")
    async with GuardedClient([], 2.0, 1000) as guarded:
        made = build(settings, api.app.database, guarded, product="0.1.0")
        assert made is not None
        assert build(Settings(data_dir=tmp_path), api.app.database, guarded, product="0.1.0") is None
    await settled(api)
    await api.owner("delete from lineage_feeds")
    await made.once()
    await api.submit(name="Ada", wait="succeeded")
    await settled(api)
    await made.once()
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(line["eventType"], line["job"]["namespace"]) for line in lines] == [
        ("START", "here/default"),
        ("COMPLETE", "here/default"),
    ]
    assert file.stat().st_mode & 0o777 == 0o600


async def test_a_folder_that_is_not_there_is_a_failure_like_any_other(api: Running, tmp_path: Path) -> None:
    made = await begun(api, file_sink(tmp_path / "nowhere" / "x"), attempts_max=1)
    await api.submit(name="Ada", wait="succeeded")
    await settled(api)
    await made.once()
    assert await api.owner("select dropped from lineage_feeds where tenant = 'default'") == [(2,)]
