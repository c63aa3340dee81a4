"""`interlock task …`: submit, watch, list, read the logs of, cancel, retry and resolve tasks."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer

from interlock.cli.client import Client, part
from interlock.cli.options import Data, Json, settings_for
from interlock.cli.output import bold, console, line, print_json, print_json_line, print_table, say, say_json
from interlock.domain.errors import InvalidInput

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Submit, watch, list, cancel, retry and resolve tasks."
)
ENDED = ("succeeded", "failed", "cancelled")
POLL_S = 0.15
FOLLOW_S = 1.0
EXIT_FAILED, EXIT_GOES_ON = 1, 5
# What an HTTP header can carry.
_KEY = re.compile(r"[!-~](?:[ -~]{0,253}[!-~])?")
TaskId = Annotated[str, typer.Argument(metavar="ID", help="The task's ID.")]


class Reads(Protocol):
    """What reads from the API."""

    def get(self, path: str, **params: Any) -> Any: ...


@app.command(
    epilog="Example: interlock task submit expenses receipt.jpg --set claim.amount=12.30 --set claim.currency=MYR --wait"
)
def submit(
    automation: Annotated[str, typer.Argument(help="The automation's name.")],
    files: Annotated[list[Path] | None, typer.Argument(help="Files, uploaded as the input's `documents`.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Set a field of the input; dots go deeper.")
    ] = None,
    input_: Annotated[str | None, typer.Option("--input", help="The input as JSON, or @FILE.")] = None,
    label: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A label of the task.")] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="Submitting again with this key gives the same task.")
    ] = None,
    complete_within: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Desired time to completion.")
    ] = None,
    deadline: Annotated[str | None, typer.Option(help="Desired completion, RFC 3339.")] = None,
    priority: Annotated[int, typer.Option(min=0, max=100, help="0 is ordinary; higher goes first.")] = 0,
    callback_url: Annotated[str | None, typer.Option(help="Called, signed, when the task has ended.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it has ended or waits for a person.")] = False,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="How long to wait at most.")] = 600.0,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Submit a task."""
    if idempotency_key is not None and not _KEY.fullmatch(idempotency_key):
        raise InvalidInput(
            f"--idempotency-key {idempotency_key!r} is no key.",
            fix="Give 1 to 255 visible ASCII characters, without a space at either end.",
        )
    client = Client(settings_for(data))
    body: dict[str, Any] = {
        "automation": automation,
        "input": input_from(input_, set_ or []),
        "labels": _pairs(label or []),
    }
    if files:
        body["input"]["documents"] = [_upload(client, file) for file in files]
    slo = {"complete_within": complete_within, "deadline": deadline, "priority": priority or None}
    if any(v is not None for v in slo.values()):
        body["slo"] = {k: v for k, v in slo.items() if v is not None}
    if callback_url:
        body["callback_url"] = callback_url
    headers = {"idempotency-key": idempotency_key or str(uuid.uuid4())}
    accepted = client.post("/v1/tasks", body, headers=headers, repeat=True)
    task = (
        client.get(f"/v1/tasks/{accepted['id']}") if not wait else _wait(client, accepted["id"], timeout, quiet=as_json)
    )
    _print_task(task, as_json)
    _exit_for(task, waited=wait)


@app.command(epilog="Example: interlock task show task_0193… --json")
def show(task_id: TaskId, data: Data = None, as_json: Json = False) -> None:
    """Show a task with its effects."""
    _print_task(Client(settings_for(data)).get(f"/v1/tasks/{part(task_id)}"), as_json)


