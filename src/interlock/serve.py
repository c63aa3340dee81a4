"""Run one role in this process: `python -m interlock.serve api|worker|relay`, settings from the environment."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable

import structlog
import uvloop

from interlock.app import Worker, app_url, bootstrap, build_relay, opened
from interlock.boundary.perform import no_fault
from interlock.domain.errors import ConfigurationError, InterlockError
from interlock.infra import garbage
from interlock.infra.data_folder import DataFolder
from interlock.infra.database import Database
from interlock.infra.faults import Faults
from interlock.infra.roles import API, RELAY, ROLES, WORKER
from interlock.infra.settings import Settings, load
from interlock.observability import logs
from interlock.orchestration.overseer import overseen

log = structlog.get_logger("interlock.serve")


async def serve_worker(settings: Settings, ready: Callable[[], Awaitable[None]]) -> None:
    """Run the worker role until cancelled."""
    async with opened(settings, name="interlock-worker") as app:
        await app.database.check_role()
        worker = Worker(app, fault=Faults(DataFolder(settings.data_dir).run) if settings.faults else no_fault)
        try:
            await worker.steps.warm()

            async def begin() -> None:
                await worker.wake_blocked()
                garbage.settle()
                await ready()

            with overseen(settings.lease_s / 2):
                await worker.engine.run(begin)
        finally:
            await worker.close()


async def serve_relay(settings: Settings, ready: Callable[[], Awaitable[None]]) -> None:
    """Run the relay role until cancelled."""
    if settings.database_relay_url is None:
        raise ConfigurationError(
            "There is no database for the relay.", fix="Set INTERLOCK_DATABASE_RELAY_URL, or use `interlock up`."
        )
    relay_database = Database(
        settings.database_relay_url,
        size=4,
        wait_s=settings.database_wait_s,
        statement_timeout_s=settings.statement_timeout_s,
        answer_s=settings.database_answer_s,
        name="interlock-relay",
    )
    await relay_database.open()
    try:
        async with opened(settings, name="interlock-relay-app") as app:
            await build_relay(app, relay_database).run(ready)
    finally:
        await relay_database.close()


async def serve_api_role(settings: Settings) -> None:
    """Make the first tenant and key where they are missing, then answer requests until a signal."""
    # Half of what this process imports, and of no use to the other roles.
    from interlock.api.server import serve_api  # noqa: PLC0415

    await bootstrap(settings)
    await serve_api(settings)


async def _run(role: str, settings: Settings) -> None:
    marker = DataFolder(settings.data_dir).ready(role)

    async def ready() -> None:
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.write_text(f"{os.getpid()}\n")
        log.info("ready", role=role)

    runs = {
        API: lambda: serve_api_role(settings),
        WORKER: lambda: serve_worker(settings, ready),
        RELAY: lambda: serve_relay(settings, ready),
    }
    main = asyncio.ensure_future(runs[role]())
    loop = asyncio.get_running_loop()
    if role != API:  # the HTTP server takes the signals itself, to finish what it answers
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, main.cancel)
    try:
        await main
    except asyncio.CancelledError:
        log.info("stopped", role=role)


def main() -> int:
    """Run until a signal; gives the exit code."""
    if len(sys.argv) != 2 or sys.argv[1] not in ROLES:
        sys.stderr.write(f"usage: python -m interlock.serve {'|'.join(ROLES)}\n")
        return 2
    os.umask(0o077)  # what steps make, such as a ledger, is this user's alone
    try:
        settings = load()
        logs.configure(level=settings.log_level, as_json=settings.log_json)
        app_url(settings)
        uvloop.run(_run(sys.argv[1], settings))
    except InterlockError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
