"""After the storm: hold the journal, the ledger, the callbacks and the audit log against each other."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
from standardwebhooks import Webhook
from tests.acceptance.product import Product
from tests.chaos.callbacks import Receiver
from tests.chaos.claims import Claim

from interlock.infra.keys import Keys

SAYS_AT_MOST = 3
ENDED = ("succeeded", "failed", "cancelled")
OPEN = "select count(*) from interlock.tasks where state not in ('succeeded', 'failed', 'cancelled')"
UNDELIVERED = "select count(*) from interlock.deliveries where state <> 'delivered'"

# Each of these finds nothing where the promise holds.
PROMISES: Mapping[str, str] = {
    "an effect is recorded twice": """
        select task_id, effect_id, count(*) from effects group by 1, 2 having count(*) > 1""",
    "a task's outcomes have a gap in their order": """
        select task_id, count(*), max(seq), min(seq) from effects group by 1 having max(seq) - min(seq) + 1 <> count(*)""",
    "an effect and its audit record are not one to one": """
        select e.task_id, e.effects, r.records from (select task_id, count(*) as effects from effects group by 1) e
        full join (select task_id, count(*) as records from audit_records where leaf::json->>'kind' = 'effect' group by 1) r
        using (task_id) where e.effects is distinct from r.records""",
    "a task did not end exactly once": """
        select t.id, t.state, count(r.id) from tasks t left join audit_records r on r.task_id = t.id
        and r.leaf::json->>'kind' in ('task.succeeded', 'task.failed', 'task.cancelled') group by 1, 2 having count(r.id) <> 1""",
    "a task that ended is still somebody's or due": """
        select id, state, lease_until, due_at from tasks
        where state in ('succeeded', 'failed', 'cancelled') and (lease_until is not null or due_at is not null)""",
    "a review of a task that ended is open": """
        select r.id, t.state from reviews r join tasks t on t.id = r.task_id
        where r.state = 'open' and t.state in ('succeeded', 'failed', 'cancelled')""",
    "a task has not exactly one callback": """
        select t.id, count(d.id) from tasks t left join deliveries d on d.task_id = t.id
        where t.callback_url is not null group by 1 having count(d.id) <> 1""",
    "a callback was not delivered": """
        select id, state, attempts from deliveries where state <> 'delivered'""",
    "an event has no position": """
        select id from outbox where position is null""",
    "positions of events have a gap": """
        select count(*), max(position) from outbox having count(*) <> coalesce(max(position) - min(position) + 1, 0)""",
    "one receipt was approved twice without an override": """
        select r.key, count(*) from (select t.id, d.sha256 as key from tasks t
        join documents d on d.id = t.input->'documents'->0->>'id' where t.state = 'succeeded' and t.output->>'decision' = 'approved'
        and not coalesce((t.output->>'overridden_duplicate')::boolean, false)) r group by 1 having count(*) > 1""",
}


class Books:
    """What the product wrote down, read by the database's owner."""

    def __init__(self, product: Product) -> None:
        self._product = product
        self._owner_url = product.owner_url

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        options = "-c search_path=interlock -c row_security=off"
        with psycopg.connect(self._owner_url, autocommit=True, options=options, connect_timeout=5) as conn:
            return conn.execute(sql.encode()).fetchall()

    def count(self, sql: str) -> int:
        return int(self.rows(sql)[0][0])

    def ledger(self) -> list[tuple[str, Decimal]]:
        """The entries of the ledger: task, amount."""
        with closing(sqlite3.connect(self._product.data / "ledger.sqlite")) as ledger:
            return [(task, Decimal(amount)) for task, amount in ledger.execute("select task_id, amount from entries")]


def violations(product: Product, accepted: Mapping[str, Claim], receiver: Receiver) -> Iterator[str]:
    """Say what does not hold; nothing where all does."""
    books = Books(product)
    for promise, sql in PROMISES.items():
        if found := books.rows(sql):
            yield f"{promise}: {len(found)}, as {found[:SAYS_AT_MOST]}"
    tasks = books.rows("select id, state, output, error, labels->>'number', callback_url is not null from tasks")
    yield from _accepted(tasks, accepted)
    yield from _decisions(tasks, accepted)
    yield from _ledger(tasks, books.ledger())
    yield from _callbacks(product, tasks, receiver)
    with product.popen("audit", "verify", "--json") as process:
        said, _ = process.communicate(timeout=120)
    if process.returncode != 0:
        yield f"the audit log does not verify: {json.dumps(json.loads(said).get('findings', said)[:SAYS_AT_MOST])}"


