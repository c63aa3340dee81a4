"""`interlock task logs`: every line once, page by page; and to follow, until the task has ended and what it wrote last is there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from interlock.cli.tasks import log_lines, print_lines


class Api:
    """Stands for the API: lines that grow, in pages of two, and a task that ends."""

    def __init__(self, *, states: list[str], grows: list[int]) -> None:
        self.states, self.grows, self.asked = states, grows, list[dict[str, Any]]()
        self.there = 0

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        if not path.endswith("/logs"):
            return {"state": self.states.pop(0)}
        self.asked.append(params)
        if self.grows:
            self.there = self.grows.pop(0)
        start = int(params["cursor"] or 0)
        items = [{"text": str(n), "effect_id": "/a#1", "generation": 1, "attempt": 1 + n // 3, "at": "t", "stream": "stdout", "level": None,
                  "logger": None, "cut_chars": n} for n in range(start, min(start + 2, self.there))]  # fmt: skip
        return {"items": items, "next_cursor": str(start + 2) if start + 2 < self.there else None}


def texts(api: Api, **given: Any) -> list[str]:
    return [one["text"] for one in log_lines(api, "t", pause_s=0, **given)]


def test_every_page_is_read() -> None:
    api = Api(states=[], grows=[5])
    assert texts(api, follow=False, effect="/a#1", attempt=2) == ["0", "1", "2", "3", "4"]
    assert {(asked["effect"], asked["attempt"]) for asked in api.asked} == {("/a#1", 2)}


def test_following_gives_each_line_once_and_those_that_come_after_the_end() -> None:
    api = Api(states=["running", "waiting", "succeeded"], grows=[0, 1, 3, 3, 6])
    assert texts(api, follow=True) == [str(n) for n in range(6)]
    assert api.states == []


def test_for_people_attempts_have_headings_and_nothing_is_said_so(capsys: pytest.CaptureFixture[str]) -> None:
    print_lines(log_lines(Api(states=[], grows=[4]), "t", follow=False), as_json=False)
    out = capsys.readouterr().out
    assert [line.split()[-1] for line in out.splitlines() if line.startswith("/a#1")] == ["1", "2"]
    assert "t  stdout    3 … 3 more characters" in out
    print_lines([], as_json=False)
    assert "Nothing is kept" in capsys.readouterr().out


def test_for_scripts_each_line_is_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    print_lines([{"text": "a\u001b[2J"}, {"text": "b"}], as_json=True)
    out = capsys.readouterr().out
    assert [json.loads(line)["text"] for line in out.splitlines()] == ["a\u001b[2J", "b"]
    assert "\u001b" not in out
