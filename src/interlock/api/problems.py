"""Errors as RFC 9457 `application/problem+json`: the one place that maps what went wrong to what a client is told."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, Literal

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from interlock.domain import pointers
from interlock.domain.errors import FieldError, InterlockError, MalformedRequest, Unauthenticated
from interlock.governance.facts import PolicyError

log = structlog.get_logger("interlock.api")
MEDIA_TYPE: Final = "application/problem+json"
REFERENCE: Final = (
    "/docs/errors"  # `type` is a URI reference (RFC 9457, 3.1.1): the code's place in the error reference
)
FIELDS_MAX: Final = 100
# RFC 9110 renamed these; Python knows the new names from 3.13 on, and what we say must not depend on that.
_PHRASES: Final = {413: "Content Too Large", 422: "Unprocessable Content"}
Where = Literal["body", "query", "path", "header"]

_OF_STATUS: Final = {
    400: "request.malformed",
    401: "auth.required",
    403: "auth.refused",
    404: "not_found",
    405: "request.method_not_allowed",
    408: "request.timeout",
    413: "input.too_large",
    415: "request.media_type",
    503: "unavailable",
}


class ProblemField(BaseModel):
    """One wrong field."""

    pointer: str = Field(description="JSON pointer (RFC 6901) into the body; else `/` and the name of the parameter.")
    detail: str = Field(description="What is wrong with it.")
    kind: str = Field(description="The kind of mistake, such as `missing`.")
    where: Where = Field("body", description="Where the field stands in the request.")


class Problem(BaseModel):
    """A problem (RFC 9457). Members beyond these say more of single codes, such as who answered a review and when."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": f"{REFERENCE}#not_found",
                    "title": "Not found",
                    "status": 404,
                    "detail": "There is no task task_0193.",
                    "code": "not_found",
                    "retryable": False,
                    "fix": None,
                    "errors": [],
                    "correlation_id": "4bf92f3577b34da6a3ce929d0e0e4736",
                }
            ]
        },
    )

    type: str = Field(description="URI reference of the kind of problem.")
    title: str = Field(description="The kind of problem, for a person.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What happened this time.")
    code: str = Field(description="Stable and dotted; what programs look at.")
    retryable: bool = Field(description="Whether the same request may succeed later without a change.")
    fix: str | None = Field(None, description="What to do about it.")
    errors: list[ProblemField] = Field(default_factory=list, description="The fields that are wrong.")
    correlation_id: str = Field(description="The trace ID of the request, as in `x-correlation-id`.")


def correlation_of(scope: Mapping[str, Any]) -> str:
    """Give the correlation ID that this request was given at the edge; all zero where it never came that far."""
    return str(scope.get("state", {}).get("correlation_id", "0" * 32))


def of_error(error: InterlockError, scope: Mapping[str, Any]) -> Response:
    """Answer with an error of the product. What it says of a 5xx of our own making stays inside, in the log."""
    detail, fix, extra = error.detail, error.fix, error.extra
    if error.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("request_failed", code=error.code, detail=error.detail, correlation_id=correlation_of(scope))
        if not isinstance(error, PolicyError):
            detail, fix, extra = "Something went wrong here.", "Name the correlation ID to your operator.", {}
    fields = [{"pointer": f.pointer, "detail": f.detail, "kind": f.kind, "where": "body"} for f in error.fields]
    headers: dict[str, str] = {}
    if error.retryable:
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after_s or 1)))
    if isinstance(error, Unauthenticated):
        headers["www-authenticate"] = 'Bearer realm="interlock"'
    return _response(
        scope,
        status=error.status,
        title=error.title,
        detail=detail,
        code=error.code,
        retryable=error.retryable,
        fix=fix,
        fields=fields,
        extra=extra,
        headers=headers,
    )


def of_unexpected(error: BaseException, scope: Mapping[str, Any]) -> Response:
    """Answer 500 without a word of what is inside; the log has it, under the same correlation ID."""
    log.error("request_crashed", correlation_id=correlation_of(scope), exc_info=error)
    return of_error(InterlockError("Something went wrong here."), scope)


