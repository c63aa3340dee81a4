"""Reading JSON bodies strictly: what the store could not keep, or two readers would read differently, is refused at the door."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any, Final

import orjson
from fastapi import Request, Response

from interlock.api.parameters import KnownParametersRoute
from interlock.domain.errors import UnsupportedBody

DEPTH_MAX: Final = 64


class StrictRoute(KnownParametersRoute):
    """A route that knows its parameters; its JSON body has no NaN, lone surrogate or NUL, no integer beyond 64 bits, at most 64 levels."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            # One request for both: a body can be received only once.
            inner = _StrictRequest(request.scope, request.receive)
            if self.body_field is not None:
                await _check_type(inner)
            return await handle(inner)

        return strict


async def _check_type(request: Request) -> None:
    """Refuse a body that says that it is no JSON, instead of finding fault with its fields. None, or none said, is fine."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind and kind != "application/json" and not kind.endswith("+json") and await request.body():
        raise UnsupportedBody(f"A body of type {kind[:100]!r} is not read here.", fix="Send application/json.")


class _StrictRequest(Request):
    async def json(self) -> Any:
        return loads(await self.body())


def loads(data: bytes) -> Any:
    """Read JSON; raises json.JSONDecodeError, which the framework answers with 400."""
    value = orjson.loads(data)
    _check(value)
    return value


def _check(value: Any) -> None:
    level = [value]
    for _ in range(DEPTH_MAX):
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner += item.keys()
                inner += item.values()
            elif isinstance(item, list):
                inner += item
            elif isinstance(item, str) and "\0" in item:
                raise json.JSONDecodeError("a text holds a NUL character", "", 0)
            elif isinstance(item, float) and abs(item) >= 2**63 and item.is_integer():
                raise json.JSONDecodeError("a number is beyond 64 bits", "", 0)
        if not inner:
            return
        level = inner
    raise json.JSONDecodeError(f"more than {DEPTH_MAX} levels", "", 0)
