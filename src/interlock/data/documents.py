"""Uploaded files, judged by their bytes before anybody opens them, then rendered to pages.

`inspect` is for the process that accepts uploads: it reads headers only and never decodes a picture. `render` is for the process
that runs models, where memory and time are limited from outside.
"""

from __future__ import annotations

import hashlib
import io
import struct
import threading
import warnings
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
import pypdfium2
from numpy.typing import NDArray
from PIL import Image, ImageOps
from pypdfium2 import raw as pdfium

from interlock.domain.errors import InvalidInput, NotFound, TooLarge, UnsafeDocument, UnsupportedDocument

JPEG, PNG, PDF = "image/jpeg", "image/png", "application/pdf"
MEDIA_TYPES = (JPEG, PNG, PDF)

_EXTENSIONS = {
    ".jpg": "picture",
    ".jpeg": "picture",
    ".jpe": "picture",
    ".jfif": "picture",
    ".png": "picture",
    ".pdf": "document",
}
_KINDS = {JPEG: "picture", PNG: "picture", PDF: "document"}
_ACCEPTED = "Send a JPEG, a PNG or a PDF."

_POINTS_PER_INCH = 72
_JPEG_START_OF_FRAME = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_JPEG_END = b"\xff\xd9"
_TEXT_LAYER_CHARACTERS_MIN = 20  # less is a page number or a watermark over a scan
_SCAN_SHARE = 0.5  # a picture over this share of a PDF page makes it a scan, whose text layer nobody vouches for

_pdfium_lock = threading.Lock()  # PDFium is not thread safe; every call into it holds this


@dataclass(frozen=True, kw_only=True)
class DocumentLimits:
    """What a file may cost. Each limit refuses, none of them truncates.

    Attributes:
        pixels_max: of a picture, or of one picture inside a PDF, by its header.
        side_ratio_max: the longer side by the shorter one; scaled to what a model takes, the shorter one would vanish.
        scans_max: passes of a progressive JPEG; each costs a decode of the whole picture.
        dpi: at which PDF pages are rendered. side_px_max: rendered pages are scaled down to it.
        text_characters_max: of the text layer of one PDF page; a page with more is read from its picture.
    """

    size_bytes_max: int = 20 * 1024 * 1024
    pixels_max: int = 64_000_000
    pages_max: int = 20
    side_ratio_max: int = 50
    scans_max: int = 64
    dpi: int = 200
    side_px_max: int = 2400
    text_characters_max: int = 20_000


DEFAULT_LIMITS = DocumentLimits()


