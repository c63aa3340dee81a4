"""The supervisor's own program: `python -m interlock.infra.supervise`, settings from the environment.

`interlock up` starts it; nobody else needs to.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from functools import partial

from interlock.domain.errors import ConfigurationError, InterlockError
from interlock.infra.data_folder import DataFolder
from interlock.infra.database import DatabaseUrls, prepare
from interlock.infra.embedded_postgres import EmbeddedPostgres
from interlock.infra.ports import remembered_port
from interlock.infra.roles import API, RELAY, ROLES, serve_argv
from interlock.infra.settings import PREFIX, Settings, load
from interlock.infra.supervised import ChildSpec, Ready, inherited_environ, ready_by_file, ready_by_http
from interlock.infra.supervisor import Plan, Supervisor, stop_on_signals

ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - compared, not bound


def prepare_and_plan(settings: Settings, folder: DataFolder, owner_url: str | None) -> Plan:
    """Prepare the database and say what to run. Children get their own role's URL and never the owner's."""
    url = settings.database_url or owner_url
    if url is None:
        raise ConfigurationError("There is no database.", fix="Set INTERLOCK_DATABASE_URL.")
    database = asyncio.run(prepare(settings, url))
    port = remembered_port(folder.ports, API, wanted=settings.port, host=settings.host)
    host = ANY_ADDRESS.get(settings.host, settings.host)
    base = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    specs = []
    for role in ROLES:
        ready: Ready = ready_by_http(f"{base}/readyz") if role == API else ready_by_file(folder.ready(role))
        own = _for_role(settings, database, role, port)
        environ = inherited_environ(own.to_environ(), without_prefix=PREFIX)
        specs.append(ChildSpec(name=role, argv=serve_argv(role), environ=environ, ready=ready))
    return Plan(url=base, specs=specs)


def _for_role(settings: Settings, database: DatabaseUrls, role: str, port: int) -> Settings:
    urls = {
        "database_url": None,
        "database_app_url": database.app,
        "database_relay_url": database.relay if role == RELAY else None,
    }
    if settings.audit_witness_file == "auto" and settings.database_url is None:
        urls["audit_witness_file"] = "state"  # a child sees URLs only, and could not tell that the database is embedded
    return settings.model_copy(update={**urls, "port": port, "api_key": None})


def main() -> int:
    """Run the supervisor until it is asked to stop; gives its exit code."""
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stdout,
        format="%(asctime)sZ %(levelname)s %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
    )
    try:
        settings = load()
        folder = DataFolder(settings.data_dir)
        folder.prepare()
        # After it, since the folders above must stay reachable for the server's user. Whatever a child makes is its user's alone.
        os.umask(0o077)
    except InterlockError as error:
        sys.stdout.write(f"{error}\n")
        return error.exit_code
    supervisor = Supervisor(
        folder,
        database=None if settings.database_url else partial(EmbeddedPostgres, folder.path, port=settings.postgres_port),
        prepare=partial(prepare_and_plan, settings, folder),
        shutdown_s=settings.shutdown_s,
        log_size_bytes_max=settings.log_size_bytes_max,
    )
    stop_on_signals(supervisor)
    return supervisor.run()


if __name__ == "__main__":
    sys.exit(main())
