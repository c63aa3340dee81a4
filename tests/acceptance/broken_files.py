"""Files that should not get far, made here so that none of them lies in the repository."""

from __future__ import annotations

import io
import struct
import zlib

import pypdfium2
from PIL import Image


def png_of_size(width: int, height: int, row: bytes | None = None) -> bytes:
    """Give a valid PNG of one bit a pixel; all of it is zeros, so that it is tiny until somebody decodes it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    line = b"\0" + bytes((width + 7) // 8) if row is None else row
    pixels = b"".join(packer.compress(line) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def pdf_of_pages(pages: int) -> bytes:
    """Give a valid PDF of so many empty pages."""
    document = pypdfium2.PdfDocument.new()
    for _ in range(pages):
        document.new_page(200, 200)
    out = io.BytesIO()
    document.save(out)
    document.close()
    return out.getvalue()


def jpeg_that_cannot_be_decoded() -> bytes:
    """Give a JPEG with right headers and a right end, whose Huffman tables are nonsense."""
    out = io.BytesIO()
    Image.effect_noise((300, 400), 60).save(out, "JPEG", quality=80)
    data = bytearray(out.getvalue())
    table = data.index(b"\xff\xc4")
    data[table + 5 : table + 21] = b"\xff" * 16
    return bytes(data)
