"""The reference pages say what the code does: nothing undocumented, nothing out of date."""

from __future__ import annotations

from collections import Counter

import pytest

from interlock.domain.errors import InterlockError
from write_reference import PAGES, REPOSITORY, all_errors


@pytest.mark.parametrize("name", PAGES)
def test_page_is_up_to_date(name: str) -> None:
    path = REPOSITORY / name
    assert path.exists(), f"{name} is missing: run scripts/write_reference.py"
    assert path.read_text() == PAGES[name](), f"{name} is out of date: run scripts/write_reference.py"


def test_an_error_code_has_one_meaning() -> None:
    counted = Counter(kind.code for kind in all_errors())
    assert [code for code, count in counted.items() if count > 1] == []


def test_every_error_says_what_it_is() -> None:
    own = [kind for kind in all_errors() if kind is not InterlockError and "code" not in vars(kind)]
    assert own == [], "give each error a code of its own"
