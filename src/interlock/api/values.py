"""Types of fields that several resources share."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import Path
from pydantic import AfterValidator, AwareDatetime, PlainSerializer, WithJsonSchema

from interlock.domain.canonical import rfc3339

TEXT_CHARS_MAX: Final = 256
_YEARS: Final = (1970, 9998)


def _in_range(at: datetime) -> datetime:
    if not _YEARS[0] <= at.year <= _YEARS[1]:
        raise ValueError(f"give a year from {_YEARS[0]} to {_YEARS[1]}")
    return at


At = Annotated[
    datetime,
    PlainSerializer(rfc3339, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A time that is given out: RFC 3339 in UTC."""

GivenAt = Annotated[AwareDatetime, AfterValidator(_in_range)]
"""A time that comes in; it must have a time zone."""

Json = Annotated[Any, WithJsonSchema({})]
"""Any JSON value, null too."""

TaskId = Annotated[
    str, Path(max_length=128, description="ID of a task.", examples=["task_019a2b3c4d5e7f60718293a4b5c6d7e8"])
]
ReviewId = Annotated[
    str, Path(max_length=128, description="ID of a review.", examples=["rev_019a2b3c4d5e7f60718293a4b5c6d7e8"])
]
