"""The edge: limits of every request, what every response carries, and what is said when something inside is broken."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import pytest_asyncio
from fastapi import FastAPI
from starlette.types import Message, Receive, Scope, Send
from tests.contract.api_fixture import MARKS, api
from tests.contract.running_api import Running, client, listening, prepare, running_api, settings_for
from tests.eventually import eventually

from interlock.api.limits import Limits
from interlock.api.server import create_api
from interlock.app import opened
from interlock.governance.identity import Identity
from interlock.infra.database import DatabaseUrls
from interlock.infra.embedded_postgres import EmbeddedPostgres
from interlock.infra.keys import Keys
from interlock.infra.ports import remembered_port

pytestmark = MARKS
__all__ = ["api"]


def edge(app: Any, **changes: Any) -> Limits:
    given = {"body_bytes_max": 1000, "document_bytes_max": 5000, "in_flight_max": 2, "timeout_s": 5.0}
    return Limits(app, **{**given, **changes})


async def plain(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that reads the whole body and says how long it was."""
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


async def test_every_response_carries_identifiers_and_security_headers(api: Running) -> None:
    for path in ("/healthz", "/readyz", "/v1/whoami", "/nothing", "/v1/tasks/nothing", "/docs", "/openapi.json"):
        answer = await api.as_("owner").get(path)
        correlation = answer.headers["x-correlation-id"]
        version, trace, span, flags = answer.headers["traceparent"].split("-")
        assert (version, trace, flags) == ("00", correlation, "01")
        assert (len(trace), len(span)) == (32, 16)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "server" not in answer.headers
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["correlation_id"] == correlation


# What has nothing to narrow, or speaks another's protocol, takes what is sent beside it: probes, providers that send people back.
LENIENT = (
    "/healthz",
    "/readyz",
    "/v1/whoami",
    "/v1/system",
    "/v1/sign-in/oidc/{tenant}/{name}",
    "/v1/sign-in/oidc/{tenant}/{name}/callback",
)


async def test_a_parameter_that_is_none_is_refused_by_every_route(api: Running) -> None:
    """A filter that is misspelt would give everything: to be read, or to be cancelled."""
    document = (await api.as_("owner").get("/openapi.json")).json()
    routes = [(m, path) for path, found in document["paths"].items() for m in found if path not in LENIENT]
    assert len(routes) > 100
    for method, path in routes:
        answer = await api.as_("owner").request(method, path.replace("{", "").replace("}", ""), params={"stat": "x"})
        told = answer.json()
        assert (answer.status_code, told["code"]) in ((422, "input.invalid"), (400, "request.malformed")), (
            method,
            path,
        )
        assert [(field["pointer"], field["kind"]) for field in told["errors"]] == [("/stat", "extra_forbidden")]


async def test_what_can_be_given_once_is_not_given_twice(api: Running) -> None:
    answer = await api.as_("owner").get("/v1/reviews?state=open&state=expired")
    assert answer.status_code == 422
    [wrong] = answer.json()["errors"]
    assert (wrong["pointer"], wrong["where"], wrong["detail"]) == (
        "/state", "query", "It is given more than once; give it once."
    )  # fmt: skip
    assert (await api.as_("owner").get("/v1/tasks?state=failed&state=running")).status_code == 200
    assert (await api.as_("owner").get("/healthz?from=a-load-balancer")).status_code == 200


async def test_two_keys_in_one_request_open_nothing(api: Running) -> None:
    """A proxy before this may have looked at the one, and this would at the other."""
    keys = [("authorization", f"Bearer {api.keys[who]}") for who in ("owner", "author")]
    answer = await api.as_("anonymous").get("/v1/whoami", headers=keys)
    assert (answer.status_code, answer.json()["code"]) == (401, "auth.required")


async def test_a_wrong_method_and_a_wrong_path_are_problems(api: Running) -> None:
    wrong = await api.as_("owner").put("/v1/tasks")
    assert wrong.status_code == 405
    assert wrong.json()["code"] == "request.method_not_allowed"
    assert wrong.headers["allow"]
    for path in ("/v1/tasks/", "//v1/tasks", "/v1/nothing", "/v1/tasks/x:nothing"):
        assert (await api.as_("owner").post(path)).status_code in (404, 405)


async def test_a_body_over_the_limit_is_413_by_its_length_and_by_its_bytes(api: Running) -> None:
    limit = api.app.settings.body_size_bytes_max
    told = await api.as_("author").post("/v1/tasks", content=b"x" * (limit + 1))
    assert told.status_code == 413
    assert told.json()["code"] == "input.too_large"
    assert told.headers["connection"] == "close"

    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(1000):
            taken += 10_000
            yield b" " * 10_000

    streamed = await api.as_("author").post(
        "/v1/tasks", content=endless(), headers={"content-type": "application/json"}
    )
    assert streamed.status_code == 413
    assert streamed.json()["code"] == "input.too_large"
    assert taken <= 10_000_000


