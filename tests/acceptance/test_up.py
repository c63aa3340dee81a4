"""`interlock up` as a person and as a script use it: the real commands, the whole product."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from tests.acceptance.product import Product
from tests.acceptance.receipts import Receipt
from tests.eventually import eventually_sync
from tests.folders import make_reachable_folder

from interlock.governance import pack_verifier

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("product")]

NAMES = ["supervisor", "postgres", "api", "worker", "relay"]


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    """One data folder for the module: the tests are lives of one installation."""
    with make_reachable_folder() as folder:
        yield folder.resolve()


@pytest.fixture
def interlock(data: Path) -> Iterator[Product]:
    line = Product(data)
    yield line
    line.down()
    assert line.left_behind() == []


def get(url: str) -> int:
    with urllib.request.urlopen(url, timeout=10) as answer:
        status: int = answer.status
        return status


def test_detached_it_returns_when_ready_and_a_second_up_changes_nothing(interlock: Product) -> None:
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


def test_the_next_life_has_the_same_url_and_key(interlock: Product) -> None:
    first = interlock.json("up", "--detach")
    key = Path(first["key_file"]).read_text()
    interlock.json("down")
    interlock.json("status", code=5)
    second = interlock.json("up", "--detach")
    assert second["url"] == first["url"]
    assert Path(second["key_file"]).read_text() == key


def test_a_killed_supervisor_is_replaced_and_the_database_adopted(interlock: Product) -> None:
    interlock.json("up", "--detach")
    before = interlock.pids()
    assert interlock.kill("supervisor")
    eventually_sync(lambda: interlock.pid("supervisor") is None)
    orphaned = interlock.json("status", code=5)
    assert {one["state"] for one in orphaned["processes"]} == {"stopped", "orphaned"}
    interlock.json("up", "--detach")
    after = interlock.pids()
    assert after["postgres"] == before["postgres"]
    assert not {after[name] for name in ("supervisor", "api", "worker", "relay")} & set(before.values())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_in_the_foreground_a_signal_stops_all_of_it(interlock: Product, number: signal.Signals) -> None:
    with interlock.popen("up") as foreground:
        assert foreground.stdout is not None
        first = foreground.stdout.readline()  # the signal comes in the middle of what it says, which must not matter
        foreground.send_signal(number)
        foreground.communicate(timeout=60)
    assert foreground.returncode == 0
    assert "Interlock is ready" in first
    assert interlock.left_behind() == []


def test_in_the_foreground_a_killed_supervisor_is_an_error_with_the_fix(interlock: Product) -> None:
    with interlock.popen("up") as foreground:
        eventually_sync(interlock.runs, 60)
        assert interlock.kill("supervisor")
        _, err = foreground.communicate(timeout=60)
    assert foreground.returncode == 5
    assert "Run `interlock up` to take it over" in err


def test_open_tasks_go_on_in_the_next_life(interlock: Product, receipts: list[Receipt]) -> None:
    """A task that waits for a person when it all stops is answered in the next life, and ends."""
    interlock.up()
    submitted = ("task", "submit", "expenses", str(receipts[0].file), *receipts[0].claim(amount="999.99"), "--wait")
    task = interlock.json(*submitted)
    assert task["state"] == "waiting"
    interlock.down()
    interlock.refused("task", "show", task["id"], code=5)
    interlock.up()
    review_id = next(one["review_id"] for one in task["effects"] if one["kind"] == "review")
    interlock.json("review", "reject", review_id, "--reason", "not what is printed")
    ended = interlock.json("task", "wait", task["id"])
    assert (ended["state"], ended["output"]["decision"]) == ("succeeded", "rejected")
    assert interlock.json("audit", "rotate-key")["number"] == 1
    report = interlock.json("audit", "verify")
    assert report["witnessed"] >= 1
    assert any("The witness file is on this machine" in warning for warning in report["warnings"])
    status = interlock.json("status")
    assert status["witnesses"]["file"]["failures"] == 0
    folder = Path(status["data_dir"])
    pack = folder / "evidence.zip"
    interlock.json("audit", "export", "--task", task["id"], str(pack))
    key = interlock.json("audit", "keys")["items"][0]["verifier_key"]
    command = [sys.executable, "-I", pack_verifier.__file__, str(pack), "--key", key]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    made = [folder / "ledger.sqlite", folder / "audit" / "last-checkpoint", *(folder / "log").glob("*.log")]
    open_to_others = [str(file) for file in made if file.exists() and file.stat().st_mode & 0o077]
    assert open_to_others == []


def test_a_wrong_setting_is_named_and_nothing_starts(interlock: Product) -> None:
    said = interlock.refused("up", "--detach", code=2, environ={"INTERLOCK_LEASE_S": "soon"})
    assert "INTERLOCK_LEASE_S" in said
    said = interlock.refused("up", "--detach", code=2, environ={"INTERLOCK_LEESE_S": "10"})
    assert "Did you mean INTERLOCK_LEASE_S" in said
    assert interlock.left_behind() == []


def test_as_an_ordinary_user(as_ordinary_user: Callable[..., str]) -> None:
    """The same three commands by somebody who is not root, in a folder of their own."""
    folder = Path(tempfile.mkdtemp(prefix="interlock-t-"))
    os.chown(folder, 65534, 65534)
    command = [sys.executable, "-m", "interlock.cli"]
    try:
        try:
            started = json.loads(
                as_ordinary_user([*command, "up", "--detach", "--json", "--data", str(folder)], timeout_s=120)
            )
            assert get(started["url"] + "/readyz") == 200
            assert (folder / "admin.key").stat().st_mode & 0o777 == 0o600
            assert (folder / "admin.key").stat().st_uid == 65534
            assert {psutil.Process(one["pid"]).uids().real for one in started["processes"]} == {65534}
        finally:
            as_ordinary_user([*command, "down", "--data", str(folder)], timeout_s=60)
        assert Product(folder).left_behind() == []
    finally:
        shutil.rmtree(folder, ignore_errors=True)
