"""Say in words what a setting is: its type, default and bounds, for the reference page and for error messages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo


@dataclass(frozen=True, kw_only=True)
class SettingDoc:
    """What the reference says about one setting."""

    name: str
    environment_name: str
    section: str
    type: str
    default: str
    bounds: str
    description: str
    secret: bool


def describe_field(name: str, field: FieldInfo, *, environment_name: str, section: str) -> SettingDoc:
    """Describe one field of the settings."""
    return SettingDoc(
        name=name,
        environment_name=environment_name,
        section=section,
        type=type_name(field.annotation),
        default=_default_text(name, field),
        bounds=bounds_text(field.metadata),
        description=field.description or "",
        secret=not field.repr,
    )


def as_text(value: Any) -> str:
    """Give a value as its environment variable would say it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(value) if isinstance(value, tuple) else str(value)


def type_name(annotation: Any) -> str:
    """Give a type in words that fit after "set it to"."""
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(annotation))
    choices = [choice for choice in get_args(annotation) if choice is not type(None)]
    if len(choices) == 1 and type(None) in get_args(annotation):
        return type_name(choices[0])
    names: dict[Any, str] = {
        str: "text",
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        Path: "a folder",
    }
    return names.get(annotation, "a list with commas")


def bounds_text(metadata: Iterable[Any]) -> str:
    """Give the bounds of a field, as `≥ 1, ≤ 10 000`; empty without any."""
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    found = []
    for constraint in metadata:
        for attribute, sign in signs.items():
            if (bound := getattr(constraint, attribute, None)) is not None:
                found.append(f"{sign} {bound:,}".replace(",", " "))
    return ", ".join(found)


def _default_text(name: str, field: FieldInfo) -> str:
    machine = {"automations_dir": "those of Interlock", "step_processes": "cores of the machine, at most 8"}
    if name in machine:
        return machine[name]
    return "unset" if field.default is None else as_text(field.default) or "none"