async def test_a_body_without_a_length_is_stopped_where_it_passes_the_limit(api: Running) -> None:
    """Over a real connection, because a client in the same process hands a body over as a whole."""
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 10_000
            yield b" " * 10_000

    async with listening(api) as url, httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as over_the_wire:
        headers = {"authorization": f"Bearer {api.keys['author']}", "content-type": "application/json"}
        try:
            answer = await over_the_wire.post("/v1/tasks", content=endless(), headers=headers)
        except httpx.TransportError:
            pass  # the connection was closed while we were still sending
        else:
            assert answer.status_code == 413
        assert sent < 50_000_000
        assert (await over_the_wire.get("/healthz")).status_code == 200


async def test_an_upload_has_its_own_limit() -> None:
    app = edge(plain)
    async with client(app, None) as caller:  # type: ignore[arg-type]
        assert (await caller.post("/v1/documents", content=b"x" * 5000)).text == "5000"
        assert (await caller.post("/v1/documents", content=b"x" * 80_000)).status_code == 413
        assert (await caller.post("/v1/tasks", content=b"x" * 1001)).status_code == 413


async def test_beyond_the_requests_in_flight_the_answer_is_503_with_retry_after() -> None:
    go, entered = asyncio.Event(), []

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        entered.append(scope["path"])
        await go.wait()
        await plain(scope, receive, send)

    async with client(edge(slow), None) as caller:  # type: ignore[arg-type]
        working = [asyncio.create_task(caller.get("/v1/a")) for _ in range(2)]
        await eventually(lambda: len(entered) == 2)
        refused = await caller.get("/v1/b")
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.json()["retryable"] is True
        alive = asyncio.create_task(caller.get("/healthz"))
        await eventually(lambda: "/healthz" in entered)
        go.set()
        assert {(await w).status_code for w in (*working, alive)} == {200}
        assert (await caller.get("/v1/b")).status_code == 200


