"""Steps: the author's own code with side effects, run in a child process that holds no database credentials.

A step is executed at least once under one idempotency key that stays the same across retries, or at most once where declared.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, ParamSpec, TypeVar, get_type_hints, overload

from pydantic import BaseModel, TypeAdapter, ValidationError, create_model
from pydantic.fields import FieldInfo

from interlock.domain import needs as declared
from interlock.domain import pointers
from interlock.domain.effects import Retry
from interlock.domain.ids import is_name

P = ParamSpec("P")
R = TypeVar("R")


class NonRetryable(Exception):  # named for what it says
    """Raise it in a step to say that trying again cannot help."""


class InvalidArguments(Exception):  # named for what it says
    """What a step is given does not fit its parameters; says which, and no value.

    What the step itself finds to be no valid model is another thing, and may pass.
    """


@dataclass(frozen=True, kw_only=True)
class StepCall:
    """What a running step may know of its call.

    Attributes:
        idempotency_key: the same across retries and workers; give it to whatever you call.
        attempt: from 1. config: the `[config]` table of `automation.toml` with settings filled in. task_id: whose step it is.
        secrets: the values of the connection secrets that the step declares, by name. They are to go nowhere else: a result or an error
            that holds one is not recorded.
    """

    idempotency_key: str
    attempt: int
    task_id: str
    config: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


CALL: ContextVar[StepCall] = ContextVar("interlock_step_call")


def current_step() -> StepCall:
    """Give the call that is being executed; raises LookupError outside a step."""
    return CALL.get()


@dataclass(frozen=True)
class Step(Generic[P, R]):
    """A declared step. It is passed to `task.step`, and calls straight through only in its own process or a test."""

    function: Callable[P, R | Awaitable[R]]
    name: str
    timeout_s: float
    retry: Retry
    at_most_once: bool
    needs: tuple[str, ...]
    secrets: tuple[str, ...]
    parameters: tuple[str, ...]
    signature: inspect.Signature
    positional: int  # how many parameters may be given by position
    returns: TypeAdapter[Any]
    arguments: type[Any]

    @cached_property
    def target(self) -> str:
        return f"{self.function.__module__}:{self.function.__name__}"

    @cached_property
    def options(self) -> Mapping[str, Any]:
        """How it is executed, as its effects carry it."""
        return {
            "timeout_s": self.timeout_s,
            "retry": self.retry,
            "at_most_once": self.at_most_once,
            "needs": self.needs,
            "secrets": self.secrets,
        }

    def bind(self, *args: P.args, **kwargs: P.kwargs) -> dict[str, Any]:
        """Give the call's arguments by name."""
        if not kwargs and len(args) == len(self.parameters) == self.positional:
            return dict(zip(self.parameters, args, strict=True))
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return dict(bound.arguments)

    async def run(self, arguments: Mapping[str, Any]) -> Any:
        """Validate the plain JSON arguments, call the function, and give its result as it returned it. Raises InvalidArguments."""
        result = self.function(**self.values(arguments))  # type: ignore[call-arg]
        return await result if inspect.isawaitable(result) else result

    def values(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Give plain JSON arguments as the function takes them. Raises InvalidArguments."""
        try:
            model = self.arguments.model_validate(dict(arguments))
        except ValidationError as error:
            raise InvalidArguments(f"the arguments do not fit {self.target}: {pointers.wrong(error)}") from None
        return {name: getattr(model, name) for name in self.parameters}


def _declare(
    function: Callable[P, R | Awaitable[R]],
    name: str | None,
    timeout_s: float,
    retry: Retry | None,
    at_most_once: bool,
    needs: Sequence[str],
    secrets: Sequence[str],
) -> Step[P, R]:
    label = name or function.__name__.strip("_").replace("_", "-")
    if not is_name(label):
        raise ValueError(f"step name {label!r}: use lower-case words of letters and digits joined by dashes")
    if wrong := [secret for secret in secrets if not is_name(secret)]:
        raise ValueError(f"step {label}: the secret {wrong[0]!r} is no name: use lower-case words joined by dashes")
    if not 0 < timeout_s <= 86_400:
        raise ValueError(f"step {label}: timeout_s must be over 0 and at most 86400")
    hints = get_type_hints(function, include_extras=True)
    signature = inspect.signature(function)
    fields: dict[str, Any] = {}
    for parameter in signature.parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise ValueError(f"step {label}: *args and **kwargs have no schema; name each parameter")
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (
            hints.get(parameter.name, Any),
            FieldInfo(default=default) if default is not ... else ...,
        )
    arguments = create_model(f"{label}-arguments", **fields)
    _check_needs(label, arguments, needs)
    return Step(
        function=function,
        name=label,
        timeout_s=timeout_s,
        retry=retry if retry is not None else Retry(attempts=1 if at_most_once else 5),
        at_most_once=at_most_once,
        needs=tuple(needs),
        secrets=tuple(secrets),
        parameters=tuple(signature.parameters),
        signature=signature,
        positional=sum(p.kind is not p.KEYWORD_ONLY for p in signature.parameters.values()),
        returns=TypeAdapter(hints.get("return", Any)),
        arguments=arguments,
    )


def _check_needs(label: str, arguments: type[BaseModel], needs: Sequence[str]) -> None:
    if not needs:
        return
    schema = arguments.model_json_schema(by_alias=True)
    if unknown := declared.unknown(schema, needs):
        raise ValueError(f"step {label}: needs names {unknown[0]!r}, which is no field of its arguments")
    if left := declared.left_required(schema, needs):
        raise ValueError(
            f"step {label}: needs leaves out {left[0]!r}, which its arguments require; add it, or give it a default"
        )


@overload
def step(function: Callable[P, Awaitable[R]], /) -> Step[P, R]: ...
@overload
def step(function: Callable[P, R], /) -> Step[P, R]: ...
@overload
def step(
    *,
    name: str | None = None,
    timeout_s: float = 60.0,
    retry: Retry | None = None,
    at_most_once: bool = False,
    needs: Sequence[str] = (),
    secrets: Sequence[str] = (),
) -> _Decorator: ...


def step(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    timeout_s: float = 60.0,
    retry: Retry | None = None,
    at_most_once: bool = False,
    needs: Sequence[str] = (),
    secrets: Sequence[str] = (),
) -> Any:
    """Declare a step.

    Args:
        name: the effect's name; by default the function's, with dashes.
        timeout_s: seconds that one attempt may take; then its process is ended and the attempt has failed.
        retry: when to try again; by default 5 attempts from 1 s, doubling. An `at_most_once` step is never tried again.
        needs: JSON pointers of the arguments' fields that it is sent (`/claim/amount`); empty: all. The others need defaults.
        secrets: names of connection secrets that it signs in with elsewhere; `current_step().secrets` has their values.
        at_most_once: an opening is recorded before it executes; if its outcome is lost, the effect fails as `Interrupted`.

    Raises:
        ValueError: a name, time-out or parameter that cannot be used.
    """
    if at_most_once and retry is not None and retry.attempts > 1:
        raise ValueError("an at_most_once step cannot be retried")
    if function is not None:
        return _declare(function, name, timeout_s, retry, at_most_once, needs, secrets)
    return lambda inner: _declare(inner, name, timeout_s, retry, at_most_once, needs, secrets)


class _Decorator:
    """The type of `step(...)` with options."""

    @overload
    def __call__(self, function: Callable[P, Awaitable[R]], /) -> Step[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Step[P, R]: ...
    def __call__(self, function: Callable[..., Any], /) -> Any:
        raise TypeError("only a type")