@app.command(epilog="Example: interlock task wait task_0193… --timeout 60")
def wait(
    task_id: TaskId,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="How long to wait at most.")] = 600.0,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Wait until a task has ended or waits for a person."""
    task = _wait(Client(settings_for(data)), task_id, timeout, quiet=as_json)
    _print_task(task, as_json)
    _exit_for(task, waited=True)


@app.command("list", epilog="Example: interlock task list --state waiting --automation expenses")
def list_(
    state: Annotated[list[str] | None, typer.Option(help="Only tasks in this state; may be repeated.")] = None,
    automation: Annotated[str | None, typer.Option(help="Only tasks of this automation.")] = None,
    label: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="Only tasks with this label.")] = None,
    resolved: Annotated[
        bool | None, typer.Option("--resolved/--unresolved", help="Only tasks that somebody has dealt with, or not.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    cursor: Annotated[str | None, typer.Option(help="Where the last page ended.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List tasks, newest first."""
    labels = [f"{name}:{value}" for name, value in _pairs(label or []).items()]
    page = Client(settings_for(data)).get(
        "/v1/tasks",
        state=state,
        automation=automation,
        label=labels or None,
        resolved=None if resolved is None else str(resolved).lower(),
        limit=limit,
        cursor=cursor,
    )
    if as_json:
        print_json(page)
        return
    rows = [(t["id"], t["automation"], t["state"], _summary(t), t["accepted_at"]) for t in page["items"]]
    print_table(("task", "automation", "state", "result", "accepted"), rows)
    if page.get("next_cursor"):
        say("more: --cursor ", page["next_cursor"])


@app.command(epilog="Example: interlock task timeline task_0193…")
def timeline(task_id: TaskId, data: Data = None, as_json: Json = False) -> None:
    """Show what happened in a task, effect by effect."""
    found = Client(settings_for(data)).get(f"/v1/tasks/{part(task_id)}/timeline")
    if as_json:
        print_json(found)
        return
    print_effects(found["effects"])