async def test_a_request_over_its_time_is_ended_with_503() -> None:
    async def never(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    async with client(edge(never, timeout_s=0.05), None) as caller:  # type: ignore[arg-type]
        answer = await caller.get("/v1/a")
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "5"


async def test_a_stream_is_free_of_the_time_limit_and_of_the_place_among_requests() -> None:
    go = asyncio.Event()

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/stream":
            await plain(scope, receive, send)
            return
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await go.wait()
        await send({"type": "http.response.body", "body": b"end"})

    app = edge(stream, in_flight_max=1, timeout_s=0.2)
    async with client(app, None) as caller:  # type: ignore[arg-type]
        following = asyncio.create_task(caller.get("/stream"))
        loop = asyncio.get_running_loop()
        begun = loop.time()

        async def others_go_on() -> bool:
            assert (await caller.get("/v1/a")).status_code in (200, 503)
            return loop.time() - begun > 0.5 and (await caller.get("/v1/a")).status_code == 200

        await eventually(others_go_on)
        assert not following.done()
        go.set()
        assert (await following).text == "end"


async def test_what_crashes_inside_is_500_and_says_nothing_of_it() -> None:
    async def crash(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("secret of the inside")

    async with client(edge(crash), None) as caller:  # type: ignore[arg-type]
        answer = await caller.get("/v1/a")
        assert answer.status_code == 500
        assert "secret" not in answer.text
        assert answer.json()["code"] == "internal"
        assert answer.headers["x-correlation-id"] == answer.json()["correlation_id"]


async def test_a_response_that_breaks_off_is_not_made_to_look_whole() -> None:
    async def half(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("half")

    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "path": "/v1/a", "query_string": b"", "headers": [], "method": "GET"}
    with pytest.raises(ConnectionAbortedError):
        await edge(half)(scope, receive, send)
    assert [m["type"] for m in sent] == ["http.response.start"]


@pytest.mark.parametrize(
    "path",
    ["/v1/tasks/a%00b", "/v1/tasks?automation=%00", "/v1/tasks?automation=" + "x" * 9000, "/v1/tasks/" + "x" * 3000],
)
async def test_paths_and_queries_that_could_not_be_stored_are_400(api: Running, path: str) -> None:
    answer = await api.as_("owner").get(path)
    assert answer.status_code == 400
    assert answer.json()["code"] == "request.malformed"


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_an_idempotency_key_has_a_length(api: Running, key: str) -> None:
    answer = await api.as_("author").post(
        "/v1/tasks", json={"automation": "greet", "input": {"name": "A"}}, headers={"idempotency-key": key}
    )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["where"] == "header"


async def test_the_page_of_the_api_loads_nothing_from_anywhere(api: Running) -> None:
    for path, shown in (("/docs", "/v1/reviews/{review_id}:amend"), ("/docs/errors", 'id="review.answered"')):
        page = await api.as_("anonymous").get(path)
        assert page.status_code == 200
        assert shown in page.text
        assert "<script" not in page.text
        assert "http://" not in page.text
        assert "https://" not in page.text
    problem = (await api.as_("owner").get("/v1/tasks/nothing")).json()
    place, _, code = problem["type"].partition("#")
    assert f'id="{code}"' in (await api.as_("anonymous").get(place)).text


@pytest_asyncio.fixture(loop_scope="module")
async def without_database(tmp_path: Path) -> AsyncIterator[FastAPI]:
    """An API whose database is not there."""
    with socket.socket() as sock:  # a port where nobody listens, nor can as long as it is taken
        sock.bind(("127.0.0.1", 0))
        nowhere = f"postgresql://interlock_app:x@127.0.0.1:{sock.getsockname()[1]}/nothing"
        settings = settings_for(tmp_path, DatabaseUrls(owner=nowhere, app=nowhere, relay=nowhere), database_wait_s=0.2)
        async with opened(settings, name="test-api") as app:
            yield create_api(app)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/whoami"), ("POST", "/v1/tasks"), ("GET", "/v1/tasks"), ("GET", "/v1/reviews"), ("GET", "/readyz"), ("POST", "/v1/documents")],
)  # fmt: skip
async def test_with_the_database_down_the_answer_is_503_with_retry_after(
    without_database: FastAPI, api: Running, method: str, path: str
) -> None:
    async with client(without_database, api.keys["author"]) as caller:
        answer = await caller.request(method, path, json={} if method == "POST" else None)
        assert answer.status_code == 503, answer.text
        assert int(answer.headers["retry-after"]) >= 1
        problem = answer.json()
        assert (problem["code"], problem["retryable"]) == ("unavailable", True)
        assert "postgresql://" not in answer.text
        assert (await caller.get("/healthz")).status_code == 200


async def test_a_database_that_goes_away_and_comes_back_is_503_and_then_200(
    postgres_server: EmbeddedPostgres, make_database: Callable[[], str], tmp_path: Path
) -> None:
    urls = await prepare(Path(postgres_server.data_dir), make_database())
    name = urls.owner.rpartition("/")[2]
    async with running_api(tmp_path, urls, worker=False, database_wait_s=0.3) as running:
        assert (await running.as_("author").get("/readyz")).status_code == 200
        other = running.urls.owner.replace(name, "postgres")
        elsewhere = DatabaseUrls(owner=other, app="", relay="")
        end = f"select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = '{name}' and usename = 'interlock_app'"
        await as_owner(elsewhere, f"alter database {name} with allow_connections false")
        await as_owner(elsewhere, end)
        down = await running.as_("author").post("/v1/tasks", json={"automation": "greet", "input": {"name": "A"}})
        assert down.status_code == 503, down.text
        assert down.headers["retry-after"]
        await as_owner(elsewhere, f"alter database {name} with allow_connections true")

        async def back() -> bool:
            answer = await running.as_("author").post("/v1/tasks", json={"automation": "greet", "input": {"name": "A"}})
            return answer.status_code == 202

        await eventually(back, timeout_s=60)


async def as_owner(urls: DatabaseUrls, statement: str) -> None:
    async with await psycopg.AsyncConnection.connect(urls.owner, autocommit=True) as conn:
        await conn.execute(statement.encode())


async def test_the_process_ends_cleanly_on_a_signal_also_while_it_is_followed(api: Running, tmp_path: Path) -> None:
    port = remembered_port(tmp_path / "ports", "api")
    settings = settings_for(tmp_path, api.urls, port=port, master_key="m" * 40)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "interlock.serve", "api", env={**os.environ, **settings.to_environ()},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    identity = Identity(api.app.database, pepper=Keys("m" * 40).pepper, environment="test")
    async with api.app.database.tenant("default") as conn:
        _, key = await identity.create_key(conn, name="p", user="user:p", roles=["owner"], created_by="tests")
    headers = {"authorization": f"Bearer {key}"}
    url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=60) as caller:

        async def ready() -> bool:
            try:
                return (await caller.get("/readyz")).status_code == 200
            except httpx.TransportError:
                return False

        await eventually(ready, timeout_s=60)
        async with caller.stream("GET", "/v1/events") as answer:
            assert answer.status_code == 200
            process.send_signal(signal.SIGTERM)
            async for _ in answer.aiter_bytes():
                pass  # ends, and is not cut off
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, output.decode()
    assert key not in output.decode()
