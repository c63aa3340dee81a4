"""Data minimisation: of an effect's input, only the fields that it declares to need are sent.

A need is a JSON pointer to a field (`/claim/amount`); through a list it means the field of every item. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from interlock.domain import pointers

_DEPTH_MAX = 32


def keep(value: Any, needs: Sequence[str]) -> tuple[Any, tuple[str, ...]]:
    """Give what is needed of a value, and the pointers of what was left out (`*` stands for every item of a list).

    Without needs everything is kept: nothing was declared.
    """
    if not needs:
        return value, ()
    left: dict[str, None] = {}
    kept = _kept(value, [pointers.parts(need) for need in needs], "", left)
    return kept, tuple(left)


def _kept(value: Any, needs: Sequence[Sequence[str]], pointer: str, left: dict[str, None]) -> Any:
    if any(not need for need in needs):
        return value  # all of it is needed
    if isinstance(value, list):
        return [_kept(item, needs, f"{pointer}/*", left) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for name, item in value.items():
        deeper = [need[1:] for need in needs if need[0] == name]
        at = pointer + pointers.step(name)
        if deeper:
            kept[name] = _kept(item, deeper, at, left)
        else:
            left[at] = None
    return kept


def unknown(schema: Mapping[str, Any], needs: Sequence[str]) -> list[str]:
    """Give the needs that name no field of a JSON Schema. One that allows any field knows them all."""
    return [need for need in needs if not need.startswith("/") or not _known(schema, schema, pointers.parts(need))]


def _known(schema: Mapping[str, Any], root: Mapping[str, Any], need: Sequence[str]) -> bool:
    if not need:
        return True
    forms = list(_forms(schema, root))
    if any(not form.get("properties") and form.get("additionalProperties", not form.get("type")) for form in forms):
        return True
    return any(
        need[0] in form.get("properties", {}) and _known(form["properties"][need[0]], root, need[1:]) for form in forms
    )


def left_required(schema: Mapping[str, Any], needs: Sequence[str]) -> list[str]:
    """Give the pointers of fields that the schema requires and the needs leave out: what is sent would not be valid."""
    return sorted(set(_left_required(schema, schema, [pointers.parts(need) for need in needs], "", 0))) if needs else []


def _left_required(
    schema: Mapping[str, Any], root: Mapping[str, Any], needs: Sequence[Sequence[str]], pointer: str, depth: int
) -> Iterator[str]:
    if any(not need for need in needs) or depth > _DEPTH_MAX:
        return
    for form in _forms(schema, root):
        for name, inner in form.get("properties", {}).items():
            deeper = [need[1:] for need in needs if need[0] == name]
            if deeper:
                yield from _left_required(inner, root, deeper, f"{pointer}/{name}", depth + 1)
            elif name in form.get("required", ()):
                yield f"{pointer}/{name}"


def _forms(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """Give the schemas of objects that a value may have, through references, alternatives and lists."""
    if depth > _DEPTH_MAX:
        return
    if "$ref" in schema:
        found: Any = root
        for part in str(schema["$ref"]).lstrip("#").strip("/").split("/"):
            found = found.get(part, {}) if isinstance(found, Mapping) else {}
        yield from _forms(found, root, depth + 1)
        return
    alternatives = [one for name in ("anyOf", "oneOf", "allOf") for one in schema.get(name, ())]
    for one in alternatives:
        yield from _forms(one, root, depth + 1)
    if schema.get("type") == "array" and isinstance(schema.get("items"), Mapping):
        yield from _forms(schema["items"], root, depth + 1)
    elif not alternatives:
        yield schema
