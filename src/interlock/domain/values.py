"""`@value`: a keyword-only dataclass that mypy keeps immutable, for the few that every effect makes.

`dataclass(frozen=True)` sets each field through `object.__setattr__` when it is made, which was a twentieth of an effect's processor time.
So immutability is checked where the code is checked, and costs nothing where it runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def value(cls: type[T]) -> type[T]:
    """Make a class a value: compared by its fields, with slots, never hashed."""
    return dataclass(kw_only=True, slots=True)(cls)
