"""The time: this machine's, shifted to the database's, which tests can move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class Clock:
    """This process's clock, kept in step with the database's by whoever reads a time from it."""

    def __init__(self) -> None:
        self._ahead = timedelta(0)

    def now(self) -> datetime:
        """Give the time, aware, in UTC."""
        return datetime.now(UTC) + self._ahead

    def follow(self, database_now: datetime) -> None:
        """Take the database's time as right. A difference of a few ms is only the way here, and is left alone."""
        ahead = database_now - datetime.now(UTC)
        self._ahead = ahead if abs(ahead) > timedelta(milliseconds=250) else timedelta(0)
