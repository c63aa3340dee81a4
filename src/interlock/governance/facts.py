"""Facts for policies: plain values into the JSON form that Cedar reads.

Cedar has no floats and no null, integers of 64 bits, and decimals of four places. Nothing is rounded here: a fact that
does not fit is an error that names it, since a policy must not decide on a number that nobody stated.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any, Final

from interlock.domain.decisions import Entity
from interlock.domain.errors import InterlockError

DEPTH_MAX: Final = 16
DETAIL_CHARS_MAX: Final = 1_000
_LONG_MAX: Final = 2**63 - 1
_DECIMAL_MAX: Final = Decimal("922337203685477.5807")
_DECIMAL_MIN: Final = Decimal("-922337203685477.5808")
_PLACES: Final = Decimal("0.0001")


class PolicyError(InterlockError):
    """The policy could not decide. It is no deny: nothing is released, and asking again may work once it is mended."""

    code, title, status, retryable = "policy.error", "The policy could not decide", 500, True

    def __init__(self, detail: str, **more: Any) -> None:
        # It may quote what was asked, which may be long, and no valid text.
        valid = detail[:DETAIL_CHARS_MAX].encode("utf-8", "backslashreplace").decode()
        super().__init__(valid + ("…" if len(detail) > DETAIL_CHARS_MAX else ""), **more)


def ref(type_: str, id_: str) -> dict[str, str]:
    """Give a reference to an entity, for an attribute whose type in the schema is an entity."""
    return {"type": type_, "id": id_}


def untagged(value: Any) -> Any:
    """Give policy facts back their decimals, which the author's kit tags for the journal."""
    if isinstance(value, dict):
        if value.keys() == {"$decimal"}:
            return Decimal(value["$decimal"])
        return {key: untagged(item) for key, item in value.items()}
    if isinstance(value, list):
        return [untagged(item) for item in value]
    return value


def cedar_json(value: Any, at: str = "context") -> Any:
    """Give a value as Cedar's JSON. `at` names it in errors.

    Decimals become Cedar decimals, dates and aware datetimes Cedar datetimes, entities references. A key whose value is
    None is left out (an optional attribute that is absent).

    Raises:
        PolicyError: a float, a naive datetime, a decimal or integer out of range, null in a list, a key that begins
            with two underscores (Cedar's escapes), or over 16 levels.
    """
    return _convert(value, at, 0)


def _convert(value: Any, at: str, depth: int) -> Any:
    if value is True or value is False or type(value) is str:
        return value
    if depth > DEPTH_MAX:
        raise PolicyError(f"{at} is nested over {DEPTH_MAX} levels.", fix="Give policies flat facts.")
    if isinstance(value, Mapping):
        return {_key(k, at): _convert(v, f"{at}.{k}", depth + 1) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple | set | frozenset):
        return [_convert(v, f"{at}[{i}]", depth + 1) for i, v in enumerate(value)]
    return _scalar(value, at)


def _key(key: Any, at: str) -> str:
    if not isinstance(key, str) or key.startswith("__"):
        raise PolicyError(
            f"{at} has the key {key!r}.", fix="Keys are text and do not begin with `__`, which is Cedar's escape."
        )
    return key


def _scalar(value: Any, at: str) -> Any:
    if isinstance(value, Enum):
        return _convert(value.value, at, 0)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        if not -_LONG_MAX - 1 <= value <= _LONG_MAX:
            raise PolicyError(f"{at} does not fit in 64 bits.", fix="Give it as text or in a larger unit.")
        return value
    if isinstance(value, Decimal):
        return {"__extn": {"fn": "decimal", "arg": _decimal(value, at)}}
    if isinstance(value, datetime):
        return {"__extn": {"fn": "datetime", "arg": _datetime(value, at)}}
    if isinstance(value, date):
        return {"__extn": {"fn": "datetime", "arg": value.isoformat()}}
    if isinstance(value, Entity):
        return {"__entity": ref(value.type, value.id)}
    what, fix = type(value).__name__, "Give text, whole numbers, Decimal, dates, lists or mappings."
    if isinstance(value, float):
        fix = "Give a Decimal with at most four places, or a whole number in a smaller unit."
    raise PolicyError(f"{at} is a {what}, which Cedar has no value for.", fix=fix)


def _decimal(value: Decimal, at: str) -> str:
    fix = "Cedar decimals have at most four places and lie within ±922337203685477.5807: round the fact yourself."
    if not value.is_finite() or not _DECIMAL_MIN <= value <= _DECIMAL_MAX:
        raise PolicyError(f"{at} is not a decimal that Cedar can hold.", fix=fix)
    try:
        exact = value.quantize(_PLACES)
    except InvalidOperation as error:  # pragma: no cover - the range check keeps quantize within 28 digits
        raise PolicyError(f"{at} is not a decimal that Cedar can hold.", fix=fix) from error
    if exact != value:
        raise PolicyError(f"{at} has over four decimal places.", fix=fix)
    return format(abs(exact) if exact == 0 else exact, "f")


def _datetime(value: datetime, at: str) -> str:
    if value.tzinfo is None:
        raise PolicyError(f"{at} is a naive datetime.", fix="Give it a time zone.")
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
