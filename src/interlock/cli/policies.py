"""`interlock policy …`: check a set, see what it would change, put it in force, go back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from interlock.cli.client import Client
from interlock.cli.options import Data, Json, settings_for
from interlock.cli.output import print_json, print_table, say, say_json, say_text
from interlock.domain.errors import InvalidInput

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Policies: check, diff, activate, roll back.")

Folder = Annotated[Path, typer.Argument(help="A folder with *.cedar files, and cases.yaml.", metavar="FOLDER")]
Number = Annotated[int, typer.Argument(min=1, help="Number of the change, as history shows it.", metavar="CHANGE")]


def _files(folder: Path) -> dict[str, str]:
    """Read a set from its folder."""
    if not folder.is_dir():
        raise InvalidInput(f"{folder} is no folder.", fix="Name the folder with the *.cedar files.")
    found = [*sorted(folder.glob("*.cedar")), *folder.glob("cases.yaml")]
    try:
        return {file.name: file.read_text(encoding="utf-8") for file in found}
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{folder} cannot be read: {error}.", fix="Make its files readable, as UTF-8.") from error


@app.command(epilog="Example: interlock policy show")
def show(
    number: Annotated[
        int | None, typer.Argument(min=1, metavar="SET", help="A set; by default what decides now.")
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show what decides now, or the files of a set."""
    path = "/v1/policies" if number is None else f"/v1/policies/sets/{number}"
    found = Client(settings_for(data)).get(path)
    if as_json:
        print_json(found)
    elif number is None:
        say(
            f"set {found['active'] or 'none of your own'}, looking on: {found['shadow'] or 'none'}, {found['version'][:12]}"
        )
        rows = [(p["id"], p["effect"], ", ".join(p["obligations"]), p["reason"]) for p in found["policies"]]
        print_table(("policy", "effect", "obligations", "reason"), rows)
    else:
        for name, text in found["files"].items():
            say(f"// {name}")
            say_text(text)


@app.command(epilog="Example: interlock policy check policies/")
def check(folder: Folder, data: Data = None, as_json: Json = False) -> None:
    """Compile a set over what is deployed. Exits with 2 where it is wrong, naming file, policy and fix."""
    found = Client(settings_for(data)).post("/v1/policies/check", {"files": _files(folder)}, repeat=True)
    if as_json:
        print_json(found)
    else:
        say(f"{folder}: nothing wrong, version {found['version'][:12]}, {len(found['cases'])} cases")


@app.command("test", epilog="Example: interlock policy test policies/")
def run_cases(folder: Folder, data: Data = None, as_json: Json = False) -> None:
    """Run the cases beside a set's policies. Exits with 1 where one fails."""
    found = Client(settings_for(data)).post("/v1/policies/check", {"files": _files(folder)}, repeat=True)
    failed = [case for case in found["cases"] if not case["passed"]]
    if as_json:
        print_json(found)
    else:
        for case in failed:
            say(
                f"FAILED {case['name']}: wanted {case['wanted']}, got {case['got']} ({', '.join(case['reasons'])}) {case['detail']}"
            )
        say(f"{len(found['cases']) - len(failed)} of {len(found['cases'])} cases hold")
    if failed or not found["cases"]:
        if not found["cases"] and not as_json:
            say("There is no cases.yaml: write what the policies must answer.")
        raise typer.Exit(1)


