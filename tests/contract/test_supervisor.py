"""The supervisor keeps its processes running, stops them all, and takes over what a killed one left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from tests.contract.small_installation import MODES
from tests.eventually import eventually_sync
from tests.folders import foreign_process, make_reachable_folder

from interlock.domain.errors import ConfigurationError, Unavailable
from interlock.infra import launch
from interlock.infra.data_folder import DataFolder
from interlock.infra.launch import Started
from interlock.infra.orphans import marked
from interlock.infra.processes import ProcessIdentity, is_alive, working_in
from interlock.infra.run_state import ProcessRecord, RunState, read_state, write_state
from interlock.infra.settings import Settings

PROGRAM = Path(__file__).with_name("small_installation.py")
SHUTDOWN_S = 2.0
PROGRAMS = 7  # three children; worker and relay have two step processes each


class Installation:
    """A small installation in a folder, with the processes that tests started for it."""

    def __init__(self, folder: Path, *modes: str) -> None:
        self.folder = DataFolder(folder)
        self.modes = modes
        self.settings = Settings(data_dir=folder, shutdown_s=SHUTDOWN_S)
        self.supervisors: list[subprocess.Popen[bytes]] = []

    def up(self) -> Started:
        supervise = ["env", f"{MODES}={','.join(self.modes)}", sys.executable, str(PROGRAM), "supervise"]
        started = launch.start(self.settings, supervise=supervise)
        if started.supervisor is not None:
            self.supervisors.append(started.supervisor)
        return started

    def down(self) -> int:
        stopped = launch.stop(self.folder, shutdown_s=SHUTDOWN_S)
        for supervisor in self.supervisors:
            supervisor.wait(60)
        return stopped

    def state(self) -> RunState:
        state = read_state(self.folder.state)
        assert state is not None
        return state

    def process(self, name: str) -> ProcessRecord:
        return next(one for one in self.state().processes if one.name == name)

    def pids(self) -> dict[str, int]:
        return {one.name: one.pid for one in self.state().processes}

    def programs(self) -> list[ProcessIdentity]:
        """All that runs for it but supervisor and database: the children and their step processes."""
        return marked(self.folder)

    def assert_nothing_runs(self) -> None:
        assert self.programs() == []
        assert working_in(self.folder.path / "pgdata", "postgres") == []
        assert not self.state().supervisor.alive

    def wait_healthy(self) -> None:
        eventually_sync(lambda: self.state().healthy, message="everything runs")


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Installation]:
    """Without a database."""
    installation = Installation(tmp_path)
    yield installation
    installation.down()
    installation.assert_nothing_runs()


@pytest.fixture(scope="module")
def database_folder() -> Iterator[Path]:
    with make_reachable_folder() as folder:
        yield folder


@pytest.fixture
def whole(database_folder: Path) -> Iterator[Installation]:
    """With an embedded PostgreSQL, whose files the tests of this module share."""
    installation = Installation(database_folder, "database")
    yield installation
    installation.down()
    installation.assert_nothing_runs()


def kill(record: ProcessRecord) -> None:
    os.kill(record.pid, signal.SIGKILL)
    eventually_sync(lambda: not record.alive)


def test_up_runs_everything_and_down_leaves_nothing(whole: Installation) -> None:
    started = whole.up()
    assert not started.already_running
    assert list(whole.pids()) == ["supervisor", "postgres", "api", "worker", "relay"]
    assert whole.state().healthy
    assert len(whole.programs()) == PROGRAMS
    for one in whole.state().processes:
        assert Path(one.log).exists()
    assert whole.down() == 5
    whole.assert_nothing_runs()
    assert whole.state().phase == "stopped"
    assert whole.down() == 0


def test_a_second_up_has_the_same_url(plain: Installation) -> None:
    url = plain.up().state.url
    plain.down()
    assert plain.up().state.url == url


def test_a_second_up_on_a_running_folder_changes_nothing(plain: Installation) -> None:
    first = plain.up()
    before, pids = plain.folder.state.read_bytes(), plain.pids()
    second = plain.up()
    assert second.already_running
    assert second.state.url == first.state.url
    assert plain.folder.state.read_bytes() == before
    assert all(one.alive for one in plain.state().processes)
    assert plain.pids() == pids


def test_of_two_that_start_at_once_one_supervisor_stays(plain: Installation) -> None:
    environ = {**os.environ, **plain.settings.to_environ()}
    plain.folder.prepare()
    racing = [subprocess.Popen([sys.executable, PROGRAM, "supervise"], env=environ) for _ in range(3)]
    eventually_sync(lambda: sum(one.poll() is None for one in racing) == 1)
    plain.supervisors.extend(racing)
    assert sorted(one.poll() or 0 for one in racing) == [0, 75, 75]
    plain.wait_healthy()
    assert plain.up().already_running


def test_a_killed_child_comes_back_and_its_step_processes_are_gone(plain: Installation) -> None:
    plain.up()
    worker = plain.process("worker")
    steps = psutil.Process(worker.pid).children()
    assert len(steps) == 2
    others = {name: pid for name, pid in plain.pids().items() if name != "worker"}
    kill(worker)
    eventually_sync(lambda: plain.process("worker").restarts == 1 and plain.state().healthy)
    assert plain.process("worker").pid != worker.pid
    assert {name: pid for name, pid in plain.pids().items() if name != "worker"} == others
    eventually_sync(lambda: not any(step.is_running() for step in steps))


def test_a_killed_database_comes_back_on_its_port(whole: Installation) -> None:
    whole.up()
    before = whole.pids()
    port = json.loads(whole.folder.ports.read_text())["postgres"]
    kill(whole.process("postgres"))
    eventually_sync(lambda: whole.process("postgres").restarts == 1 and whole.state().healthy)
    assert json.loads(whole.folder.ports.read_text())["postgres"] == port
    after = whole.pids()
    assert after.pop("postgres") != before.pop("postgres")
    assert after == before


def test_after_a_killed_supervisor_up_ends_the_orphans_and_adopts_the_database(whole: Installation) -> None:
    whole.up()
    before = whole.state()
    programs = whole.programs()
    kill(before.supervisor)
    assert all(one.alive for one in before.processes[1:])  # orphans go on working
    assert not whole.state().supervisor.alive
    assert not whole.up().already_running
    assert [one for one in programs if is_alive(one)] == []
    assert len(whole.programs()) == PROGRAMS
    pids = whole.pids()
    assert pids["postgres"] == before.processes[1].pid
    assert not {pids["api"], pids["worker"], pids["relay"]} & {one.pid for one in before.processes}
    kill(whole.process("postgres"))  # an adopted one is looked after too
    eventually_sync(lambda: whole.process("postgres").restarts == 1 and whole.state().healthy)


def test_orphans_that_were_never_written_down_are_found(plain: Installation) -> None:
    plain.up()
    programs = plain.programs()
    state = plain.state()
    kill(state.supervisor)
    write_state(plain.folder.state, replace(state, processes=state.processes[:1]))
    plain.up()
    assert [one for one in programs if is_alive(one)] == []


def test_orphans_whose_environment_cannot_be_read_are_found(plain: Installation) -> None:
    plain.up()
    kill(plain.state().supervisor)
    with foreign_process() as unmarked:
        started_at = psutil.Process(unmarked.pid).create_time()
        state = plain.state()
        relay = replace(state.processes[-1], pid=unmarked.pid, started_at=started_at)
        write_state(plain.folder.state, replace(state, processes=(*state.processes[:-1], relay)))
        plain.up()
        assert unmarked.poll() is not None


def test_down_works_without_a_supervisor(whole: Installation) -> None:
    whole.up()
    kill(whole.state().supervisor)
    assert whole.down() >= 4
    whole.assert_nothing_runs()


def test_a_process_that_has_got_an_old_number_is_left_alone(plain: Installation) -> None:
    plain.up()
    kill(plain.state().supervisor)
    with foreign_process() as stranger:
        state = plain.state()
        stolen = tuple(replace(one, pid=stranger.pid) if one.name == "relay" else one for one in state.processes)
        stale = tuple(replace(one, started_at=one.started_at - 3600) for one in stolen)
        write_state(plain.folder.state, replace(state, processes=stale))
        plain.up()
        assert stranger.poll() is None
        plain.down()
        assert stranger.poll() is None


def test_a_child_that_ignores_the_signal_is_killed_with_its_step_processes(tmp_path: Path) -> None:
    stubborn = Installation(tmp_path, "stubborn")
    stubborn.up()
    assert len(stubborn.programs()) == PROGRAMS
    stubborn.down()
    stubborn.assert_nothing_runs()


def test_a_child_that_cannot_run_fails_the_start_with_its_last_words(tmp_path: Path) -> None:
    dying = Installation(tmp_path, "dying")
    with pytest.raises(Unavailable, match=r"worker ends again and again.*no such model: canary"):
        dying.up()
    dying.assert_nothing_runs()
    assert dying.state().phase == "failed"
    working = Installation(tmp_path)
    working.up()
    working.down()
    working.assert_nothing_runs()


def test_a_configuration_error_comes_back_as_what_it_is(tmp_path: Path) -> None:
    wrong = Installation(tmp_path, "misconfigured")
    with pytest.raises(ConfigurationError, match=r"INTERLOCK_EXAMPLE is wrong\. Set it right\."):
        wrong.up()
    wrong.assert_nothing_runs()


def test_a_child_that_says_that_its_configuration_is_wrong_is_not_started_again(tmp_path: Path) -> None:
    rejected = Installation(tmp_path, "rejected")
    rejected.folder.prepare()
    rejected.folder.log("worker").write_text("what another start said\n")
    said = r"worker cannot start: greet/automation\.py:3: .* Use task\.sleep\.\n Change these lines\."
    with pytest.raises(ConfigurationError, match=said):
        rejected.up()
    rejected.assert_nothing_runs()
    assert [one.restarts for one in rejected.state().processes if one.name == "worker"] == [0]


def test_a_large_log_is_set_aside(plain: Installation) -> None:
    plain.folder.prepare()
    log = plain.folder.log("api")
    log.write_bytes(b"x" * (plain.settings.log_size_bytes_max + 1))
    plain.up()
    assert log.stat().st_size < 10_000
    assert log.with_name("api.log.1").stat().st_size > plain.settings.log_size_bytes_max


def test_an_ordinary_user_can_run_it(as_ordinary_user: Callable[..., str], reachable_folder: Path) -> None:
    data = reachable_folder / "data"
    shutil.chown(reachable_folder, 65534, 65534)
    program = (
        "import os, sys; from pathlib import Path; from tests.contract.test_supervisor import Installation\n"
        "installation = Installation(Path(sys.argv[1]), 'database')\n"
        "installation.up(); assert installation.state().healthy; installation.down()\n"
        "installation.assert_nothing_runs()\n"
        "print(os.getuid(), oct(Path(sys.argv[1]).stat().st_mode & 0o777))\n"
    )
    repository = Path(__file__).parents[2]
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(repository)!r})\n{program}", str(data)]
    assert as_ordinary_user(command, timeout_s=150).split() == ["65534", "0o700"]
