"""Declare an automation: a named, versioned business process written as a durable async function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast, get_type_hints

from pydantic import BaseModel, TypeAdapter

from interlock.sdk.task import Task

I = TypeVar("I", bound=BaseModel)  # noqa: E741
O = TypeVar("O")  # noqa: E741


@dataclass(frozen=True)
class Automation(Generic[I, O]):
    """A declared automation; its name and version come from the folder's `automation.toml`."""

    function: Callable[[Task, I], Awaitable[O]]
    input: type[I]
    output: TypeAdapter[O]

    async def run(self, task: Task, value: Any) -> Any:
        """Run it once, from the top, for an input in plain JSON."""
        return await self.function(task, self.input.model_validate(value))


def automation(function: Callable[[Task, I], Awaitable[O]]) -> Automation[I, O]:
    """Declare an automation.

    The function takes the task and one pydantic model, and returns a value that pydantic knows: those are its schemas.

    Raises:
        TypeError: the annotations are missing, or the input is no pydantic model.
    """
    hints = get_type_hints(function, include_extras=True)
    names = [name for name in hints if name != "return"]
    if len(names) != 2 or "return" not in hints:
        raise TypeError(f"{function.__name__}: annotate it as (task: Task, input: YourModel) -> YourResult")
    model = hints[names[1]]
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise TypeError(
            f"{function.__name__}: its input {names[1]!r} must be a pydantic model, since the API validates against it"
        )
    return Automation(function=function, input=cast(type[I], model), output=TypeAdapter(hints["return"]))
