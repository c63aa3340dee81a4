"""`interlock audit records|checkpoints|keys|prove|export|verifier`: what an auditor asks of the log, by the public API."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Annotated, Any

import typer

from interlock.cli.client import Client
from interlock.cli.options import Data, Json, settings_for
from interlock.cli.output import bold, print_json, print_table, say
from interlock.domain.errors import InvalidInput
from interlock.governance import evidence

Correlation = Annotated[str | None, typer.Option("--correlation", help="Only of this correlation ID.")]
Automation = Annotated[str | None, typer.Option("--automation", help="Only of tasks of this automation.")]
Person = Annotated[
    str | None, typer.Option("--person", help="Only what names this person in the tables, such as user:mei.")
]
Task = Annotated[str | None, typer.Option("--task", help="Only of this task.")]
Kind = Annotated[str | None, typer.Option("--kind", help="Only this kind, such as review.answered.")]
Since = Annotated[str | None, typer.Option("--from", help="From this time on, as 2026-03-01T00:00:00Z.")]
Until = Annotated[str | None, typer.Option("--to", help="Before this time.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="How many to print.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the group."""
    app.command(epilog="Example: interlock audit records --task TASK --kind effect")(records)
    app.command(epilog="Example: interlock audit checkpoints --limit 5")(checkpoints)
    app.command(epilog="Example: interlock audit keys --json")(keys)
    app.command(epilog="Example: interlock audit prove 17")(prove)
    app.command(epilog="Example: interlock audit export --automation expenses evidence.zip")(export)
    app.command(epilog="Example: interlock audit verifier verify.py")(verifier)


def records(
    task: Task = None,
    correlation: Correlation = None,
    automation: Automation = None,
    person: Person = None,
    kind: Kind = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List records with a position, oldest first."""
    filters = _filters(task, correlation, automation, person, since, until)
    with Client(settings_for(data)) as client:
        found = _pages(client, "/v1/audit/records", limit, kind=kind, **filters)
    if as_json:
        print_json({"items": found})
        return
    rows = [(one["position"], one["facts"].get("at"), one["facts"].get("kind"), one["task_id"]) for one in found]
    print_table(("position", "at", "kind", "task"), rows)


def checkpoints(limit: Limit = 20, data: Data = None, as_json: Json = False) -> None:
    """List signed checkpoints, newest first, with who witnessed them."""
    with Client(settings_for(data)) as client:
        found = _pages(client, "/v1/audit/checkpoints", limit)
    if as_json:
        print_json({"items": found})
        return
    rows = [(one["size"], one["at"], ", ".join(one["witnesses"]) or None, one["root"]) for one in found]
    print_table(("records", "at", "witnessed by", "root"), rows)


def keys(data: Data = None, as_json: Json = False) -> None:
    """List the public keys of the log: give the first one to whoever verifies, by another way than the evidence."""
    with Client(settings_for(data)) as client:
        found = client.get("/v1/audit/keys")
    if as_json:
        print_json(found)
        return
    say("Log ", bold(found["origin"]))
    rows = [(one["number"], one["from_size"], one["to_size"], one["verifier_key"]) for one in found["items"]]
    print_table(("key", "over", "to", "verifier key"), rows)


def prove(
    what: Annotated[str, typer.Argument(metavar="POSITION|TASK", help="A position in the log, or a task's ID.")],
    size: Annotated[int | None, typer.Option(min=1, help="Size of the checkpoint; unset: the newest.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Prove that a record, or each record of a task, is in the signed log (RFC 9162, inclusion)."""
    with Client(settings_for(data)) as client:
        if what.isascii() and what.isdigit():
            positions = [int(what)]
        else:
            positions = [one["position"] for one in _pages(client, "/v1/audit/records", 1000, task_id=what)]
            if not positions:
                raise InvalidInput(f"There is no audit record of {what!r}.", fix="Give a position, or a task's ID.")
        proofs = [client.get("/v1/audit/proofs", position=position, size=size) for position in positions]
    if as_json:
        print_json({"items": proofs})
        return
    for proof in proofs:
        say(bold(f"Position {proof['position']}"), f" is in the tree of {proof['checkpoint']['size']} records:")
        say("  leaf       ", proof["leaf"])
        say("  leaf hash  ", proof["leaf_hash"])
        for number, one in enumerate(proof["hashes"]):
            say("  path       " if number == 0 else "             ", one)
        say("  root       ", proof["checkpoint"]["root"])


def export(
    out: Annotated[Path, typer.Argument(metavar="OUT.zip", help="File to write; it must not exist.")],
    task: Task = None,
    correlation: Correlation = None,
    automation: Automation = None,
    person: Person = None,
    since: Since = None,
    until: Until = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Write an evidence pack: records with their proofs, checkpoints, keys, policies, and a program that verifies it offline."""
    filters = _filters(task, correlation, automation, person, since, until)
    with Client(settings_for(data)) as client:
        written = client.download("/v1/evidence", out, **filters)
    with zipfile.ZipFile(out) as pack:
        digest = hashlib.sha256(pack.read("verify.py")).hexdigest()
    if as_json:
        print_json({"file": str(out), "bytes": written, "verifier_sha256": digest})
        return
    say("Wrote ", bold(str(out)), f" ({written} bytes). Verify it anywhere, with Python and `cryptography`:")
    say(f"  unzip -p {out} verify.py > verify.py && python verify.py {out}")
    say("A verifier cannot vouch for itself. Give the reader its SHA-256 by another way than the pack, to compare:")
    say(f"  {digest}  verify.py")


def verifier(
    out: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Where to write it; it must not exist.")] = None,
    data: Data = None,  # as on every command, for scripts; the verifier is the same for all installations
    as_json: Json = False,
) -> None:
    """Print the SHA-256 of the verifier of this installation, and write it: what a pack's verify.py is compared with. Calls nobody."""
    text = evidence.verifier().encode()
    digest = hashlib.sha256(text).hexdigest()
    if out is not None:
        try:
            with out.open("xb") as file:
                file.write(text)
        except OSError as error:
            raise InvalidInput(
                f"{out} cannot be written: {error.strerror}.", fix="Name a file that is not there yet."
            ) from error
    if as_json:
        print_json({"file": None if out is None else str(out), "verifier_sha256": digest})
        return
    say(f"{digest}  {'verify.py' if out is None else out}")


def _filters(*given: str | None) -> dict[str, str | None]:
    names = ("task_id", "correlation_id", "automation", "person", "since", "until")
    return dict(zip(names, given, strict=True))


def _pages(client: Client, path: str, limit: int, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while len(found) < limit:
        page = client.get(path, cursor=cursor, limit=min(200, limit - len(found)), **params)
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    return found[:limit]
