"""Pages of a list: a cursor is opaque, says where the next page begins, and holds nothing that a client could not see."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Annotated, Any, Final

import orjson
from fastapi import Query

from interlock.domain import canonical
from interlock.domain.errors import MalformedRequest

CURSOR_CHARS_MAX: Final = 512
LIMIT_DEFAULT: Final = 50

Cursor = Annotated[
    str | None,
    Query(max_length=CURSOR_CHARS_MAX, description="`next_cursor` of the page before; leave out for the first page."),
]
Limit = Annotated[
    int,
    Query(ge=1, le=10_000, description="Items a page; the server may give fewer (INTERLOCK_LIST_PAGE_SIZE_MAX)."),
]


def encode(of: str, *parts: Any) -> str:
    """Give the cursor of a list named `of` after the item with these sort keys."""
    return base64.urlsafe_b64encode(canonical.dumps([of, *parts])).decode().rstrip("=")


def after(of: str, cursor: str | None, kinds: tuple[type, ...]) -> tuple[Any, ...] | None:
    """Read a cursor back as sort keys of these types; None without one.

    Raises:
        MalformedRequest: it is none that `encode` gave for this list.
    """
    if cursor is None:
        return None
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        said, *parts = orjson.loads(data)
        if said != of or len(parts) != len(kinds) or encode(of, *parts) != cursor:
            raise ValueError("of another list")
        return tuple(_read(part, kind) for part, kind in zip(parts, kinds, strict=True))
    except (binascii.Error, ValueError, TypeError, OverflowError) as error:
        raise MalformedRequest(
            "The cursor is not one of this list.", fix="Send `next_cursor` as it was given, or none."
        ) from error


def _read(part: Any, kind: type) -> Any:
    if kind is datetime:
        at = datetime.fromisoformat(part)
        if at.tzinfo is None or not 1970 <= at.year <= 9998:
            raise ValueError("no time")
        return at
    if not isinstance(part, kind) or (isinstance(part, str) and "\0" in part):
        raise ValueError(f"no {kind.__name__}")
    return part


def after_time(of: str, cursor: str | None) -> tuple[datetime, str] | None:
    """Read the cursor of a list that is ordered by a time and an ID."""
    keys = after(of, cursor, (datetime, str))
    return None if keys is None else (keys[0], keys[1])


def after_number(of: str, cursor: str | None) -> int | None:
    """Read the cursor of a list that is ordered by a number."""
    keys = after(of, cursor, (int,))
    return None if keys is None else int(keys[0])
