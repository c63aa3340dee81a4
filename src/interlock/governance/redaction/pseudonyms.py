"""Pseudonyms of one task: `PERSON_1` for a name, and back again.

A value has the same pseudonym wherever it stands in a task, and none that another task or tenant could know it by: numbers are given in
the order of finding. Mapping back is forgiving of case and of what models add: `person_1's` and `PERSON\\_1` are found too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from interlock.governance.redaction.findings import IRREVERSIBLE, TYPES

LITERAL: Final = "LITERAL"  # a text that looks like a pseudonym and is none, so that mapping back brings it back too
KEY: Final = "KEY"  # the name of a field, where two would become the same
VALUES_MAX: Final = 5_000
_KINDS: Final = "|".join(sorted({*TYPES, LITERAL, KEY} - IRREVERSIBLE, key=len, reverse=True))
TOKEN: Final = re.compile(rf"(?<![A-Za-z0-9])({_KINDS})(?:\\)?_([0-9]{{1,9}})(?![A-Za-z0-9])", re.IGNORECASE)
# Of these, case and the width of spaces tell nothing apart; in an account number spaces say nothing at all.
_JOINED: Final = {"PERSON": " ", "EMAIL_ADDRESS": " ", "IBAN_CODE": ""}


class Pseudonyms:
    """What stands for what in a task. `fresh` is what was added to what it began with.

    Args:
        known: pseudonym → value, as given out before in this task.
    """

    def __init__(self, known: Mapping[str, str] | None = None) -> None:
        self.names: dict[str, str] = dict(known or {})
        self.fresh: dict[str, str] = {}
        self._by_value: dict[tuple[str, str], str] = {}
        self._last: dict[str, int] = {}
        for name, value in self.names.items():
            kind, _, number = name.rpartition("_")
            self._by_value[kind, _identity(kind, value)] = name
            self._last[kind] = max(self._last.get(kind, 0), int(number))

    def of(self, kind: str, value: str) -> str:
        """Give the value's pseudonym; a new one where it has none. What is irreversible gets a mark that stands for nothing."""
        if kind in IRREVERSIBLE:
            return f"[{kind}]"
        identity = kind, _identity(kind, value)
        if (name := self._by_value.get(identity)) is None:
            self._last[kind] = self._last.get(kind, 0) + 1
            name = f"{kind}_{self._last[kind]}"
            self._by_value[identity] = name
            self.names[name] = self.fresh[name] = value
        return name


def restore(value: Any, names: Mapping[str, str]) -> Any:
    """Put the values back for their pseudonyms, in texts and names of fields, however deep."""
    if not names:
        return value
    if isinstance(value, str):
        return TOKEN.sub(lambda m: names.get(f"{m[1].upper()}_{int(m[2])}", m[0]), value)
    if isinstance(value, list):
        return [restore(item, names) for item in value]
    if isinstance(value, dict):
        found: dict[str, Any] = {}
        for key, item in value.items():
            back = restore(key, names)
            found[back if back == key or (back not in value and back not in found) else key] = restore(item, names)
        return found
    return value


def _identity(kind: str, value: str) -> str:
    return (_JOINED[kind].join(value.split())).casefold() if kind in _JOINED else value
