"""`interlock model …`: what stands in folders, and what is on record: register, evaluate, approve, release, retire, go back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markdown import Markdown

from interlock.cli.client import Client
from interlock.cli.model_cards import app, find, select
from interlock.cli.options import Data, Json, settings_for
from interlock.cli.output import console, print_json, print_table, say, shown
from interlock.domain.errors import InvalidInput

Number = Annotated[int, typer.Argument(min=1, help="Number of the version, as `versions` shows it.", metavar="VERSION")]
Note = Annotated[str, typer.Option(help="Why; part of the record and of the signed statement.")]
Reason = Annotated[str, typer.Option(help="Why; whoever registered it reads it.")]


@app.command(epilog="Example: interlock model versions")
def versions(
    automation: Annotated[str | None, typer.Option(help="Only those of this automation.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000)] = 50,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List the model versions that are on record, and how each stands."""
    page = Client(settings_for(data)).get("/v1/models/versions", limit=limit, automation=automation)
    if as_json:
        print_json(page)
        return
    names = ("number", "automation", "label", "state", "origin", "changed_at")
    print_table([name.replace("_", " ") for name in names], [tuple(v[n] for n in names) for v in page["items"]])


@app.command(epilog="Example: interlock model show 3")
def show(number: Number, data: Data = None, as_json: Json = False) -> None:
    """Show a version's card with its record: who registered, evaluated, approved and released it."""
    found = Client(settings_for(data)).get(f"/v1/models/versions/{number}/card")
    if as_json:
        print_json(found["facts"])
    else:
        console().print(Markdown(shown(found["markdown"], lines=True)), soft_wrap=False)


@app.command(epilog="Example: interlock model register order-reader")
def register(
    name: Annotated[str, typer.Argument(help="The model's name, or AUTOMATION/NAME where two have it.")],
    note: Note = "",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Put the version that is deployed on record. One that is there already is shown as it is."""
    settings = settings_for(data)
    chosen = select(find(settings.automations_dir), name)
    body = {"automation": chosen.automation, "model": chosen.name, "note": note}
    _say(Client(settings).post("/v1/models/versions", body, repeat=True), as_json)


@app.command(epilog="Example: interlock model evaluate 3 --metrics measured.json --on 'held-out receipts of May'")
def evaluate(
    number: Number,
    metrics: Annotated[
        Path | None, typer.Option(help="A JSON file with values by name; by default, [measured] of model.toml.")
    ] = None,
    on: Annotated[str, typer.Option(help="What it was measured on.")] = "",
    note: Note = "",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Put on record how good a version was measured to be."""
    body = {"data": on, "metrics": {} if metrics is None else _metrics(metrics), "note": note}
    _say(Client(settings_for(data)).post(f"/v1/models/versions/{number}:evaluate", body), as_json)


@app.command(epilog="Example: interlock model approve 3")
def approve(number: Number, note: Note = "", data: Data = None, as_json: Json = False) -> None:
    """Approve an evaluated version. Who registered or evaluated it may not."""
    _step(number, "approve", note, data, as_json)


@app.command(epilog='Example: interlock model reject 3 --reason "Worse on handwriting"')
def reject(number: Number, reason: Reason, data: Data = None, as_json: Json = False) -> None:
    """Turn a version down before it is released."""
    _say(Client(settings_for(data)).post(f"/v1/models/versions/{number}:reject", {"reason": reason}), as_json)


@app.command(epilog="Example: interlock model release 3")
def release(number: Number, note: Note = "", data: Data = None, as_json: Json = False) -> None:
    """Sign an approved version's statement, and let it serve."""
    _step(number, "release", note, data, as_json)


@app.command(epilog="Example: interlock model retire 3")
def retire(number: Number, note: Note = "", data: Data = None, as_json: Json = False) -> None:
    """Let a version serve no more."""
    _step(number, "retire", note, data, as_json)


@app.command(epilog="Example: interlock model rollback 3")
def rollback(number: Number, note: Note = "", data: Data = None, as_json: Json = False) -> None:
    """Retire a version, and release the one again that was released before it."""
    _step(number, "rollback", note, data, as_json)


@app.command(epilog="Example: interlock model statement 3 > statement.json")
def statement(number: Number, data: Data = None, as_json: Json = True) -> None:
    """Print a version's signed statement: in-toto, in a DSSE envelope."""
    found = Client(settings_for(data)).get(f"/v1/models/versions/{number}")
    if found["envelope"] is None:
        raise InvalidInput(f"Model version {number} was never released, so nothing is signed.", fix="Release it first.")
    print_json(found["envelope"])


@app.command(epilog="Example: interlock model bom 3 > bom.json")
def bom(number: Number, data: Data = None, as_json: Json = True) -> None:
    """Print a version's bill of materials: CycloneDX 1.6."""
    print_json(Client(settings_for(data)).get(f"/v1/models/versions/{number}/bom"))


@app.command(epilog="Example: interlock model keys")
def keys(data: Data = None, as_json: Json = False) -> None:
    """List the public keys that statements are signed with."""
    page = Client(settings_for(data)).get("/v1/models/keys")
    if as_json:
        print_json(page)
        return
    rows = [(k["number"], k["id"][:16], k["created_at"], k["created_by"], k["revoked_at"]) for k in page["items"]]
    print_table(("number", "key", "created at", "by", "revoked at"), rows)


@app.command("rotate-key", epilog="Example: interlock model rotate-key --revoke")
def rotate_key(
    revoke: Annotated[
        bool, typer.Option("--revoke", help="What earlier keys signed serves no more until it is released again.")
    ] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make the key that statements are signed with from now on."""
    made = Client(settings_for(data)).post("/v1/models/keys:rotate", {"revoke": revoke})
    if as_json:
        print_json(made)
    else:
        say(f"Statements are signed with the key {made['id'][:16]} (number {made['number']}) from now on.")


def _step(number: int, verb: str, note: str, data: Path | None, as_json: bool) -> None:
    _say(Client(settings_for(data)).post(f"/v1/models/versions/{number}:{verb}", {"note": note}), as_json)


def _metrics(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InvalidInput(f"{file} cannot be read: {error}.", fix="Give a file with a JSON object.") from error
    if not isinstance(found, dict) or any(isinstance(v, dict | list | bool) or v is None for v in found.values()):
        raise InvalidInput(f"{file} is no JSON object of plain values.", fix='Write it as {"right": 0.97}.')
    return found


def _say(version: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(version)
        return
    say(f"Version {version['number']}, {version['automation']}/{version['label']}, is {version['state']}.")
    number = version["number"]
    after = {
        "registered": f"interlock model evaluate {number}",
        "evaluated": f"interlock model approve {number} (by another person)",
        "approved": f"interlock model release {number}",
    }
    if version["state"] in after:
        say(f"Next: {after[version['state']]}")
