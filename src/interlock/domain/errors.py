"""Every error of the product: a stable code, whether a retry can help, and a message that says the fix.

One tree. `api/problems.py` maps it to RFC 9457 and `cli` to exit codes; nothing else does. `docs/reference/errors.md` lists
each code, and a test fails for one that is not listed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self


@dataclass(frozen=True, kw_only=True)
class FieldError:
    """One wrong field of an input: where (RFC 6901 JSON pointer), what is wrong, and the kind of mistake."""

    pointer: str
    detail: str
    kind: str = "invalid"


class InterlockError(Exception):
    """Base of all errors with a code.

    Attributes:
        code: stable, dotted, lower-case; never reused for another meaning.
        status: HTTP status that the API answers with.
        retryable: whether the same request may succeed later without a change.
        exit_code: what the command line exits with (0 done, 1 failed, 2 usage, 3 not found, 4 refused, 5 unavailable).
        detail: what happened, for a person. fix: what to do about it.
    """

    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        detail: str,
        *,
        fix: str | None = None,
        fields: Sequence[FieldError] = (),
        extra: Mapping[str, Any] | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(detail if fix is None else f"{detail} {fix}")
        self.detail = detail
        self.fix = fix
        self.fields = tuple(fields)
        self.extra = dict(extra or {})
        self.retry_after_s = retry_after_s


class InvalidInput(InterlockError):
    code, title, status, exit_code = "input.invalid", "The input is not valid", 422, 2

    @classmethod
    def of(cls, pointer: str, detail: str, fix: str) -> Self:
        """Say of one field, by its JSON pointer, what is wrong with it."""
        return cls(detail, fix=fix, fields=[FieldError(pointer=pointer, detail=detail)])


class MalformedRequest(InterlockError):
    code, title, status, exit_code = "request.malformed", "The request cannot be read", 400, 2


class UnsupportedBody(InterlockError):
    """A body of another type than the route reads."""

    code, title, status, exit_code = "request.unsupported", "The type of the body is not supported", 415, 2


class TooLarge(InterlockError):
    code, title, status, exit_code = "input.too_large", "The input is over a limit", 413, 2


class UnsupportedDocument(InterlockError):
    """A file that is not what its name says, or of a type that nobody here reads."""

    code, title, status, exit_code = "document.unsupported", "The document cannot be used", 415, 2


class UnsafeDocument(InterlockError):
    """A file that would cost too much to open: decompression bomb, too many pixels or pages."""

    code, title, status, exit_code = "document.unsafe", "The document is over a limit", 422, 2


class DocumentChanged(InterlockError):
    """The stored file is not the one that was uploaded: its SHA-256 is another one. Its bytes are given to nobody."""

    code, title = "document.changed", "The stored document was changed"


class NotFound(InterlockError):
    code, title, status, exit_code = "not_found", "Not found", 404, 3


class Unauthenticated(InterlockError):
    code, title, status, exit_code = "auth.required", "Authentication is needed", 401, 4


class Refused(InterlockError):
    """Policy or role says no. Names the policy."""

    code, title, status, exit_code = "auth.refused", "Refused by policy", 403, 4


class Conflict(InterlockError):
    code, title, status, exit_code = "conflict", "The state has moved on", 409, 1


class IdempotencyConflict(Conflict):
    code, title = "idempotency.conflict", "This Idempotency-Key was used with another body"


class AlreadyAnswered(Conflict):
    """A review was answered, expired or cancelled before this answer. `extra` holds who and when."""

    code, title = "review.answered", "The review has an answer already"


class TooManyRequests(InterlockError):
    code, title, status, retryable, exit_code = "rate.limited", "Too many requests", 429, True, 5


class Unavailable(InterlockError):
    """Something that is needed does not answer now (database, object store). Nothing was accepted."""

    code, title, status, retryable, exit_code = "unavailable", "Temporarily unavailable", 503, True, 5


class ConfigurationError(InterlockError):
    """A setting, an automation folder or a policy is wrong. Names it, and the fix."""

    code, title, exit_code = "configuration.invalid", "The configuration is wrong", 2


class AutomationRejected(ConfigurationError):
    """An automation does something that cannot be replayed, or its folder is incomplete."""

    code, title = "automation.rejected", "The automation cannot be registered"


class DatabaseRoleUnsafe(ConfigurationError):
    code, title = "database.role_unsafe", "The application's database role has too many rights"


class OutgoingRefused(InterlockError):
    """An outgoing URL that resolves to an address which is not global and not allow-listed (SSRF guard)."""

    code, title, status, exit_code = "outgoing.refused", "The URL may not be called", 422, 4


class ExecutorFailed(InterlockError):
    """An effect's executor failed. `retryable` is decided an instance."""

    code, title = "effect.failed", "The effect failed"

    def __init__(self, detail: str, *, kind: str = "error", retry: bool = True, fix: str | None = None) -> None:
        super().__init__(detail, fix=fix)
        self.kind = kind
        self.retry = retry


class ModelUntrusted(InterlockError):
    """A model version may not be served: it is not released, its files were changed, or what vouches for it does not hold."""

    code, title, status, exit_code = "model.untrusted", "The model version may not be served", 409, 4


class AuditBroken(InterlockError):
    code, title = "audit.broken", "The audit log does not verify"


class Fenced(Exception):
    """Another owner holds the task (its epoch moved on). Stop, write nothing, say nothing."""


class Nondeterministic(BaseException):
    """The automation asks for something other than its journal says. Parks the task as `blocked`; never fails it.

    A BaseException, so that an author's `except Exception` does not swallow it.
    """

    def __init__(self, message: str, *, recorded: Mapping[str, Any] | None, asked: Mapping[str, Any] | None) -> None:
        super().__init__(message)
        self.message = message
        self.recorded = dict(recorded) if recorded else None
        self.asked = dict(asked) if asked else None
