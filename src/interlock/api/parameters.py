"""Reading query parameters strictly: a filter that is misspelt, or given twice, must not give more than was asked for."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any, get_args, get_origin

from fastapi import Request, Response
from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.params import Query
from fastapi.routing import APIRoute


class KnownParametersRoute(APIRoute):
    """A route that refuses query parameters which it does not have, and a second value where it reads one (422)."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        fields = [field for field in get_flat_params(self.dependant) if isinstance(field.field_info, Query)]
        repeatable = {field.alias: _is_list(field.field_info.annotation) for field in fields}

        async def known(request: Request) -> Response:
            if request.scope["query_string"] and (wrong := list(_wrong(request, repeatable))):
                raise RequestValidationError(wrong)
            return await handle(request)

        return known


def _wrong(request: Request, repeatable: Mapping[str, bool]) -> Iterator[dict[str, Any]]:
    given = request.query_params
    for name in dict.fromkeys(given):
        if name not in repeatable:
            there = f"There are: {', '.join(sorted(repeatable))}." if repeatable else "There are none."
            yield {
                "type": "extra_forbidden",
                "loc": ("query", name),
                "msg": f"There is no such parameter here. {there}",
            }
        elif not repeatable[name] and len(given.getlist(name)) > 1:
            yield {"type": "repeated", "loc": ("query", name), "msg": "It is given more than once; give it once."}


def _is_list(annotation: Any) -> bool:
    return any(get_origin(one) is list for one in (annotation, *get_args(annotation)))
