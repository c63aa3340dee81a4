"""Rules of the repository itself that no linter knows."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import interlock

REPOSITORY = Path(__file__).resolve().parents[2]
ARCHITECTURE_LINES_MAX = 300
PYTHON_LINES_MAX = 600
FUNCTION_LINES_MAX = 80
# Written in two parts, so that this file keeps its own rules.
MACHINE_PATHS = re.compile(r"(?<![\w.$}])/(?:" + "work|root|Users|home" + r")/[\w.-]")
UNFINISHED = re.compile(r"\b(?:" + "TO" + "DO|FIX" + "ME|XX" + r"X)\b")
PATCHING = re.compile("mock" + r"\.patch|Magic" + r"Mock|monkeypatch\." + "setattr")
EMPTY_NAMES = frozenset({"utils", "helpers", "common", "models", "core", "manager"})
EXPORTED = [
    "Answer", "Decision", "Denied", "Document", "EffectFailed", "Endpoint", "Fetched", "NonRetryable", "Prediction", "Reservation",
    "Retry", "Task", "Verdict", "automation", "current_step", "step",
]  # fmt: skip


def _tracked() -> list[Path]:
    """Give every file that is, or would be, in the repository."""
    listed = ["git", "-C", str(REPOSITORY), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split("\0")
    return [REPOSITORY / name for name in names if name and (REPOSITORY / name).is_file()]


def _texts(suffix: str = "") -> dict[str, str]:
    found = {}
    for file in _tracked():
        data = file.read_bytes()
        if file.name.endswith(suffix) and b"\0" not in data:
            found[file.relative_to(REPOSITORY).as_posix()] = data.decode(errors="replace")
    return found


def _places(pattern: re.Pattern[str], texts: dict[str, str]) -> list[str]:
    return [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in texts.items()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_path_of_a_machine() -> None:
    assert _places(MACHINE_PATHS, _texts()) == []


def test_nothing_is_marked_unfinished() -> None:
    assert _places(UNFINISHED, _texts()) == []


def test_nothing_is_patched_in_tests() -> None:
    assert _places(PATCHING, _texts(".py")) == []


def test_sizes() -> None:
    assert len((REPOSITORY / "ARCHITECTURE.md").read_text().splitlines()) <= ARCHITECTURE_LINES_MAX
    long = {name: n for name, text in _texts(".py").items() if (n := len(text.splitlines())) > PYTHON_LINES_MAX}
    assert long == {}


def test_no_function_is_long() -> None:
    long = []
    for name, text in _texts(".py").items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    long.append(f"{name}:{node.lineno}: {node.name} has {lines} lines")
    assert long == []


def test_every_module_has_a_name_that_says_something() -> None:
    modules = [p.relative_to(REPOSITORY) for p in _tracked() if p.suffix == ".py" and "src" in p.parts]
    assert [str(m) for m in modules if {*m.parts[:-1], m.stem} & EMPTY_NAMES] == []


def test_every_module_says_what_it_is() -> None:
    silent = [
        name for name, text in _texts(".py").items() if text.strip() and ast.get_docstring(ast.parse(text)) is None
    ]
    assert silent == []


@pytest.mark.parametrize("name", ["bootstrap", "dev", "runtime"])
def test_locked_requirements_have_hashes_and_no_address(name: str) -> None:
    text = (REPOSITORY / "requirements" / f"{name}.txt").read_text()
    assert re.findall(r"https?:|file:|index-url|find-links", text) == []
    pinned = re.findall(r"^[a-z][^\n]*(?:\n    [^\n]*)*", text, re.MULTILINE | re.IGNORECASE)
    assert pinned
    assert [entry for entry in pinned if "==" not in entry or "--hash=sha256:" not in entry] == []


def test_locked_requirements_hold_what_is_declared() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    declared = {"runtime": project["project"]["dependencies"], "dev": project["dependency-groups"]["dev"]}
    for name, wanted in declared.items():
        text = (REPOSITORY / "requirements" / f"{name}.txt").read_text()
        locked = set(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE))
        names = {re.match(r"[a-z0-9-]+", item)[0] for item in wanted}  # type: ignore[index]
        assert names - locked == set(), f"run make lock: requirements/{name}.txt"


def test_the_readme_begins_with_two_commands_that_exist() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    assert "```sh\nmake demo\nmake test\n```" in readme
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE)
    assert {"help", "setup", "demo", "up", "down", "check", "lint", "test", "bench", "docs", "lock", "clean"} <= set(
        targets
    )


def test_what_authors_import_is_what_was_agreed() -> None:
    assert interlock.__all__ == EXPORTED
    assert [name for name in EXPORTED if not hasattr(interlock, name)] == []