@app.command(epilog="Example: interlock task logs task_0193… --effect /pay-back#1 --follow")
def logs(
    task_id: TaskId,
    effect: Annotated[
        str | None, typer.Option(metavar="ID", help="Only of this effect; see `task timeline --json`.")
    ] = None,
    attempt: Annotated[int | None, typer.Option(min=1, help="Only of this attempt.")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until the task has ended.")] = False,
    data: Data = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Show what a task's steps wrote while they ran."""
    client = Client(settings_for(data))
    print_lines(log_lines(client, task_id, follow=follow, effect=effect, attempt=attempt), as_json=as_json)


def print_lines(lines: Iterable[dict[str, Any]], *, as_json: bool) -> None:
    """Print log lines as they come, under a heading for each attempt."""
    shown: dict[str, Any] = {}
    for found in lines:
        if as_json:
            print_json_line(found)
            continue
        of = {name: found[name] for name in ("effect_id", "generation", "attempt")}
        if of != shown:
            say(bold(of["effect_id"]), f"  generation {of['generation']}, attempt {of['attempt']}")
            shown = of
        cut = f" … {found['cut_chars']} more characters" if found["cut_chars"] else ""
        say("  ", found["at"], "  ", f"{found['level'] or found['stream']:8}", "  ", found["text"], cut)
    if not shown and not as_json:
        say("Nothing is kept. A step's prints, and what it gives to `logging`, would stand here.")


def log_lines(
    client: Reads, task_id: str, *, follow: bool, pause_s: float = FOLLOW_S, **narrowed: Any
) -> Iterator[dict[str, Any]]:
    """Give the lines page by page; to follow, the last page is read again, for what was added to it."""
    cursor, seen, ended = None, 0, not follow
    while True:
        page = client.get(f"/v1/tasks/{part(task_id)}/logs", limit=200, cursor=cursor, **narrowed)
        yield from page["items"][seen:]
        seen = len(page["items"])
        if page["next_cursor"] is not None:
            cursor, seen = page["next_cursor"], 0
        elif ended:
            return
        else:
            time.sleep(pause_s)
            # What it wrote last is kept a moment after it has ended, so there is one more look.
            ended = client.get(f"/v1/tasks/{part(task_id)}")["state"] in (*ENDED, "blocked")
            if ended:
                time.sleep(pause_s)


@app.command(epilog='Example: interlock task cancel task_0193… --reason "sent twice"')
def cancel(
    task_id: TaskId,
    reason: Annotated[str | None, typer.Option(help="Why; it stands in the record.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Ask a task to stop."""
    client = Client(settings_for(data))
    client.post(f"/v1/tasks/{part(task_id)}:cancel", {"reason": reason} if reason else {}, repeat=True)
    _print_task(client.get(f"/v1/tasks/{part(task_id)}"), as_json)


@app.command(epilog="Example: interlock task retry task_0193…")
def retry(
    task_id: TaskId,
    redo: Annotated[bool, typer.Option("--redo", help="Also repeat what acted outside after the failure.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Try a failed or blocked task again, from the effect that failed."""
    client = Client(settings_for(data))
    client.post(f"/v1/tasks/{part(task_id)}:retry", {"redo": redo})
    _print_task(client.get(f"/v1/tasks/{part(task_id)}"), as_json)


@app.command(epilog='Example: interlock task resolve task_0193… --note "paid by hand"')
def resolve(
    task_id: TaskId,
    note: Annotated[str, typer.Option(help="Why nobody needs to look at it any more; it stands in the record.")],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Say that a failed, blocked or cancelled task is dealt with."""
    client = Client(settings_for(data))
    client.post(f"/v1/tasks/{part(task_id)}:resolve", {"note": note})
    _print_task(client.get(f"/v1/tasks/{part(task_id)}"), as_json)


@app.command(epilog="Example: interlock task reopen task_0193…")
def reopen(task_id: TaskId, data: Data = None, as_json: Json = False) -> None:
    """Take back that a task is dealt with."""
    client = Client(settings_for(data))
    client.post(f"/v1/tasks/{part(task_id)}:reopen")
    _print_task(client.get(f"/v1/tasks/{part(task_id)}"), as_json)


def print_effects(effects: list[dict[str, Any]]) -> None:
    """Print a timeline as a table."""
    rows = []
    for effect in effects:
        decision = effect.get("decision") or {}
        confidence = effect.get("confidence")
        took = effect.get("duration_ms")
        rows.append(
            (
                effect["name"],
                effect["kind"],
                effect["status"],
                decision.get("answer"),
                None if confidence is None else f"{confidence:.3f}",
                None if took is None else f"{took:,.1f} ms",
                effect.get("cost_usd"),
                effect.get("by") or effect.get("model_version"),
            )
        )
    print_table(("effect", "kind", "status", "decision", "confidence", "took", "cost $", "by"), rows)
    for effect in effects:
        for gone in effect.get("redactions") or ():
            at = gone.get("pointer", f"{gone.get('document')} page {gone.get('page', 'every')}")
            say(f"{effect['name']}: {gone['type']} was removed at {at or '/'} ({gone['count']}×)")
        if effect.get("left_out"):
            say(f"{effect['name']}: not sent, since not needed: {', '.join(effect['left_out'])}")


def needs_person(task: dict[str, Any]) -> bool:
    """Tell whether a task waits for a person's answer."""
    return task["state"] == "waiting" and any(
        e["kind"] == "review" and e["status"] == "pending" for e in task.get("effects", [])
    )


def _wait(client: Client, task_id: str, timeout_s: float, *, quiet: bool) -> dict[str, Any]:
    until = time.monotonic() + timeout_s
    out = console(stderr=True)
    with out.status(line("waiting for ", task_id)) as spinner:
        while True:
            task: dict[str, Any] = client.get(f"/v1/tasks/{part(task_id)}")
            if task["state"] in (*ENDED, "blocked") or needs_person(task):
                return task
            if time.monotonic() > until:
                if not quiet:
                    again = f"interlock task wait {task_id}"
                    out.print(line(f"Still {task['state']} after {timeout_s:g} s. The task goes on: {again}"))
                return task
            done = [e["name"] for e in task.get("effects", []) if e["status"] != "pending"]
            spinner.update(line(task["state"], f" after {done[-1]}" if done else ""))
            time.sleep(POLL_S)


def _exit_for(task: dict[str, Any], *, waited: bool) -> None:
    if task["state"] in ("failed", "cancelled", "blocked"):
        raise typer.Exit(EXIT_FAILED)
    if waited and task["state"] != "succeeded" and not needs_person(task):
        raise typer.Exit(EXIT_GOES_ON)


def _print_task(task: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(task)
        return
    say(bold(task["id"]), "  ", task["automation"], " ", task.get("version", ""), "  ", bold(task["state"]))
    say("  correlation  ", task["correlation_id"])
    if task.get("output") is not None:
        say_json("  output       ", task["output"])
    if task.get("error"):
        say_json("  error        ", task["error"])
    if task.get("resolved"):
        say("  resolved     ", task["resolved"]["by"], ": ", task["resolved"]["note"] or "(erased)")
    if task.get("effects"):
        print_effects(task["effects"])
    if needs_person(task):
        review = next(e for e in task["effects"] if e["kind"] == "review" and e["status"] == "pending")
        say("  waits for a person: interlock review show ", review.get("review_id"))


@app.command(epilog="Example: interlock task lineage doc_019a2b3c4d5e7f60718293a4b5c6d7e8")
def lineage(
    which: Annotated[str, typer.Argument(metavar="ID", help="ID of a task, or of a document.")],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show what was read from a document, with page and box, and which decisions and effects used each value."""
    of = "documents" if which.startswith("doc_") else "tasks"
    found = Client(settings_for(data)).get(f"/v1/{of}/{part(which)}/lineage")
    if as_json:
        print_json(found)
        return
    tasks = found["tasks"] if of == "documents" else [found]
    for task in tasks:
        say(bold(task["task_id"]), f" {task['automation']} {task['version']}, {task['state']}")
        for document in task["documents"]:
            say(f"  from {document['id']} sha256:{document['sha256']}")
        for value in task["values"]:
            place = "" if value["page"] is None else f" page {value['page']} {value['box'] or ''}"
            say(f"  {value['pointer']} = {value['value']}{place}  by {value['model_version']}")
            for use in [*value["decisions"], *value["effects"]]:
                said = " ".join(str(use[n]) for n in ("answer", "by", "names") if use[n])
                say(f"    {use['how']:8} {use['kind']} {use['name']} {use['at'] or ''} {said}".rstrip())
    if not found["complete"]:
        say("There is more than is shown.")


def _summary(task: dict[str, Any]) -> str | None:
    output = task.get("output")
    if isinstance(output, dict) and "decision" in output:
        return str(output["decision"])
    error = task.get("error")
    return str(error.get("message", ""))[:60] if isinstance(error, dict) else None


def _upload(client: Client, file: Path) -> dict[str, Any]:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}.") from error
    document: dict[str, Any] = client.upload("/v1/documents", filename=file.name, data=content)
    return {"id": document["id"]}


def input_from(text: str | None, assignments: list[str]) -> dict[str, Any]:
    """Build the input from --input and --set; a later one wins."""
    value: Any = {}
    if text is not None:
        try:
            value = json.loads(Path(text[1:]).read_text("utf-8") if text.startswith("@") else text)
        except (OSError, ValueError) as error:
            raise InvalidInput(f"--input: {error}.", fix="Give JSON, or @FILE with JSON in it.") from error
    if not isinstance(value, dict):
        raise InvalidInput("--input should be a JSON object.")
    for path, item in _pairs(assignments, option="--set").items():
        place = value
        *above, last = path.split(".")
        for name in above:
            place = place.setdefault(name, {})
            if not isinstance(place, dict):
                raise InvalidInput(f"--set {path}: {name} is no object.")
        place[last] = _literal(item)
    return value


def _literal(text: str) -> Any:
    """Read true, false, null, objects, lists and quoted text as JSON; all else, numbers too, stays text and exact."""
    if text in ("true", "false", "null") or text[:1] in ("{", "[", '"'):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _pairs(items: list[str], *, option: str = "--label") -> dict[str, str]:
    pairs = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise InvalidInput(f"{option} {item}: write it as NAME=VALUE.")
        pairs[name] = value
    return pairs
