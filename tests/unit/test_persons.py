"""A person has one form, however the name is written, and no two people have the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.domain.persons import is_person, person_of

NAMES = st.from_regex(r"[a-z0-9][a-z0-9._@+-]{0,30}", fullmatch=True)


@pytest.mark.parametrize(
    "written",
    ["mei", "Mei", "user:mei", "USER:MEI", " user:mei ", "user: mei", "user:user:mei", "ｕｓｅｒ:ｍｅｉ", "user:m\u200bei", "mei\n"],
)  # fmt: skip
def test_every_way_to_write_a_person_is_that_person(written: str) -> None:
    assert person_of(written) == "user:mei"


@given(NAMES, st.sampled_from(["user:", "service:", "agent:"]))
def test_the_form_is_stable_and_keeps_the_kind(name: str, kind: str) -> None:
    form = person_of(kind + name)
    assert form == kind + name
    assert person_of(form) == form == person_of((kind + name).upper())
    assert is_person(form) == (kind == "user:")


@given(NAMES, NAMES)
def test_different_names_stay_different(one: str, other: str) -> None:
    assert (person_of(one) == person_of(other)) == (one == other)
