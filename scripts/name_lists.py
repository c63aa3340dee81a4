"""Keep the lists by which names are found in their form: `python scripts/name_lists.py` (`--check` only says what is not in it).

    python scripts/name_lists.py --add given names.txt     # words of a file into a list, in the form of the list

The lists were compiled once, of Faker's names and of those that the US Census Bureau published of 1990 (see NOTICE), and have been sorted out
by hand since: which of them are words as well stands in neither. No package that Interlock needs has either, so the lists are the source, and
this keeps them readable as one. `tests/unit/test_name_lists.py` fails where they are out of form.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from interlock.governance.redaction.lexicon import fold

FOLDER: Final = Path(__file__).resolve().parents[1] / "src" / "interlock" / "governance" / "redaction" / "names"
SOURCES: Final = ("Faker (MIT, Copyright 2012 Daniele Faraglia and contributors)", "US Census of 1990 (public domain)")
NAMES: Final = ("ambiguous", "family", "given")
WORDS: Final = ("everyday", "organisations", "places")
# A list that lost more than a few words was cut by accident.
SIZES_MIN: Final[Mapping[str, int]] = {
    "ambiguous": 2_400, "family": 10_500, "given": 13_000, "everyday": 450, "organisations": 160, "places": 40,
}  # fmt: skip


def split(text: str) -> tuple[list[str], list[str]]:
    """Give the lines that say what a list is, and its words."""
    lines = text.splitlines()
    header = [line for line in lines if line.startswith("#")]
    return header, [word for line in lines if not line.startswith("#") for word in line.split()]


def formed(name: str, header: Iterable[str], words: Iterable[str]) -> str:
    """Give a list in its form: words as they are compared, each once, in order, in lines of one width."""
    width = 220 if name in NAMES else 140
    lines = textwrap.wrap(
        " ".join(sorted({fold(w) for w in words})), width, break_on_hyphens=False, break_long_words=False
    )
    return "\n".join((*header, *lines)) + "\n"


def faults(texts: Mapping[str, str]) -> list[str]:
    """Say what is wrong with the lists; `texts` by name."""
    found: list[str] = []
    words = {name: set(split(text)[1]) for name, text in texts.items()}
    for name, text in texts.items():
        header, _ = split(text)
        if not header:
            found.append(f"{name}: no line says what it is")
        if name in NAMES and not all(source in " ".join(header) for source in SOURCES):
            found.append(f"{name}: its sources and their licences are not named")
        if text != formed(name, header, words[name]):
            found.append(
                f"{name}: not sorted, a word twice or with a capital, or other lines; run scripts/name_lists.py"
            )
        if len(words[name]) < SIZES_MIN[name]:
            found.append(f"{name}: {len(words[name])} words are left of at least {SIZES_MIN[name]}")
        if strange := sorted(w for w in words[name] if not w.replace("-", "").replace("'", "").isalpha()):
            found.append(f"{name}: no words: {', '.join(strange[:10])}")
    if stray := sorted(words["ambiguous"] - words["given"] - words["family"]):
        found.append(f"ambiguous: in no list of names: {', '.join(stray[:10])}")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Check, add or put in form; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="only say what is not in form")
    parser.add_argument("--add", nargs=2, metavar=("LIST", "FILE"), help="put the words of a file into a list")
    given = parser.parse_args(arguments)
    texts = {name: (FOLDER / f"{name}.txt").read_text("utf-8") for name in (*NAMES, *WORDS)}
    if not given.check:
        more = {given.add[0]: split(Path(given.add[1]).read_text("utf-8"))[1]} if given.add else {}
        if not more.keys() <= texts.keys():
            parser.error(f"{given.add[0]!r} is no list; these are: {', '.join(texts)}")
        for name, text in texts.items():
            header, words = split(text)
            texts[name] = formed(name, header, [*words, *more.get(name, ())])
            (FOLDER / f"{name}.txt").write_text(texts[name], "utf-8")
    for fault in (found := faults(texts)):
        print(fault, file=sys.stderr)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
