"""Measure finding personal data on labelled sentences, by type: precision, recall and F2, with rules alone and with the extra `pii`.

    python -m bench.pii [--data FOLDER] [--json]

The sentences are presidio-research's (MIT; not part of this repository): `generated_small.json` and `synth_dataset_v2.json`. Every second one
was looked at while the rules were written, the others were held back; both halves are reported. A labelled value counts as found only
where every letter and digit of it is covered by finds of its type (recall), or of any type (removed): half a card number is a leak. A find counts
as right where it overlaps a label of its type. F2 weighs recall twice as much as precision. Without the data it says so and ends with 0.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.machine import line

from interlock.governance.redaction.detect import Detector, detector
from interlock.governance.redaction.findings import STRUCTURED, Found
from interlock.governance.redaction.trained import installed

DATA: Final = Path(__file__).resolve().parents[2] / "shared" / "data" / "pii" / "dev"
FILES: Final = ("generated_small.json", "synth_dataset_v2.json")
# Labels of the data and the types that mean the same here. Others (titles, ages, nationalities, organisations, plain dates) are not looked for.
LABELS: Final[Mapping[str, str]] = {
    "PERSON": "PERSON", "PHONE_NUMBER": "PHONE_NUMBER", "CREDIT_CARD": "CREDIT_CARD", "EMAIL_ADDRESS": "EMAIL_ADDRESS",
    "IBAN_CODE": "IBAN_CODE", "US_SSN": "US_SSN", "IP_ADDRESS": "IP_ADDRESS", "DOMAIN_NAME": "URL", "STREET_ADDRESS": "ADDRESS",
    "ADDRESS": "ADDRESS", "ZIP_CODE": "ADDRESS", "GPE": "LOCATION", "LOCATION": "LOCATION", "US_DRIVER_LICENSE": "DRIVER_LICENSE",
}  # fmt: skip
SCORED: Final = frozenset(LABELS.values())
# A town inside a postal address is labelled as one or the other; either find covers it.
ALIKE: Final = frozenset({"ADDRESS", "LOCATION"})
GATE_RECALL: Final = 0.9


@dataclass(frozen=True)
class Sentence:
    """A text with its labels: (type, start, end)."""

    text: str
    labels: tuple[tuple[str, int, int], ...]


def load(folder: Path) -> tuple[list[Sentence], list[Sentence]]:
    """Give the half that was looked at while the rules were written, and the half that was held back."""
    halves: tuple[list[Sentence], list[Sentence]] = ([], [])
    for name in FILES:
        for number, row in enumerate(json.loads((folder / name).read_text())):
            labels = tuple(
                (LABELS[s["entity_type"]], s["start_position"], s["end_position"])
                for s in row["spans"]
                if s["entity_type"] in LABELS
            )
            halves[number % 2].append(Sentence(row["full_text"], labels))
    return halves


def score(sentences: Sequence[Sentence], with_: Detector) -> dict[str, dict[str, float]]:
    """Give counts and rates by type."""
    found, covered, gone, right, wrong = (Counter[str]() for _ in range(5))
    for sentence in sentences:
        finds = [f for f in with_.find(sentence.text) if f.type in SCORED]
        for kind, start, end in sentence.labels:
            found[kind] += 1
            covered[kind] += _covers(sentence.text, start, end, [f for f in finds if _same(f.type, kind)])
            gone[kind] += _covers(sentence.text, start, end, finds)
        for find in finds:
            hit = any(_same(find.type, k) and find.start < e and s < find.end for k, s, e in sentence.labels)
            (right if hit else wrong)[find.type] += 1
    return {
        kind: _rates(found[kind], covered[kind], gone[kind], right[kind], wrong[kind])
        for kind in sorted({*found, *wrong})
    }


def _same(one: str, other: str) -> bool:
    return one == other or {one, other} <= ALIKE


def _covers(text: str, start: int, end: int, finds: Sequence[Found]) -> bool:
    inside = {place for f in finds for place in range(max(f.start, start), min(f.end, end))}
    return all(place in inside for place in range(start, end) if text[place].isalnum())


def _rates(labelled: int, covered: int, gone: int, right: int, wrong: int) -> dict[str, float]:
    recall = covered / labelled if labelled else float("nan")
    precision = right / (right + wrong) if right + wrong else float("nan")
    f2 = 5 * precision * recall / (4 * precision + recall) if precision + recall > 0 else float("nan")
    return {
        "labelled": labelled,
        "found": right + wrong,
        "precision": precision,
        "recall": recall,
        "f2": f2,
        "removed": gone / labelled if labelled else float("nan"),
    }


def measure(folder: Path) -> Iterator[tuple[str, str, dict[str, dict[str, float]], float]]:
    """Give (detector, half, scores, milliseconds a sentence) of everything that can be measured here."""
    halves = load(folder)
    for name, which in (("rules", "rules"), ("rules + extra pii", "trained")):
        if which == "trained" and not installed():
            print("The extra pii is not installed: rules alone are measured.")
            continue
        with_ = detector(which)  # type: ignore[arg-type]
        for half, sentences in zip(("looked at", "held back"), halves, strict=True):
            began = time.perf_counter()
            scores = score(sentences, with_)
            yield name, half, scores, (time.perf_counter() - began) * 1000 / len(sentences)


def show(name: str, half: str, scores: Mapping[str, Mapping[str, float]], ms: float) -> None:
    print(f"\n{name}, the half {half} ({ms:.2f} ms a sentence)")
    print(f"{'type':<16}{'labelled':>9}{'found':>7}{'precision':>11}{'recall':>8}{'F2':>7}{'removed':>9}")
    for kind, row in scores.items():
        rates = "".join(f"{row[r]:>{w}.2f}" for r, w in (("precision", 11), ("recall", 8), ("f2", 7), ("removed", 9)))
        print(f"{kind:<16}{row['labelled']:>9.0f}{row['found']:>7.0f}{rates}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if not all((options.data / name).is_file() for name in FILES):
        print(
            f"Skipped: {', '.join(FILES)} of presidio-research are not in {options.data}; name their folder with --data."
        )
        return 0
    report: list[dict[str, Any]] = []
    held = True
    for name, half, scores, ms in measure(options.data):
        report.append({"detector": name, "half": half, "scores": scores, "ms": ms})
        low = {
            k: row["recall"]
            for k, row in scores.items()
            if k in STRUCTURED and row["labelled"] and row["recall"] < GATE_RECALL
        }
        held = held and not low
        if not options.json:
            show(name, half, scores, ms)
            print(f"recall ≥ {GATE_RECALL} on structured types: {'held' if not low else f'MISSED {low}'}")
    print(json.dumps(report) if options.json else f"\n{line()}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
