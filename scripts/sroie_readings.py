"""The SROIE receipts with what a person read on them, and the text that OCR finds, kept on disk between runs.

The data set is never part of this repository; without it the scripts that need it say so. Readings go to `INTERLOCK_CACHE` (by
default `~/.cache/interlock`), named by the picture's SHA-256 and the version of the OCR settings.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
MODEL_FOLDER = REPOSITORY / "automations" / "expenses" / "models" / "receipt-reader"
if str(MODEL_FOLDER) not in sys.path:
    sys.path.insert(0, str(MODEL_FOLDER))

from receipt_layout import Look, PageText, Piece, Quad, TextBox  # noqa: E402 - lives in the model's folder
from receipt_ocr import SETTINGS_VERSION, PageReader  # noqa: E402

from interlock.data.documents import render  # noqa: E402

DEFAULT_FOLDER = REPOSITORY.parent / "shared" / "data" / "sroie" / "dev"


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """A receipt of the data set: its picture, and company, date and total as its annotators wrote them."""

    name: str
    picture: Path
    company: str
    date: str
    total: str


def labelled(folder: Path = DEFAULT_FOLDER) -> list[Labelled]:
    """List the receipts that have labels, by name; empty when the data set is not there."""
    receipts = []
    for key in sorted((folder / "key").glob("*.json")):
        picture = folder / "img" / f"{key.stem}.jpg"
        truth = json.loads(key.read_text(encoding="utf-8"))
        receipts.append(
            Labelled(
                name=key.stem,
                picture=picture,
                company=truth.get("company", ""),
                date=truth.get("date", ""),
                total=truth.get("total", ""),
            )
        )
    return receipts


def readings(pictures: list[Path], *, processes: int = 2) -> Iterator[list[PageText]]:
    """Yield the text of each picture in order; pictures that were not read before are read by `processes` processes."""
    missing = [picture for picture in pictures if not _cache_file(picture).exists()]
    if missing:
        print(f"reading {len(missing)} pictures by OCR …", file=sys.stderr)
        with ProcessPoolExecutor(processes, initializer=_start_reader) as pool:
            for done, _ in enumerate(pool.map(_read_one, missing, chunksize=4), start=1):
                if done % 50 == 0:
                    print(f"  {done} of {len(missing)}", file=sys.stderr)
    for picture in pictures:
        yield _load(_cache_file(picture))


_reader: PageReader | None = None


def _start_reader() -> None:
    global _reader  # noqa: PLW0603 - one set of models a process
    _reader = PageReader(threads=1)


def _read_one(picture: Path) -> None:
    assert _reader is not None
    pages = [paper for page in render(picture.read_bytes()) for paper in _reader.read(page.image, page.number)]
    target = _cache_file(picture)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f".{os.getpid()}")
    partial.write_text(json.dumps([asdict(page) for page in pages]), encoding="utf-8")
    partial.replace(target)


def _cache_file(picture: Path) -> Path:
    root = Path(os.environ.get("INTERLOCK_CACHE", "~/.cache/interlock")).expanduser()
    digest = hashlib.sha256(picture.read_bytes()).hexdigest()
    return root / "ocr" / f"v{SETTINGS_VERSION}" / f"{digest}.json"


def _load(path: Path) -> list[PageText]:
    pages = json.loads(path.read_text(encoding="utf-8"))
    return [
        PageText(
            **{
                **page,
                "paper": _quad(page["paper"]),
                "boxes": tuple(TextBox(**{**box, "quad": _quad(box["quad"])}) for box in page["boxes"]),
            }
        )
        for page in pages
    ]


class SecondLooks:
    """Looks again at lines of one picture, as the reader does, and keeps what was seen on disk. See `receipt_fields.Again`."""

    def __init__(self, picture: Path, pages: list[PageText]) -> None:
        self._picture = picture
        self._pages = pages
        self._file = _cache_file(picture).with_suffix(".looks.json")
        self._seen: dict[str, list[dict[str, Any]]] = (
            json.loads(self._file.read_text(encoding="utf-8")) if self._file.exists() else {}
        )

    def __call__(self, page: int, piece: Piece) -> list[Look]:
        key = f"{page}:{piece.quad}"
        if key not in self._seen:
            image = next(one.image for one in render(self._picture.read_bytes()) if one.number == page)
            paper = next(p for p in self._pages if p.page == page and any(b.quad == piece.quad for b in p.boxes))
            looks = _shared_reader().look_again(image, paper, piece.quad)
            self._seen[key] = [asdict(look) for look in looks]
            partial = self._file.with_suffix(f".{os.getpid()}")
            partial.write_text(json.dumps(self._seen), encoding="utf-8")
            partial.replace(self._file)
        return [Look(**one) for one in self._seen[key]]


def _shared_reader() -> PageReader:
    if _reader is None:
        _start_reader()
    assert _reader is not None
    return _reader


def _quad(points: list[list[float]]) -> Quad:
    a, b, c, d = ((x, y) for x, y in points)
    return a, b, c, d


if __name__ == "__main__":
    found = labelled()
    if not found:
        raise SystemExit(f"The SROIE data set is not at {DEFAULT_FOLDER}.")
    print(sum(1 for _ in readings([receipt.picture for receipt in found])), "receipts read")
