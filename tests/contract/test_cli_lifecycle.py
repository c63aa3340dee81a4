"""The command line's frame: exit codes, JSON, errors with their fix, and what it says about a folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import typer
from tests.folders import foreign_process

from interlock.cli import app
from interlock.cli.doctor import examine
from interlock.infra.data_folder import DataFolder
from interlock.infra.run_state import ProcessRecord, RunState, write_state
from interlock.infra.settings import Settings

COMMANDS = ("up", "down", "status", "doctor", "serve")


def interlock(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("INTERLOCK_")}
    return subprocess.run(
        [sys.executable, "-m", "interlock.cli", *arguments],
        env={**clean, "COLUMNS": "200", "NO_COLOR": "1", **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def finding(folder: Path, name: str) -> dict[str, Any]:
    checks = examine(Settings(data_dir=folder))
    return next(check.as_dict() for check in checks if check.name == name)


def record(folder: DataFolder, name: str, **values: Any) -> ProcessRecord:
    defaults: dict[str, Any] = {"pid": 0, "started_at": 0.0, "state": "running", "restarts": 0}
    return ProcessRecord(name=name, log=str(folder.log(name)), **(defaults | values))


def written(folder: DataFolder, **values: Any) -> RunState:
    """A state file of a supervisor that was killed."""
    folder.prepare()
    defaults: dict[str, Any] = {
        "phase": "running",
        "doing": "running",
        "url": "http://127.0.0.1:9",
        "data_dir": str(folder.path),
    }
    processes = (record(folder, "supervisor"), record(folder, "api"))
    state = RunState(key_file=str(folder.admin_key), **({"processes": processes} | defaults | values))
    write_state(folder.state, state)
    return state


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_data_json_and_an_example(command: str) -> None:
    said = interlock(command, "--help")
    assert said.returncode == 0
    for part in ("--data", "--json", "Example: "):
        assert part in said.stdout


def _leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    names = command.list_commands(typer.Context(command)) if hasattr(command, "list_commands") else []
    if not names:
        yield " ".join(path), command
    for name in names:
        yield from _leaves(command.get_command(typer.Context(command), name), (*path, name))


def test_every_command_of_every_group_has_data_json_and_an_example() -> None:
    leaves = dict(_leaves(typer.main.get_command(app)))
    assert len(leaves) > 100
    without = {
        name: missing
        for name, leaf in leaves.items()
        if (missing := {"--data", "--json"} - {opt for param in leaf.params for opt in param.opts})
    }
    assert without == {}
    assert [name for name, leaf in leaves.items() if "Example: " not in (leaf.epilog or "")] == []


def test_the_version_and_a_wrong_use() -> None:
    assert interlock("--version").stdout.startswith("interlock 0.")
    wrong = interlock("status", "--frobnicate")
    assert wrong.returncode == 2
    assert "--frobnicate" in wrong.stderr


@pytest.mark.parametrize("data", ["", " "])
def test_an_empty_folder_name_is_a_mistake_and_not_the_folder_one_stands_in(data: str) -> None:
    wrong = interlock("status", "--data", data)
    assert wrong.returncode == 2
    assert "--data" in wrong.stderr
    assert "It is empty" in wrong.stderr


def test_nothing_runs_on_an_empty_folder(tmp_path: Path) -> None:
    said = interlock("status", "--data", str(tmp_path), "--json")
    assert said.returncode == 5
    assert json.loads(said.stdout) == {
        "running": False,
        "phase": "stopped",
        "url": None,
        "data_dir": str(tmp_path),
        "key_file": None,
        "processes": [],
        "witnesses": {},
        "elevations": [],
    }
    assert list(tmp_path.iterdir()) == []
    stopped = interlock("down", "--data", str(tmp_path), "--json")
    assert (stopped.returncode, json.loads(stopped.stdout)["stopped"]) == (0, 0)


def test_an_error_names_the_setting_and_the_fix_for_people_and_for_scripts() -> None:
    people = interlock("status", INTERLOCK_LEASE_S="soon")
    assert people.returncode == 2
    assert "INTERLOCK_LEASE_S='soon'" in people.stderr
    assert "Set it to a number" in people.stderr
    assert "Traceback" not in people.stderr
    script = interlock("status", "--json", INTERLOCK_LEASE_S="soon")
    problem = json.loads(script.stderr)
    assert problem["code"] == "configuration.invalid"
    assert problem["retryable"] is False
    assert problem["fix"].startswith("Set it to a number")
    assert script.stdout == ""


def test_doctor_on_a_fresh_folder_finds_nothing_wrong(tmp_path: Path) -> None:
    said = interlock("doctor", "--data", str(tmp_path / "new"), "--json")
    report = json.loads(said.stdout)
    assert (said.returncode, report["ok"]) == (0, True)
    by_name = {check["name"]: check for check in report["checks"]}
    assert by_name["supervisor"]["state"] == "warn"
    assert by_name["supervisor"]["fix"] == "interlock up"
    assert by_name["python"]["state"] == by_name["disk"]["state"] == by_name["clock"]["state"] == "ok"
    assert not (tmp_path / "new").exists()


def test_doctor_says_that_a_killed_supervisor_left_orphans(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    with foreign_process() as orphan:
        state = written(folder)
        api = record(folder, "api", pid=orphan.pid, started_at=psutil.Process(orphan.pid).create_time())
        write_state(folder.state, replace(state, processes=(state.processes[0], api)))
        found = finding(tmp_path, "supervisor")
        said = interlock("status", "--data", str(tmp_path), "--json")
    assert found["state"] == "fail"
    assert "api" in found["finding"]
    assert "interlock up takes them over" in found["fix"]
    assert said.returncode == 5
    processes = {one["name"]: one for one in json.loads(said.stdout)["processes"]}
    assert processes["api"]["state"] == "orphaned"
    assert processes["api"]["pid"] == orphan.pid
    assert processes["supervisor"]["state"] == "stopped"
    assert processes["supervisor"]["pid"] is None


def test_doctor_says_why_the_last_start_failed(tmp_path: Path) -> None:
    written(
        DataFolder(tmp_path),
        phase="failed",
        error={"detail": "Port 1 is taken.", "fix": "Choose another.", "exit_code": 2},
    )
    found = finding(tmp_path, "supervisor")
    assert (found["state"], found["fix"]) == ("fail", "Choose another.")
    assert "Port 1 is taken." in found["finding"]


def test_doctor_finds_open_secrets_and_the_last_error_in_a_log(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    written(folder)
    folder.admin_key.write_text("il_live_x_y\n")
    folder.admin_key.chmod(0o644)
    folder.log("api").write_text("all fine\nERROR the disk is full\nall fine again\n")
    assert finding(tmp_path, "admin key")["fix"] == f"chmod 600 {folder.admin_key}"
    assert finding(tmp_path, "log of api")["finding"] == "ERROR the disk is full"
    folder.admin_key.chmod(0o600)
    assert finding(tmp_path, "admin key")["state"] == "ok"


def test_the_command_line_does_not_load_the_product() -> None:
    heavy = ("psycopg", "fastapi", "cedarpy", "httpx", "obstore", "onnxruntime", "cv2")
    program = f"import sys, interlock.cli; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
