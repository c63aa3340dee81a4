"""`automation.toml`: what an automation is called, who owns it, and what it may do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from interlock.domain import pointers
from interlock.domain.effects import Kind
from interlock.domain.ids import is_name


class Slo(BaseModel):
    """What a task of this automation aims at where its submitter says nothing. Seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    complete_within_s: float | None = Field(default=None, gt=0)


class Watch(BaseModel):
    """How a file in a watched folder becomes an input: suffixes that are taken, where the document goes (JSON pointer).

    Where the input has a list there, the document is the only one in it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    suffixes: tuple[str, ...] = (".jpg", ".jpeg", ".png", ".pdf")
    documents: str = Field("/documents", pattern="^/")


class Bands(BaseModel):
    """From which confidence on a reading is called high or medium, as its author measured it; below, it is low."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    high: float = Field(gt=0, lt=1)
    medium: float = Field(gt=0, lt=1)

    @model_validator(mode="after")
    def _ordered(self) -> Bands:
        if self.medium >= self.high:
            raise ValueError("medium begins below high")
        return self


class Manifest(BaseModel):
    """The folder's `automation.toml`.

    Attributes:
        effects: what it may do: a kind (`infer`) or one effect (`step:post-to-ledger`).
        subject: JSON pointer into the input to the person whom a task is about; without one each task is its own subject.
        data_class: what kind of data its tasks hold (`personal`, `public`, …), for policies that say where it may go.
        roles: the roles that its reviews and policies name, beside those that every installation has.
        bands: how its reviews name confidences; without them only the number is shown.
        config: given to its steps; `{data_dir}` in a text stands for the data folder.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    owner: str
    goal: str = ""
    description: str = ""
    effects: tuple[str, ...]
    subject: str | None = Field(default=None, pattern=r"^(/.*)?$")
    data_class: str | None = Field(default=None, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    roles: tuple[str, ...] = ()
    slo: Slo = Slo()
    watch: Watch | None = None
    bands: Bands | None = None
    config: dict[str, Any] = Field(default_factory=dict)

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        if not is_name(value):
            raise ValueError("use lower-case words of letters and digits joined by dashes")
        return value

    @field_validator("roles")
    @classmethod
    def _roles(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for role in value:
            if not is_name(role):
                raise ValueError(f"{role!r}: use lower-case words of letters and digits joined by dashes")
        return value

    @field_validator("effects")
    @classmethod
    def _kinds(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        kinds = {kind.value for kind in Kind}
        for item in value:
            if item.partition(":")[0] not in kinds:
                raise ValueError(f"{item!r}: begin with a kind of effect, one of {', '.join(sorted(kinds))}")
        return value


def at_pointer(value: Any, pointer: str) -> Any:
    """Give what stands at a JSON pointer (RFC 6901) in plain JSON, None where nothing does."""
    for key in pointers.parts(pointer):
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value


def with_value_at(schema: Mapping[str, Any], pointer: str, value: Any) -> Any:
    """Give plain JSON that has a value at a JSON pointer and nothing else; in a list, where the JSON Schema says so.

    Raises:
        LookupError: the schema has nothing there.
    """
    keys = pointers.parts(pointer)
    node = _meant(schema, schema)
    for key in keys:
        node = _meant(schema, node["properties"][key])
    if node.get("type") == "array":
        value = [value]
    for key in reversed(keys):
        value = {key: value}
    return value


def _meant(schema: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow a reference, also that of a part which may be null."""
    choices: list[Mapping[str, Any]] = [node, *node.get("anyOf", ())]
    found = next((one for one in choices if "$ref" in one or one.get("type", "null") != "null"), node)
    reference: str | None = found.get("$ref")
    return found if reference is None else schema["$defs"][reference.rpartition("/")[2]]