@dataclass(frozen=True, kw_only=True)
class DocumentInfo:
    """What a file is. `width` and `height` are those of the first page in pixels as stored (PDF: at the limit's dpi)."""

    media_type: str
    size_bytes: int
    pages: int
    width: int
    height: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class TextRun:
    """A run of a PDF's own text and where it stands: x0, y0, x1, y1 in pixels of the rendered page."""

    text: str
    box: tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page as a person sees it.

    Attributes:
        number: counted from 1.
        image: RGB, shape (height, width, 3), dtype uint8; EXIF orientation and PDF rotation are applied.
        runs: the text layer; empty for pictures and scans.
    """

    number: int
    image: NDArray[np.uint8]
    runs: tuple[TextRun, ...] = ()


def inspect(data: bytes, filename: str, limits: DocumentLimits = DEFAULT_LIMITS) -> DocumentInfo:
    """Tell what a file is, by its content, without decoding it.

    Args:
        filename: as given by the sender; only its extension is looked at. A name without one is fine.

    Raises:
        InvalidInput: the file is empty.
        TooLarge: more bytes than the limit.
        UnsupportedDocument: neither JPEG, PNG nor PDF, cut off, or of another kind than its name says.
        UnsafeDocument: too many pixels, pages or passes, or a PDF that is encrypted or broken.
        None of them can succeed on a retry with the same file.
    """
    if not data:
        raise InvalidInput(f"{_named(filename)} is empty.", fix=_ACCEPTED)
    if len(data) > limits.size_bytes_max:
        raise TooLarge(
            f"{_named(filename)} has {len(data):,} bytes; {limits.size_bytes_max:,} are allowed.",
            fix="Send it at a lower resolution, or in parts.",
        )
    media_type = _media_type(data, filename)
    if media_type == JPEG:
        pages, (width, height) = 1, _jpeg_size(data, filename, limits)
    elif media_type == PNG:
        pages, (width, height) = 1, _png_size(data, filename)
    else:
        pages, (width, height) = _pdf_size(data, filename, limits)
    if not width or not height:
        raise UnsupportedDocument(f"{_named(filename)} says that its picture has no size.", fix=_ACCEPTED)
    if media_type != PDF and width * height > limits.pixels_max:
        raise UnsafeDocument(
            f"{_named(filename)} has {width} × {height} pixels; {limits.pixels_max:,} in all are allowed.",
            fix="Send it at a lower resolution.",
        )
    if max(width, height) > limits.side_ratio_max * min(width, height):
        raise UnsafeDocument(
            f"{_named(filename)} is {width} × {height}: one side is over {limits.side_ratio_max} times the other.",
            fix="Cut it into pieces; no model reads a strip.",
        )
    return DocumentInfo(
        media_type=media_type,
        size_bytes=len(data),
        pages=pages,
        width=width,
        height=height,
        sha256=hashlib.sha256(data).hexdigest(),
    )


def render(data: bytes, filename: str = "", limits: DocumentLimits = DEFAULT_LIMITS) -> Iterator[Page]:
    """Inspect the file again, then yield its pages one at a time (about 15 MB each).

    Raises:
        the errors of `inspect`, before the first page; UnsupportedDocument for a picture that cannot be decoded, UnsafeDocument
        for a PDF page that cannot be rendered within the limits.
    """
    info = inspect(data, filename, limits)
    if info.media_type == PDF:
        yield from _pdf_pages(data, filename, range(1, info.pages + 1), limits)
    else:
        yield Page(number=1, image=_picture(data, filename, info, limits))


def one_page(data: bytes, number: int, limits: DocumentLimits = DEFAULT_LIMITS) -> Page:
    """Give one page alone, as large as it is read.

    Raises:
        NotFound: there is no such page. Else the errors of `render`.
    """
    info = inspect(data, "", limits)
    if number > info.pages:
        raise NotFound(f"The document has no page {number}.")
    if info.media_type == PDF:
        return next(_pdf_pages(data, "", [number], limits))
    return Page(number=1, image=_picture(data, "", info, limits))


def page_picture(data: bytes, number: int, limits: DocumentLimits = DEFAULT_LIMITS) -> bytes:
    """Give one page as a PNG: what a person sees is what the model saw. Raises the errors of `one_page`."""
    with io.BytesIO() as file:
        Image.fromarray(one_page(data, number, limits).image).save(file, "PNG", compress_level=1)
        return file.getvalue()


def _named(filename: str) -> str:
    return f"The file {PurePath(filename).name!r}" if filename else "The file"


def _media_type(data: bytes, filename: str) -> str:
    if data.startswith(b"\xff\xd8\xff"):
        media_type = JPEG
    elif data.startswith(b"\x89PNG\r\n\x1a\n"):
        media_type = PNG
    elif b"%PDF-" in data[:1024]:
        media_type = PDF
    else:
        raise UnsupportedDocument(
            f"{_named(filename)} is neither a JPEG, a PNG nor a PDF by its content.", fix=_ACCEPTED
        )
    extension = PurePath(filename).suffix.lower()
    if extension and _EXTENSIONS.get(extension) != _KINDS[media_type]:
        raise UnsupportedDocument(
            f"{_named(filename)} has the content of {media_type}, which is not what its name says.",
            fix="Rename it to what it is.",
        )
    return media_type


def _truncated(filename: str) -> UnsupportedDocument:
    return UnsupportedDocument(f"{_named(filename)} is cut off or damaged.", fix="Send the whole file again.")


def _jpeg_size(data: bytes, filename: str, limits: DocumentLimits) -> tuple[int, int]:
    """Walk the segments up to the picture's data (ITU-T T.81, B.1)."""
    size: tuple[int, int] | None = None
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            raise _truncated(filename)
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        length = int.from_bytes(data[at + 2 : at + 4])
        if marker in _JPEG_START_OF_FRAME and at + 9 <= len(data):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            size = (width, height)
        if marker == 0xDA:  # start of scan: the picture's own data, in which 0xFF marks only markers
            if size is None or data.rfind(_JPEG_END) < at:
                raise _truncated(filename)
            if data.count(b"\xff\xda", at) > limits.scans_max:
                raise UnsafeDocument(
                    f"{_named(filename)} has more than {limits.scans_max} passes.", fix="Save it as a baseline JPEG."
                )
            return size
        at += 2 + max(length, 2)
    raise _truncated(filename)


def _png_size(data: bytes, filename: str) -> tuple[int, int]:
    """Walk the chunks to the end (ISO/IEC 15948, 5.3) and read the header's size."""
    size: tuple[int, int] | None = None
    at = 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4])
        kind, end = data[at + 4 : at + 8], at + 12 + length
        if end > len(data):
            break
        if size is None:
            header = data[at + 8 : end - 4]
            if kind != b"IHDR" or length != 13 or zlib.crc32(kind + header) != int.from_bytes(data[end - 4 : end]):
                break
            width, height = struct.unpack(">II", header[:8])
            size = (width, height)
        if kind == b"IEND":
            return size
        at = end
    raise _truncated(filename)


