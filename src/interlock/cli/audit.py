"""`interlock audit …`: check that the record was never changed."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from rich.text import Text

from interlock.cli.options import Data, Json, settings_for
from interlock.cli.output import bold, print_json, print_table, say
from interlock.data.objects import Objects
from interlock.domain.errors import Unavailable
from interlock.governance.audit import SubjectKeys
from interlock.governance.audit_log import AuditLog
from interlock.governance.checkpoints import verifier_key
from interlock.governance.findings import Report
from interlock.governance.kept_checkpoint import KeptCheckpoint
from interlock.governance.verify import verify as check
from interlock.infra.data_folder import DataFolder
from interlock.infra.database import Database, DatabaseUrls, urls
from interlock.infra.embedded_postgres import EmbeddedPostgres
from interlock.infra.keys import AUDIT_KEY_NAME, Keys
from interlock.infra.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The audit log: verify it.")
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


async def _verify(settings: Settings) -> Report:
    found = database_urls(settings)
    keys = Keys.of(settings)
    app_database = Database(found.app, size=2, wait_s=5, statement_timeout_s=3600, name="interlock-audit")
    relay_database = Database(found.relay, size=2, wait_s=5, statement_timeout_s=3600, name="interlock-audit-relay")
    await app_database.open()
    await relay_database.open()
    try:
        private = keys.audit_key
        path = DataFolder(settings.data_dir).kept_checkpoint
        kept = KeptCheckpoint(path, key_name=AUDIT_KEY_NAME, public_key=private.public_key())
        log = AuditLog(
            relay_database, origin=keys.audit_origin, key_name=AUDIT_KEY_NAME, private_key=private, kept=kept
        )
        digest = Objects(settings.objects_url).sha256
        return await check(
            app_database, relay_database, log, SubjectKeys(keys.subjects), private.public_key(), digest=digest
        )
    finally:
        await relay_database.close()
        await app_database.close()


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
    say("  root         ", report.root)
    say("  key          ", key)
    if not report.ok:
        rows = [(f.what, f.where, f.expected, f.found) for f in report.findings[:shown]]
        say(f"  {report.findings_total} things do not hold:")
        print_table(("should hold", "where", "expected", "found"), rows)
