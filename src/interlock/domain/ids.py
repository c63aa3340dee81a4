"""Identifiers: a UUIDv7 (RFC 9562: sorts by time) with a prefix that says what it names, such as `task_0193…`.

The correlation ID is a W3C trace ID: 32 hexadecimal digits, not all zero. The run ID of a task is its task ID.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from functools import lru_cache
from typing import Final
from uuid import UUID

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")


def uuid7() -> UUID:
    """Give a UUIDv7: 48 bits of Unix milliseconds, then 74 random bits (RFC 9562, section 5.7)."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def new_id(prefix: str) -> str:
    """Give a fresh identifier, `prefix_` and 32 hexadecimal digits; later ones sort after earlier ones (ms)."""
    return f"{prefix}_{uuid7().hex}"


def is_id(prefix: str, value: str) -> bool:
    """Tell whether the text has the form that `new_id` gives."""
    head, _, tail = value.partition("_")
    return head == prefix and len(tail) == 32 and all(c in "0123456789abcdef" for c in tail)


def new_correlation_id() -> str:
    """Give a random W3C trace ID."""
    return secrets.token_hex(16)


def correlation_from_traceparent(header: str | None) -> str | None:
    """Give the trace ID of a `traceparent` header, or None where there is none or it is malformed (W3C Trace Context)."""
    match = _TRACEPARENT.fullmatch((header or "").strip())
    if match is None or set(match[1]) == {"0"}:
        return None
    return match[1]


def is_name(value: str) -> bool:
    """Tell whether the text is a name: lower-case words of letters and digits joined by dashes, 1 to 63 characters."""
    return len(value) <= 63 and _is_name(value)


@lru_cache(maxsize=4_096)
def _is_name(value: str) -> bool:
    return _NAME.match(value) is not None
