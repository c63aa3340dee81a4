"""Receipts whose claims ask for more than they say: a manager is asked about every one."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from tests.acceptance.product import Product
from tests.eventually import eventually_sync

from generate_receipts import generate

SEED, RECEIPTS = 23, 40


class Cases:
    """Receipts that were handed in by Amir, each with a claim that asks for more: a manager is asked about every one."""

    def __init__(self, product: Product, folder: Path) -> None:
        with product.client() as admin:
            self.keys = {
                name: admin.post(
                    "/v1/keys", json={"name": f"console-{name}", "user": f"user:{name}", "roles": roles}
                ).json()["key"]
                for name, roles in {
                    "amir": ["author"],
                    "mei": ["manager", "reviewer", "finance"],
                    "priya": ["manager", "reviewer", "finance"],
                    "ana": ["auditor"],
                }.items()
            }
        self._amir = product.client(self.keys["amir"])
        self._mei = product.client(self.keys["mei"])
        self._ana = product.client(self.keys["ana"])
        samples = generate(RECEIPTS, SEED, folder)
        self._files = iter([folder / sample.file for sample in samples])

    def close(self) -> None:
        self._amir.close()
        self._mei.close()
        self._ana.close()

    def open(self, count: int = 1, purpose: str = "lunch") -> list[dict[str, Any]]:
        """Hand in receipts; gives their reviews when all are open, oldest first."""
        files = [(file.name, file.read_bytes()) for file in itertools.islice(self._files, count)]
        assert len(files) == count, "too few receipts are generated"
        return self._asked([self._hand_in(*file, purpose) for file in files])

    def again(self) -> dict[str, Any]:
        """Hand in once more what was approved; gives its review."""
        document = self._amir.get(f"/v1/documents/{self.done()['request']['documents'][0]}").json()
        data = self._amir.get(f"/v1/documents/{document['id']}/content").content
        (review,) = self._asked([self._hand_in(f"again-{document['filename']}", data, "dinner")])
        return self.review(review["id"])

    def twice(self) -> tuple[str, dict[str, Any]]:
        """Hand in a receipt, and its file once more while nobody has answered; gives the first task, and the review of the second."""
        (first,) = self.open(1)
        document = self._amir.get(f"/v1/documents/{first['request']['documents'][0]}").json()
        data = self._amir.get(f"/v1/documents/{document['id']}/content").content
        (review,) = self._asked([self._hand_in(f"twice-{document['filename']}", data, "dinner")])
        return first["task_id"], self.review(review["id"])

    def _hand_in(self, name: str, data: bytes, purpose: str) -> str:
        document = self._amir.post("/v1/documents", files={"file": (name, data)}).json()
        claim = {
            "employee": "user:amir",
            "amount": "9999.00",
            "currency": "EUR",
            "date": "2026-01-02",
            "purpose": purpose,
        }
        body = {"automation": "expenses", "input": {"documents": [document], "claim": claim}}
        task: str = self._amir.post("/v1/tasks", json=body).json()["id"]
        return task

    def _asked(self, tasks: list[str]) -> list[dict[str, Any]]:
        def reviews() -> list[dict[str, Any]] | None:
            found = self.reviews("open")
            own = [review for review in found if review["task_id"] in tasks]
            waits = len(own) == len(tasks) and all(self.task(task)["state"] == "waiting" for task in tasks)
            return own if waits else None

        opened: list[dict[str, Any]] = eventually_sync(reviews, timeout_s=90 + 15 * len(tasks))
        return opened

    def done(self) -> dict[str, Any]:
        """Give a review that was approved, and whose task has ended; its end is in the log."""
        found = [review for review in self.reviews("answered") if review["answer"]["verdict"] != "reject"]
        review = found[0] if found else self.open(1)[0]
        if not found:
            self._mei.post(f"/v1/reviews/{review['id']}:approve").raise_for_status()
        task = self.ended(review["task_id"])
        self.on_record(task_id=task["id"], kind=f"task.{task['state']}")
        return review

    def waiting(self) -> dict[str, Any]:
        """Give a review that is open, and that nobody has."""
        return next((one for one in self.reviews("open") if one["assignee"] is None), None) or self.open(1)[0]

    def on_record(self, **asked: str) -> None:
        """Wait until the log has such a record: a page shows what is there when it is opened."""

        def there() -> bool:
            return bool(self._ana.get("/v1/audit/records", params=asked).raise_for_status().json()["items"])

        eventually_sync(there, 90, message="it is in the log")

    def reviews(self, state: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._mei.get("/v1/reviews", params={"state": state, "limit": 200}).json()[
            "items"
        ]
        return found

    def free(self, review_id: str) -> None:
        """Give a review that somebody has to everybody again."""
        self._mei.post(f"/v1/reviews/{review_id}:assign", json={"to": "user:mei"}).raise_for_status()
        self._mei.post(f"/v1/reviews/{review_id}:release").raise_for_status()

    def review(self, review_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self._mei.get(f"/v1/reviews/{review_id}").json()
        return found

    def cancelled(self) -> str:
        """Give a task of Amir's that waits for a person and is then cancelled."""
        task_id: str = self.open(1, "withdrawn")[0]["task_id"]
        self._amir.post(f"/v1/tasks/{task_id}:cancel", json={}).raise_for_status()

        def gone() -> bool:
            return bool(self.task(task_id)["state"] == "cancelled")

        eventually_sync(gone, 90)
        return task_id

    def ended(self, task_id: str) -> dict[str, Any]:
        """Give a task when it has ended."""

        def found() -> dict[str, Any] | None:
            task = self.task(task_id)
            return task if task["state"] in ("succeeded", "failed") else None

        task: dict[str, Any] = eventually_sync(found, 90)
        return task

    def task(self, task_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self._amir.get(f"/v1/tasks/{task_id}").json()
        return found
