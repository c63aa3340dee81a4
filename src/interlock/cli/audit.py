"""`interlock audit …`: check that the record was never changed, and sign it with another key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import typer
from rich.text import Text

from interlock.app import DEFAULT_TENANT, audit_log, witnesses
from interlock.cli import evidence
from interlock.cli.options import Data, Json, settings_for
from interlock.cli.output import MARKS, bold, print_json, print_table, say
from interlock.data.objects import Objects
from interlock.domain.errors import Unavailable
from interlock.governance.audit import SubjectKeys
from interlock.governance.audit_keys import KeyRing
from interlock.governance.checkpoints import verifier_key
from interlock.governance.findings import Report
from interlock.governance.verify import verify as check
from interlock.infra.clock import Clock
from interlock.infra.data_folder import DataFolder
from interlock.infra.database import Database, DatabaseUrls, urls
from interlock.infra.embedded_postgres import EmbeddedPostgres
from interlock.infra.http import GuardedClient
from interlock.infra.keys import AUDIT_KEY_NAME, Keys
from interlock.infra.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The audit log: verify, read, prove, export.")
evidence.register(app)
EXIT_BROKEN = 1


@app.command(epilog="Example: interlock audit verify --json")
def verify(
    data: Data = None,
    as_json: Json = False,
    findings: Annotated[int, typer.Option(min=1, max=100, help="How many findings to print.")] = 20,
) -> None:
    """Check every record, row and signature of the live store. Exits with 0 only when all of it holds."""
    settings = settings_for(data)
    report = asyncio.run(_verify(settings))
    key = verifier_key(AUDIT_KEY_NAME, Keys.of(settings).audit_key.public_key())
    if as_json:
        print_json({**report.as_json(), "verifier_key": key})
    else:
        _print(report, key, findings)
    if not report.ok:
        raise typer.Exit(EXIT_BROKEN)


@app.command("rotate-key", epilog="Example: interlock audit rotate-key")
def rotate_key(data: Data = None, as_json: Json = False) -> None:
    """Replace the key that signs checkpoints: the old one introduces the new one, and its private half is deleted."""
    settings = settings_for(data)
    ring = asyncio.run(_rotate(settings))
    key = ring.current
    if as_json:
        print_json({"number": key.number, "verifier_key": ring.verifier(key), "from_size": key.from_size})
        return
    say(bold(f"Signing key {key.number}"), f" signs checkpoints over {key.from_size} records.")
    say("  key          ", ring.verifier(key))
    say("  before it    ", ring.verifier(ring.keys[-2]))
    if key.number == 1:
        say("The first key follows from the master key: nothing that it signs from now on is accepted.")


async def _rotate(settings: Settings) -> KeyRing:
    async with _opened(database_urls(settings).relay, "interlock-audit-relay") as relay:
        return await audit_log(settings, relay).rotate_key(tenant=DEFAULT_TENANT, at=Clock().now())


async def _verify(settings: Settings) -> Report:
    found = database_urls(settings)
    keys = Keys.of(settings)
    client = GuardedClient(settings.outgoing_allow, settings.outgoing_timeout_s, settings.outgoing_response_bytes_max)
    async with (
        _opened(found.app, "interlock-audit") as app_database,
        _opened(found.relay, "interlock-audit-relay") as relay_database,
        client,
    ):
        return await check(
            app_database,
            relay_database,
            audit_log(settings, relay_database),
            SubjectKeys(keys.subjects),
            keys.audit_key.public_key(),
            digest=Objects(settings.objects_url).sha256,
            witnesses=witnesses(settings, client),
        )


@asynccontextmanager
async def _opened(url: str, name: str) -> AsyncIterator[Database]:
    database = Database(url, size=2, wait_s=5, statement_timeout_s=3600, name=name)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


def database_urls(settings: Settings) -> DatabaseUrls:
    """Give the database's URLs as an operator of this data folder; raises Unavailable where the embedded server is down."""
    if settings.database_url is not None:
        return urls(settings, settings.database_url)
    if settings.database_app_url is not None and settings.database_relay_url is not None:
        return DatabaseUrls(owner="", app=settings.database_app_url, relay=settings.database_relay_url)
    folder = DataFolder(settings.data_dir)
    if not (folder.path / "pgdata").is_dir():
        raise Unavailable(
            f"There is no installation in {settings.data_dir}.",
            fix="Name its folder with --data, or start with `interlock up`.",
        )
    server = EmbeddedPostgres(folder.path)
    if server.adopt() is None:
        raise Unavailable(f"The database of {settings.data_dir} does not run.", fix="Start it with `interlock up`.")
    return urls(settings, server.owner_url)


def _print(report: Report, key: str, shown: int) -> None:
    word = Text("verified", "bold green") if report.ok else Text("BROKEN", "bold red")
    say(bold("Audit log "), word, f" in {report.duration_s:g} s")
    say(f"  records      {report.records} ({report.pending} written meanwhile)")
    say(
        f"  covering     {report.tasks} tasks, {report.effects} effects, {report.reviews} reviews,"
        f" {report.documents} documents; {report.erased} erased"
    )
    say(
        f"  checkpoints  {report.checkpoints}, each signature holds"
        if report.ok
        else f"  checkpoints  {report.checkpoints}"
    )
    say(f"  witnessed    {report.witnessed} checkpoints")
    say("  root         ", report.root)
    say("  key          ", key)
    if not report.ok:
        rows = [(f.what, f.where, f.expected, f.found) for f in report.findings[:shown]]
        say(f"  {report.findings_total} things do not hold:")
        print_table(("should hold", "where", "expected", "found"), rows)
    for warning in report.warnings:
        say(MARKS["warn"], " ", warning)
