"""The note beside the database is whole, whoever else writes it at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from interlock.governance.kept_checkpoint import KeptCheckpoint

NOTES = [f"note {number}\n" * 50 for number in range(8)]


def test_many_that_write_at_once_leave_one_whole_note_and_nothing_else(tmp_path: Path) -> None:
    kept = KeptCheckpoint(tmp_path / "audit" / "last-checkpoint")
    with ThreadPoolExecutor(len(NOTES)) as pool:
        list(pool.map(kept.write, NOTES * 25))
    assert kept.path.read_text() in NOTES
    assert [file.name for file in kept.path.parent.iterdir()] == ["last-checkpoint"]
    assert kept.path.stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_put_in_its_place_leaves_nothing_behind(tmp_path: Path) -> None:
    kept = KeptCheckpoint(tmp_path / "last-checkpoint")
    kept.path.mkdir()
    with pytest.raises(OSError, match="last-checkpoint"):
        kept.write("note")
    assert [file.name for file in tmp_path.iterdir()] == ["last-checkpoint"]
