"""`interlock user …`, `interlock service …` and `interlock tenant …`: accounts and tenants."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from interlock.cli.client import Client, part
from interlock.cli.options import Data, Json, settings_for
from interlock.cli.output import print_json, print_table, say
from interlock.domain.errors import InvalidInput

users = typer.Typer(no_args_is_help=True, add_completion=False, help="People: add, list, disable; passwords and roles.")
services = typer.Typer(no_args_is_help=True, add_completion=False, help="Service accounts: create, list, disable.")
tenants = typer.Typer(no_args_is_help=True, add_completion=False, help="Tenants: create, list.")

UserName = Annotated[str, typer.Argument(metavar="NAME", help="As in user:NAME; the part before may be left out.")]
ServiceName = Annotated[
    str, typer.Argument(metavar="NAME", help="As in service:NAME; the part before may be left out.")
]
Roles = Annotated[list[str] | None, typer.Option("--role", help="A role; may be repeated.")]
ApprovalLimit = Annotated[str | None, typer.Option(help="The most that may be approved, in the base currency.")]
FromInput = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input instead of asking for it.")
]


@users.command(epilog="Example: interlock user add mei --name Mei --role manager --approval-limit 2000")
def add(
    user: UserName,
    name: Annotated[str | None, typer.Option(help="What people call them.")] = None,
    role: Roles = None,
    approval_limit: ApprovalLimit = None,
    no_password: Annotated[bool, typer.Option("--no-password", help="They sign in with a key.")] = False,
    password_stdin: FromInput = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make a person's account; asks for its password."""
    body: dict[str, Any] = {"id": _id("user", user), "name": name or user, "roles": role or []}
    if approval_limit is not None:
        body["approval_limit"] = approval_limit
    if not no_password:
        body["password"] = _password("Password", stdin=password_stdin)
    made = Client(settings_for(data)).post("/v1/users", body)
    if as_json:
        print_json(made)


@users.command("list", epilog="Example: interlock user list")
def list_users(data: Data = None, as_json: Json = False) -> None:
    """List people's accounts."""
    page = Client(settings_for(data)).get("/v1/users")
    if as_json:
        print_json(page)
        return
    rows = [
        (u["id"], u["name"], ", ".join(u["roles"]), u["approval_limit"], ", ".join(u["signs_in_by"]), u["disabled_at"])
        for u in page["items"]
    ]
    print_table(("id", "name", "roles", "limit", "signs in by", "disabled"), rows)


@users.command(epilog="Example: interlock user roles mei --role manager --approval-limit 5000")
def roles(
    user: UserName, role: Roles = None, approval_limit: ApprovalLimit = None, data: Data = None, as_json: Json = False
) -> None:
    """Replace a person's roles and limit; open sessions have them at once."""
    body: dict[str, Any] = {"roles": role or []}
    if approval_limit is not None:
        body["approval_limit"] = approval_limit
    _act(f"/v1/users/{part(_id('user', user))}:roles", body, data, as_json)


