"""Which SROIE receipts belong together, and the folds that keep them together: no brand and no near-duplicate picture is in two.

    python scripts/receipt_folds.py          write bench/folds/sroie.json
    python scripts/receipt_folds.py --check  exit 1 if the written file would differ

A model that has seen another receipt of the same till knows its layout, so such a pair must never be split between what is fitted and
what is measured. Two receipts belong together when their firms' names are the same after normalising, begin alike or are spelled
almost alike, or when their pictures are almost the same (correlation of small copies). Nothing is random.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sroie_readings import DEFAULT_FOLDER, REPOSITORY, Labelled, labelled

FILE = REPOSITORY / "bench" / "folds" / "sroie.json"
FOLDS = 10
SIDE = 48
INK_MIN = 0.005  # of a line or column
SAME_PICTURE = 0.85  # correlation
SAME_NAME = 0.85
PREFIX = 7  # letters: shops of one chain begin alike and end with the place
_SUFFIXES = re.compile(
    r"\b(SDN|BHD|BERHAD|SB|PTE|PTY|LTD|LIMITED|LLC|INC|CORP|CO|COMPANY|ENTERPRISE|TRADING|RESTAURANT|RESTORAN|KEDAI|PERNIAGAAN|SYARIKAT|THE)\b"
)


def brand(company: str) -> str:
    """Give a firm's name as letters and digits, without what stands in brackets and without legal form and kind of trade."""
    name = re.sub(r"\(.*?\)?(?=\)|$)\)?|\(.*?\)", " ", company.upper())
    plain = re.sub(r"[^A-Z0-9]", "", _SUFFIXES.sub(" ", re.sub(r"[^A-Z0-9 ]", "", name)))
    return plain or re.sub(r"[^A-Z0-9]", "", company.upper())


def thumbnail(picture: Path) -> NDArray[np.float32]:
    """Give the printed part of a page at 48 × 48, as a vector of mean 0 and length 1: the product of two is their correlation."""
    grey = np.asarray(cv2.imread(str(picture), cv2.IMREAD_GRAYSCALE), np.uint8)
    ink = grey < (float(grey.min()) + float(np.median(grey))) / 2
    lines, columns = np.flatnonzero(ink.mean(axis=1) > INK_MIN), np.flatnonzero(ink.mean(axis=0) > INK_MIN)
    if len(lines) and len(columns):
        grey = grey[lines[0] : lines[-1] + 1, columns[0] : columns[-1] + 1]
    small = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    small -= small.mean()
    unit: NDArray[np.float32] = small / (np.linalg.norm(small) + 1e-6)
    return unit


def groups(receipts: Sequence[Labelled]) -> list[int]:
    """Give each receipt the number of its group."""
    parent = list(range(len(receipts)))

    def root(index: int) -> int:
        while parent[index] != index:
            index = parent[index]
        return index

    brands = [brand(receipt.company) for receipt in receipts]
    small = np.array([thumbnail(receipt.picture) for receipt in receipts])
    alike = small @ small.T >= SAME_PICTURE
    for first in range(len(receipts)):
        for second in range(first + 1, len(receipts)):
            if alike[first, second] or _same_brand(brands[first], brands[second]):
                parent[root(second)] = root(first)
    return [root(index) for index in range(len(receipts))]


def _same_brand(one: str, other: str) -> bool:
    if one == other or (min(len(one), len(other)) >= PREFIX and one[:PREFIX] == other[:PREFIX]):
        return True
    return SequenceMatcher(None, one, other, autojunk=False).quick_ratio() >= SAME_NAME and (
        SequenceMatcher(None, one, other, autojunk=False).ratio() >= SAME_NAME
    )


def folds(receipts: Sequence[Labelled]) -> dict[str, int]:
    """Give each receipt a fold from 0; the largest groups are placed first, each into the smallest fold."""
    of = groups(receipts)
    sizes = [0] * FOLDS
    fold_of: dict[int, int] = {}
    for group, count in Counter(of).most_common():
        fold_of[group] = sizes.index(min(sizes))
        sizes[fold_of[group]] += count
    return {receipt.name: fold_of[group] for receipt, group in zip(receipts, of, strict=True)}


def stored() -> dict[str, int]:
    """Read the committed folds."""
    found: dict[str, int] = json.loads(FILE.read_text())["fold_of"]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--data", type=Path, default=DEFAULT_FOLDER)
    options = parser.parse_args()
    receipts = labelled(options.data)
    if not receipts:
        print(f"The SROIE data set is not at {options.data}.", file=sys.stderr)
        return 1
    fold_of = folds(receipts)
    sizes = Counter(groups(receipts)).most_common(5)
    print(f"{len(receipts)} receipts, {len(set(groups(receipts)))} groups, the largest {[n for _, n in sizes]}")
    if options.check:
        return int(fold_of != stored())
    FILE.parent.mkdir(exist_ok=True)
    about = "Written by scripts/receipt_folds.py: no brand and no near-duplicate picture is in two folds."
    FILE.write_text(json.dumps({"about": about, "folds": FOLDS, "fold_of": fold_of}, indent=0) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
