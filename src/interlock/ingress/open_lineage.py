"""Telling an OpenLineage backend what happened: read behind the outbox, by the relay, so that no task waits for it.

Of each tenant one relay at a time reads its events in order, from the position where it stopped: claim (lease, epoch) → read → send each →
write how far it came. An event is sent at least once. One that the backend does not take is tried again after pauses that grow, and passed
over, counted and logged after as many attempts as are set; so a backend that is away for long loses events and never holds anything up.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import structlog

from interlock.domain import canonical
from interlock.domain.effects import Retry
from interlock.domain.errors import InterlockError, Unavailable
from interlock.infra import outbox
from interlock.infra.database import Connection, Database
from interlock.infra.http import GuardedClient
from interlock.infra.outbox import Event
from interlock.infra.settings import Settings
from interlock.ingress.open_lineage_events import STATES, InputDocument, RunFacts, run_event

log = structlog.get_logger("interlock.open_lineage")
Sink = Callable[[bytes], Awaitable[None]]
"""Takes one event as JSON. Raises InterlockError or OSError where it did not."""

BATCH: Final = 200
TENANTS_AT_ONCE: Final = 1_000
LEASE_S: Final = 120.0
WORK_S: Final = 60.0  # well under the lease: what is left is for the next round
BACKOFF_INITIAL_S: Final = 1.0
DOCUMENTS_MAX: Final = 1_000
_DOCUMENT: Final = re.compile(r'"(doc_[0-9a-f]{32})"')

_BEGIN: Final = b"""
insert into lineage_feeds (tenant, position)
select current_tenant(), coalesce(max(position), 0) from outbox where tenant = current_tenant() on conflict do nothing"""
_CLAIM: Final = b"""
update lineage_feeds set lease_until = time_now() + %s, epoch = epoch + 1
where tenant = current_tenant() and due_at <= time_now() and (lease_until is null or lease_until < time_now())
returning position, attempts, dropped, epoch"""
_SETTLE: Final = b"""
update lineage_feeds set position = %(position)s, attempts = %(attempts)s, dropped = %(dropped)s, lease_until = null,
    due_at = time_now() + make_interval(secs => %(wait_s)s)
where tenant = current_tenant() and epoch = %(epoch)s"""
_TASK: Final = b"""
select t.automation, t.automation_version, t.input::text, t.input_ref is not null,
    array(select distinct e.meta->>'model_version' from effects e where e.tenant = t.tenant and e.task_id = t.id
        and e.meta->>'model_version' is not null order by 1),
    array(select distinct e.decision->>'policy_version' from effects e where e.tenant = t.tenant and e.task_id = t.id
        and e.decision->>'policy_version' is not null order by 1)
from tasks t where t.tenant = current_tenant() and t.id = %s"""
_INPUTS: Final = b"""
select input::text from effects where tenant = current_tenant() and task_id = %s and kind = 'infer' and input is not null"""
_DOCUMENTS: Final = b"""
select id, media_type, pages from documents where tenant = current_tenant() and id = any(%s) order by id limit %s"""


def http_sink(client: GuardedClient, url: str, api_key: str | None) -> Sink:
    """Post each event to a URL; anything but 2xx is a failure. The client refuses addresses that are not allowed."""
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {api_key}"} if api_key else {})

    async def send(data: bytes) -> None:
        answer = await client.post(url, data, headers)
        if not 200 <= answer.status < 300:
            raise Unavailable(f"The OpenLineage backend answered {answer.status}.")

    return send


def file_sink(path: Path) -> Sink:
    """Append each event to a file as a line, which is durable when this returns. The file's folder must be there."""

    def append(data: bytes) -> None:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, data + b"\n")
            os.fsync(handle)
        finally:
            os.close(handle)

    async def send(data: bytes) -> None:
        await asyncio.to_thread(append, data)

    return send


@dataclass(kw_only=True)
class _Feed:
    """How far a tenant's events were told, while this relay holds it."""

    tenant: str
    position: int
    attempts: int
    dropped: int
    epoch: int
    wait_s: float = 0.0