@users.command(epilog="Example: interlock user password mei")
def password(
    user: UserName,
    current: Annotated[bool, typer.Option("--current", help="Ask for the password before too: for one's own.")] = False,
    password_stdin: FromInput = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Set a person's password; their other sessions end."""
    body = {} if not current else {"current": _password("Current password", stdin=password_stdin, twice=False)}
    body["password"] = _password("New password", stdin=password_stdin)
    _act(f"/v1/users/{part(_id('user', user))}:password", body, data, as_json)


@users.command("disable", epilog="Example: interlock user disable mei")
def disable_user(user: UserName, data: Data = None, as_json: Json = False) -> None:
    """Refuse a person's keys and end their sessions, at once."""
    _act(f"/v1/users/{part(_id('user', user))}:disable", {}, data, as_json)


@users.command("enable", epilog="Example: interlock user enable mei")
def enable_user(user: UserName, data: Data = None, as_json: Json = False) -> None:
    """Take a person's keys again; they sign in anew."""
    _act(f"/v1/users/{part(_id('user', user))}:enable", {}, data, as_json)


@users.command(epilog="Example: interlock user link mei entra.mei")
def link(
    user: UserName,
    other: Annotated[str, typer.Argument(metavar="NAME", help="Another name of the same person.")],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """State that two names are one person: duties and approvals count them once. Roles stay as they are."""
    body = {"one": _id("user", user), "other": _id("user", other)}
    made = Client(settings_for(data)).post("/v1/person-links", body)
    if as_json:
        print_json(made)
        return
    say(made["id"], f"  {made['one']} and {made['other']} count as one person.")


@users.command("links", epilog="Example: interlock user links")
def list_links(
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    cursor: Annotated[str | None, typer.Option(help="Where the last page ended.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List which names are one person."""
    page = Client(settings_for(data)).get("/v1/person-links", limit=limit, cursor=cursor)
    if as_json:
        print_json(page)
        return
    rows = [(p["id"], p["one"], p["other"], p["linked_by"], p["linked_at"], p["ended_at"]) for p in page["items"]]
    print_table(("id", "one", "other", "by", "linked", "ended"), rows)
    if page.get("next_cursor"):
        say("more: --cursor ", page["next_cursor"])


@users.command(epilog="Example: interlock user unlink lnk_0193…")
def unlink(link_id: Annotated[str, typer.Argument(metavar="ID")], data: Data = None, as_json: Json = False) -> None:
    """End a link: its names count as two persons again. Another owner than the person does that."""
    ended = Client(settings_for(data)).post(f"/v1/person-links/{part(link_id)}:end")
    if as_json:
        print_json(ended)
        return
    say(f"{ended['id']} is ended.")


@services.command("create", epilog="Example: interlock service create intake --name 'The mail intake'")
def create_service(
    service: ServiceName,
    name: Annotated[str | None, typer.Option(help="What people call it.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make a service account; its keys are made with `interlock key create --user service:NAME`."""
    made = Client(settings_for(data)).post("/v1/services", {"id": _id("service", service), "name": name or service})
    if as_json:
        print_json(made)


@services.command("list", epilog="Example: interlock service list")
def list_services(data: Data = None, as_json: Json = False) -> None:
    """List service accounts."""
    page = Client(settings_for(data)).get("/v1/services")
    if as_json:
        print_json(page)
        return
    rows = [(s["id"], s["name"], s["created_by"], s["disabled_at"]) for s in page["items"]]
    print_table(("id", "name", "made by", "disabled"), rows)


@services.command("disable", epilog="Example: interlock service disable intake")
def disable_service(service: ServiceName, data: Data = None, as_json: Json = False) -> None:
    """Refuse all keys of a service, at once."""
    _act(f"/v1/services/{part(_id('service', service))}:disable", {}, data, as_json)


@services.command("enable", epilog="Example: interlock service enable intake")
def enable_service(service: ServiceName, data: Data = None, as_json: Json = False) -> None:
    """Take the keys of a service again."""
    _act(f"/v1/services/{part(_id('service', service))}:enable", {}, data, as_json)


@tenants.command("create", epilog="Example: interlock tenant create acme --name Acme --owner user:olga")
def create_tenant(
    tenant: Annotated[str, typer.Argument(metavar="ID", help="Lower-case letters, digits and dashes; for good.")],
    name: Annotated[str | None, typer.Option(help="What people call it.")] = None,
    owner: Annotated[str, typer.Option(help="Whom its first key stands for.")] = "user:admin",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make a tenant. The key of its first owner is shown once, now."""
    body = {"tenant": tenant, "name": name or tenant, "owner": owner}
    made = Client(settings_for(data)).post("/v1/tenants", body)
    if as_json:
        print_json(made)
        return
    say(made["key"])
    say("Keep it: it is not shown again.")


@tenants.command("list", epilog="Example: interlock tenant list")
def list_tenants(data: Data = None, as_json: Json = False) -> None:
    """List the tenants of the installation."""
    client, items, after = Client(settings_for(data)), [], ""
    while True:
        page = client.get("/v1/tenants", after=after) if after else client.get("/v1/tenants")
        items += page["items"]
        if not (after := page["next_after"]):
            break
    if as_json:
        print_json({"items": items})
        return
    print_table(("tenant", "name", "made"), [(t["tenant"], t["name"], t["created_at"]) for t in items])


def _act(path: str, body: dict[str, Any], data: Any, as_json: bool) -> None:
    done = Client(settings_for(data)).post(path, body)
    if as_json:
        print_json(done)


def _id(kind: str, name: str) -> str:
    return name if name.startswith(f"{kind}:") else f"{kind}:{name}"


def _password(prompt: str, *, stdin: bool, twice: bool = True) -> str:
    """Ask for a password, which never stands on the command line, where other users of the machine see it."""
    if stdin:
        line = sys.stdin.readline().rstrip("\r\n")
        if not line:
            raise InvalidInput("There is no password on standard input.", fix="Give it as one line.")
        return line
    asked: str = typer.prompt(prompt, hide_input=True, confirmation_prompt=twice)
    return asked
