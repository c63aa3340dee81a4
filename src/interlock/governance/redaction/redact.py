"""`redact(value)`: find personal data in plain JSON, put pseudonyms in its place, and say what was removed and where.

    find in every text and field name → give pseudonyms → replace, also where a known value stands elsewhere → report

The report names types, JSON pointers and counts, never a value. A pointer names fields as they leave, not as they were.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from interlock.domain.pointers import step
from interlock.governance.redaction import people
from interlock.governance.redaction.detect import Detector
from interlock.governance.redaction.fields import PLAIN, kind_of, words, written
from interlock.governance.redaction.findings import PROSE, TRAINED, TYPES, Found, RedactionFailed, disjoint
from interlock.governance.redaction.pseudonyms import KEY, LITERAL, TOKEN, VALUES_MAX, Pseudonyms

DEPTH_MAX: Final = 64
_KNOWN_CHARS_MIN: Final = 3
_KNOWN_DIGITS_MIN: Final = 6
_INTEGER_DIGITS_MIN: Final = 6
_PERSON: Final = "PERSON"
_IN_NAMES: Final = frozenset(TYPES) - {*PROSE, *TRAINED, "URL"}  # a field name is no prose

Box = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of text on a page, and where: x0, y0, x1, y1 as fractions of the page."""

    text: str
    box: Box


@dataclass(kw_only=True)
class Redacted:
    """What may leave, and what was removed from it."""

    value: Any
    removed: list[dict[str, Any]] = field(default_factory=list)


def redact(
    value: Any,
    detector: Detector,
    book: Pseudonyms,
    *,
    types: Collection[str] = TYPES,
    spared: Callable[[str], bool] = lambda pointer: False,
) -> Redacted:
    """Replace personal data in plain JSON.

    Args:
        book: gives pseudonyms; grows by what is found.
        spared: tells by JSON pointer what must stay as it is, such as the ID of a document.

    Raises:
        RedactionFailed: a text over the limit, or a value nested too deep. Nothing may leave then.
    """
    work = _Work(detector, book, frozenset(types), spared)
    work.look(value, "", "", 0)
    known = _known(book)
    out, removed = work.replace(value, "", known), work.removed
    return Redacted(
        value=out,
        removed=[{"type": kind, "pointer": at, "count": n} for (at, kind), n in sorted(removed.items())],
    )


def lines_with(
    lines: Sequence[Line], detector: Detector, book: Pseudonyms, *, types: Collection[str] = TYPES
) -> list[tuple[Line, str]]:
    """Give the lines that hold personal data, each with the types found on it: those are painted over whole.

    Whole, since where in a line a word stands is an estimate. Finds may run over several lines.
    """
    text = "\n".join(line.text for line in lines)
    finds = detector.find(text, types)
    for kind, start, end in _occurrences(text, _known(book)):
        finds.append(Found(kind, start, end, 0.3))
    for find in finds:
        if find.type in TYPES:
            book.of(find.type, " ".join(text[find.start : find.end].split()))
    found, at = [], 0
    for line in lines:
        end = at + len(line.text)
        if held := sorted({f.type for f in finds if f.start < end and at < f.end}):
            found.append((line, ",".join(held)))
        at = end + 1
    return found


