"""The secrets file: private, stable, and safe when several processes ask at once."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from interlock.domain.errors import ConfigurationError
from interlock.infra.secrets_file import SecretsFile


def test_a_secret_is_made_once_and_kept_private(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    first = SecretsFile(path).get_or_create("database")
    assert len(first) >= 32
    assert SecretsFile(path).get_or_create("database") == first
    assert SecretsFile(path).get_or_create("other") != first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_processes_that_ask_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    program = (
        "import sys; from pathlib import Path; from interlock.infra.secrets_file import SecretsFile\n"
        "file = SecretsFile(Path(sys.argv[1])); sys.stdin.readline()\n"
        "made = [file.get_or_create(f'{sys.argv[2]}-{n}') for n in range(40)]\n"
        "print(file.get_or_create('shared'))"
    )
    racing = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(path), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    for one in racing:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    shared = {one.communicate(timeout=60)[0].strip() for one in racing}
    assert len(shared) == 1
    known = json.loads(path.read_text())
    assert len(known) == 3 * 40 + 1
    assert known["shared"] in shared


def test_a_torn_file_is_an_error_and_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    path.write_text('{"database": "se')
    with pytest.raises(ConfigurationError, match=r"secrets\.json cannot be read"):
        SecretsFile(path).get_or_create("database")
    assert path.read_text() == '{"database": "se'
