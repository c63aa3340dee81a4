"""Fit and measure the receipt reader's confidence on SROIE, and write the model's `calibration.json`.

    python scripts/calibrate_receipt_reader.py            measure out of fold, fit on all, write
    python scripts/calibrate_receipt_reader.py --check    measure only; exit 1 if the written file differs in its numbers

Folds hold all receipts of one merchant together, so that no layout is measured that was fitted on. Ranking weights are fitted first;
the confidence is then fitted on shares from weights that did not see the receipt. The order of names decides the folds; nothing is random.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np

MODEL_FOLDER = Path(__file__).parents[1] / "automations" / "expenses" / "models" / "receipt-reader"
if str(MODEL_FOLDER) not in sys.path:  # where the process runtime puts it, too
    sys.path.insert(0, str(MODEL_FOLDER))

from receipt_amounts import amounts  # noqa: E402
from receipt_confidence import Calibration, Rate, joint_evidence, trust  # noqa: E402
from receipt_country import country  # noqa: E402
from receipt_dates import date_candidates  # noqa: E402
from receipt_fields import Choice, Draft, draft  # noqa: E402
from receipt_layout import PageText, Row, rows  # noqa: E402
from receipt_merchant import merchant_candidates  # noqa: E402
from receipt_ocr import SETTINGS_VERSION  # noqa: E402
from receipt_total import total_candidates  # noqa: E402

from calibration_fit import fit_logistic, fit_ranking  # noqa: E402
from interlock.serving.calibration import expected_calibration_error  # noqa: E402
from sroie_readings import DEFAULT_FOLDER, Labelled, labelled, readings  # noqa: E402

FOLDS = 10
RANKED = ("total", "date", "merchant")
SAME_NAME = 0.85  # similarity of letters and digits from which two spellings are one merchant
TRUSTED_ERRORS_MAX = 0.01
Weights = dict[str, dict[str, float]]


@dataclass(frozen=True, kw_only=True)
class Example:
    """A receipt with what is right, in the reader's own notation."""

    receipt: Labelled
    pages: list[PageText]
    total: str | None
    date: str | None
    fold: int


def right(field: str, value: str, example: Example) -> bool:
    """Whether a value is what the annotators saw."""
    if field == "total":
        return example.total is not None and Decimal(value) == Decimal(example.total)
    if field == "date":
        return value == example.date
    if field == "currency":
        return value == "MYR"  # all receipts of the data set were printed in Malaysia
    mine, theirs = (re.sub(r"[^A-Z0-9]", "", name.upper()) for name in (value, example.receipt.company))
    return mine == theirs or SequenceMatcher(None, mine, theirs, autojunk=False).ratio() >= SAME_NAME


def true_total(text: str) -> str | None:
    """The label's amount as a decimal string."""
    try:
        return str(Decimal(re.sub(r"RM|\$|,|\s", "", text)).quantize(Decimal("0.01")))
    except InvalidOperation:
        return None


def true_date(text: str) -> str | None:
    """The label's date in ISO 8601; labels have the day first, as the receipts do."""
    text = re.sub(r"\s+", " ", text.strip(" ()").title().replace(",", " "))
    formats = (
        "%d/%m/%Y",
        "%d/%m/%y",
        "%Y/%m/%d",
        "%d%m%Y",
        "%d %b %Y",
        "%d %B %Y",
        "%b %d %Y",
        "%d %b %y",
        "%Y%m%d",
        "%d/%b/%Y",
        "%d/%b/%y",
        "%d/%B/%Y",
        "%m/%d/%Y",
    )
    for pattern in formats:
        for form in (pattern, pattern.replace("/", "-"), pattern.replace("/", ".")):
            try:
                return datetime.strptime(text, form).date().isoformat()
            except ValueError:
                continue
    return None


def examples(folder: Path) -> list[Example]:
    """Load the labelled receipts with their text; receipts of one merchant get one fold."""
    receipts = labelled(folder)
    names = [re.sub(r"[^A-Z]", "", receipt.company.upper())[:8] for receipt in receipts]
    sizes = [0] * FOLDS
    fold_of: dict[str, int] = {}
    for name, count in Counter(names).most_common():
        fold_of[name] = sizes.index(min(sizes))
        sizes[fold_of[name]] += count
    return [
        Example(
            receipt=receipt,
            pages=pages,
            total=true_total(receipt.total),
            date=true_date(receipt.date),
            fold=fold_of[name],
        )
        for receipt, name, pages in zip(
            receipts, names, readings([receipt.picture for receipt in receipts]), strict=True
        )
    ]


def candidates(field: str, example: Example) -> list[tuple[str, dict[str, float]]]:
    """Values and features of a field's candidates."""
    lines: list[Row] = [row for page in example.pages for row in rows(page)]
    if field == "total":
        return [(str(item.value), item.features) for item in total_candidates(amounts(lines))]
    if field == "date":
        place = country(lines)
        return [(item.value.isoformat(), item.features) for item in date_candidates(lines, place[1] if place else None)]
    return [(item.name, item.features) for item in merchant_candidates(lines)]


