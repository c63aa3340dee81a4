"""Model folders: their digests, what they state of themselves, and which come with the product."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.contract import model_automation

import write_shipped_models
from interlock.domain.errors import ConfigurationError
from interlock.orchestration import automations
from interlock.serving import registry

EXPENSES = Path(__file__).parents[2] / "automations" / "expenses"


def test_the_list_of_shipped_models_is_what_stands_in_the_repository() -> None:
    assert write_shipped_models.FILE.read_text() == write_shipped_models.text(), "run make reference"


def test_a_shipped_version_is_known_by_every_byte(tmp_path: Path) -> None:
    shipped = registry.load_all(EXPENSES)["receipt-reader"]
    assert registry.is_shipped("expenses", shipped)
    assert not registry.is_shipped("others", shipped)
    model = registry.load(model_automation.write(tmp_path))
    assert not registry.is_shipped("orders", model)


def test_the_shipped_reader_says_who_made_it_from_what() -> None:
    card = registry.load_all(EXPENSES)["receipt-reader"].card
    assert card.licence
    assert card.provenance.trained_by
    assert card.provenance.code
    assert [one.name for one in card.provenance.data] == ["ICDAR 2019 SROIE"]


def test_each_file_counts_and_what_python_compiled_does_not(tmp_path: Path) -> None:
    folder = model_automation.write(tmp_path)
    before = registry.load(folder)
    assert set(before.files) == {"predictor.py", "words.py", "prefix.txt", "card.md", "model.toml"}
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "words.cpython-311.pyc").write_bytes(b"compiled")
    assert registry.load(folder).digest == before.digest
    for name in before.files:
        kept = (folder / name).read_bytes()
        (folder / name).write_bytes(kept + b"\n")
        changed = registry.load(folder)
        assert changed.digest != before.digest
        assert [n for n in before.files if changed.files[n] != before.files[n]] == [name]
        (folder / name).write_bytes(kept)


def test_a_wrong_provenance_names_the_file(tmp_path: Path) -> None:
    folder = model_automation.write(tmp_path)
    file = folder / "model.toml"
    file.write_text(file.read_text().replace("trained_by", "trainer"))
    with pytest.raises(ConfigurationError, match=r"model\.toml.*(?s:.*)trainer"):
        registry.load(folder)


def test_a_folder_of_automations_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"INTERLOCK_AUTOMATIONS_DIR='.*nowhere' is no folder"):
        automations.load_all(tmp_path / "nowhere")
