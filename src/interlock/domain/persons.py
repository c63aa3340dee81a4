"""Who somebody is, however the name was written: what separation of duties compares."""

from __future__ import annotations

import unicodedata
from typing import Final

_USER: Final = "user:"
KINDS: Final = (_USER, "service:", "agent:")


def person_of(name: str) -> str:
    """Give the one form of a name, `kind:name` in lower case: `Mei`, `USER:mei` and ` user:user:mei` are all `user:mei`.

    Compatibility forms (full-width letters) and characters that nobody sees are put right too, since a subject is text that an automation
    read somewhere. A name without a kind is a user's.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    seen = "".join(c for c in folded if unicodedata.category(c) not in ("Cf", "Cc")).strip()
    kind = next((k for k in KINDS if seen.startswith(k)), _USER)
    rest = seen
    while rest.startswith(kind):
        rest = rest[len(kind) :].strip()
    return kind + rest


def is_person(name: str) -> bool:
    """Tell whether a name is that of a human being, and not of a service or an agent."""
    return person_of(name).startswith(_USER)
