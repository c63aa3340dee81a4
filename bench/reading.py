"""Quality and speed of the receipt reader, on SROIE (out of fold) and on generated receipts that nothing was fitted on.

    python bench/reading.py --generated 40 --seed 7

SROIE uses cached text, so its seconds are taken from `--timed` receipts that are read afresh. Without the data set only the generated
part runs, and says so.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
MODEL_FOLDER = REPOSITORY / "automations" / "expenses" / "models" / "receipt-reader"
sys.path[:0] = [str(REPOSITORY / "scripts"), str(MODEL_FOLDER)]

psutil = importlib.import_module("psutil")
predictor_module = importlib.import_module("predictor")
generator = importlib.import_module("generate_receipts")
sroie = importlib.import_module("sroie_readings")
calibration = importlib.import_module("calibrate_receipt_reader")

FIELDS = ("date", "total", "currency", "tax", "receipt_number", "merchant")
SAME_NAME = 0.85


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the receipt reader.")
    parser.add_argument("--generated", type=int, default=40, help="how many receipts to generate and read")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--timed", type=int, default=12, help="SROIE receipts to read afresh for the time")
    parser.add_argument("--errors", action="store_true", help="list what was read wrong on generated receipts")
    options = parser.parse_args()
    print(
        f"machine: {platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}, OCR on 1 thread"
    )
    started = time.perf_counter()
    reader = predictor_module.Predictor(MODEL_FOLDER)
    loaded_s = time.perf_counter() - started
    receipts = sroie.labelled()
    if receipts:
        _, measured, _ = calibration.evaluate(report=lambda _: None)
        print("\nSROIE, out of fold (folds by merchant; merchant right means similar by 0.85 or more):")
        print(json.dumps(measured, indent=1))
        step = max(1, len(receipts) // options.timed)
        report_time("SROIE", [timed(reader, receipt.picture)[1] for receipt in receipts[::step]])
    else:
        print("\nSROIE is not at ../shared/data/sroie: its part was left out.")
    with tempfile.TemporaryDirectory() as folder:
        samples = generator.generate(options.generated, options.seed, Path(folder))
        read = [(sample, *timed(reader, Path(folder) / sample.file)) for sample in samples]
    print(f"\ngenerated, seed {options.seed}:")
    report_generated([(sample, outcome) for sample, outcome, _ in read], options.errors)
    report_time("generated", [seconds for _, _, seconds in read])
    memory_mb = psutil.Process().memory_info().rss / 2**20
    print(f"load {loaded_s:.1f} s before the first receipt; memory of this process {memory_mb:.0f} MB")
    return 0


def timed(reader: Any, path: Path) -> tuple[dict[str, Any], float]:
    """Read one file: the outcome and the seconds that it took."""
    data = path.read_bytes()
    started = time.perf_counter()
    outcome = reader.predict({"documents": [{"id": "doc", "filename": path.name}]}, {"doc": data})
    return outcome, time.perf_counter() - started


def report_time(name: str, seconds: Sequence[float]) -> None:
    ordered = sorted(seconds)
    print(
        f"{name}: {len(ordered)} read, p50 {statistics.median(ordered) * 1000:.0f} ms,"
        f" p95 {ordered[int(len(ordered) * 0.95)] * 1000:.0f} ms a receipt"
    )


def report_generated(read: Sequence[tuple[Any, Mapping[str, Any]]], errors: bool) -> None:
    """Right answers by field, and what is trusted."""
    count = len(read)
    for field in FIELDS:
        good = sum(right(field, outcome[field], getattr(sample, field)) for sample, outcome in read)
        print(f"  {field:15} {good:4} of {count}  {good / count:.1%}")
    both = [
        right("date", outcome["date"], sample.date) and right("total", outcome["total"], sample.total)
        for sample, outcome in read
    ]
    trusted = [ok for ok, (_, outcome) in zip(both, read, strict=True) if outcome["trusted"]]
    print(f"  date and total  {sum(both):4} of {count}  {sum(both) / count:.1%}")
    print(f"  trusted         {len(trusted):4} of {count}, wrong among them {len(trusted) - sum(trusted)}")
    if errors:
        for sample, outcome in read:
            for field in FIELDS:
                if not right(field, outcome[field], getattr(sample, field)):
                    print(
                        f"    {sample.file} {sample.layout}/{sample.medium} {field}: {outcome[field]} is {getattr(sample, field)!r}"
                    )


def right(field: str, found: Mapping[str, Any] | None, truth: str) -> bool:
    """Whether a field was read right; a merchant may differ by a few letters."""
    if found is None:
        return False
    value = str(found["value"])
    if field in {"total", "tax"}:
        return Decimal(value) == Decimal(truth)
    if field == "merchant":
        mine, theirs = ("".join(ch for ch in name.upper() if ch.isalnum()) for name in (value, truth))
        return SequenceMatcher(None, mine, theirs, autojunk=False).ratio() >= SAME_NAME
    return value == truth


if __name__ == "__main__":
    raise SystemExit(main())