def ranking_weights(data: Sequence[Example], cache: Mapping[tuple[str, str], Any]) -> Weights:
    """Fit the weights of all ranked fields."""
    weights = {}
    for field in RANKED:
        rows_of = []
        for example in data:
            values = cache[field, example.receipt.name]
            good = [index for index, (value, _) in enumerate(values) if right(field, value, example)]
            rows_of.append(([features for _, features in values], good))
        weights[field] = fit_ranking(rows_of)
    return weights


def confidence_weights(data: Sequence[tuple[Example, Draft]]) -> Weights:
    """Fit the confidence of the ranked fields and of date and total together."""
    weights: Weights = {}
    for field in RANKED:
        seen = [(example, getattr(reading, field)) for example, reading in data if getattr(reading, field)]
        weights[field] = fit_logistic(
            [choice.evidence for _, choice in seen], [right(field, choice.value, example) for example, choice in seen]
        )
    both = [(example, reading) for example, reading in data if reading.date and reading.total]
    weights["joint"] = fit_logistic(
        [joint_evidence(weights, need(reading.date), need(reading.total)) for _, reading in both],
        [both_right(example, reading) for example, reading in both],
    )
    return weights


def need(choice: Choice | None) -> Choice:
    """The choice, where the caller has checked that there is one."""
    assert choice is not None
    return choice


def both_right(example: Example, reading: Draft) -> bool:
    return bool(
        reading.date
        and reading.total
        and right("date", reading.date.value, example)
        and right("total", reading.total.value, example)
    )


def currency_rates(data: Sequence[tuple[Example, Draft]]) -> dict[str, Rate]:
    """Share of right currencies by kind of evidence."""
    seen: dict[str, list[bool]] = {}
    for example, reading in data:
        if reading.currency:
            seen.setdefault(reading.currency.kind, []).append(right("currency", reading.currency.value, example))
    return {kind: Rate(right=sum(answers), of=len(answers)) for kind, answers in sorted(seen.items())}


def out_of_fold(data: Sequence[Example], report: Callable[[str], None]) -> list[tuple[Example, Draft]]:
    """Read every receipt with weights that were fitted without its merchant."""
    cache = {(field, item.receipt.name): candidates(field, item) for item in data for field in RANKED}
    result = []
    for fold in range(FOLDS):
        weights = ranking_weights([item for item in data if item.fold != fold], cache)
        result += [(item, draft(item.pages, weights)) for item in data if item.fold == fold]
    for field in RANKED:
        reachable = sum(any(right(field, v, item) for v, _ in cache[field, item.receipt.name]) for item in data)
        report(f"{field}: the right value is among the candidates of {reachable} of {len(data)}")
    return sorted(result, key=lambda pair: pair[0].receipt.name)


