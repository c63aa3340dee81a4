"""`interlock model`: what it says of model folders, to people and to scripts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from interlock.serving.registry import load

PREDICTOR = "class Predictor:\n    pass\n"
CARD = "# How it reads\n\nIt was fitted on **200** messages.\n"
MODEL = """
name = "{name}"
version = "1.2.0"
runtime = "process"
entry = "predictor:Predictor"
description = "Finds the number of an order [bold] in a message."
owner = "user:support"
licence = "Apache-2.0"

[limits]
memory_mb = 512
"""


def model(folder: Path, automation: str, name: str, **files: str) -> Path:
    made = folder / automation / "models" / name
    made.mkdir(parents=True)
    (folder / automation / "automation.toml").write_text("")
    (made / "model.toml").write_text(MODEL.format(name=name))
    (made / "predictor.py").write_text(PREDICTOR)
    for stem, text in files.items():
        (made / f"{stem}.{'json' if stem == 'evaluation' else 'md'}").write_text(text)
    return made


def interlock(automations: Path | None, *arguments: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("INTERLOCK_")}
    own = {} if automations is None else {"INTERLOCK_AUTOMATIONS_DIR": str(automations)}
    return subprocess.run(
        [sys.executable, "-m", "interlock.cli", "model", *arguments],
        env={**clean, "NO_COLOR": "1", **own},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def automations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two automations: one name is in both of them, another one only in the first."""
    folder = tmp_path_factory.mktemp("automations")
    model(folder, "refunds", "order-reader", card=CARD, evaluation='{"right": 0.97}')
    model(folder, "refunds", "mood-reader")
    model(folder, "returns", "mood-reader")
    return folder


def test_the_list_names_every_model_and_its_automation(automations: Path) -> None:
    said = interlock(automations, "list", "--json")
    assert said.returncode == 0, said.stderr
    items = json.loads(said.stdout)["items"]
    names = [(m["automation"], m["name"]) for m in items]
    assert names == [("refunds", "mood-reader"), ("refunds", "order-reader"), ("returns", "mood-reader")]
    version = load(automations / "refunds" / "models" / "order-reader")
    assert (items[1]["label"], items[1]["digest"]) == (version.label, version.digest)
    table = interlock(automations, "list").stdout
    for part in ("endpoint", "order-reader", version.label, "process", "user:support", "MB"):
        assert part in table


def test_the_card_for_people(automations: Path) -> None:
    said = interlock(automations, "card", "order-reader")
    assert said.returncode == 0, said.stderr
    # The author's brackets stay, the card's Markdown is rendered.
    for part in (
        "order-reader@1.2.0+",
        "Apache-2.0",
        "order [bold] in",
        "memory_mb 512",
        "How it reads",
        "fitted on 200 messages",
        "--json",
    ):
        assert part in said.stdout
    assert "**200**" not in said.stdout


def test_the_card_for_scripts(automations: Path) -> None:
    found = json.loads(interlock(automations, "card", "refunds/order-reader", "--json").stdout)
    folder = automations / "refunds" / "models" / "order-reader"
    assert found["card"] == CARD
    assert found["evaluation"] == {"right": 0.97}
    assert found["limits"] == {"memory_mb": 512}
    assert found["licence"] == "Apache-2.0"
    assert found["size_mb"] == round(sum(f.stat().st_size for f in folder.iterdir()) / 1e6, 3)
    bare = json.loads(interlock(automations, "card", "returns/mood-reader", "--json").stdout)
    assert (bare["automation"], bare["card"], bare["evaluation"]) == ("returns", None, None)


def test_a_name_that_is_not_there_names_those_that_are(automations: Path) -> None:
    said = interlock(automations, "card", "order-raeder", "--json")
    assert said.returncode == 3
    problem = json.loads(said.stderr)
    assert problem["code"] == "not_found"
    assert problem["fix"] == "Did you mean order-reader? There are: mood-reader, order-reader."
    other = interlock(automations, "card", "returns/order-reader")
    assert other.returncode == 3
    assert "refunds/order-reader" in other.stderr


def test_a_name_in_two_automations_asks_which(automations: Path) -> None:
    said = interlock(automations, "card", "mood-reader")
    assert said.returncode == 2
    assert "refunds/mood-reader or returns/mood-reader" in said.stderr


def test_a_broken_folder_is_named(automations: Path, tmp_path: Path) -> None:
    shutil.copytree(automations, tmp_path, dirs_exist_ok=True)
    file = tmp_path / "refunds" / "models" / "order-reader" / "evaluation.json"
    file.write_text("{")
    said = interlock(tmp_path, "card", "order-reader")
    assert said.returncode == 2
    assert str(file) in said.stderr
    assert "Traceback" not in said.stderr


def test_an_empty_folder_has_none(tmp_path: Path) -> None:
    assert json.loads(interlock(tmp_path, "list", "--json").stdout) == {"items": []}
    assert "There are: none." in interlock(tmp_path, "card", "any").stderr


def test_the_receipt_reader_is_among_those_that_come_with_interlock() -> None:
    assert json.loads(interlock(None, "card", "receipt-reader", "--json").stdout)["automation"] == "expenses"
