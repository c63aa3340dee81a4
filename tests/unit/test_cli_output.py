"""What the command line prints is data: no markup in it is obeyed, and nothing that a terminal would obey reaches it."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interlock.cli import access, audit, lifecycle, model_cards, reviews, tasks
from interlock.cli.output import bold, print_error, print_json, print_table, say, say_json, shown
from interlock.domain.errors import FieldError, InvalidInput
from interlock.governance.findings import Finding, Report

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


class Answering:
    """Stands for the client: every route answers with what a hostile submitter could put there."""

    answer: Any = None

    def __init__(self, _settings: Any) -> None: ...

    def get(self, _path: str, **_params: Any) -> Any:
        return self.answer

    def post(self, _path: str, *_body: Any, **_options: Any) -> Any:
        return self.answer


def task_of(text: str) -> dict[str, Any]:
    effect = {"name": text, "kind": "review", "status": "pending", "by": text, "review_id": text}
    return {
        "id": text, "automation": text, "version": text, "state": "waiting", "correlation_id": text, "output": {text: text},
        "error": {"message": text}, "effects": [effect], "accepted_at": text,
    }  # fmt: skip


def review_of(text: str) -> dict[str, Any]:
    return {
        "id": text, "task_id": text, "role": text, "assignee": text, "state": "open", "deadline": None,
        "request": {"title": text, "reasons": [text], "values": {"merchant": text}}, "answer": {"reason": text},
    }  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_every_group_of_commands_prints_hostile_data(
    capsys: Capture, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (access, reviews, tasks):
        monkeypatch.setattr(module, "Client", Answering)
    key = {"id": text, "name": text, "user": text, "roles": [text], "expires_at": None, "revoked_at": None, "key": text}
    automation = {"name": text, "version": text, "owner": text, "goal": text}

    def printed(answer: Any, call: Any, *given: Any, **options: Any) -> None:
        monkeypatch.setattr(Answering, "answer", answer)
        call(*given, **options)
        said = capsys.readouterr().out
        assert harmless(said)
        assert re.sub(r"\s", "", shown(text)) in re.sub(r"\s", "", said)

    printed({"items": [key]}, access.list_keys)
    printed(key, access.create, "n", "user:u", ["r"])
    printed({"items": [automation]}, access.list_automations)
    printed({"items": [review_of(text)], "next_cursor": text}, reviews.list_, "open", None, None, 50, None)
    printed({"items": [task_of(text)], "next_cursor": text}, tasks.list_, None, None, None, 50, None)
    printed({"effects": task_of(text)["effects"]}, tasks.timeline, "t")
    printed(task_of(text), tasks.show, "t")
    printed(review_of(text), reviews.show, "r")
    found = Finding(what="w", where=text, expected=text, found=text)
    report = Report(
        ok=False, root="00", records=1, pending=0, checkpoints=1, tasks=1, effects=1, reviews=1, erased=0, findings=(found,),
        findings_total=1, duration_s=0.1,
    )  # fmt: skip
    audit._print(report, text, 20)
    seen = {"processes": [{"name": "supervisor", "pid": 1}], "url": text, "key_file": text, "data_dir": text}
    lifecycle._say_how_to_go_on(seen, already=False, detached=True)
    say(model_cards._joined({"limit": text}))
    assert harmless(capsys.readouterr().out)


def test_a_message_of_the_check_keeps_its_brackets(capsys: Capture, tmp_path: Any) -> None:
    (tmp_path / "automation.py").write_text("import os\n\nasync def run(task, given):\n    return os.environ['A']\n")
    with pytest.raises(typer.Exit):
        access.check(tmp_path)
    assert "[config]" in capsys.readouterr().out