class _Work:
    def __init__(
        self, detector: Detector, book: Pseudonyms, types: frozenset[str], spared: Callable[[str], bool]
    ) -> None:
        self._detector = detector
        self._book = book
        self._types = types
        self._spared = spared
        self._finds: dict[str, list[Found]] = {}
        self.removed: Counter[tuple[str, str]] = Counter()

    def look(self, value: Any, pointer: str, key: str, depth: int) -> None:
        """Find, and give pseudonyms, before anything is replaced: a value that is found once is known everywhere."""
        if depth > DEPTH_MAX:
            raise RedactionFailed(f"A value is nested over {DEPTH_MAX} levels.", fix="Send flatter data.")
        if self._spared(pointer):
            return
        if isinstance(value, dict):
            for name, item in value.items():
                for find in self._in_name(name):
                    self._book.of(find.type, name[find.start : find.end])
                self.look(item, f"{pointer}{step(name)}", name, depth + 1)
        elif isinstance(value, list):
            for number, item in enumerate(value):
                self.look(item, f"{pointer}/{number}", key, depth + 1)
        elif (text := _text(value)) is not None:
            finds = self._in_text(text, key)
            self._finds[pointer] = finds
            for find in finds:
                self._book.of(find.type, text[find.start : find.end])
        if len(self._book.names) > VALUES_MAX:
            raise RedactionFailed(f"More than {VALUES_MAX} personal values in one task.", fix="Split the task.")

    def _in_text(self, text: str, key: str) -> list[Found]:
        kind = kind_of(key)
        if kind in self._types and text.strip():
            return [Found(str(kind), len(text) - len(text.lstrip()), len(text.rstrip()), 1.0)]
        # The field's name stands before the text as words would: "phone number: 4155550123".
        lead = f"{words(key)}: " if key else ""
        finds = [
            Found(f.type, max(0, f.start - len(lead)), f.end - len(lead), f.score)
            for f in self._detector.find(lead + text, self._types)
            if f.end > len(lead)
        ]
        finds += [Found(kind, start, end, 0.99) for kind, start, end in written(text) if kind in self._types]
        return disjoint([*finds, *_literals(text)], text)

    def _in_name(self, name: str) -> list[Found]:
        finds = [] if len(name) < 5 else self._detector.find(name, self._types & _IN_NAMES)
        return disjoint([*finds, *_literals(name)], name)

    def replace(self, value: Any, pointer: str, known: _Known) -> Any:
        """Give the value with pseudonyms, counting what was replaced by its pointer."""
        if self._spared(pointer):
            return value
        if isinstance(value, dict):
            out: dict[str, Any] = {}
            for name, item in value.items():
                seen = self._name(name, pointer, known, out)
                before = self.removed
                self.removed = Counter()
                new = self.replace(item, f"{pointer}{step(name)}", known)
                # Counted under the name that leaves: the one that came in may itself be personal.
                start, shown = f"{pointer}{step(name)}", f"{pointer}{step(seen)}"
                for (at, kind), count in self.removed.items():
                    before[shown + at[len(start) :], kind] += count
                self.removed = before
                out[seen] = new
            return out
        if isinstance(value, list):
            return [self.replace(item, f"{pointer}/{number}", known) for number, item in enumerate(value)]
        text = _text(value)
        if text is None:
            return value
        new = self._swap(text, self._finds.get(pointer, []), pointer, known)
        return value if new == text else new

    def _name(self, name: str, pointer: str, known: _Known, taken: Mapping[str, Any]) -> str:
        finds = self._in_name(name)
        seen = name if not finds and PLAIN.match(name) else self._swap(name, finds, pointer, known)
        if seen in taken:
            seen = self._book.of(KEY, name)
        return seen

    def _swap(self, text: str, finds: Sequence[Found], pointer: str, known: _Known) -> str:
        more = [Found(kind, start, end, 0.3) for kind, start, end in _occurrences(text, known)]
        pieces, at = [], 0
        for find in disjoint([*finds, *more], text) if more else finds:
            pieces += [text[at : find.start], self._book.of(find.type, text[find.start : find.end])]
            at = find.end
            if find.type != LITERAL:
                self.removed[pointer, find.type] += 1
        return "".join([*pieces, text[at:]]) if pieces else text


_Known = tuple[re.Pattern[str], Mapping[str, str], frozenset[str]] | None


def _known(book: Pseudonyms) -> _Known:
    """Give a pattern of every value that has a pseudonym, longest first, the type of each, and which are parts of a full name.

    A part (`Lovelace` of `Ada Lovelace`) is known only where it begins with a capital.
    """
    kinds = {
        value.casefold(): name.rpartition("_")[0]
        for name, value in book.names.items()
        if _telling(value) and not name.startswith((LITERAL, KEY))
    }
    if not kinds:
        return None
    full = [value for name, value in book.names.items() if name.startswith(_PERSON) and value.casefold() in kinds]
    parts = {part.casefold() for value in full for part in people.parts(value)} - kinds.keys()
    kinds |= dict.fromkeys(parts, _PERSON)
    values = sorted((re.escape(value) for value in kinds), key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(values)})(?!\w)", re.IGNORECASE), kinds, frozenset(parts)


def _telling(value: str) -> bool:
    """Tell whether a value says whose it is wherever it stands: `45`, the number of a house, is also an amount."""
    return len(value) >= (_KNOWN_DIGITS_MIN if value.isdigit() else _KNOWN_CHARS_MIN)


def _occurrences(text: str, known: _Known) -> Iterator[tuple[str, int, int]]:
    if known is not None:
        for match in known[0].finditer(text):
            value = match[0].casefold()
            if (kind := known[1].get(value)) is not None and (value not in known[2] or match[0][0].isupper()):
                yield kind, match.start(), match.end()


def _literals(text: str) -> Iterator[Found]:
    for match in TOKEN.finditer(text):
        yield Found(LITERAL, match.start(), match.end(), 1.0)


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value or None
    if isinstance(value, float) and value.is_integer():  # a number of a card that somebody's JSON library wrote
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and len(str(abs(value))) >= _INTEGER_DIGITS_MIN:
        return str(value)
    return None
