"""What the command line prints is data: no markup in it is obeyed, and nothing that a terminal would obey reaches it."""

from __future__ import annotations

import json
import re
import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interlock.cli.output import bold, print_error, print_json, print_table, say, say_json, shown
from interlock.cli.reviews import approved
from interlock.domain.errors import FieldError, InvalidInput

HOSTILE = (
    "[/b] HACK CAFE",
    "[red]free[/red] :smile: [link=/x]x[/link]",
    "[/]",
    "\x1b[2J\x1b]0;owned\x07 gone",
    "\x9b31m C1",
    "\u202e txt.exe",
    "one\r\nfake  row",
    "a\udce9b",
    "\u2028\x00\x7f",
)
TEXTS = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=()), max_size=40))
EACH = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
Capture = pytest.CaptureFixture[str]


def harmless(text: str) -> bool:
    obeyed = {c for c in text if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")} - {"\n"}
    return not obeyed and "\u202e" not in text


@EACH
@given(text=TEXTS)
def test_data_is_shown_as_it_is_and_never_obeyed(capsys: Capture, text: str) -> None:
    say("x ", text, bold(text))
    said = capsys.readouterr().out
    assert harmless(said)
    assert said == f"x {shown(text)}{shown(text)}\n"
    say_json("value ", {text: [text]})
    assert harmless(capsys.readouterr().out)
    print_error(InvalidInput(text, fix=text), as_json=False)
    assert harmless(capsys.readouterr().err.replace("\t", ""))


@EACH
@given(text=TEXTS)
def test_json_for_scripts_says_the_same_without_what_a_terminal_obeys(capsys: Capture, text: str) -> None:
    print_json({"a": text, text: 1})
    said = capsys.readouterr().out
    assert harmless(said)
    assert json.loads(said) == {"a": text, text: 1}
    print_error(InvalidInput(text, fields=[FieldError(pointer="/x", detail=text)]), as_json=True)
    problem = capsys.readouterr().err
    assert harmless(problem)
    assert json.loads(problem)["detail"] == text


@EACH
@given(text=TEXTS)
def test_a_cell_is_one_line_of_data(capsys: Capture, text: str) -> None:
    print_table(("what",), [(text,), (None,)])
    said = capsys.readouterr().out
    assert harmless(said)
    assert re.sub(r"\s", "", shown(text)) in re.sub(r"\s", "", said)


def test_ordinary_text_of_any_language_stays_as_it_is() -> None:
    for text in ("Café Zoë", "咖啡店 RM 12", "قهوة", "👩‍🍳 soup", "a  b"):
        assert shown(text) == text
    assert shown("a\nb\tc") == "a\\nb\\tc"
    assert shown("a\nb\tc", lines=True) == "a\nb\tc"


def test_a_review_says_how_many_have_approved_and_who() -> None:
    given = [{"by": "user:mei", "counts": False}, {"by": "user:ravi", "counts": True}]
    review = {"approvals_needed": 2, "approvals": given, "revision": 1}
    assert approved(review) == "1 of 2 approved, by user:ravi; revision 1"
    assert approved({"approvals_needed": 3, "approvals": [], "revision": 0}) == "0 of 3 approved"
