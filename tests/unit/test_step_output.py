"""Lines of a step: whole, masked, within their limits, and with what was cut said."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.boundary.step_output import MASK, Collector, Limits, Masks

LIMITS = Limits(bytes_max=1_000, lines_max=10, line_chars_max=20, level="info")
SECRET = 'tok"en-4711/ä b'


class Told:
    """A collector, and what it told."""

    def __init__(self, *secrets: str, **limits: Any) -> None:
        self.lines: list[Any] = []
        self.collector = Collector(Limits(**{**vars(LIMITS), **limits}), Masks(secrets), self.lines.append)

    @property
    def texts(self) -> list[str]:
        return [line[4] for line in self.lines]


def test_pieces_become_lines_when_they_end_and_what_has_no_end_at_the_close() -> None:
    told = Told()
    told.collector.write("stdout", "one\ntw")
    assert told.texts == ["one"]
    told.collector.write("stderr", "err\n")
    told.collector.write("stdout", "o\r\n\nthree")
    told.collector.close()
    told.collector.write("stdout", "too late\n")
    told.collector.log("info", "x", "too late")
    told.collector.failed("too late")
    assert [(line[1], line[4]) for line in told.lines] == [
        ("stdout", "one"), ("stderr", "err"), ("stdout", "two"), ("stdout", ""), ("stdout", "three")
    ]  # fmt: skip


def test_a_record_has_a_level_and_its_lines_too() -> None:
    told = Told()
    told.collector.log("warning", "payments", "it failed\nTraceback")
    assert [line[1:5] for line in told.lines] == [
        ["log", "warning", "payments", "it failed"], ["log", "warning", "payments", "Traceback"]
    ]  # fmt: skip


@pytest.mark.parametrize(
    "written",
    [
        SECRET, json.dumps(SECRET), json.dumps({"a": SECRET}, ensure_ascii=False), repr([SECRET]), quote(SECRET, safe=""),
        base64.b64encode(SECRET.encode()).decode(),
    ],
)  # fmt: skip
def test_a_secret_is_masked_however_it_is_written(written: str) -> None:
    told = Told(SECRET, line_chars_max=200)
    told.collector.write("stdout", f"sent {written} away\n")
    told.collector.log("info", "x", f"sent {written} away")
    told.collector.failed(f"ValueError: {written}")
    assert all(MASK in text for text in told.texts)
    assert not any("4711" in text or written in text for text in told.texts)


def test_a_secret_of_several_lines_is_masked_line_by_line() -> None:
    told = Told("-----BEGIN KEY-----\nabcdefghijkl\n-----END KEY-----", line_chars_max=200)
    told.collector.write("stdout", "-----BEGIN KEY-----\nabcdefghijkl\n-----END KEY-----\n")
    assert told.texts == [MASK] * 3


@given(before=st.integers(0, 60), times=st.integers(1, 5), pieces=st.integers(1, 7))
def test_a_secret_at_the_limit_of_a_line_or_in_pieces_is_not_half_shown(before: int, times: int, pieces: int) -> None:
    told = Told("0123456789012345678901234567", "98765432")
    text = "." * before + "0123456789012345678901234567" * times + "98765432tail"
    for at in range(0, len(text), pieces):
        told.collector.write("stdout", text[at : at + pieces])
    told.collector.write("stdout", "\n")
    told.collector.log("info", "x", text)
    told.collector.failed(text)
    assert len(told.texts) == 3
    for shown in told.texts:
        assert len(shown) <= LIMITS.line_chars_max
        assert not set(shown) & set("0123456789")


def test_a_long_line_is_cut_and_says_how_much() -> None:
    told = Told()
    told.collector.write("stdout", "x" * 1_000 + "\n")
    told.collector.log("info", "l", "y" * 30)
    assert [(line[4], line[5]) for line in told.lines] == [("x" * 20, 980), ("y" * 20, 10)]


@pytest.mark.parametrize(
    ("limits", "kept"), [({}, 10), ({"bytes_max": 50}, 5), ({"bytes_max": 1_000_000, "lines_max": 12}, 12)]
)
def test_what_is_over_the_limits_is_not_told_and_that_is(limits: dict[str, int], kept: int) -> None:
    told = Told(**limits)
    for _ in range(500):
        told.collector.write("stdout", "0123456789\n")
    told.collector.failed("Traceback\nValueError: no")
    told.collector.close()
    assert told.texts[:kept] == ["0123456789"] * kept
    assert [(line[1], line[4][:12]) for line in told.lines[kept:]] == [
        ("cut", "What it wrot"), ("log", "Traceback"), ("log", "ValueError: ")
    ]  # fmt: skip


def test_many_lines_at_once_are_cut_once() -> None:
    printed, logged = Told(), Told()
    printed.collector.write("stdout", "x\n" * 500)
    logged.collector.log("info", "l", "x\n" * 500)
    for told in (printed, logged):
        told.collector.close()
        assert [line[1] == "cut" for line in told.lines] == [False] * 10 + [True]


@given(st.text(alphabet=st.characters(), max_size=60))
def test_whatever_is_written_can_be_sent(text: str) -> None:
    told = Told()
    told.collector.write("stdout", text + "\ud800\n")
    told.collector.log("info", text, text)
    told.collector.close()
    for line in told.lines:
        json.dumps(line).encode()
        assert line[4].encode() is not None
        assert (line[3] or "").encode() is not None
