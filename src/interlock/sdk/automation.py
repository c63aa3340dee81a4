"""Declare an automation: a named, versioned business process written as a durable async function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast, get_type_hints

from pydantic import BaseModel, TypeAdapter, ValidationError

from interlock.domain import pointers
from interlock.sdk.task import Task

I = TypeVar("I", bound=BaseModel)  # noqa: E741
O = TypeVar("O")  # noqa: E741


class OutputInvalid(Exception):  # reads as a sentence in the task's error
    """An automation returned what its declared type does not allow; says which fields, and no value."""

    def __init__(self, name: str, error: ValidationError) -> None:
        super().__init__(f"{name} returned what its declared type does not allow: {pointers.wrong(error)}.")


@dataclass(frozen=True)
class Automation(Generic[I, O]):
    """A declared automation; its name and version come from the folder's `automation.toml`."""

    function: Callable[[Task, I], Awaitable[O]]
    input: type[I]
    output: TypeAdapter[O]

    async def run(self, task: Task, value: Any) -> O:
        """Run it once, from the top, for an input in plain JSON; raises OutputInvalid for a result that its type does not allow."""
        result = await self.function(task, self.input.model_validate(value))
        try:
            return self.output.validate_python(result)  # an instance of its model is let through by its class alone
        except ValidationError as error:
            raise OutputInvalid(self.function.__name__, error) from None


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
