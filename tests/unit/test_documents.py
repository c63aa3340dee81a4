"""Uploaded files: what they are, and those that must not be opened."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pypdfium2
import pytest
from PIL import Image, ImageDraw, ImageFont
from tests.pdf import pdf_with_text

from interlock.data.documents import JPEG, PDF, PNG, DocumentLimits, inspect, render
from interlock.domain.errors import InvalidInput, TooLarge, UnsafeDocument, UnsupportedDocument
from interlock.infra.settings import Settings

SMALL = DocumentLimits(size_bytes_max=200_000, pixels_max=100_000, pages_max=3, scans_max=4)


def picture(kind: str, size: tuple[int, int] = (60, 40), **options: object) -> bytes:
    out = io.BytesIO()
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).rectangle((0, 0, size[0] // 2, size[1]), fill="black")  # the left half is dark
    image.save(out, kind, **options)
    return out.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_claiming(width: int, height: int, body: bytes = b"\0" * 64) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


def pdf_of(pages: int, size: tuple[float, float] = (200, 300)) -> bytes:
    document = pypdfium2.PdfDocument.new()
    for _ in range(pages):
        document.new_page(*size)
    out = io.BytesIO()
    document.save(out)
    document.close()
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "name", "media_type"),
    [
        (picture("JPEG"), "a.jpg", JPEG),
        (picture("PNG"), "a.PNG", PNG),
        (picture("PNG"), "really-a-png.jpeg", PNG),
        (picture("JPEG"), "no-extension", JPEG),
        (picture("JPEG"), "", JPEG),
    ],
    ids=["jpeg", "png", "png as jpeg", "no ending", "no name"],
)
def test_a_picture_is_known_by_its_content(data: bytes, name: str, media_type: str) -> None:
    info = inspect(data, name)
    assert (info.media_type, info.pages, info.width, info.height) == (media_type, 1, 60, 40)
    assert info.size_bytes == len(data)
    assert len(info.sha256) == 64


def test_a_pdf_has_its_pages_counted_and_its_size_at_the_dpi() -> None:
    info = inspect(pdf_of(2), "a.pdf", DocumentLimits(dpi=144))
    assert (info.media_type, info.pages, info.width, info.height) == (PDF, 2, 400, 600)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"just text, whatever the name says", "receipt.jpg"),
        (b"GIF89a" + b"\0" * 40, "receipt.gif"),
        (picture("PNG"), "receipt.pdf"),
        (pdf_of(1), "receipt.png"),
        (picture("JPEG"), "receipt.exe"),
        (picture("JPEG")[:-200], "cut.jpg"),
        (picture("JPEG")[:30], "cut.jpg"),
        (picture("PNG")[:-12], "cut.png"),
        (picture("PNG")[:20], "cut.png"),
        (b"\xff\xd8\xff", "cut.jpg"),
        (png_claiming(0, 5), "flat.png"),
    ],
    # Bytes are no names: those of a PDF hold the second in which it was made, and differ between the workers of one run.
    ids=[
        "text",
        "gif",
        "png as pdf",
        "pdf as png",
        "jpeg as exe",
        "jpeg without its end",
        "jpeg's beginning",
        "png without its end",
        "png's beginning",
        "three bytes",
        "no width",
    ],
)
def test_what_is_no_usable_document_is_refused(data: bytes, name: str) -> None:
    with pytest.raises(UnsupportedDocument) as caught:
        inspect(data, name)
    assert caught.value.fix
    assert not caught.value.retryable


def test_a_header_with_a_wrong_checksum_is_not_believed() -> None:
    data = bytearray(png_claiming(10, 10))
    data[19] ^= 1  # the width's last byte
    with pytest.raises(UnsupportedDocument):
        inspect(bytes(data), "a.png")


@pytest.mark.parametrize(
    "data",
    [
        png_claiming(10_000, 10_000),  # a 100-megapixel image
        png_claiming(60_000, 60_000, b"\0" * 1_000_000),  # a bomb: some bytes that say they are 3.6 gigapixels
        png_claiming(2**31 - 1, 2**31 - 1),
        picture("JPEG", (500, 300)),
        pdf_of(4),
    ],
    ids=["100 megapixels", "bomb", "largest numbers", "over the limit", "pages"],
)
def test_what_costs_too_much_is_refused_by_its_header(data: bytes) -> None:
    with pytest.raises(UnsafeDocument) as caught:
        inspect(data, "", SMALL)
    assert caught.value.fix


def test_a_pdf_with_a_thousand_pages_is_refused_by_default() -> None:
    with pytest.raises(UnsafeDocument, match="1000 pages; 20 are allowed"):
        inspect(pdf_of(1000), "many.pdf")


def test_a_progressive_jpeg_with_many_passes_is_refused() -> None:
    data = picture("JPEG", progressive=True)
    with pytest.raises(UnsafeDocument, match="passes"):
        inspect(data, "a.jpg", SMALL)
    assert inspect(data, "a.jpg").media_type == JPEG


@pytest.mark.parametrize(
    "data",
    [
        b"%PDF-1.7\nnothing that makes sense",
        pdf_of(1)[:120],
        # an encryption dictionary that only a password opens
        pdf_with_text("secret").replace(
            b"trailer << /Size 6 /Root 1 0 R >>",
            b"trailer << /Size 6 /Root 1 0 R /Encrypt << /Filter /Standard /V 1 /R 2 /Length 40 /P -4 /O <%b> /U <%b> >>"
            b" /ID [<%b> <%b>] >>" % (b"00" * 32, b"11" * 32, b"00" * 16, b"00" * 16),
        ),
    ],
    ids=["nonsense", "beginning", "encrypted"],
)
def test_a_broken_or_encrypted_pdf_is_refused(data: bytes) -> None:
    with pytest.raises(UnsafeDocument):
        inspect(data, "a.pdf")


def test_size_and_emptiness_come_first() -> None:
    with pytest.raises(TooLarge, match="200,000 are allowed"):
        inspect(b"x" * 200_001, "a.jpg", SMALL)
    with pytest.raises(InvalidInput, match="empty"):
        inspect(b"", "a.jpg")


def test_a_photo_is_rendered_the_way_that_its_exif_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise: the dark left half comes to the top
    (page,) = render(picture("JPEG", exif=exif), "a.jpg")
    assert page.image.shape == (60, 40, 3)
    assert page.image[5, 20].max() < 60
    assert page.image[55, 20].min() > 200


def test_transparent_ink_is_laid_on_white_paper() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(out, "PNG")
    (page,) = render(out.getvalue(), "a.png")
    assert page.image.min() == 255


def test_sixteen_bit_grey_keeps_its_tones() -> None:
    out = io.BytesIO()
    Image.fromarray(np.full((8, 8), 0x80FF, dtype=np.uint16)).save(out, "PNG")
    (page,) = render(out.getvalue(), "a.png")
    assert int(page.image[0, 0, 0]) == 0x80


def test_a_large_photo_is_rendered_small() -> None:
    (page,) = render(picture("JPEG", (1200, 900)), "a.jpg", DocumentLimits(side_px_max=300))
    assert page.image.shape == (225, 300, 3)


def test_a_picture_that_breaks_off_inside_is_refused_when_it_is_rendered() -> None:
    data = png_claiming(4000, 100, b"\0" * 10)  # far fewer bytes than the header asks for
    assert inspect(data, "a.png").width == 4000
    with pytest.raises(UnsupportedDocument):
        list(render(data, "a.png"))


def test_the_text_of_a_pdf_comes_with_its_place() -> None:
    (page,) = render(pdf_with_text("Total of the day 12.30"), "a.pdf", DocumentLimits(dpi=72))
    assert page.image.shape == (300, 400, 3)
    assert " ".join(run.text for run in page.runs) == "Total of the day 12.30"
    x0, y0, x1, y1 = page.runs[0].box
    dark = np.argwhere(page.image[:, :, 0] < 128)
    assert x0 - 2 <= dark[:, 1].min()
    assert dark[:, 1].max() <= max(run.box[2] for run in page.runs) + 2
    assert y0 - 2 <= dark[:, 0].min()
    assert dark[:, 0].max() <= y1 + 6
    assert x0 < x1


def test_the_text_of_a_turned_pdf_page_lies_on_its_ink() -> None:
    (page,) = render(pdf_with_text("Total of the day 12.30", rotate=90), "a.pdf", DocumentLimits(dpi=72))
    assert page.image.shape == (400, 300, 3)
    dark = np.argwhere(page.image[:, :, 0] < 128)
    assert abs(page.runs[0].box[1] - dark[:, 0].min()) < 4


def test_a_scan_inside_a_pdf_is_read_from_its_picture() -> None:
    out = io.BytesIO()
    page_of = Image.new("RGB", (300, 400), "white")
    ImageDraw.Draw(page_of).text((20, 20), "scan", font=ImageFont.load_default(40), fill="black")
    page_of.save(out, "PDF")
    pages = list(render(out.getvalue(), "a.pdf"))
    assert [page.runs for page in pages] == [()]


def test_a_picture_bomb_inside_a_pdf_is_refused_before_it_is_decoded() -> None:
    out = io.BytesIO()
    Image.new("L", (500, 500), "white").save(out, "PDF")
    with pytest.raises(UnsafeDocument, match="500 × 500"):
        list(render(out.getvalue(), "a.pdf", SMALL))


def test_a_page_of_absurd_proportions_is_refused() -> None:
    with pytest.raises(UnsafeDocument):
        list(render(pdf_of(1, (14_000, 0.5)), "a.pdf"))


@pytest.mark.parametrize(
    ("size", "fine"), [((20, 1000), True), ((1000, 20), True), ((20, 1001), False), ((1001, 20), False)]
)
def test_a_strip_is_refused(size: tuple[int, int], fine: bool) -> None:
    out = io.BytesIO()
    Image.new("L", size, 255).save(out, "PNG")
    if fine:
        assert inspect(out.getvalue(), "a.png").width == size[0]
        return
    with pytest.raises(UnsafeDocument, match="over 50 times the other"):
        inspect(out.getvalue(), "a.png")


def test_what_is_accepted_is_what_the_reader_reads() -> None:
    assert Settings().document_pages_max == DocumentLimits().pages_max
