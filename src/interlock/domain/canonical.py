"""One canonical JSON form, and digests over it.

Sorted keys, no white space, UTF-8, in the spirit of RFC 8785. Values that JSON lacks have one spelling: `Decimal` as a plain decimal string,
dates and aware datetimes as ISO 8601, UUIDs and enums as strings, pydantic models as their JSON form. Naive datetimes are
refused, since two readers could disagree on what they mean; so is a `Decimal` or a bare float that is not finite. Inside a structure, a
float that is not finite becomes null, as the encoder writes it: two readers agree on that, and looking for it would cost every effect.
"""

from __future__ import annotations

import hashlib
import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import orjson
from pydantic import BaseModel

_STRING_KEYS = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATETIME
_OPTIONS = _STRING_KEYS | orjson.OPT_NON_STR_KEYS


def rfc3339(at: datetime) -> str:
    """Give an aware datetime as RFC 3339 in UTC with microseconds and `Z`."""
    if at.tzinfo is None:
        raise ValueError("a naive datetime has no meaning here: give it a time zone")
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    if at.microsecond:  # the encoder is seven times faster, and leaves a fraction of nothing out
        return orjson.dumps(at, option=orjson.OPT_UTC_Z)[1:-1].decode()
    return at.isoformat(timespec="microseconds")[:-6] + "Z"  # without +00:00


def _default(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise TypeError("NaN and infinity have no JSON form")
        return format(value, "f")
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, UUID | Enum):
        return str(value.value if isinstance(value, Enum) else value)
    if isinstance(value, set | frozenset):
        raise TypeError("a set has no order and so no canonical form: use a sorted list")
    raise TypeError(f"{type(value).__name__} has no JSON form: use a pydantic model or plain values")


def dumps(value: Any) -> bytes:
    """Give the canonical JSON bytes of a value; raises TypeError for what has no JSON form."""
    data = orjson.dumps(value, default=_default, option=_OPTIONS)
    if isinstance(value, float) and not math.isfinite(value):
        raise TypeError("NaN and infinity have no JSON form")
    return data


def loads(data: bytes | str | memoryview) -> Any:
    return orjson.loads(data)


def plain(value: Any) -> Any:
    """Give the value as plain JSON types, exactly as a reader of its canonical form would see it."""
    return orjson.loads(dumps(value))


def both(value: Any) -> tuple[Any, bytes]:
    """Give the value as plain JSON types, and its canonical form."""
    try:
        data = orjson.dumps(value, default=_default, option=_STRING_KEYS)
        if isinstance(value, float) and not math.isfinite(value):
            raise TypeError("NaN and infinity have no JSON form")
    except TypeError:  # a key that is no string, of which two may be one in JSON; or what has no JSON form
        found = plain(value)
        return found, dumps(found)
    return orjson.loads(data), data


def digest(value: Any) -> bytes:
    """Give the SHA-256 of the canonical form, 32 bytes."""
    return hashlib.sha256(dumps(value)).digest()