def trust_threshold(scored: Sequence[tuple[float, bool]]) -> float:
    """The lowest joint confidence above which at most `TRUSTED_ERRORS_MAX` were wrong; 1 when there is none."""
    best, wrong = 1.0, 0
    for count, (score, good) in enumerate(sorted(scored, key=lambda pair: -pair[0]), start=1):
        wrong += not good
        if wrong <= TRUSTED_ERRORS_MAX * count:
            best = score
    return float(np.floor(best * 1000) / 1000)


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A receipt read and judged by numbers that were fitted without it."""

    example: Example
    reading: Draft
    calibration: Calibration

    @property
    def trusted(self) -> bool:
        return trust(self.calibration, self.reading)[0]


def cross_scored(pairs: Sequence[tuple[Example, Draft]], rates: Mapping[str, Mapping[str, Rate]]) -> list[Scored]:
    """Give every out-of-fold reading a confidence and a threshold fitted on the other folds."""
    result = []
    for fold in range(FOLDS):
        others = [pair for pair in pairs if pair[0].fold != fold]
        calibration = calibrate(others, {}, rates)
        result += [Scored(example=e, reading=r, calibration=calibration) for e, r in pairs if e.fold == fold]
    return sorted(result, key=lambda item: item.example.receipt.name)


def calibrate(
    pairs: Sequence[tuple[Example, Draft]], ranking: Weights, rates: Mapping[str, Mapping[str, Rate]]
) -> Calibration:
    """Fit confidence, rates and the threshold of trust on out-of-fold readings."""
    confidence = confidence_weights(pairs)
    all_rates = {**rates, "currency": currency_rates(pairs)}
    open_calibration = Calibration(ranking=ranking, confidence=confidence, rates=all_rates, trust_min=0.0)
    eligible = [
        (open_calibration.joint(reading), both_right(example, reading))
        for example, reading in pairs
        if trust(open_calibration, reading)[0]
    ]
    return Calibration(ranking=ranking, confidence=confidence, rates=all_rates, trust_min=trust_threshold(eligible))


def measure(scored: Sequence[Scored]) -> dict[str, Any]:
    """Quality out of fold: right of all by field, calibration error, share and errors of what is trusted."""
    count = len(scored)
    measured: dict[str, Any] = {"receipts": count}
    for field in (*RANKED, "currency"):
        choices = [(item, getattr(item.reading, field)) for item in scored]
        answers = [bool(c) and right(field, c.value, item.example) for item, c in choices]
        measured[field] = {"right": sum(answers), "share": round(sum(answers) / count, 4)}
        if field in RANKED:
            given = [(item.calibration.of(field, c), ok) for (item, c), ok in zip(choices, answers, strict=True) if c]
            measured[field]["ece"] = round(expected_calibration_error([g[0] for g in given], [g[1] for g in given]), 4)
    both = [both_right(item.example, item.reading) for item in scored]
    joint = [item.calibration.joint(item.reading) for item in scored]
    measured["date_and_total"] = {
        "right": sum(both),
        "share": round(sum(both) / count, 4),
        "ece": round(expected_calibration_error(joint, both), 4),
    }
    trusted = [ok for item, ok in zip(scored, both, strict=True) if item.trusted]
    measured["trusted"] = {
        "receipts": len(trusted),
        "share": round(len(trusted) / count, 4),
        "wrong": len(trusted) - sum(trusted),
    }
    return measured


def evaluate(
    folder: Path = DEFAULT_FOLDER, report: Callable[[str], None] = print
) -> tuple[Calibration, dict[str, Any], list[Scored]]:
    """Measure out of fold and fit on all.

    Raises:
        FileNotFoundError: the data set is not at `folder`.
    """
    data = examples(folder)
    if not data:
        raise FileNotFoundError(f"The SROIE data set is not at {folder}.")
    for item in data:
        if item.total is None or item.date is None:
            report(f"label not understood: {item.receipt.name} {item.receipt.date!r} {item.receipt.total!r}")
    rates = text_checked()
    pairs = out_of_fold(data, report)
    scored = cross_scored(pairs, rates)
    cache = {(field, item.receipt.name): candidates(field, item) for item in data for field in RANKED}
    return calibrate(pairs, ranking_weights(data, cache), rates), measure(scored), scored


def text_checked() -> dict[str, dict[str, Rate]]:
    """Right answers of fields that the data set has no labels for, counted against the recognised text (`text_checked.json`)."""
    stored = json.loads((MODEL_FOLDER / "text_checked.json").read_text(encoding="utf-8"))
    return {
        field: {kind: Rate(right=seen["right"], of=seen["of"]) for kind, seen in kinds.items()}
        for field, kinds in stored["rates"].items()
    }


def document(calibration: Calibration, measured: Mapping[str, Any]) -> dict[str, Any]:
    """What is written to `calibration.json`."""
    return {
        "about": "Written by scripts/calibrate_receipt_reader.py; change nothing by hand.",
        "data": "ICDAR 2019 SROIE, the 399 labelled receipts of its development part; tax and receipt_number: text_checked.json",
        "method": f"weights out of fold, {FOLDS} folds by merchant; the rules themselves were written with this data in view; "
        "currency taken as MYR for all, so no other country's share of right currencies was measured",
        "ocr_settings": SETTINGS_VERSION,
        "measured": measured,
        "trust_min": calibration.trust_min,
        "confidence": calibration.confidence,
        "rates": {
            field: {kind: {"right": rate.right, "of": rate.of} for kind, rate in kinds.items()}
            for field, kinds in calibration.rates.items()
        },
        "ranking": calibration.ranking,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the numbers have changed")
    parser.add_argument("--data", type=Path, default=DEFAULT_FOLDER)
    parser.add_argument("--errors", action="store_true", help="list what was read wrong, out of fold")
    options = parser.parse_args()
    calibration, measured, scored = evaluate(options.data)
    print(json.dumps(measured, indent=2))
    if options.errors:
        _list_errors(scored)
    target = MODEL_FOLDER / "calibration.json"
    written = document(calibration, measured)
    if options.check:
        stored = json.loads(target.read_text(encoding="utf-8"))
        if stored["measured"] != measured:
            print(f"{target.name} has other numbers: run this script without --check.", file=sys.stderr)
            return 1
        return 0
    target.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {target.name}")
    return 0


def _list_errors(scored: Sequence[Scored]) -> None:
    for item in scored:
        for field, truth in (
            ("total", item.example.total),
            ("date", item.example.date),
            ("merchant", item.example.receipt.company),
        ):
            choice = getattr(item.reading, field)
            if choice is None or not right(field, choice.value, item.example):
                sure = item.calibration.of(field, choice) if choice else 0.0
                got = choice.value if choice else None
                print(
                    f"{item.example.receipt.name} {field}: {got!r} at {sure:.2f}, label {truth!r}",
                    "TRUSTED" if item.trusted else "",
                )


if __name__ == "__main__":
    raise SystemExit(main())
