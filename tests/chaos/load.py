"""The load: clients that hand in claims and a manager who answers, through everything that is done to the product."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from typing import Any

import httpx
from tests.chaos.claims import Claim, claim, receipt

CLIENTS = 3
RETRY_S = 0.1
PACE_S = 0.35  # between two claims of one client
TRANSIENT = (429, 502, 503, 504)


class Unexpected(Exception):
    """The API answered what a client could not go on with."""


class Load:
    """Hands in claims 0, 1, 2, … of a seed until told to stop, and answers reviews until it is left.

    Every request is repeated until it is answered; submissions carry an Idempotency-Key, so that repeating is harmless.
    """

    def __init__(self, seed: int, url: str, admin_key: str, manager_key: str, callback_url: str) -> None:
        self._seed = seed
        self._callback_url = callback_url
        self._admin = _client(url, admin_key)
        self._manager = _client(url, manager_key)
        self._numbers = itertools.count()
        self._stop = asyncio.Event()
        self._running: list[asyncio.Task[None]] = []
        self.accepted: dict[str, Claim] = {}
        self.answered = 0
        self.cancelled = 0
        self.repeated = 0

    async def __aenter__(self) -> Load:
        self._running = [asyncio.create_task(self._hand_in()) for _ in range(CLIENTS)]
        self._running.append(asyncio.create_task(self._answer()))
        return self

    async def __aexit__(self, *_: object) -> None:
        for one in self._running:
            one.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._admin.aclose()
        await self._manager.aclose()

    async def stop_handing_in(self) -> None:
        """Begin no further claim; those begun are accepted when this returns. The manager goes on answering."""
        self._stop.set()
        await asyncio.gather(*self._running[:CLIENTS])

    def check(self) -> None:
        """Raise what ended a client."""
        for one in self._running:
            if one.done() and not one.cancelled():
                one.result()

    async def _hand_in(self) -> None:
        while not self._stop.is_set():
            one = claim(self._seed, next(self._numbers))
            file = {"file": (f"receipt-{one.receipt}.png", receipt(self._seed, one), "image/png")}
            document = await self._send(self._admin, "POST", "/v1/documents", files=file)
            body: dict[str, Any] = {
                "automation": "expenses",
                "input": {"documents": [{"id": document["id"]}], "claim": one.as_input},
                "labels": {"number": str(one.number), "kind": one.kind},
            }
            if one.callback:
                body["callback_url"] = f"{self._callback_url}/{one.number}"
            key = {"idempotency-key": f"{self._seed}-{one.number}"}
            accepted = await self._send(self._admin, "POST", "/v1/tasks", json=body, headers=key)
            self.accepted[accepted["id"]] = one
            await asyncio.sleep(PACE_S)

    async def _answer(self) -> None:
        while True:
            page = await self._send(self._manager, "GET", "/v1/reviews", params={"state": "open", "limit": "100"})
            for review in page["items"]:
                one = self.accepted.get(review["task_id"])
                if one is not None:
                    await self._settle(review["id"], review["task_id"], one)
            await asyncio.sleep(RETRY_S)

    async def _settle(self, review_id: str, task_id: str, one: Claim) -> None:
        """Answer a review, or cancel the task that waits for it. Conflicts are those of a repeated request that had got through."""
        if one.kind == "cancelled":
            await self._send(self._admin, "POST", f"/v1/tasks/{task_id}:cancel", json={}, conflict=True)
            self.cancelled += 1
            return
        path = f"/v1/reviews/{review_id}:{one.answer}"
        await self._send(self._manager, "POST", path, json=one.answer_body, conflict=True)
        self.answered += 1

    async def _send(
        self, client: httpx.AsyncClient, method: str, path: str, *, conflict: bool = False, **arguments: Any
    ) -> Mapping[str, Any]:
        while True:
            try:
                response = await client.request(method, path, **arguments)
            except httpx.TransportError:
                self.repeated += 1
                await asyncio.sleep(RETRY_S)
                continue
            if response.status_code in TRANSIENT:
                self.repeated += 1
                await asyncio.sleep(RETRY_S)
                continue
            if response.status_code >= 400 and not (conflict and response.status_code == 409):
                raise Unexpected(f"{method} {path} was answered with {response.status_code}: {response.text[:500]}")
            found: Mapping[str, Any] = response.json()
            return found


def _client(url: str, key: str) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {key}"}
    return httpx.AsyncClient(base_url=url, headers=headers, timeout=15, trust_env=False)
