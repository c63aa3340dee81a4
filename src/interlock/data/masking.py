"""A file without what stands in boxes: pages are painted over and written anew, so that nothing but their pixels is left.

No text layer, EXIF, thumbnail, comment or earlier revision of the original comes along, since none of its bytes do.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from interlock.data.documents import JPEG, PDF

Box = tuple[float, float, float, float]
JPEG_QUALITY: Final = 92
PDF_DPI: Final = 200.0


def paint(image: NDArray[np.uint8], boxes: Sequence[Box]) -> NDArray[np.uint8]:
    """Give a copy of an RGB page with boxes (fractions of the page) painted black, to the outer pixel."""
    painted = image.copy()
    height, width = image.shape[:2]
    for x0, y0, x1, y1 in boxes:
        rows = slice(max(0, math.floor(y0 * height)), min(height, math.ceil(y1 * height)))
        columns = slice(max(0, math.floor(x0 * width)), min(width, math.ceil(x1 * width)))
        painted[rows, columns] = 0
    return painted


def write(pages: Sequence[NDArray[np.uint8]], media_type: str) -> bytes:
    """Write pages as a file of the kind that the original was."""
    pictures = [Image.fromarray(page) for page in pages]
    out = io.BytesIO()
    if media_type == PDF:
        pictures[0].save(
            out, "PDF", save_all=True, append_images=pictures[1:], resolution=PDF_DPI, quality=JPEG_QUALITY
        )
    elif media_type == JPEG:
        pictures[0].save(out, "JPEG", quality=JPEG_QUALITY)
    else:
        pictures[0].save(out, "PNG")
    return out.getvalue()
