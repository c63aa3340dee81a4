"""Folds keep a brand together, however its name is written; where the data set is there, the committed file is what it gives."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
if str(SCRIPTS) not in sys.path:
    sys.path.insert(0, str(SCRIPTS))

from receipt_folds import FOLDS, brand, folds, groups, stored  # noqa: E402
from sroie_readings import DEFAULT_FOLDER, labelled  # noqa: E402


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("MR. D.I.Y. (M) SDN BHD", "MR. D.I.Y. (KUCHAI) SDN BHD"),
        ("MR. D. I. Y. (M) SDN BHD", "MR.D.I.Y(M)SDN BHD"),
        ("AEON CO. (M) BHD", "AEON CO. (M) BHD."),
        ("Kedai Buku Dua", "KEDAI BUKU DUA SDN. BHD."),
    ],
)
def test_a_brand_is_one_however_it_is_written(one: str, other: str) -> None:
    assert brand(one) == brand(other) != ""


def test_different_firms_are_different_brands() -> None:
    assert brand("GARDENIA BAKERIES (KL) SDN BHD") != brand("AEON CO. (M) BHD")
    assert brand("THE (M) SDN BHD")  # nothing is left of it but what it is


def test_the_committed_folds_are_even() -> None:
    sizes = Counter(stored().values())
    assert sorted(sizes) == list(range(FOLDS))
    assert max(sizes.values()) - min(sizes.values()) <= 1


def test_the_committed_folds_are_those_of_the_data_and_split_no_group() -> None:
    receipts = labelled(DEFAULT_FOLDER)
    if not receipts:
        pytest.skip(f"the SROIE data set is not at {DEFAULT_FOLDER}: the folds were NOT compared with it")
    assert folds(receipts) == stored()
    folds_of: dict[int, set[int]] = {}
    for receipt, group in zip(receipts, groups(receipts), strict=True):
        folds_of.setdefault(group, set()).add(stored()[receipt.name])
    assert all(len(found) == 1 for found in folds_of.values())
