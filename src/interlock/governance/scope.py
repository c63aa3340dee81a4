"""What an API key is narrowed to: actions and automations. A scope takes away and never gives: the policies are asked all the same.

`ask.require` is the one place that holds callers to their scope, and every route asks it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from interlock.domain.decisions import Entity
from interlock.domain.errors import FieldError, InvalidInput, Refused

ITEMS_MAX: Final = 100
READ: Final = "read"
# Of what names no automation, a key that is narrowed to automations may only upload what their tasks read.
WITHOUT_AUTOMATION: Final = frozenset({"document.create"})
_ACTION: Final = re.compile(r'^action "([a-z-]+\.[a-z-]+)" in \[Action::"(route|read)"\]', re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Actions by their exact names, and names of automations; None narrows nothing, an empty one leaves nothing."""

    actions: tuple[str, ...] | None = None
    automations: tuple[str, ...] | None = None

    @property
    def narrows(self) -> bool:
        return self.actions is not None or self.automations is not None

    def must_be_whole(self, action: str) -> None:
        """Raise Refused where it narrows: for what would open more than the key itself does."""
        if self.narrows:
            raise Refused(
                f"{action} is refused: this API key is narrowed, and what it would open is not.",
                fix="Use a key that is not narrowed.",
                extra={"action": action},
            )

    def refusal(self, action: str, resource: Entity) -> str | None:
        """Say why an action on a resource is outside of the scope; None where it is inside."""
        if self.actions is not None and action not in self.actions:
            return f"it is narrowed to {', '.join(self.actions) or 'nothing'}"
        if self.automations is None or action in WITHOUT_AUTOMATION:
            return None
        name = resource.attrs.get("name") if resource.type == "Automation" else resource.attrs.get("automation")
        if name in self.automations:
            return None
        return f"it is narrowed to the automations {', '.join(self.automations)}"


WHOLE: Final = Scope()


def routes(schema: str) -> Mapping[str, str]:
    """Give the actions of the API's routes in a schema (`str(Schema)`), each with its group: `route`, or `read` where nothing changes."""
    return dict(_ACTION.findall(schema))


def parse(
    actions: Sequence[str] | None,
    automations: Sequence[str] | None,
    *,
    known: Mapping[str, str],
    names: Sequence[str],
) -> Scope:
    """Check what a key shall be narrowed to. `read` and `task.*` are written out, so that what comes later is not in it.

    Args:
        known: actions with their group, as `routes` gives them. names: the automations that there are.

    Raises:
        InvalidInput: an action or an automation that there is not; names its place.
    """
    found: set[str] = set()
    for place, given in enumerate(actions or ()):
        part = {name for name, group in known.items() if _covers(given, name, group)}
        if not part:
            raise InvalidInput(
                f"{given!r} is no action of a route.",
                fix="Give one such as task.submit, all of a kind as task.*, or read for all that change nothing.",
                fields=[FieldError(pointer=f"/scope/actions/{place}", detail="not a known action")],
            )
        found |= part
    for place, name in enumerate(automations or ()):
        if name not in names:
            raise InvalidInput(
                f"There is no automation {name!r}.",
                fix="See `interlock automation list`.",
                fields=[FieldError(pointer=f"/scope/automations/{place}", detail="not a known automation")],
            )
    return Scope(
        actions=None if actions is None else tuple(sorted(found)),
        automations=None if automations is None else tuple(sorted(set(automations))),
    )


def _covers(given: str, action: str, group: str) -> bool:
    return (
        given == action or (given == READ and group == READ) or (given[-2:] == ".*" and action.startswith(given[:-1]))
    )
