"""`interlock review …`: the inbox on the command line."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from interlock.cli.client import Client, part
from interlock.cli.options import Data, Json, settings_for
from interlock.cli.output import bold, print_json, print_table, say, say_json
from interlock.cli.tasks import input_from

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The inbox: list, claim and answer reviews.")
Revision = Annotated[
    int | None,
    typer.Option(min=0, help="The revision that you have seen, where an approver before you amended the values."),
]
ReviewId = Annotated[str, typer.Argument(metavar="ID", help="The review's ID.")]
For = Annotated[
    str | None, typer.Option("--on-behalf-of", metavar="USER", help="Who lent you their rights, such as user:mei.")
]
Reason = Annotated[str | None, typer.Option(help="Why; it stands in the record.")]
Hold = Annotated[float, typer.Option(min=0, max=30, metavar="SECONDS", help="Time in which you may take it back.")]


@app.command("list", epilog="Example: interlock review list --role manager")
def list_(
    state: Annotated[str, typer.Option(help="open, answered, expired or cancelled.")] = "open",
    role: Annotated[str | None, typer.Option(help="Only those for this role.")] = None,
    assignee: Annotated[str | None, typer.Option(help="me, none, or a user's ID.")] = None,
    automation: Annotated[str | None, typer.Option(help="Only those of this automation.")] = None,
    risk: Annotated[str | None, typer.Option(help="high, medium or low.")] = None,
    person: Annotated[
        str | None, typer.Option(help="Who has it, whom it is about, or who asked; me for yourself.")
    ] = None,
    due_within: Annotated[float | None, typer.Option(metavar="SECONDS", help="Due in so long, or before.")] = None,
    find: Annotated[str | None, typer.Option(help="Words that stand in it.")] = None,
    order: Annotated[str | None, typer.Option(help="oldest, newest, or due: soonest due first.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    cursor: Annotated[str | None, typer.Option(help="Where the last page ended.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List reviews, oldest first."""
    page = Client(settings_for(data)).get(
        "/v1/reviews",
        state=state,
        role=role,
        assignee=assignee,
        automation=automation,
        risk=risk,
        person=person,
        due_within=due_within,
        find=find,
        order=order,
        limit=limit,
        cursor=cursor,
    )
    if as_json:
        print_json(page)
        return
    rows = [
        (
            r["id"],
            r["request"]["title"],
            r["role"],
            approved(r) if r["approvals_needed"] > 1 else "",
            r["assignee"],
            "; ".join(r["request"]["reasons"])[:80],
            r["deadline"],
        )
        for r in page["items"]
    ]
    print_table(("review", "what", "role", "approved", "assignee", "why", "deadline"), rows)
    if page.get("next_cursor"):
        say("more: --cursor ", page["next_cursor"])


@app.command(epilog="Example: interlock review show rev_0193…")
def show(review_id: ReviewId, data: Data = None, as_json: Json = False) -> None:
    """Show what is asked, why, and what was read."""
    _print(Client(settings_for(data)).get(f"/v1/reviews/{part(review_id)}"), as_json)


