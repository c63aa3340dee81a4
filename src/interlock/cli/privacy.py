"""`interlock privacy …`: what is kept of a person, and erasing it."""

from __future__ import annotations

import time
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from interlock.cli.client import Client, part
from interlock.cli.options import Data, Json, settings_for
from interlock.cli.output import print_json, print_table, say

app = typer.Typer(no_args_is_help=True, add_completion=False, help="People: see what is kept of one, erase one.")
POLL_S: Final = 1.0
Person = Annotated[str, typer.Argument(help="The person, as tasks name them, such as user:amir.")]


@app.command(epilog="Example: interlock privacy show user:amir")
def show(subject: Person, data: Data = None, as_json: Json = False) -> None:
    """Show what is kept of a person: tasks about them, documents, account, sessions, views, elevations, other names, erasures."""
    found = Client(settings_for(data)).get(f"/v1/privacy/subjects/{quote(subject, safe='')}")
    if as_json:
        print_json(found)
        return
    print_table(
        ("task", "automation", "state", "accepted", "erased"),
        [(t["id"], t["automation"], t["state"], t["accepted_at"], t["erased_at"]) for t in found["tasks"]],
    )
    print_table(
        ("document", "file", "bytes", "stored", "erased"),
        [(d["id"], d["filename"], d["size_bytes"], d["created_at"], d["erased_at"]) for d in found["documents"]],
    )
    print_table(
        ("account", "name", "roles", "made", "disabled"),
        [(a["id"], a["name"], ", ".join(a["roles"]), a["created_at"], a["disabled_at"]) for a in found["accounts"]],
    )
    print_table(
        ("session", "by", "began", "last used", "ended"),
        [(s["id"], s["method"], s["created_at"], s["last_used_at"], s["ended_at"]) for s in found["sessions"]],
    )
    print_table(
        ("view", "page", "name", "filters", "shared"),
        [
            (v["id"], v["page"], v["name"], " ".join(f"{k}={s}" for k, s in v["filters"].items()), v["shared"])
            for v in found["views"]
        ],
    )
    print_table(
        ("elevation", "opened", "as", "why", "note"),
        [
            (e["id"], e["opened_at"], "taker" if e["taken"] else "reviewer", e["reason"][:60], e["note"])
            for e in found["elevations"]
        ],
    )
    print_table(
        ("link", "other name", "linked", "ended"),
        [(one["id"], one["name"], one["linked_at"], one["ended_at"]) for one in found["links"]],
    )
    for erasure in found["erasures"]:
        _say(erasure)
    if not found["complete"]:
        say("There is more than is shown here.")


@app.command(epilog="Example: interlock privacy erase user:amir --yes --wait")
def erase(
    subject: Person,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Until it is done; open tasks may take long.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Erase what is kept of a person, once their open tasks have ended. It cannot be undone."""
    if not yes:
        typer.confirm("Everything that is kept of this person will be gone for good. Erase it?", abort=True)
    client = Client(settings_for(data))
    made = client.post("/v1/privacy/erasures", {"subject": subject})
    while wait and made["state"] == "pending":
        time.sleep(POLL_S)
        made = client.get(f"/v1/privacy/erasures/{part(made['id'])}")
    if as_json:
        print_json(made)
        return
    _say(made)


@app.command(epilog="Example: interlock privacy status erasure_0197f3c2a1b94d6e8c5a7f0b2d4e6a8c")
def status(erasure_id: Annotated[str, typer.Argument(metavar="ID")], data: Data = None, as_json: Json = False) -> None:
    """Tell how an erasure stands."""
    found = Client(settings_for(data)).get(f"/v1/privacy/erasures/{part(erasure_id)}")
    if as_json:
        print_json(found)
        return
    _say(found)


def _say(erasure: dict[str, Any]) -> None:
    counts = f"{erasure['tasks']} tasks, {erasure['documents']} documents"
    kept = f", {erasure['kept_documents']} kept that others' tasks name" if erasure["kept_documents"] else ""
    waits = f"; waits for {erasure['open_tasks']} open tasks" if erasure["open_tasks"] else ""
    say(f"{erasure['id']}: {erasure['state']} ({counts}{kept}{waits})")
