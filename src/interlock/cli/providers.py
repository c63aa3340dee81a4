"""`interlock provider …`: whose word is taken for who somebody is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from interlock.cli import hidden
from interlock.cli.client import Client, part
from interlock.cli.options import Data, Json, settings_for
from interlock.cli.output import print_json, print_table, say
from interlock.domain.errors import InvalidInput

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Identity providers: set, test, list, show, remove.")
Name = Annotated[str, typer.Argument(help="Lower-case words joined by dashes, such as company.")]


@app.command(
    "set",
    epilog="Example: interlock provider set company --issuer https://login.example.com --client-id interlock --groups groups.json < secret.txt",
)
def set_provider(
    name: Name,
    issuer: Annotated[str, typer.Option(help="Its URL, exactly as its tokens say in iss.")],
    client_id: Annotated[str, typer.Option(help="What this installation is called there.")],
    groups: Annotated[Path, typer.Option(help="JSON file: which group has which roles.", exists=True, dir_okay=False)],
    algorithm: Annotated[str, typer.Option(help="RS256, ES256 or EdDSA.")] = "RS256",
    audience: Annotated[str | None, typer.Option(help="What programs' access tokens are for.")] = None,
    groups_claim: Annotated[str, typer.Option(help="The claim with a person's groups.")] = "groups",
    user_claim: Annotated[
        str, typer.Option(help="What people are called by: sub, email or preferred_username.")
    ] = "sub",
    scope: Annotated[list[str] | None, typer.Option(help="Asked for beside openid; may be repeated.")] = None,
    require: Annotated[list[str] | None, typer.Option(help="CLAIM=VALUE that must be so; may be repeated.")] = None,
    keep_secret: Annotated[bool, typer.Option(help="Leave the client's secret as it is.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Set a provider, whole. The client's secret is asked for, or read from standard input; an empty one: there is none."""
    body: dict[str, Any] = {
        "issuer": issuer,
        "client_id": client_id,
        "groups": _groups(groups),
        "algorithm": algorithm,
        "audience": audience,
        "groups_claim": groups_claim,
        "user_claim": user_claim,
        "required_claims": _required(require or []),
    }
    if scope:
        body["scopes"] = scope
    if not keep_secret:
        body["client_secret"] = hidden.read("Client secret (empty: none)", may_be_empty=True)
    with Client(settings_for(data)) as client:
        made = client.put(f"/v1/identity-providers/{part(name)}", body)
    if as_json:
        print_json(made)
        return
    say(
        f"{made['name']}: {made['issuer']}, {len(made['groups'])} groups. See whether it answers: interlock provider test {name}"
    )


@app.command("test", epilog="Example: interlock provider test company")
def look(name: Name, data: Data = None, as_json: Json = False) -> None:
    """Ask the provider for its endpoints and keys."""
    with Client(settings_for(data)) as client:
        found = client.post(f"/v1/identity-providers/{part(name)}:test", {})
    if as_json:
        print_json(found)
        return
    say(f"{found['issuer']} answers: {found['keys']} keys, people sign in at {found['authorization_endpoint']}")


@app.command("list", epilog="Example: interlock provider list")
def list_providers(data: Data = None, as_json: Json = False) -> None:
    """List providers, without secrets."""
    with Client(settings_for(data)) as client:
        page = client.get("/v1/identity-providers")
    if as_json:
        print_json(page)
        return
    rows = [
        (p["name"], p["issuer"], p["client_id"], p["algorithm"], p["audience"] or "", p["set_at"])
        for p in page["items"]
    ]
    print_table(("name", "issuer", "client", "algorithm", "audience", "set"), rows)


@app.command(epilog="Example: interlock provider show company")
def show(name: Name, data: Data = None, as_json: Json = False) -> None:
    """Show which groups have which roles."""
    with Client(settings_for(data)) as client:
        found = client.get(f"/v1/identity-providers/{part(name)}")
    if as_json:
        print_json(found)
        return
    say(
        f"{found['name']}: {found['issuer']}, claim {found['groups_claim']}, set by {found['set_by']} at {found['set_at']}"
    )
    rows = [(g["display"], g["value"] or "", ", ".join(g["roles"]), g["approval_limit"] or "") for g in found["groups"]]
    print_table(("group", "ID", "roles", "approval limit"), rows)


@app.command(epilog="Example: interlock provider remove company")
def remove(name: Name, data: Data = None, as_json: Json = False) -> None:
    """Take its word no longer; who signed in by it is signed out."""
    with Client(settings_for(data)) as client:
        client.delete(f"/v1/identity-providers/{part(name)}")
    if as_json:
        print_json({"name": name, "removed": True})
        return
    say(f"{name} is removed.")


def _groups(file: Path) -> list[Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidInput(
            f"{file} is no JSON: {error}.", fix='Write [{"display": "finance", "roles": ["reviewer"]}].'
        ) from error
    if not isinstance(found, list):
        raise InvalidInput(
            f"{file} is no list of groups.", fix='Write [{"display": "finance", "roles": ["reviewer"]}].'
        )
    return found


def _required(given: list[str]) -> dict[str, str]:
    found = dict(item.partition("=")[::2] for item in given)
    if not all(found.values()):
        raise InvalidInput("A required claim has no value.", fix="Write --require hd=example.com.")
    return found
