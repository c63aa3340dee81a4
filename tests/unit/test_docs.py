"""The documentation says what is there: its examples run, and what it names exists."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from interlock.infra.settings import describe
from write_reference import commands

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
AT_THE_TOP = sorted(REPOSITORY.glob("*.md"))
EVERY = [*AT_THE_TOP, *PAGES]

FENCE = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
FILES_OF = re.compile(r"<!-- files of (\S+) -->")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
MODULE = re.compile(r"`(interlock(?:\.[a-z_]+)+)`")
SETTING = re.compile(r"\bINTERLOCK_[A-Z_]+[A-Z]\b")
FILE = re.compile(r"`([a-z_]+(?:/[a-z_-]+)*/[a-z_]+\.(?:py|json))`")
TARGET = re.compile(r"^make ([a-z]+)", re.MULTILINE)
PYTEST_INI = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
pythonpath = .
filterwarnings = error
"""
# Runs everything that a page builds: each automation registers, its policy's cases hold.
REGISTERS = """
from pathlib import Path

from interlock.governance.cases import run_cases
from interlock.orchestration.automations import load_all


def test_registers() -> None:
    for registered in load_all(Path("automations").resolve()):
        policy = registered.folder / "policy"
        if (policy / "cases.yaml").exists():
            assert [result for result in run_cases(registered.bundle, policy) if not result.passed] == []
"""


def _name(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


@dataclass(frozen=True)
class Block:
    language: str
    title: str
    text: str


def _blocks(page: Path) -> list[Block]:
    return [Block(language, title or "", text) for language, title, text in FENCE.findall(page.read_text())]


def _files(page: Path) -> dict[str, str]:
    """Give the files that a page builds, those of the page that it goes on from included."""
    found: dict[str, str] = {}
    for before in FILES_OF.findall(page.read_text()):
        found |= _files(DOCS / before)
    return found | {block.title: block.text for block in _blocks(page) if block.title}


def _run(arguments: list[str], folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", [p for p in PAGES if _files(p)], ids=_name)
def test_what_a_page_builds_works(page: Path, tmp_path: Path) -> None:
    for title, text in {**_files(page), "test_registers.py": REGISTERS, "pytest.ini": PYTEST_INI}.items():
        file = tmp_path / title
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    _run(["-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", "."], tmp_path)


@pytest.mark.parametrize(
    "page", [p for p in EVERY if any(b.language == "python" and not b.title for b in _blocks(p))], ids=_name
)
def test_python_without_a_file_name_runs(page: Path, tmp_path: Path) -> None:
    script = "\n".join(block.text for block in _blocks(page) if block.language == "python" and not block.title)
    _run(["-W", "error", "-c", script], tmp_path)


@pytest.mark.parametrize("page", EVERY, ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in LINK.findall(FENCE.sub("", page.read_text())):
        path, _, anchor = link.partition("#")
        if ":" in path:
            continue
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            broken.append(link)
    assert broken == []


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


def test_every_page_is_in_the_navigation_once() -> None:
    def listed(item: object) -> Iterator[str]:
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict | list):
            for inner in item.values() if isinstance(item, dict) else item:
                yield from listed(inner)

    shown = list(listed(yaml.safe_load((REPOSITORY / "mkdocs.yml").read_text())["nav"]))
    assert sorted(shown) == sorted(page.relative_to(DOCS).as_posix() for page in PAGES)


@pytest.mark.parametrize("page", EVERY, ids=_name)
def test_what_is_named_exists(page: Path) -> None:
    text = page.read_text()
    known = {setting.environment_name for setting in describe()}
    assert sorted(set(SETTING.findall(text)) - known) == []
    assert [name for name in MODULE.findall(text) if importlib.util.find_spec(name) is None] == []
    targets = set(re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    shell = "".join(block.text for block in _blocks(page) if block.language == "sh")
    assert sorted({*TARGET.findall(shell), *re.findall(r"`make ([a-z]+)", text)} - targets) == []


@pytest.mark.parametrize("page", EVERY, ids=_name)
def test_commands_exist(page: Path) -> None:
    known = {path: {name for p in command.params for name in p.opts} for path, command in commands()}
    wrong = []
    for line in _command_lines(page):
        words = line.split()
        path = next((tuple(words[:n]) for n in (2, 1) if tuple(words[:n]) in known), None)
        options = {word.partition("=")[0] for word in words if re.match(r"-+[a-z]", word)}
        if path is None or options - known[path] - {"--help"}:
            wrong.append(f"interlock {line}")
    assert wrong == []


@pytest.mark.parametrize("page", AT_THE_TOP, ids=_name)
def test_files_exist(page: Path) -> None:
    named = FILE.findall(page.read_text())
    places = (REPOSITORY, REPOSITORY / "src" / "interlock")
    assert [name for name in named if not any((place / name).exists() for place in places)] == []


def _command_lines(page: Path) -> Iterator[str]:
    """Give what follows `interlock` in shell blocks and between backticks."""
    text = page.read_text()
    shell = "".join(block.text for block in _blocks(page) if block.language == "sh").replace("\\\n", " ")
    for line in shell.splitlines():
        if match := re.search(r"(?:^|[\s/])interlock ([a-z].*)", line.partition("#")[0]):
            yield match[1]
    for code in re.findall(r"`([^`\n]+)`", FENCE.sub("", text)):
        if match := re.match(r"(?:\.venv/bin/)?interlock ([a-z].*)", code):
            yield match[1]