@app.command(epilog="Example: interlock review claim rev_0193…")
def claim(
    review_id: ReviewId,
    release: Annotated[bool, typer.Option("--release", help="Give it back.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Take a review for yourself."""
    verb = "release" if release else "claim"
    _print(Client(settings_for(data)).post(f"/v1/reviews/{part(review_id)}:{verb}", repeat=True), as_json)


@app.command(epilog="Example: interlock review assign rev_0193… --to user:mei")
def assign(
    review_id: ReviewId,
    to: Annotated[
        str | None, typer.Option("--to", metavar="USER", help="Who shall have it; without it, who could is listed.")
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Give a review to somebody who may answer it, whoever has it now."""
    client = Client(settings_for(data))
    if to is not None:
        _print(client.post(f"/v1/reviews/{part(review_id)}:assign", {"to": to}, repeat=True), as_json)
        return
    found = client.get(f"/v1/reviews/{part(review_id)}/assignees")
    if as_json:
        print_json(found)
        return
    for user in found["items"]:
        say(user)


@app.command(epilog='Example: interlock review approve rev_0193… --reason "checked with the hotel"')
def approve(
    review_id: ReviewId,
    reason: Reason = None,
    hold: Hold = 0,
    revision: Revision = None,
    on_behalf_of: For = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Approve as shown."""
    body = {"reason": reason, "hold_s": hold, "revision": revision, "on_behalf_of": on_behalf_of}
    _answer(review_id, "approve", body, data, as_json)


@app.command(epilog='Example: interlock review reject rev_0193… --reason "private"')
def reject(
    review_id: ReviewId,
    reason: Annotated[str, typer.Option(help="Why; it goes back to whoever asked.")],
    hold: Hold = 0,
    on_behalf_of: For = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Reject, with a reason."""
    _answer(review_id, "reject", {"reason": reason, "hold_s": hold, "on_behalf_of": on_behalf_of}, data, as_json)


@app.command(epilog="Example: interlock review amend rev_0193… --set total=12.30")
def amend(
    review_id: ReviewId,
    set_: Annotated[list[str], typer.Option("--set", metavar="FIELD=VALUE", help="A field's right value.")],
    reason: Reason = None,
    hold: Hold = 0,
    revision: Revision = None,
    on_behalf_of: For = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Approve with corrected fields."""
    body = {"values": input_from(None, set_), "reason": reason, "hold_s": hold, "revision": revision}
    body["on_behalf_of"] = on_behalf_of
    _answer(review_id, "amend", body, data, as_json)


@app.command(epilog='Example: interlock review ask rev_0193… "Who was at the table?"')
def ask(
    review_id: ReviewId,
    text: Annotated[str, typer.Argument(help="The question.")],
    reply: Annotated[bool, typer.Option("--reply", help="This answers such a question.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Ask whoever submitted it; the review stays open."""
    _answer(review_id, "reply" if reply else "ask", {"text": text}, data, as_json)


@app.command(epilog="Example: interlock review escalate rev_0193…")
def escalate(review_id: ReviewId, data: Data = None, as_json: Json = False) -> None:
    """Give it to the role that it escalates to, now."""
    _answer(review_id, "escalate", {}, data, as_json)


@app.command(epilog="Example: interlock review revoke rev_0193…")
def revoke(review_id: ReviewId, data: Data = None, as_json: Json = False) -> None:
    """Take back your own answer while it is held."""
    _answer(review_id, "revoke", {}, data, as_json)


def approved(review: dict[str, Any]) -> str:
    """Say how many of the approvals that a review needs are there, and by whom."""
    given = [a for a in review["approvals"] if a["counts"]]
    by = ", ".join(a["by"] + (f" on behalf of {a['on_behalf_of']}" if a.get("on_behalf_of") else "") for a in given)
    said = f"{len(given)} of {review['approvals_needed']} approved" + (f", by {by}" if by else "")
    return said + (f"; revision {review['revision']}" if review["revision"] else "")


def _answer(review_id: str, verb: str, body: dict[str, Any], data: Any, as_json: bool) -> None:
    sent = {k: v for k, v in body.items() if v is not None and not (k == "hold_s" and v == 0)}
    _print(Client(settings_for(data)).post(f"/v1/reviews/{part(review_id)}:{verb}", sent), as_json)


def _print(review: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(review)
        return
    request = review["request"]
    say(bold(review["id"]), "  ", request["title"], "  ", bold(review["state"]))
    say("  task         ", review["task_id"])
    say("  for          ", review["role"], " · claimed by " if review["assignee"] else "", review["assignee"] or "")
    say("  deadline     ", review["deadline"] or "never expires")
    for reason in request["reasons"]:
        say("  because      ", reason)
    say_json("  values       ", review["values"])
    if review["approvals_needed"] > 1 or review["approvals"]:
        say("  approvals    ", approved(review))
    if review.get("answer"):
        say_json("  answer       ", {k: v for k, v in review["answer"].items() if k != "decision"})
