"""What a page costs, beside what plain RapidOCR takes for the same page: in turns, each in a process of its own, on one thread.

Plain is `RapidOCR()` as it comes: text only, no fields. Ours is all of `Predictor.predict`: decoding, papers, text, fields, second looks,
confidence. Processor seconds, not those of the clock: others may use the machine.
"""

from __future__ import annotations

import importlib
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
MODEL_FOLDER = REPOSITORY / "automations" / "expenses" / "models" / "receipt-reader"
_loaded: list[Any] = []


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Processor seconds of each receipt, ours and plain, and the most memory that each process had (resident, MB)."""

    ours_s: tuple[float, ...]
    plain_s: tuple[float, ...]
    ours_mb: float
    plain_mb: float

    def ratio(self, share: float) -> float:
        """Ours to plain at a quantile of each."""
        return quantile(self.ours_s, share) / quantile(self.plain_s, share)

    @property
    def ratio_of_pairs(self) -> float:
        """The median over receipts of ours to plain for the same receipt."""
        return statistics.median(a / b for a, b in zip(self.ours_s, self.plain_s, strict=True))


def quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def side_by_side(pictures: Sequence[Path]) -> Cost:
    """Read each picture by both, one after the other, the first of the two changing from picture to picture."""
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(1, mp_context=context, initializer=_start_ours) as ours,
        ProcessPoolExecutor(1, mp_context=context, initializer=_start_plain) as plain,
    ):
        found: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
        for place, picture in enumerate(pictures):
            for mine in (True, False) if place % 2 else (False, True):
                pool, read = (ours, _read_ours) if mine else (plain, _read_plain)
                found[mine].append(pool.submit(read, picture).result())
    return Cost(
        ours_s=tuple(seconds for seconds, _ in found[True]),
        plain_s=tuple(seconds for seconds, _ in found[False]),
        ours_mb=found[True][-1][1],
        plain_mb=found[False][-1][1],
    )


def _start_ours() -> None:
    sys.path.insert(0, str(MODEL_FOLDER))
    _loaded.append(importlib.import_module("predictor").Predictor(MODEL_FOLDER))


def _start_plain() -> None:
    importlib.import_module("cv2").setNumThreads(1)
    params = {
        "EngineConfig.onnxruntime.intra_op_num_threads": 1,
        "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        "Global.log_level": "critical",
    }
    ocr = importlib.import_module("rapidocr").RapidOCR(params=params)
    ocr(importlib.import_module("numpy").full((96, 320, 3), 255, "uint8"))  # loads the models
    _loaded.append(ocr)


def _read_ours(picture: Path) -> tuple[float, float]:
    data = picture.read_bytes()
    started = time.process_time()
    _loaded[0].predict({"documents": [{"id": "doc", "filename": picture.name}]}, {"doc": data})
    return time.process_time() - started, _peak_mb()


def _read_plain(picture: Path) -> tuple[float, float]:
    data = picture.read_bytes()
    started = time.process_time()
    _loaded[0](data)
    return time.process_time() - started, _peak_mb()


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
