"""Each group of commands prints what a hostile submitter could have put there, and the terminal obeys none of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.unit.test_cli_output import HOSTILE, harmless
from typer.testing import CliRunner

from interlock.cli import app, audit, lifecycle
from interlock.governance.findings import Finding, Report

Capture = pytest.CaptureFixture[str]


def task_of(text: str) -> dict[str, Any]:
    effect = {"name": text, "kind": "review", "status": "pending", "by": text, "review_id": text}
    return {
        "id": text, "automation": text, "version": text, "state": "waiting", "correlation_id": text, "output": {text: text},
        "error": {"message": text}, "effects": [effect], "accepted_at": text,
    }  # fmt: skip


def review_of(text: str) -> dict[str, Any]:
    return {
        "id": text, "task_id": text, "role": text, "assignee": text, "state": "open", "deadline": None,
        "request": {"title": text, "reasons": [text], "values": {"merchant": text}}, "answer": {"reason": text},
        "values": {"merchant": text}, "approvals_needed": 2, "approvals": [{"by": text, "counts": True}], "revision": 0,
    }  # fmt: skip


def log_line_of(text: str) -> dict[str, Any]:
    return {
        "at": text, "effect_id": text, "generation": 1, "attempt": 1, "stream": text, "level": text, "logger": text, "text": text,
        "cut_chars": 1,
    }  # fmt: skip


def answers(text: str) -> dict[str, Any]:
    key = {"id": text, "name": text, "user": text, "roles": [text], "expires_at": None, "revoked_at": None, "key": text,
        "scope": {"actions": None, "automations": None}, "last_used_at": None, "old_secret_until": text}  # fmt: skip
    account = {
        "id": text, "name": text, "roles": [text], "approval_limit": text, "signs_in_by": [text], "disabled_at": text, "created_by": text,
    }  # fmt: skip
    tenant = {"tenant": text, "name": text, "created_at": text, "key": text}
    automation = {"name": text, "version": text, "owner": text, "goal": text}
    return {
        "GET /v1/keys": {"items": [key]},
        "POST /v1/keys": key,
        "POST /v1/keys/k:rotate": key,
        "GET /v1/users": {"items": [account]},
        "GET /v1/services": {"items": [account]},
        "GET /v1/tenants": {"items": [tenant], "next_after": None},
        "POST /v1/tenants": tenant,
        "GET /v1/automations": {"items": [automation]},
        "GET /v1/automations/a": automation,
        "GET /v1/reviews": {"items": [review_of(text)], "next_cursor": text},
        "GET /v1/reviews/r": review_of(text),
        "GET /v1/tasks": {"items": [task_of(text)], "next_cursor": text},
        "POST /v1/documents": {"id": "doc_1"},
        "POST /v1/tasks": {"id": "running"},
        "GET /v1/tasks/running": task_of(text) | {"state": "running", "effects": []},
        "GET /v1/tasks/t": task_of(text),
        "GET /v1/tasks/t/timeline": {"effects": task_of(text)["effects"]},
        "GET /v1/tasks/t/logs": {"items": [log_line_of(text)], "next_cursor": None},
    }


class Hostile(BaseHTTPRequestHandler):
    """Stands for an API whose data somebody chose with care."""

    text = ""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        known = answers(self.text)
        found = known.get(f"{self.command} {self.path.partition('?')[0]}")
        body = json.dumps({"title": self.text, "detail": self.text} if found is None else found).encode()
        self.send_response(404 if found is None else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_DELETE = do_GET

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture(params=HOSTILE)
def text(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(text: str) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Hostile,), {"text": text}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


COMMANDS = (
    "key list",
    "key create n --user user:u --role r",
    "key rotate k",
    "user list",
    "service list",
    "tenant list",
    "tenant create n",
    "automation list",
    "automation show a",
    "review list",
    "review show r",
    "task list",
    "task show t",
    "task wait t",
    "task timeline t",
    "task logs t",
)


def test_no_group_of_commands_lets_data_be_obeyed(text: str, url: str) -> None:
    runner = CliRunner(env={"INTERLOCK_API_URL": url, "INTERLOCK_API_KEY": "k"})
    for command in COMMANDS:
        said = runner.invoke(app, command.split())
        assert said.exception is None, command
        assert harmless(said.stdout), command
        if text.isprintable():
            assert re.sub(r"\s", "", text) in re.sub(r"\s", "", said.stdout), command
        assert harmless(runner.invoke(app, [*command.split(), "--json"]).stdout), command


def test_what_the_machine_says_of_itself_is_data_too(text: str, capsys: Capture) -> None:
    found = Finding(what="w", where=text, expected=text, found=text)
    report = Report(
        ok=False, root="00", records=1, pending=0, checkpoints=1, tasks=1, effects=1, reviews=1, documents=1, witnessed=0, erased=0,
        warnings=(text,), findings=(found,), findings_total=1, duration_s=0.1,
    )  # fmt: skip
    audit._print(report, text, 20)
    seen = {"processes": [{"name": "supervisor", "pid": 1}], "url": text, "key_file": text, "data_dir": text}
    lifecycle._say_how_to_go_on(seen, already=False, detached=True)
    assert harmless(capsys.readouterr().out)


def test_a_message_of_the_check_keeps_its_brackets(tmp_path: Path) -> None:
    (tmp_path / "automation.py").write_text("import os\n\nasync def run(task, given):\n    return os.environ['A']\n")
    said = CliRunner().invoke(app, ["automation", "check", str(tmp_path)])
    assert said.exit_code == 2
    assert "[config]" in said.stdout


@pytest.mark.parametrize("text", ["plain"])
@pytest.mark.parametrize(
    ("arguments", "environ", "code"),
    [
        (["task", "submit", "a", "--idempotency-key", "clé-1"], {}, 2),
        (["task", "submit", "a", "--idempotency-key", ""], {}, 2),
        (["task", "submit", "a", "--idempotency-key", " a"], {}, 2),
        (["task", "list"], {"INTERLOCK_API_KEY": "clé"}, 2),
        (["task", "show", "../keys"], {}, 3),
        (["task", "show", "t?x=1"], {}, 3),
        (["task", "show", ".."], {}, 2),
        (["task", "submit", "a", "--set", "x=a\udce9"], {}, 2),
        (["review", "show", "a\udce9"], {}, 3),
        (["key", "revoke", "../tasks/t:cancel"], {}, 3),
        (["task", "submit", "a", "--input", "@latin1.json"], {}, 2),
        (["automation", "check", "."], {}, 2),
    ],
)
def test_odd_arguments_are_told_without_a_trace(
    text: str, url: str, arguments: list[str], environ: dict[str, str], code: int, tmp_path: Path
) -> None:
    (tmp_path / "latin1.json").write_bytes(b'{"name": "caf\xe9"}')
    (tmp_path / "automation.py").write_bytes(b"# caf\xe9\n")
    said = interlock(tmp_path, url, arguments, environ)
    assert said.returncode == code, said.stderr
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize("text", ["plain"])
def test_a_file_with_a_name_that_is_not_utf8_is_uploaded(text: str, url: str, tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.png")).write_bytes(b"x")
    said = interlock(tmp_path, url, ["task", "submit", "a", os.fsdecode(b"caf\xe9.png")], {})
    assert (said.returncode, "Traceback" in said.stderr) == (0, False), said.stderr


@pytest.mark.parametrize("text", ["plain"])
def test_waiting_too_short_exits_with_5_and_says_that_the_task_goes_on(text: str, url: str, tmp_path: Path) -> None:
    for command in (["task", "wait", "running"], ["task", "submit", "slow", "--wait"]):
        said = interlock(tmp_path, url, [*command, "--timeout", "0"], {})
        assert said.returncode == 5, said.stderr
        assert "The task goes on: interlock task wait running" in said.stderr
    assert interlock(tmp_path, url, ["task", "submit", "slow"], {}).returncode == 0


def interlock(
    folder: Path, url: str, arguments: list[str], environ: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("INTERLOCK_")}
    own = {"INTERLOCK_API_URL": url, "INTERLOCK_API_KEY": "k", "NO_COLOR": "1", "COLUMNS": "200", **environ}
    command = [sys.executable, "-m", "interlock.cli", *arguments]
    return subprocess.run(
        command, cwd=folder, env={**clean, **own}, capture_output=True, text=True, timeout=60, check=False
    )
