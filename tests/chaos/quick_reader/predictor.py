"""A reader for chaos tests: a receipt is a real PNG, and what would be read of it stands in a text chunk."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngImageFile

CHUNK = "reading"


class Predictor:
    def __init__(self, folder: Path) -> None:
        """Needs nothing of its folder."""

    def predict(self, request: dict[str, Any], files: Mapping[str, bytes]) -> dict[str, Any]:
        (document,) = request["documents"]
        with Image.open(io.BytesIO(files[document["id"]])) as picture:
            if not isinstance(picture, PngImageFile):
                raise ValueError("not a PNG")  # noqa: TRY004 - a wrong request, as real readers say it
            reading: dict[str, Any] = json.loads(picture.text[CHUNK])
        return reading
