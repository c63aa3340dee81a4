"""Expenses on generated receipts with the real reader: from the command line to the ledger, the callback and the proof."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook
from tests.acceptance.broken_files import jpeg_that_cannot_be_decoded, pdf_of_pages, png_of_size
from tests.acceptance.product import Product
from tests.acceptance.receipts import Receipt
from tests.chaos.callbacks import Receiver
from tests.eventually import eventually_sync

from interlock.infra.keys import Keys

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("product")]

READING = ("merchant", "date", "total", "currency", "tax")
Expenses = Callable[..., dict[str, Any]]


@pytest.fixture
def submit(product: Product) -> Expenses:
    """`interlock task submit expenses FILE … --wait --json`."""

    def run(file: Path, *words: str, code: int = 0) -> dict[str, Any]:
        return product.json("task", "submit", "expenses", str(file), *words, "--wait", code=code)

    return run


def effect(task: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in task["effects"] if one["name"] == name)
    return found


def asks_person(task: dict[str, Any]) -> bool:
    return any(one["kind"] == "review" and one["status"] == "pending" for one in task["effects"])


def ledger_of(product: Product) -> dict[str, Decimal]:
    with closing(sqlite3.connect(product.data / "ledger.sqlite")) as ledger:
        return {task: Decimal(amount) for task, amount in ledger.execute("select task_id, amount from entries")}


@pytest.fixture(scope="module")
def straight(product: Product, receipts: list[Receipt]) -> dict[str, Any]:
    """An honest claim for a readable receipt."""
    words = ("task", "submit", "expenses", str(receipts[0].file), *receipts[0].claim(), "--wait")
    return product.json(*words, "--idempotency-key", "straight")


def test_an_honest_claim_goes_straight_through(
    product: Product, straight: dict[str, Any], receipts: list[Receipt]
) -> None:
    assert straight["state"] == "succeeded"
    output = straight["output"]
    assert (output["decision"], output["by"]) == ("approved", "policy")
    assert output["reasons"]
    reading = effect(straight, "read-receipt")
    assert (reading["kind"], reading["status"]) == ("infer", "ok")
    assert reading["model_version"].startswith("receipt-reader@1.1.0")
    assert 0 < reading["confidence"] <= 1
    for name in READING:
        field = reading["outcome"][name]
        assert field is None or (set(field) >= {"value", "confidence", "page", "box"} and len(field["box"]) == 4)
    assert Decimal(reading["outcome"]["total"]["value"]) == Decimal(receipts[0].sample.total)
    assert isinstance(reading["outcome"]["trusted"], bool)
    assert ledger_of(product)[straight["id"]] == Decimal(output["amount"])
    shown = product.json("task", "show", straight["id"])
    assert (shown["state"], shown["output"], shown["effects"]) == ("succeeded", output, straight["effects"])


def test_the_same_idempotency_key_gives_the_same_task_and_another_body_is_a_conflict(
    product: Product, receipts: list[Receipt]
) -> None:
    with product.client() as api:
        files = {"file": (receipts[0].file.name, receipts[0].file.read_bytes())}
        document = api.post("/v1/documents", files=files).json()["id"]
        body = {"automation": "expenses", "input": {"documents": [{"id": document}]}}
        headers = {"idempotency-key": "once"}
        first, second = (api.post("/v1/tasks", json=body, headers=headers) for _ in range(2))
        assert (first.status_code, second.status_code) == (202, 202)
        assert first.json()["id"] == second.json()["id"]
        other = api.post("/v1/tasks", json=body | {"labels": {"a": "b"}}, headers=headers)
        assert (other.status_code, other.json()["code"]) == (409, "idempotency.conflict")


def test_a_duplicate_asks_a_person_and_the_answer_ends_it(
    product: Product, submit: Expenses, straight: dict[str, Any], receipts: list[Receipt]
) -> None:
    again = submit(receipts[0].file, *receipts[0].claim())
    assert again["state"] == "waiting"
    assert asks_person(again)
    review_id = effect(again, "approve-expense")["review_id"]
    shown = product.json("review", "show", review_id)
    assert any("approved before" in reason for reason in shown["request"]["reasons"])
    assert shown["request"]["evidence"]["approved_before"] == [straight["id"]]
    assert review_id in [one["id"] for one in product.json("review", "list")["items"]]
    answered = product.json("review", "reject", review_id, "--reason", "handed in twice")
    assert answered["state"] == "answered"
    ended = product.json("task", "wait", again["id"])
    assert ended["state"] == "succeeded"
    assert (ended["output"]["decision"], ended["output"]["reasons"]) == ("rejected", ["handed in twice"])
    late = product.refused("review", "approve", review_id, code=1)
    assert "answered" in late
    assert again["id"] not in ledger_of(product)


def test_a_contradicted_claim_is_amended_by_a_person(
    product: Product, submit: Expenses, receipts: list[Receipt]
) -> None:
    one = receipts[1]
    asked = submit(one.file, *one.claim(amount="999.99"))
    assert asks_person(asked)
    review_id = effect(asked, "approve-expense")["review_id"]
    key = product.json("key", "create", "priya", "--user", "user:priya", "--role", "manager")["key"]
    with product.client(key) as manager:
        body = {"values": {"total": one.sample.total}, "reason": "as printed"}
        answered = manager.post(f"/v1/reviews/{review_id}:amend", json=body)
        assert answered.status_code == 200, answered.text
        changes = answered.json()["answer"]["changes"]
    ended = product.json("task", "wait", asked["id"])
    assert (ended["output"]["decision"], ended["output"]["by"]) == ("approved", "user:priya")
    assert Decimal(ended["output"]["amount"]) == Decimal(one.sample.total)
    assert all(set(change) >= {"pointer", "before", "after"} for change in changes)
    assert ledger_of(product)[asked["id"]] == Decimal(one.sample.total)


def test_of_two_at_once_the_second_asks_a_person(submit: Expenses, product: Product, receipts: list[Receipt]) -> None:
    one = receipts[3]
    with ThreadPoolExecutor(2) as both:
        tasks = list(both.map(lambda _: submit(one.file, *one.claim()), range(2)))
    approved = [task for task in tasks if task["state"] == "succeeded"]
    asked = [task for task in tasks if task["state"] == "waiting"]
    assert (len(approved), len(asked)) == (1, 1)
    assert approved[0]["output"]["by"] == "policy"
    product.json("task", "cancel", asked[0]["id"])
    eventually_sync(lambda: product.json("task", "show", asked[0]["id"])["state"] == "cancelled")
    assert set(ledger_of(product)) & {approved[0]["id"], asked[0]["id"]} == {approved[0]["id"]}


def test_a_file_in_the_watched_folder_becomes_a_task(
    product: Product, watched: Path, receipts: list[Receipt], tmp_path: Path
) -> None:
    part = watched / ".receipt.part"
    shutil.copy(receipts[2].file, part)
    part.rename(watched / receipts[2].file.name)
    with product.client() as api:

        def task() -> Any:
            page = api.get("/v1/tasks", params={"limit": 50}).json()["items"]
            return next((one for one in page if one["labels"].get("file") == receipts[2].file.name), None)

        found = eventually_sync(task, 60)
    assert found["submitted_by"] == "service:watched-folder"
    settled = product.json("task", "wait", found["id"])
    assert settled["state"] in ("succeeded", "waiting")
    assert effect(settled, "read-receipt")["status"] == "ok"
    eventually_sync((watched / "done" / receipts[2].file.name).exists)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("notes.jpg", lambda: b"this is text\n" * 50, "neither a JPEG, a PNG nor a PDF"),
        ("bomb.png", lambda: png_of_size(60_000, 60_000), "pixels"),
        ("huge.png", lambda: png_of_size(10_000, 10_000), "pixels"),
        ("long.pdf", lambda: pdf_of_pages(1000), "pages"),
        ("empty.pdf", lambda: b"", "empty"),
    ],
)
def test_what_is_no_receipt_is_refused_with_the_reason(
    product: Product, tmp_path: Path, name: str, content: Callable[[], bytes], says: str
) -> None:
    worker = product.pid("worker")
    file = tmp_path / name
    file.write_bytes(content())
    assert says in product.refused("task", "submit", "expenses", str(file), "--wait", code=2)
    assert product.pid("worker") == worker


def test_a_picture_that_cannot_be_decoded_fails_its_task_and_the_worker_lives(
    product: Product, submit: Expenses, tmp_path: Path
) -> None:
    worker = product.pid("worker")
    file = tmp_path / "broken.jpg"
    file.write_bytes(jpeg_that_cannot_be_decoded())
    failed = submit(file, code=1)
    assert failed["state"] == "failed"
    assert failed["error"]["effect"] == "read-receipt"
    assert "cannot be decoded" in failed["error"]["message"]
    assert product.pid("worker") == worker
    assert product.runs()


def test_the_callback_is_signed_and_tells_how_it_ended(
    product: Product, submit: Expenses, receipts: list[Receipt], callbacks: Receiver
) -> None:
    task = submit(receipts[5].file, "--callback-url", f"{callbacks.url}/told", "--set", "claim.category=fines")
    assert (task["state"], task["output"]["decision"]) == ("succeeded", "rejected")

    def told() -> Any:
        return next((one for one in callbacks.acknowledged if one[0] == "/told"), None)

    _, headers, body = eventually_sync(told, 60)
    webhook = Webhook(Keys.of(product.settings()).webhook_secret("default"))
    said = webhook.verify(body, dict(headers))
    assert (said["type"], said["data"]["id"]) == ("task.succeeded", task["id"])
    assert said["data"]["output"] == task["output"]
    forged = json.dumps(said | {"type": "task.failed"}).encode()
    with pytest.raises(Exception, match=r"(?i)signature"):
        webhook.verify(forged, dict(headers))


def test_exit_codes(product: Product, receipts: list[Receipt]) -> None:
    """0 and 1 stand above: done, and failed."""
    wrong = product.refused("task", "submit", "expenses", str(receipts[4].file), "--set", "claim.amount=much", code=2)
    assert "/claim/amount" in wrong or "/input/claim/amount" in wrong
    product.refused("task", "submit", "no-such-automation", code=3)
    product.refused("task", "show", "task_0000000000000000000000000000abcd", code=3)
    auditor = product.json("key", "create", "ann", "--user", "user:ann", "--role", "auditor")["key"]
    environ = {"INTERLOCK_API_KEY": auditor}
    product.refused("task", "submit", "expenses", str(receipts[4].file), code=4, environ=environ)


def test_the_record_holds(product: Product, straight: dict[str, Any]) -> None:
    assert straight["state"] == "succeeded"
    report = product.json("audit", "verify")
    assert report["ok"] is True
    assert report["effects"] > 0