@app.command(epilog="Example: interlock policy diff policies/")
def diff(
    folder: Folder,
    seconds: Annotated[float, typer.Option(min=0.5, max=30, help="How long to search for counterexamples.")] = 5.0,
    prove: Annotated[
        bool, typer.Option("--prove", help="Also prove of which requests no answer changes, whatever they hold.")
    ] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Say which answers a set would change: of recorded decisions and answers to reviews, and on the smallest requests that a search finds.

    A search proves nothing. With --prove, Z3 does, as far as it can; it needs the extra `prove` where the API runs.
    """
    path = f"/v1/policies/diff?seconds={seconds:g}" + ("&prove=true" if prove else "")
    found = Client(settings_for(data)).post(path, {"files": _files(folder)}, repeat=True)
    if as_json:
        print_json(found)
        return
    say(f"{found['changed']} of {found['recorded']} recorded decisions and answers would go the other way")
    if found["examples"]:
        rows = [(d["task_id"], d["effect"], _verdict(d["before"]), _verdict(d["after"])) for d in found["examples"]]
        print_table(("task", "effect", "now", "then"), rows)
    for name, search in found["searched"].items():
        for difference in search["counterexamples"]:
            _say_difference(difference)
        if search["actions"] and not search["counterexamples"]:
            say(
                f"{name}: no counterexample in {search['requests']} requests to {', '.join(search['actions'])}; that is no proof"
            )
    if not any(search["actions"] for search in found["searched"].values()):
        say("The same policies decide about everything.")
    if found["proofs"] is not None:
        shown = {c["action"] for search in found["searched"].values() for c in search["counterexamples"]}
        _say_proofs(list(found["proofs"].values()), shown)


def _say_difference(difference: dict[str, Any]) -> None:
    say()
    say(
        f"{difference['action']}: {_verdict(difference['before'])} becomes {_verdict(difference['after'])}, such as for"
    )
    say_json("", {key: difference[key] for key in ("principal", "resource", "context")})


def _say_proofs(proofs: list[dict[str, Any]], shown: set[str]) -> None:
    """Say what was proved in a line, then what is undecided and why; a difference only of an action of which none was shown."""
    if problems := sorted({proof["problem"] for proof in proofs if proof["problem"]}):
        say()
        say(" ".join(problems))
        return
    kinds, proved = (sum(proof[part] for proof in proofs) for part in ("kinds", "proved"))
    differs = [difference for proof in proofs for difference in proof["differs"]]
    undecided = [one for proof in proofs for one in proof["undecided"]]
    say()
    say(
        f"proved: for {proved} of {kinds} kinds of requests no answer changes, whatever is asked;"
        f" {len(differs)} differ, {len(undecided)} are not decided"
    )
    if undecided:
        print_table(
            ("principal", "action", "resource", "not decided, because"),
            [(one["principal"], one["action"], one["resource"], one["reason"]) for one in undecided],
        )
    for difference in differs:
        if difference["action"] not in shown:
            shown.add(difference["action"])
            _say_difference(difference)


def _verdict(verdict: dict[str, Any]) -> str:
    return f"{verdict['answer']} ({', '.join([*verdict['obligations'], *verdict['policies']])})"


@app.command(epilog='Example: interlock policy activate policies/ --note "Finance asks from 500 on"')
def activate(
    folder: Folder,
    shadow: Annotated[bool, typer.Option("--shadow", help="Only look on, and count what would differ.")] = False,
    note: Annotated[str, typer.Option(help="Why, for whoever approves it.")] = "",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Propose a set. A second person approves it; in an installation with a single key it is in force at once."""
    body = {"files": _files(folder), "note": note, "shadow": shadow}
    _say(Client(settings_for(data)).post("/v1/policies/changes", body), as_json)


@app.command(epilog="Example: interlock policy approve 3")
def approve(number: Number, data: Data = None, as_json: Json = False) -> None:
    """Put a proposed change in force. Who proposed it may not."""
    _say(Client(settings_for(data)).post(f"/v1/policies/changes/{number}:approve"), as_json)


@app.command(epilog='Example: interlock policy reject 3 --reason "Not before January"')
def reject(
    number: Number,
    reason: Annotated[str, typer.Option(help="Why; whoever proposed it reads it.")],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Turn a proposed change down, or take one's own back."""
    _say(Client(settings_for(data)).post(f"/v1/policies/changes/{number}:reject", {"reason": reason}), as_json)


@app.command(epilog="Example: interlock policy rollback")
def rollback(
    to: Annotated[int | None, typer.Option(min=0, help="A set that was in force once; 0: none of your own.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Put what was in force before in force again, at once."""
    _say(Client(settings_for(data)).post("/v1/policies:rollback", {} if to is None else {"to": to}), as_json)


@app.command("stop-shadow", epilog="Example: interlock policy stop-shadow")
def stop_shadow(data: Data = None, as_json: Json = False) -> None:
    """Let nothing look on any more."""
    _say(Client(settings_for(data)).post("/v1/policies:stop-shadow"), as_json)


@app.command(epilog="Example: interlock policy history")
def history(
    limit: Annotated[int, typer.Option(min=1, max=1_000)] = 50, data: Data = None, as_json: Json = False
) -> None:
    """List changes: who proposed, who decided, what is in force since when."""
    page = Client(settings_for(data)).get("/v1/policies/changes", limit=limit)
    if as_json:
        print_json(page)
        return
    names = ("number", "set_number", "kind", "mode", "state", "asked_by", "decided_by", "decided_at", "reason")
    print_table([name.replace("_", " ") for name in names], [tuple(c[n] for n in names) for c in page["items"]])


@app.command(epilog="Example: interlock policy differences")
def differences(data: Data = None, as_json: Json = False) -> None:
    """Show what a set that looks on would have answered otherwise."""
    with Client(settings_for(data)) as client:
        page = client.get("/v1/policies/differences")
    if as_json:
        print_json(page)
        return
    rows = [
        (d["set_number"], d["action"], d["answer"], d["would_be"], d["count"], ", ".join(d["would_be_reasons"]))
        for d in page["items"]
    ]
    print_table(("set", "action", "now", "would be", "count", "by"), rows)


def _say(change: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(change)
        return
    what = "no set of your own" if change["set_number"] == 0 else f"set {change['set_number']}"
    if change["state"] == "proposed":
        say(f"Change {change['number']} is proposed: {what}, {change['mode']}.")
        say(f"A second person approves it: interlock policy approve {change['number']}")
    elif change["state"] == "rejected":
        say(f"Change {change['number']} was turned down.")
    else:
        say(f"In force: {what}, {change['mode']}.")
