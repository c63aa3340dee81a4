"""`interlock up` as a person and as a script use it: the real commands, the whole product."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.eventually import eventually_sync
from tests.folders import make_reachable_folder

from interlock.infra.data_folder import DataFolder
from interlock.infra.orphans import marked
from interlock.infra.processes import working_in

pytestmark = pytest.mark.acceptance

NAMES = ["supervisor", "postgres", "api", "worker", "relay"]


class CommandLine:
    """`interlock … --data FOLDER`."""

    def __init__(self, data: Path) -> None:
        self.data = data

    def popen(self, *arguments: str) -> subprocess.Popen[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("INTERLOCK_")}
        command = [sys.executable, "-m", "interlock.cli", *arguments, "--data", str(self.data)]
        return subprocess.Popen(command, env=clean, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def json(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        with self.popen(*arguments, "--json") as process:
            out, err = process.communicate(timeout=120)
        assert process.returncode == code, err
        answer: dict[str, Any] = json.loads(out)
        return answer

    def pids(self) -> dict[str, int]:
        return {one["name"]: one["pid"] for one in self.json("status")["processes"]}

    def assert_nothing_runs(self) -> None:
        assert marked(DataFolder(self.data)) == []
        assert working_in(self.data / "pgdata", "postgres") == []


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    """One data folder for the module: the tests are lives of one installation."""
    with make_reachable_folder() as folder:
        yield folder.resolve()


@pytest.fixture
def interlock(data: Path) -> Iterator[CommandLine]:
    line = CommandLine(data)
    yield line
    line.json("down")
    line.assert_nothing_runs()


def get(url: str) -> int:
    with urllib.request.urlopen(url, timeout=10) as answer:
        status: int = answer.status
        return status


def test_detached_it_returns_when_ready_and_a_second_up_changes_nothing(interlock: CommandLine) -> None:
    first = interlock.json("up", "--detach")
    assert [one["name"] for one in first["processes"]] == NAMES
    assert (first["data_dir"], first["already_running"]) == (str(interlock.data), False)
    assert get(first["url"] + "/readyz") == 200
    key = Path(first["key_file"])
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.read_text().startswith("il_live_")
    assert key.read_text().endswith("\n")
    for log in (interlock.data / "log").iterdir():
        assert key.read_text().strip() not in log.read_text(), f"the key is in {log.name}"
    before = interlock.pids()
    second = interlock.json("up", "--detach")
    assert (second["already_running"], second["url"]) == (True, first["url"])
    assert interlock.pids() == before
    assert interlock.json("doctor")["ok"] is True


def test_the_next_life_has_the_same_url_and_key(interlock: CommandLine) -> None:
    first = interlock.json("up", "--detach")
    key = Path(first["key_file"]).read_text()
    interlock.json("down")
    interlock.json("status", code=5)
    second = interlock.json("up", "--detach")
    assert second["url"] == first["url"]
    assert Path(second["key_file"]).read_text() == key


def test_a_killed_supervisor_is_replaced_and_the_database_adopted(interlock: CommandLine) -> None:
    interlock.json("up", "--detach")
    before = interlock.pids()
    os.kill(before["supervisor"], signal.SIGKILL)
    eventually_sync(lambda: not psutil.pid_exists(before["supervisor"]) or zombie(before["supervisor"]))
    orphaned = interlock.json("status", code=5)
    assert {one["state"] for one in orphaned["processes"]} == {"stopped", "orphaned"}
    interlock.json("up", "--detach")
    after = interlock.pids()
    assert after["postgres"] == before["postgres"]
    assert not {after[name] for name in ("supervisor", "api", "worker", "relay")} & set(before.values())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_in_the_foreground_a_signal_stops_all_of_it(interlock: CommandLine, number: signal.Signals) -> None:
    with interlock.popen("up") as foreground:
        eventually_sync(lambda: status_code(interlock) == 0, 60)
        foreground.send_signal(number)
        out, _ = foreground.communicate(timeout=60)
    assert foreground.returncode == 0
    assert "Interlock is ready" in out
    assert "Ctrl-C" in out
    interlock.assert_nothing_runs()


def test_in_the_foreground_a_killed_supervisor_is_an_error_with_the_fix(interlock: CommandLine) -> None:
    with interlock.popen("up") as foreground:
        eventually_sync(lambda: status_code(interlock) == 0, 60)
        os.kill(interlock.pids()["supervisor"], signal.SIGKILL)
        _, err = foreground.communicate(timeout=60)
    assert foreground.returncode == 5
    assert "Run `interlock up` to take it over" in err


def status_code(interlock: CommandLine) -> int:
    with interlock.popen("status") as process:
        process.communicate(timeout=60)
    return process.returncode


def zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
