"""Read generated receipts, and write the page that shows them: what was read, how surely, what is trusted and why not.

    python scripts/write_receipt_gallery.py

Writes docs/receipt-gallery.md and its pictures. The receipts are generated (the data set's pictures are not ours to publish), the readings
are the reader's own. The seed is fixed, so that the page changes only when the reader or the generator does.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

REPOSITORY = Path(__file__).resolve().parent.parent
MODEL_FOLDER = REPOSITORY / "automations" / "expenses" / "models" / "receipt-reader"
if str(MODEL_FOLDER) not in sys.path:
    sys.path.insert(0, str(MODEL_FOLDER))

from predictor import Predictor  # noqa: E402 - lives in the model's folder

from generate_receipts import Sample, generate  # noqa: E402

PAGE = REPOSITORY / "docs" / "receipt-gallery.md"
PICTURES = REPOSITORY / "docs" / "pictures"
COUNT, SEED = 60, 2026
SHOWN_EACH = 3
WIDTH_PX = 280
FIELDS = ("merchant", "date", "total", "currency", "tax", "receipt_number")
HEAD = f"""# Receipts, read and refused

Written by `scripts/write_receipt_gallery.py`: generated receipts (seed {SEED}) that the reader was never fitted on. How well it reads real ones is
in [its section](concepts/confidence-and-trust.md#the-receipt-reader); `python bench/expenses.py` writes the same report about those.
"""


def main() -> int:
    reader = Predictor(MODEL_FOLDER)
    with tempfile.TemporaryDirectory() as folder:
        samples = [s for s in generate(COUNT, SEED, Path(folder)) if not s.file.endswith(".pdf")]
        read = [
            (sample, Path(folder) / sample.file, outcome_of(reader, Path(folder) / sample.file)) for sample in samples
        ]
        groups = {
            "Read wrong": [one for one in read if not all_right(one[0], one[2])],
            "Trusted": [one for one in read if all_right(one[0], one[2]) and one[2]["trusted"]],
            "Right, but for a person": [one for one in read if all_right(one[0], one[2]) and not one[2]["trusted"]],
        }
        parts = [HEAD]
        for title, group in groups.items():
            parts.append(f"## {title}: {len(group)} of {len(read)}\n")
            parts += [shown(sample, file, outcome) for sample, file, outcome in group[:SHOWN_EACH]]
    PAGE.write_text("\n".join(parts), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(REPOSITORY)}")
    return 0


def outcome_of(reader: Predictor, file: Path) -> dict[str, Any]:
    return reader.predict({"documents": [{"id": "doc", "filename": file.name}]}, {"doc": file.read_bytes()})


def all_right(sample: Sample, outcome: dict[str, Any]) -> bool:
    """Whether date, total and currency are what was printed."""
    return all((outcome[name] or {}).get("value") == getattr(sample, name) for name in ("date", "total", "currency"))


def shown(sample: Sample, file: Path, outcome: dict[str, Any]) -> str:
    picture = Image.open(file).convert("L")
    picture.thumbnail((WIDTH_PX, 4 * WIDTH_PX))
    name = f"gallery-{Path(sample.file).stem}.jpg"
    picture.save(PICTURES / name, "JPEG", quality=55)
    lines = [f"![A generated receipt]({(PICTURES / name).relative_to(PAGE.parent)})\n"]
    lines += ["| | read | confidence | printed |", "|---|---|---|---|"]
    for field in FIELDS:
        found = outcome[field] or {"value": "–", "confidence": 0.0}
        lines.append(
            f"| {field.replace('_', ' ')} | {found['value']} | {found['confidence']:.3f} | {getattr(sample, field)} |"
        )
    lines += ["", *(f"- {reason}" for reason in outcome["reasons"]), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
