"""Policy test cases: a wrong expectation is seen, and a wrong file is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from interlock.domain.errors import ConfigurationError
from interlock.governance.cases import run_cases
from interlock.governance.decide import Bundle

CASE = """
- name: an owner sees the system
  principal: {type: User, id: olga, attrs: {tenant: acme, roles: [owner]}}
  action: system.read
  resource: {type: System, id: acme, attrs: {tenant: acme}}
  expect: %s
  reasons: [%s]
"""


@pytest.fixture(scope="module")
def base() -> Bundle:
    return Bundle.load([])


@pytest.mark.parametrize(
    ("expect", "reasons", "passed"),
    [
        ("allow", "owner-does-everything", True),
        ("deny", "owner-does-everything", False),
        ("allow", "auditor-reads", False),
        ("allow", "", False),
        ("error", "owner-does-everything", False),
    ],
)
def test_compares_answer_and_reasons(base: Bundle, tmp_path: Path, expect: str, reasons: str, passed: bool) -> None:
    (tmp_path / "cases.yaml").write_text(CASE % (expect, reasons))
    (result,) = run_cases(base, tmp_path)
    assert result.passed is passed
    assert (result.got, result.reasons) == ("allow", ("owner-does-everything",))


def test_an_error_can_be_expected(base: Bundle, tmp_path: Path) -> None:
    text = (CASE % ("error", "")).replace("system.read", "system.unknown")
    (tmp_path / "cases.yaml").write_text(text)
    (result,) = run_cases(base, tmp_path)
    assert result.passed
    assert "system.unknown" in result.detail


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", "no list"),
        ("cases: []", "no list"),
        ("- [", "cannot be read"),
        ("cases: " + "[" * 5_000 + "]" * 5_000, "nested too deep"),
        ("- just text", "case 1 is not a mapping"),
        ((CASE % ("allow", "")).replace("action:", "act:"), "no `action`"),
        ((CASE % ("allow", "")) + "  wish: x\n", "unknown key `wish`"),
        (CASE % ("perhaps", ""), "expects `perhaps`"),
        ((CASE % ("allow", "")) * 2, "two cases"),
        ((CASE % ("allow", "")).replace("{type: User, id: olga,", "{type: User,"), "Give `type`, `id`"),
    ],
)
def test_a_wrong_file_is_named(base: Bundle, tmp_path: Path, text: str, names: str) -> None:
    (tmp_path / "cases.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=names):
        run_cases(base, tmp_path)


def test_a_missing_file_is_named(base: Bundle, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cases\.yaml"):
        run_cases(base, tmp_path)
