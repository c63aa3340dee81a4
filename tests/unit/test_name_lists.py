"""The lists by which names are found are in their form; each way out of it is said."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
if str(SCRIPTS) not in sys.path:
    sys.path.insert(0, str(SCRIPTS))

import name_lists  # noqa: E402

TEXTS = {
    name: (name_lists.FOLDER / f"{name}.txt").read_text("utf-8") for name in (*name_lists.NAMES, *name_lists.WORDS)
}


def test_the_lists_are_in_their_form() -> None:
    assert name_lists.faults(TEXTS) == []
    assert set(TEXTS) == {file.stem for file in name_lists.FOLDER.glob("*.txt")}


@pytest.mark.parametrize(
    ("name", "before", "after", "fault"),
    [
        ("given", "aaliyah", "Aaliyah", "not sorted"),
        ("given", "aaliyah", "aaliyah aaliyah", "not sorted"),
        ("given", "aaliyah aamir", "aamir aaliyah", "not sorted"),
        ("given", "aaliyah", "1aliyah", "no words: 1aliyah"),
        ("family", "Faker", "somebody", "sources and their licences"),
        ("everyday", "# Words", "Words", "no line says"),
        ("ambiguous", "abigail", "abigailx", "in no list of names: abigailx"),
    ],
)
def test_what_is_out_of_form_is_said(name: str, before: str, after: str, fault: str) -> None:
    assert before in TEXTS[name]
    found = name_lists.faults({**TEXTS, name: TEXTS[name].replace(before, after, 1)})
    assert any(one.startswith(f"{name}: ") and fault in one for one in found), found


def test_a_list_that_was_cut_is_said() -> None:
    header, words = name_lists.split(TEXTS["family"])
    cut = name_lists.formed("family", header, words[: len(words) // 2])
    assert "family: 5318 words are left of at least 10500" in name_lists.faults({**TEXTS, "family": cut})


def test_words_are_added_as_they_are_compared() -> None:
    text = name_lists.formed("given", ["# Names."], ["Zoë", "Ada", "ada", "Jean-Luc"])
    assert text == "# Names.\nada jean-luc zoe\n"