def _pdf_size(data: bytes, filename: str, limits: DocumentLimits) -> tuple[int, tuple[int, int]]:
    with _pdfium_lock:
        document = _open_pdf(data, filename)
        try:
            pages = len(document)
            if pages == 0:
                raise UnsupportedDocument(f"{_named(filename)} has no pages.", fix=_ACCEPTED)
            if pages > limits.pages_max:
                raise UnsafeDocument(
                    f"{_named(filename)} has {pages} pages; {limits.pages_max} are allowed.", fix="Split it."
                )
            width, height = document.get_page_size(0)
        except pypdfium2.PdfiumError as error:
            raise _broken_pdf(filename) from error
        finally:
            document.close()
    scale = limits.dpi / _POINTS_PER_INCH
    return pages, (round(width * scale), round(height * scale))


def _open_pdf(data: bytes, filename: str) -> Any:
    try:
        return pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise UnsafeDocument(f"{_named(filename)} is encrypted.", fix="Send it without a password.") from error
        raise _broken_pdf(filename) from error


def _broken_pdf(filename: str) -> UnsafeDocument:
    return UnsafeDocument(f"{_named(filename)} is a PDF that cannot be opened.", fix="Export or scan it again.")


def _picture(data: bytes, filename: str, info: DocumentInfo, limits: DocumentLimits) -> NDArray[np.uint8]:
    kind = "JPEG" if info.media_type == JPEG else "PNG"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own, tighter limit was checked
            with Image.open(io.BytesIO(data), formats=[kind]) as picture:
                picture.draft(
                    "RGB", (limits.side_px_max, limits.side_px_max)
                )  # a JPEG decodes at a fraction of its size
                upright = ImageOps.exif_transpose(picture)
                return _fitted(_on_white(upright), limits)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnsupportedDocument(
            f"{_named(filename)} cannot be decoded as {info.media_type}.", fix="Save the picture again."
        ) from error


def _on_white(picture: Image.Image) -> Image.Image:
    """Flatten transparency onto white paper; what is 16 bits deep becomes 8."""
    if picture.mode in ("I;16", "I;16B", "I"):
        return Image.fromarray((np.asarray(picture, dtype=np.uint32) >> 8).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        layers = picture.convert("RGBA")
        paper = Image.new("RGBA", layers.size, "white")
        return Image.alpha_composite(paper, layers).convert("RGB")
    return picture.convert("RGB")


def _fitted(picture: Image.Image, limits: DocumentLimits) -> NDArray[np.uint8]:
    picture.thumbnail((limits.side_px_max, limits.side_px_max), Image.Resampling.LANCZOS)
    return np.asarray(picture, dtype=np.uint8)


def _pdf_pages(data: bytes, filename: str, numbers: Iterable[int], limits: DocumentLimits) -> Iterator[Page]:
    for number in numbers:
        with _pdfium_lock:
            # opened once a page: nothing of PDFium stays open outside the lock, and a document here has few pages
            document = _open_pdf(data, filename)
            try:
                page = _pdf_page(document[number - 1], number, filename, limits)
            except pypdfium2.PdfiumError as error:
                raise _broken_pdf(filename) from error
            finally:
                document.close()
        yield page


def _pdf_page(page: Any, number: int, filename: str, limits: DocumentLimits) -> Page:
    width, height = page.get_size()
    covered = 0.0
    for item in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=4):
        inside_width, inside_height = item.get_px_size()
        if inside_width * inside_height > limits.pixels_max:
            raise UnsafeDocument(
                f"{_named(filename)} has a picture of {inside_width} × {inside_height} pixels on page {number}.",
                fix="Export it at a lower resolution.",
            )
        left, bottom, right, top = item.get_bounds()
        covered = max(covered, (right - left) * (top - bottom))
    scale = min(limits.dpi / _POINTS_PER_INCH, limits.side_px_max / max(width, height))
    if min(width, height) * scale < 1:
        raise UnsafeDocument(
            f"{_named(filename)} has a page {number} of {width:.0f} × {height:.0f} points.", fix="Scan it again."
        )
    bitmap = page.render(scale=scale, rev_byteorder=True, no_smoothtext=False)
    image = np.ascontiguousarray(bitmap.to_numpy()[:, :, :3], dtype=np.uint8).copy()
    runs = () if covered > _SCAN_SHARE * width * height else _runs(page, bitmap, limits)
    return Page(number=number, image=image, runs=runs)


def _runs(page: Any, bitmap: Any, limits: DocumentLimits) -> tuple[TextRun, ...]:
    text_page = page.get_textpage()
    if not _TEXT_LAYER_CHARACTERS_MIN <= text_page.count_chars() <= limits.text_characters_max:
        return ()
    to_picture = bitmap.get_posconv(page)
    runs = []
    for index in range(text_page.count_rects()):
        left, bottom, right, top = text_page.get_rect(index)
        text = " ".join(text_page.get_text_bounded(left, bottom, right, top).split())
        if text:
            (x0, y0), (x1, y1) = to_picture.to_bitmap(left, top), to_picture.to_bitmap(right, bottom)
            runs.append(TextRun(text=text, box=(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))))
    return tuple(runs)
