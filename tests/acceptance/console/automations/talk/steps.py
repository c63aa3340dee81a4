"""A step that logs, prints, warns at length, fails once, and then goes on for longer than a page of lines."""

from __future__ import annotations

import logging
import sqlite3

from interlock import current_step, step

log = logging.getLogger("ledger")
LINES = 230


@step
def post(amount: str) -> int:
    log.info("posting %s to account 6640", amount)
    if current_step().attempt == 1:
        print("connected")
        log.warning("the book is locked by another writer: %s", "waited " * 400)
        raise sqlite3.OperationalError("database is locked")
    for number in range(LINES):
        print(f"line {number} of the book is written")
    log.info("posted as entry 1207")
    return 1207
