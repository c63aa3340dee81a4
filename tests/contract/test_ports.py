"""Ports of servers, and what is said of one that is taken."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from interlock.domain.errors import ConfigurationError
from interlock.infra.ports import remembered_port
from interlock.infra.settings import PREFIX, Settings


@pytest.mark.parametrize("name", ["api", "postgres"])
def test_a_port_that_is_taken_is_told_with_the_setting_that_chooses_another(name: str, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"Port {port} on 127.0.0.1 for {name} is taken") as told:
            remembered_port(tmp_path / "ports.json", name, wanted=port)
    words = (told.value.fix or "").replace(";", " ").split()
    named = [word.removeprefix(PREFIX).lower() for word in words if word.startswith(PREFIX)]
    assert named
    assert set(named) <= set(Settings.model_fields)