def install(api: FastAPI) -> None:
    """Register the handlers of everything that a route may raise on purpose."""

    async def ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, InterlockError)
        return of_error(error, request.scope)

    async def framework(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _of_status(request, error)

    async def validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return _of_validation(request, error)

    api.add_exception_handler(InterlockError, ours)
    api.add_exception_handler(HTTPException, framework)
    api.add_exception_handler(RequestValidationError, validation)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Document the problems that a route may answer with: those named here, and those that every route may."""
    found: dict[int | str, dict[str, Any]] = {}
    for status in sorted({400, 401, 403, 415, 422, 500, 503, *statuses}):
        entry: dict[str, Any] = {
            "description": _phrase(status),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        if status in (429, 503):
            entry["headers"] = {
                "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}
            }
        found[status] = entry
    return found


def _phrase(status: int) -> str:
    return _PHRASES.get(status) or HTTPStatus(status).phrase


def _of_status(request: Request, error: HTTPException) -> Response:
    status = HTTPStatus(error.status_code)
    return _response(
        request.scope,
        status=status,
        title=_phrase(status),
        detail=str(error.detail or _phrase(status)),
        code=_OF_STATUS.get(status, f"http.{status.value}"),
        retryable=status == HTTPStatus.SERVICE_UNAVAILABLE,
        headers=dict(error.headers or {}),
    )


def _of_validation(request: Request, error: RequestValidationError) -> Response:
    findings = error.errors()
    if (broken := _no_json(findings)) is not None:
        return of_error(broken, request.scope)
    return _response(
        request.scope,
        status=422,
        title="The input is not valid",
        detail=_how_many(findings),
        code="input.invalid",
        retryable=False,
        fix="See `errors` for what is wrong where.",
        fields=[_field(f) for f in findings[:FIELDS_MAX]],
    )


def _how_many(findings: Sequence[Any]) -> str:
    return f"{len(findings)} field{'s are' if len(findings) > 1 else ' is'} not valid."


def _no_json(findings: Sequence[Mapping[str, Any]]) -> MalformedRequest | None:
    found = next((f for f in findings if f["type"] == "json_invalid"), None)
    if found is None:
        return None
    why = str(found.get("ctx", {}).get("error", ""))
    return MalformedRequest(f"The body is not valid JSON: {why}", fix="Send JSON in UTF-8.")


def malformed(error: RequestValidationError) -> InterlockError:
    """Give what a validation found as 400 instead of 422, for interfaces that are specified so."""
    findings = error.errors()
    if (broken := _no_json(findings)) is not None:
        return broken
    found = [_field(f) for f in findings[:FIELDS_MAX]]
    return MalformedRequest(
        _how_many(findings),
        fix="See `errors` for what is wrong where.",
        fields=[FieldError(pointer=f["pointer"], detail=f["detail"], kind=f["kind"]) for f in found],
    )


def _field(finding: Mapping[str, Any]) -> dict[str, str]:
    where, *path = finding["loc"] or ("body",)
    return {
        "pointer": pointers.of(path),
        "detail": str(finding["msg"]).removeprefix("Value error, "),
        "kind": str(finding["type"]),
        "where": where if where in ("query", "path", "header") else "body",
    }


def _response(
    scope: Mapping[str, Any],
    *,
    status: int,
    title: str,
    detail: str,
    code: str,
    retryable: bool,
    fix: str | None = None,
    fields: Sequence[Mapping[str, Any]] = (),
    extra: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    body = {
        **(extra or {}),
        "type": f"{REFERENCE}#{code}",
        "title": title,
        "status": int(status),
        "detail": detail,
        "code": code,
        "retryable": retryable,
        "fix": fix,
        "errors": list(fields),
        "correlation_id": correlation_of(scope),
    }
    data = json.dumps(body, ensure_ascii=True, default=str).encode()
    return Response(data, status_code=int(status), media_type=MEDIA_TYPE, headers=dict(headers or {}))