def _accepted(tasks: list[tuple[Any, ...]], accepted: Mapping[str, Claim]) -> Iterator[str]:
    known = {task[0]: task for task in tasks}
    if lost := set(accepted) - set(known):
        yield f"accepted tasks are not there: {len(lost)}, as {sorted(lost)[:SAYS_AT_MOST]}"
    if more := set(known) - set(accepted):
        yield f"tasks that nobody was told of: {len(more)}, as {sorted(more)[:SAYS_AT_MOST]}"
    twice = [number for number, times in Counter(task[4] for task in tasks).items() if times > 1]
    if twice:
        yield f"claims became two tasks: {twice[:SAYS_AT_MOST]}"
    left = [(task[0], task[1]) for task in tasks if task[1] not in ENDED]
    if left:
        yield f"accepted tasks have not ended: {len(left)}, as {left[:SAYS_AT_MOST]}"
    failed = [(task[0], task[3]) for task in tasks if task[1] == "failed"]
    if failed:
        yield f"tasks failed: {len(failed)}, as {failed[:SAYS_AT_MOST]}"


def _decisions(tasks: list[tuple[Any, ...]], accepted: Mapping[str, Claim]) -> Iterator[str]:
    """Each ended as its claim and its manager's answer say; who of two equal ones came first is open."""
    for task_id, state, output, _, _, _ in tasks:
        one = accepted.get(task_id)
        if one is None or state not in ENDED:
            continue
        if one.kind == "cancelled" or state == "cancelled":
            if (one.kind == "cancelled") != (state == "cancelled"):
                yield f"{task_id} ({one.kind}) ended as {state}: {output}"
        elif state == "succeeded":
            straight = (output["decision"], output["by"]) == ("approved", "policy") and one.kind != "unsure"
            answered = {"approve": "approved", "amend": "approved", "reject": "rejected"}[one.answer]
            if not straight and (output["decision"], output["by"]) != (answered, "user:priya"):
                yield f"{task_id} ({one.kind}, answer {one.answer}) was {output['decision']} by {output['by']}"


def _ledger(tasks: list[tuple[Any, ...]], entries: list[tuple[str, Decimal]]) -> Iterator[str]:
    approved = {
        task[0]: Decimal(task[2]["amount"]) for task in tasks if task[2] and task[2].get("decision") == "approved"
    }
    if len(entries) != len({task for task, _ in entries}):
        yield "a task stands twice in the ledger"
    posted, due = sum(amount for _, amount in entries), sum(approved.values())
    if posted != due or len(entries) != len(approved):
        yield f"the ledger has {len(entries)} entries of {posted} in all, approved were {len(approved)} of {due}"
    wrong = [(task, amount, approved.get(task)) for task, amount in entries if approved.get(task) != amount]
    if wrong:
        yield f"entries that are not what was approved: {wrong[:SAYS_AT_MOST]}"


def _callbacks(product: Product, tasks: list[tuple[Any, ...]], receiver: Receiver) -> Iterator[str]:
    """Every task that asked for one was told of, at least once, signed, with how it ended."""
    webhook = Webhook(Keys.of(product.settings()).webhook_secret("default"))
    told: dict[str, str] = {}
    for _, headers, body in receiver.acknowledged:
        # Not `verify`, which refuses what was sent more than five minutes ago: a long campaign looks at it later than that.
        at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
        if webhook.sign(headers["webhook-id"], at, body.decode()) not in headers["webhook-signature"].split():
            yield f"a callback with a wrong signature: {headers['webhook-id']}"
        data = json.loads(body)["data"]
        told[data["id"]] = data["state"]
    wrong = [(task[0], task[1], told.get(task[0])) for task in tasks if task[5] and told.get(task[0]) != task[1]]
    if wrong:
        yield f"callbacks that did not arrive, or with another state: {len(wrong)}, as {wrong[:SAYS_AT_MOST]}"