class OpenLineage:
    """Tells a sink what happened to tasks. Any number may run; a tenant begins with what happens after it was first looked at.

    Args:
        attempts_max: of one event; then it is passed over. backoff_max_s: the longest pause between two.
        uniform: gives the jitter, in [0, 1).
    """

    def __init__(
        self,
        app: Database,
        sink: Sink,
        *,
        namespace: str,
        product: str,
        attempts_max: int,
        backoff_max_s: float,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        self._app = app
        self._sink = sink
        self._namespace = namespace
        self._product = product
        self._retry = Retry(attempts=attempts_max, initial_s=BACKOFF_INITIAL_S, max_s=backoff_max_s, jitter=1.0)
        self._uniform = uniform

    async def once(self) -> bool:
        """Tell what is new in every tenant, a batch of each; gives whether there may be more."""
        more, after = False, ""
        while True:
            async with self._app.across() as conn:
                rows = await (
                    await conn.execute(b"select tenant from all_tenants(%s, %s)", (after, TENANTS_AT_ONCE))
                ).fetchall()
            for (tenant,) in rows:
                more = await self._tenant(tenant) or more
            if len(rows) < TENANTS_AT_ONCE:
                return more
            after = rows[-1][0]

    async def _tenant(self, tenant: str) -> bool:
        async with self._app.tenant(tenant) as conn:
            await conn.execute(_BEGIN)
            row = await (await conn.execute(_CLAIM, (timedelta(seconds=LEASE_S),))).fetchone()
            if row is None:
                return False
            events = await outbox.read(conn, after=row[0], limit=BATCH)
        feed = _Feed(tenant=tenant, position=row[0], attempts=row[1], dropped=row[2], epoch=row[3])
        began, told = time.monotonic(), 0
        for event in events:
            if time.monotonic() - began > WORK_S or not await self._tell(feed, event):
                break
            told += 1
        async with self._app.tenant(tenant) as conn:
            await conn.execute(_SETTLE, feed.__dict__)
        return told == BATCH

    async def _tell(self, feed: _Feed, event: Event) -> bool:
        """Send one event; tells whether to go on with the next."""
        if event.type in STATES:
            made = run_event(
                event,
                await self._facts(feed.tenant, event),
                namespace=self._namespace,
                tenant=feed.tenant,
                product=self._product,
            )
            try:
                if made is not None:
                    await self._sink(canonical.dumps(made))
            except (InterlockError, OSError) as error:
                feed.attempts += 1
                said = error.detail if isinstance(error, InterlockError) else type(error).__name__
                if feed.attempts < self._retry.attempts:
                    feed.wait_s = self._retry.delay_s(feed.attempts, self._uniform())
                    log.warning("lineage_postponed", tenant=feed.tenant, position=event.position, error=said)
                    return False
                feed.dropped += 1
                log.error("lineage_dropped", tenant=feed.tenant, position=event.position, error=said)
        feed.position, feed.attempts = event.position, 0
        return True

    async def _facts(self, tenant: str, event: Event) -> RunFacts:
        async with self._app.tenant(tenant) as conn:
            row = await (await conn.execute(_TASK, (event.task_id,))).fetchone()
            if row is None:
                return RunFacts(automation=str(event.data.get("automation", "unknown")), version="unknown")
            texts = [row[2] or ""]
            if row[3]:  # its input stands in the object store: the inferences name its documents
                texts += [one for (one,) in await (await conn.execute(_INPUTS, (event.task_id,))).fetchall()]
            return RunFacts(
                automation=row[0],
                version=row[1],
                documents=await _documents(conn, texts),
                model_versions=row[4],
                policy_versions=row[5],
            )


async def _documents(conn: Connection, texts: list[str]) -> list[InputDocument]:
    ids = sorted({found for text in texts for found in _DOCUMENT.findall(text)})
    rows = await (await conn.execute(_DOCUMENTS, (ids, DOCUMENTS_MAX))).fetchall() if ids else []
    return [InputDocument(id=row[0], media_type=row[1], pages=row[2]) for row in rows]


def build(settings: Settings, app: Database, client: GuardedClient, *, product: str) -> OpenLineage | None:
    """Build what the settings ask for; None where no backend is set."""
    url = settings.openlineage_url
    if url is None:
        return None
    path = url.removeprefix("file://")
    return OpenLineage(
        app,
        http_sink(client, url, settings.openlineage_api_key) if path == url else file_sink(Path(path)),
        namespace=settings.openlineage_namespace,
        product=product,
        attempts_max=settings.openlineage_attempts_max,
        backoff_max_s=settings.openlineage_backoff_max_s,
    )
