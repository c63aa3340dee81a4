"""What is accepted while parts are away: without workers everything, without the database nothing, and each says so."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psutil
import pytest
from tests.acceptance.product import Product
from tests.acceptance.receipts import Receipt
from tests.eventually import eventually_sync

from interlock.infra.embedded_postgres import EmbeddedPostgres

# Two waits of INTERLOCK_DATABASE_ANSWER_S, and what a busy machine takes. Nobody told would wait for 30 s: the time of a statement.
FROZEN_S = 25.0
BUSY_S = 8.0  # beyond what is promised

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("product")]


@contextmanager
def without_supervisor(product: Product) -> Iterator[None]:
    """Stop the supervisor for the time of the block, so that what dies stays dead."""
    pid = product.pid("supervisor")
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
        eventually_sync(product.runs, 120)


@contextmanager
def frozen_database(product: Product) -> Iterator[None]:
    """Stop every process of the database, as a stopped virtual machine does; they go on after the block."""
    pid = product.pid("postgres")
    assert pid is not None
    server = psutil.Process(pid)
    stopped = [server, *server.children(recursive=True)]
    for one in stopped:
        one.suspend()
    try:
        yield
    finally:
        for one in stopped:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.resume()


def accepted(api: httpx.Client, one: Receipt, *, key: str) -> str:
    document = api.post("/v1/documents", files={"file": (one.file.name, one.file.read_bytes())}).raise_for_status()
    body = {"automation": "expenses", "input": {"documents": [{"id": document.json()["id"]}]}}
    answered = api.post("/v1/tasks", json=body, headers={"idempotency-key": key})
    assert answered.status_code == 202, answered.text
    task_id: str = answered.json()["id"]
    return task_id


def test_without_a_worker_a_task_is_accepted_and_runs_later(product: Product, receipts: list[Receipt]) -> None:
    with product.client() as api:
        with without_supervisor(product):
            assert product.kill("worker")
            eventually_sync(lambda: product.pid("worker") is None)
            task_id = accepted(api, receipts[4], key="no worker")
            assert api.get(f"/v1/tasks/{task_id}").json()["state"] == "accepted"
        settled = product.json("task", "wait", task_id)
    assert settled["state"] in ("succeeded", "waiting")


def test_without_the_database_the_api_says_when_to_come_back(product: Product, receipts: list[Receipt]) -> None:
    with product.client() as api:
        with without_supervisor(product):
            EmbeddedPostgres(product.data).stop("immediate")
            assert product.pid("postgres") is None
            for answered in (
                api.get("/v1/tasks"),
                api.post("/v1/tasks", json={"automation": "expenses", "input": {"documents": [{"id": "doc_x"}]}}),
            ):
                assert answered.status_code == 503, answered.text
                assert int(answered.headers["retry-after"]) >= 1
                assert answered.headers["content-type"] == "application/problem+json"
                assert answered.json()["retryable"] is True
            assert api.get("/healthz").status_code == 200
            assert api.get("/readyz").status_code == 503
            for name in ("api", "worker", "relay"):
                pid = product.pid(name)
                assert pid is not None
                assert psutil.Process(pid).is_running(), f"{name} ended with the database"

        def works_again() -> bool:
            return api.get("/v1/tasks").status_code == 200

        eventually_sync(works_again, 60)
        task_id = accepted(api, receipts[4], key="after the database")
    assert product.json("task", "wait", task_id)["state"] in ("succeeded", "waiting")


def test_a_frozen_database_is_told_within_seconds_and_all_goes_on_when_it_thaws(
    product: Product, receipts: list[Receipt]
) -> None:
    body = {"automation": "expenses", "input": {"documents": [{"id": "doc_x"}]}}
    with product.client() as api:
        assert api.get("/readyz").status_code == 200
        before = {name: product.pid(name) for name in ("api", "worker", "relay", "postgres")}
        with frozen_database(product):
            for path, within_s in (
                ("/healthz", BUSY_S),
                ("/readyz", 2.0 + BUSY_S),
                ("/v1/tasks", FROZEN_S),
                ("/v1/tasks", FROZEN_S),
            ):
                began = time.monotonic()
                answered = api.post(path, json=body) if path == "/v1/tasks" else api.get(path)
                assert time.monotonic() - began < within_s, path
                assert answered.status_code == (200 if path == "/healthz" else 503), answered.text
                if path == "/v1/tasks":
                    assert int(answered.headers["retry-after"]) >= 1
                    assert answered.json()["retryable"] is True
        eventually_sync(lambda: api.get("/v1/tasks").status_code == 200, 60)
        assert {name: product.pid(name) for name in before} == before
        task_id = accepted(api, receipts[4], key="after the frost")
    assert product.json("task", "wait", task_id)["state"] in ("succeeded", "waiting")
