"""What the automation does outside of its replay: reads the rule book, posts to the ledger."""

from __future__ import annotations

import datetime as dt
import sqlite3
from contextlib import closing
from functools import lru_cache
from pathlib import Path

from interlock import Document, NonRetryable, Retry, current_step, step

from . import rules
from .schema import AnsweredForm, Assessment, Claim, Form, Posting, Reading

DATA = Path(__file__).parent / "data"
_LEDGER = """
create table if not exists entries (
    id text primary key, idempotency_key text not null unique, task_id text not null, day text not null,
    debit_account text not null, credit_account text not null, amount text not null, currency text not null,
    merchant text, posted_at text not null default current_timestamp
)"""


@lru_cache(maxsize=1)
def _book() -> rules.RuleBook:
    return rules.load(DATA)


@step(name="assess-expense", timeout_s=30)
def assess_expense(
    claim: Claim | None, reading: Reading, documents: list[Document], today: dt.date, submitter: str
) -> Assessment:
    """Hold the reading against the claim and the company's rules, as they are today; the journal keeps what they were."""
    return rules.assess(_book(), claim, reading, documents, today, submitter)


@step(name="assess-answer", timeout_s=30)
def assess_answer(form: Form, keys: list[str], day: dt.date) -> AnsweredForm:
    """Hold the values as a person left them against the company's rules."""
    return rules.assess_answer(_book(), form, keys, day)


@step(name="post-to-ledger", timeout_s=30, retry=Retry(attempts=8, initial_s=0.5))
def post_to_ledger(form: Form) -> Posting:
    """Post an approved expense. The ledger keeps the idempotency key, so that posting again gives the first entry."""
    call = current_step()
    if form.total is None or form.currency is None:
        raise NonRetryable("an expense without an amount and a currency cannot be posted")
    account = f"expenses:{form.category or 'other'}"
    entry = "led_" + call.task_id.partition("_")[2]
    with closing(sqlite3.connect(call.config["ledger"], timeout=20, isolation_level=None)) as ledger:
        ledger.execute("pragma journal_mode = wal")
        ledger.execute("pragma synchronous = full")
        ledger.execute(_LEDGER)
        ledger.execute(
            "insert into entries (id, idempotency_key, task_id, day, debit_account, credit_account, amount, currency, merchant)"
            " values (?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict do nothing",
            (
                entry,
                call.idempotency_key,
                call.task_id,
                str(form.date),
                account,
                f"payable:{form.employee}",
                str(form.total),
                form.currency,
                form.merchant,
            ),
        )
        row = ledger.execute(
            "select id, amount, currency, debit_account from entries where idempotency_key = ?", (call.idempotency_key,)
        ).fetchone()
    return Posting(id=row[0], amount=row[1], currency=row[2], account=row[3])
