"""The supervisor of a small installation, as a program: real processes (`small_children.py`) without the product in them."""

from __future__ import annotations

import logging
import os
import sys
from functools import partial
from pathlib import Path

from interlock.domain.errors import ConfigurationError
from interlock.infra.data_folder import DataFolder
from interlock.infra.embedded_postgres import EmbeddedPostgres
from interlock.infra.ports import remembered_port
from interlock.infra.settings import PREFIX, load
from interlock.infra.supervised import ChildSpec, Ready, inherited_environ, ready_by_file, ready_by_http
from interlock.infra.supervisor import Plan, Supervisor, stop_on_signals

# What is out of the ordinary in this run: `stubborn`, `dying`, `rejected`, `misconfigured`; and `database` for an embedded PostgreSQL.
MODES = "TEST_INSTALLATION_MODES"
CHILDREN = str(Path(__file__).with_name("small_children.py"))


def supervise() -> int:
    logging.basicConfig(level=logging.INFO, stream=sys.stdout)
    modes = os.environ.get(MODES, "").split(",")
    settings = load()
    folder = DataFolder(settings.data_dir)

    def plan(owner_url: str | None) -> Plan:
        if "misconfigured" in modes:
            raise ConfigurationError("INTERLOCK_EXAMPLE is wrong.", fix="Set it right.")
        assert (owner_url is not None) == ("database" in modes)
        port = remembered_port(folder.ports, "api")
        url = f"http://127.0.0.1:{port}"
        kind = next((mode for mode in ("stubborn", "dying", "rejected") if mode in modes), "worker")
        return Plan(
            url=url,
            specs=[
                child("api", ["api", str(port)], ready_by_http(f"{url}/readyz")),
                child("worker", [kind, str(folder.ready("worker"))], ready_by_file(folder.ready("worker"))),
                child("relay", ["relay", str(folder.ready("relay"))], ready_by_file(folder.ready("relay"))),
            ],
        )

    supervisor = Supervisor(
        folder,
        database=partial(EmbeddedPostgres, folder.path) if "database" in modes else None,
        prepare=plan,
        shutdown_s=settings.shutdown_s,
        log_size_bytes_max=settings.log_size_bytes_max,
    )
    stop_on_signals(supervisor)
    return supervisor.run()


def child(name: str, arguments: list[str], ready: Ready) -> ChildSpec:
    environ = inherited_environ({}, without_prefix=PREFIX)
    return ChildSpec(name=name, argv=[sys.executable, "-S", CHILDREN, *arguments], environ=environ, ready=ready)


if __name__ == "__main__":
    sys.exit(supervise())
