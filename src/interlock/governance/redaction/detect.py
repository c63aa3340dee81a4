"""One way to ask what personal data a text holds, whatever finds it: rules alone, or rules and a trained model.

`Detector.covers` says which types each finds. A text over the limit is refused, never passed on unread.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final, Literal

from interlock.governance.redaction import people, prose, secrets, structured
from interlock.governance.redaction.findings import PROSE, STRUCTURED, TRAINED, TYPES, Found, RedactionFailed, disjoint
from interlock.governance.redaction.plain import back, plain
from interlock.governance.redaction.trained import Trained, installed

TEXT_CHARS_MAX: Final = 1_000_000
Find = Callable[[str], Iterable[Found]]
Which = Literal["auto", "rules", "trained"]


class Detector:
    """Finds personal data in text."""

    def __init__(self, ways: Sequence[Find], covers: Sequence[str], *, chars_max: int = TEXT_CHARS_MAX) -> None:
        self._ways = tuple(ways)
        self._chars_max = chars_max
        self.covers = tuple(covers)

    def find(self, text: str, types: Collection[str] = TYPES) -> list[Found]:
        """Give what it holds of these types, in order, without overlaps.

        Raises:
            RedactionFailed: the text is over the limit.
        """
        if len(text) > self._chars_max:
            raise RedactionFailed(
                f"A text of {len(text):,} characters is over the limit of {self._chars_max:,} for finding personal data.",
                fix="Send less at a time, or raise INTERLOCK_REDACTION_CHARS_MAX.",
            )
        read, places = plain(text)
        found = [f for way in self._ways for f in way(read) if f.type in types]
        found += people.again(read, found)
        return disjoint(found if places is None else back(found, places), text)


def rules(*, chars_max: int = TEXT_CHARS_MAX) -> Detector:
    """Build the detector that needs nothing but this package."""
    return Detector(
        (secrets.find, structured.find, prose.find, people.find), (*STRUCTURED, *PROSE), chars_max=chars_max
    )


def detector(which: Which = "auto", *, chars_max: int = TEXT_CHARS_MAX) -> Detector:
    """Build the detector of a setting: `auto` takes the trained model where the extra `pii` is installed.

    Raises:
        ConfigurationError: `trained`, and the extra is not there.
    """
    if which == "rules" or (which == "auto" and not installed()):
        return rules(chars_max=chars_max)
    ways = (secrets.find, structured.find, prose.find, people.find, Trained().find)
    return Detector(ways, (*STRUCTURED, *PROSE, *TRAINED), chars_max=chars_max)
