"""`interlock model …`: which models the automations have, and what is known of each. Reads their folders; nothing needs to run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markdown import Markdown

from interlock.cli.options import Data, Json, settings_for
from interlock.cli.output import bold, console, print_json, print_table, say, shown
from interlock.domain.errors import ConfigurationError, InvalidInput, NotFound
from interlock.serving import registry
from interlock.serving.registry import ModelVersion

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Models: list, show, register, approve, release.")

CARD, EVALUATION = "card.md", "evaluation.json"
MEGABYTE = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Found:
    """A model version and the automation that it belongs to."""

    automation: str
    model: ModelVersion

    @property
    def name(self) -> str:
        return self.model.card.name

    @property
    def full_name(self) -> str:
        return f"{self.automation}/{self.name}"


@app.command("list", epilog="Example: interlock model list")
def list_models(data: Data = None, as_json: Json = False) -> None:
    """List the models of all automations; a model's name is that of the endpoint which it answers."""
    models = [_facts(found) for found in find(settings_for(data).automations_dir)]
    if as_json:
        print_json({"items": models})
        return
    print_table(
        ("endpoint", "automation", "version", "runtime", "owner", "MB"),
        [(m["name"], m["automation"], m["label"], m["runtime"], m["owner"], f"{m['size_mb']:.2f}") for m in models],
    )


@app.command(epilog="Example: interlock model card receipt-reader")
def card(
    name: Annotated[str, typer.Argument(help="The model's name, or AUTOMATION/NAME where two have it.")],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show what is known of a model: its version, owner, licence and limits, and its card where it has one.

    With --json, also how it was evaluated, where the folder says so.
    """
    found = select(find(settings_for(data).automations_dir), name)
    facts, text, evaluation = _facts(found), _text(found.model.folder / CARD), _evaluation(found.model.folder)
    if as_json:
        print_json(facts | {"card": text, "evaluation": evaluation})
        return
    width = max(len(key) for key in facts)
    for key, value in facts.items():
        if value not in (None, "", {}, []):
            say(bold(key.replace("_", " ").ljust(width + 2)), _joined(value))
    if evaluation is not None:
        say(bold("evaluation".ljust(width + 2)), f"in {EVALUATION}; printed with --json")
    if text is not None:
        say()
        console().print(Markdown(shown(text, lines=True)), soft_wrap=False)


def find(automations: Path) -> list[Found]:
    """Read the model folders of every automation, without importing its code."""
    folders = sorted(file.parent for file in automations.glob("*/automation.toml"))
    return [Found(automation=f.name, model=model) for f in folders for model in registry.load_all(f).values()]


def select(models: Sequence[Found], wanted: str) -> Found:
    """Give the model of a name, or of AUTOMATION/NAME; raises NotFound with the names there are, InvalidInput for two."""
    chosen = [found for found in models if wanted in (found.name, found.full_name)]
    if len(chosen) == 1:
        return chosen[0]
    if chosen:
        names = " or ".join(found.full_name for found in chosen)
        raise InvalidInput(f"{len(chosen)} automations have a model {wanted!r}.", fix=f"Say which: {names}.")
    known = sorted({found.full_name if "/" in wanted else found.name for found in models})
    near = get_close_matches(wanted, known, n=1)
    hint = f"Did you mean {near[0]}? " if near else ""
    raise NotFound(f"There is no model {wanted!r}.", fix=f"{hint}There are: {', '.join(known) or 'none'}.")


def _facts(found: Found) -> dict[str, Any]:
    model, more = found.model, found.model.card.model_extra or {}
    made = model.card.provenance
    return {
        "name": found.name,
        "automation": found.automation,
        "label": model.label,
        "digest": model.digest,
        "runtime": model.card.runtime,
        "owner": model.card.owner,
        "licence": model.card.licence or None,
        "trained_by": made.trained_by,
        "code": " ".join(filter(None, (made.code, made.code_version))),
        "data": [" ".join(filter(None, (d.name, d.version))) for d in made.data],
        "description": model.card.description,
        "size_mb": round(model.size_bytes / MEGABYTE, 3),
        "timeout_s": model.card.timeout_s,
        "limits": more.get("limits", {}),
    }


def _text(file: Path) -> str | None:
    if not file.is_file():
        return None
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: {error}", fix="Make it readable, as UTF-8.") from error


def _evaluation(folder: Path) -> Any:
    text = _text(folder / EVALUATION)
    try:
        return None if text is None else json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigurationError(f"{folder / EVALUATION}: {error}", fix="Write it as JSON.") from error


def _joined(value: object) -> str:
    if isinstance(value, list):
        return "; ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{name} {one}" for name, one in value.items())
    return str(value)
