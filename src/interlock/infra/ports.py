"""Free ports, chosen once and remembered, so that a second start has the same addresses."""

from __future__ import annotations

import json
import random
import socket
from pathlib import Path

from interlock.domain.errors import ConfigurationError

# Below Linux's range for outgoing connections (32768 and up), where a remembered port is often taken by a passing client.
FIRST_PORT, LAST_PORT = 15_000, 32_000
TRIES = 200
SETTINGS = {"api": "INTERLOCK_PORT", "postgres": "INTERLOCK_POSTGRES_PORT"}


def remembered_port(file: Path, name: str, *, wanted: int = 0, host: str = "127.0.0.1") -> int:
    """Give the port of a server (`api`, `postgres`): `wanted` if not 0, else the one remembered in `file` if free, else a free one.

    Raises:
        ConfigurationError: the wanted port is taken, or the host is not an address of this machine.
    """
    if wanted:
        if not is_free(host, wanted):
            raise ConfigurationError(
                f"Port {wanted} on {host} for {name} is taken.",
                fix=f"Stop what listens there, or choose another with {SETTINGS[name]}; 0 takes a free one.",
            )
        return wanted
    known = _read(file)
    port = known.get(name)
    if port is None or not is_free(host, port):
        port = _free_port(host)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({**known, name: port}) + "\n")
    return port


def is_free(host: str, port: int) -> bool:
    """Say whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _free_port(host: str) -> int:
    choice = random.SystemRandom()
    for _ in range(TRIES):
        port = choice.randrange(FIRST_PORT, LAST_PORT)
        if is_free(host, port):
            return port
    raise ConfigurationError(
        f"No free port was found on {host}.",
        fix="Check that INTERLOCK_HOST is an address of this machine, or name a port with INTERLOCK_PORT.",
    )


def _read(file: Path) -> dict[str, int]:
    try:
        known = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}  # a lost or torn file costs only the memory of which port it was
    if not isinstance(known, dict):
        return {}
    return {name: port for name, port in known.items() if isinstance(port, int) and 0 < port < 65_536}
