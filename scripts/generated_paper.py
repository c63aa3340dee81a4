"""From printed lines to paper: set in type, then photographed, scanned, or written as a PDF."""

from __future__ import annotations

import importlib.util
import io
import math
import random
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from generated_layouts import Line

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_MKDOCS_FONTS = Path("themes/readthedocs/css/fonts")
_OTHER_FONTS = ("lato-normal.woff2", "lato-bold.woff2", "Roboto-Slab-Regular.woff2")
LETTER_POINTS = (595, 842)


@lru_cache(maxsize=1)
def typefaces() -> tuple[str, ...]:
    """Names of the typefaces at hand: two that Pillow brings, and those of a documentation theme where it is installed."""
    names = ["printer", "sans", "sans-grid"]
    spec = importlib.util.find_spec("mkdocs")
    if spec and spec.submodule_search_locations:
        folder = Path(next(iter(spec.submodule_search_locations))) / _MKDOCS_FONTS
        names += [str(folder / name) for name in _OTHER_FONTS if (folder / name).exists()]
    return tuple(names)


@lru_cache(maxsize=64)
def _font(typeface: str, size_px: int) -> Font:
    if typeface == "printer":
        return ImageFont.load_default_imagefont()
    if typeface in ("sans", "sans-grid"):
        return ImageFont.load_default(size_px)
    return ImageFont.truetype(typeface, size_px)


def set_in_type(lines: Sequence[Line], typeface: str, width_px: int, type_px: int) -> list[Image.Image]:
    """Print the lines on white paper, one grey picture a page."""
    pages: list[list[Line]] = [[]]
    for line in lines:
        if line.page_break:
            pages.append([])
        else:
            pages[-1].append(line)
    return [_page(page, typeface, width_px, type_px) for page in pages]


def _page(lines: Sequence[Line], typeface: str, width_px: int, type_px: int) -> Image.Image:
    margin = width_px // 14
    heights = [round(type_px * 1.45 * max(1.0, line.size)) for line in lines]
    paper = Image.new("L", (width_px, sum(heights) + 2 * margin + type_px), 255)
    draw = ImageDraw.Draw(paper)
    y, inner = margin, width_px - 2 * margin
    for line, height in zip(lines, heights, strict=True):
        if line.rule:
            _rule(draw, line.rule, margin, width_px - margin, y + height // 2)
        size = round(type_px * line.size)
        if line.centred:
            word = word_picture(line.left, typeface, size, inner)
            paper.paste(word, (margin + (inner - word.width) // 2, y))
        else:
            for text, share in ((line.left, 0.0), *((text, share) for share, text in line.middle)):
                if text:
                    paper.paste(word_picture(text, typeface, size, inner), (margin + round(inner * share), y))
            if line.right:
                word = word_picture(line.right, typeface, size, inner)
                paper.paste(word, (margin + inner - word.width, y))
        y += height
    return paper


def _rule(draw: ImageDraw.ImageDraw, kind: str, x0: int, x1: int, y: int) -> None:
    if kind == "=":
        draw.line((x0, y, x1, y), fill=30, width=3)
    else:
        for x in range(x0, x1, 14):
            draw.line((x, y, x + (8 if kind == "-" else 3), y), fill=40, width=2)


def word_picture(text: str, typeface: str, size_px: int, width_px_max: int) -> Image.Image:
    """One run of text, narrowed where the paper is too narrow for it."""
    if not text:
        return Image.new("L", (1, 1), 255)
    font = _font(typeface, size_px)
    if typeface not in ("printer", "sans-grid"):
        width = math.ceil(font.getlength(text)) + 4
        word = Image.new("L", (width, round(size_px * 1.35)), 255)
        ImageDraw.Draw(word).text((1, 0), text, font=font, fill=20)
    elif typeface == "sans-grid":  # every character in a cell of its own, as on a thermal printer
        cell = round(size_px * 0.62)
        word = Image.new("L", (cell * len(text) + 4, round(size_px * 1.35)), 255)
        draw = ImageDraw.Draw(word)
        for index, character in enumerate(text):
            draw.text((index * cell + (cell - font.getlength(character)) / 2, 0), character, font=font, fill=20)
    else:
        small = Image.new("L", (math.ceil(font.getlength(text)) + 1, 12), 255)
        ImageDraw.Draw(small).text((0, 0), text, font=font, fill=0)
        scale = size_px * 1.2 / 12
        word = small.resize((max(1, round(small.width * scale)), round(12 * scale)), Image.Resampling.BICUBIC)
    if word.width > width_px_max:
        word = word.resize((width_px_max, word.height), Image.Resampling.BICUBIC)
    return word


def photographed(paper: Image.Image, rng: random.Random, *, hard: float) -> Image.Image:
    """Lay the paper on a table and take a picture: faint print, shadow, perspective, blur and noise. `hard` runs from 0 to 1."""
    noise = np.random.default_rng(rng.getrandbits(32))
    sheet = np.asarray(paper, dtype=np.float32)
    fade = rng.uniform(0.0, 0.55 * hard)
    sheet = 255 - (255 - sheet) * (1 - fade)
    sheet *= rng.uniform(0.86, 1.0)
    border = round(paper.width * rng.uniform(0.03, 0.15))
    table = rng.uniform(40, 150)
    canvas: NDArray[np.float32] = np.full(
        (sheet.shape[0] + 2 * border, sheet.shape[1] + 2 * border), table, dtype=np.float32
    )
    canvas += noise.normal(0, 5, canvas.shape).astype(np.float32)
    canvas[border:-border, border:-border] = sheet
    picture = _tilted(Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8)), rng, hard, round(table))
    seen = np.asarray(picture, dtype=np.float32) * _shadow(picture.size, rng, hard)
    seen += noise.normal(0, 2 + 9 * hard * rng.random(), seen.shape)
    result = Image.fromarray(np.clip(seen, 0, 255).astype(np.uint8))
    return result.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.4 + 0.9 * hard)))


def scanned(paper: Image.Image, rng: random.Random) -> Image.Image:
    """A flat scan: a little turned, a little noise, clean light."""
    noise = np.random.default_rng(rng.getrandbits(32))
    turned = paper.rotate(rng.uniform(-1.2, 1.2), Image.Resampling.BICUBIC, expand=True, fillcolor=255)
    seen = np.asarray(turned, dtype=np.float32) + noise.normal(0, 4, (turned.height, turned.width))
    return Image.fromarray(np.clip(seen, 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.4))


def _tilted(picture: Image.Image, rng: random.Random, hard: float, fill: int) -> Image.Image:
    width, height = picture.size
    turned = picture.rotate(rng.uniform(-4, 4) * hard, Image.Resampling.BICUBIC, expand=True, fillcolor=fill)
    give = 0.05 * hard
    corners = [(0, 0), (turned.width, 0), (turned.width, turned.height), (0, turned.height)]
    moved = [
        (x + rng.uniform(-give, give) * width, y + rng.uniform(-give, give) * min(width, height)) for x, y in corners
    ]
    rows = []
    for (x, y), (u, v) in zip(corners, moved, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    numbers = np.linalg.solve(np.array(rows, dtype=float), np.array(moved, dtype=float).reshape(8))
    return turned.transform(
        turned.size,
        Image.Transform.PERSPECTIVE,
        tuple(float(n) for n in numbers),
        Image.Resampling.BICUBIC,
        fillcolor=fill,
    )


def _shadow(size: tuple[int, int], rng: random.Random, hard: float) -> NDArray[np.float32]:
    """Light that falls off to one side, and the edge of somebody's shadow."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    angle = rng.uniform(0, 2 * math.pi)
    across = (x / width - 0.5) * math.cos(angle) + (y / height - 0.5) * math.sin(angle)
    edge = 1 / (1 + np.exp(-(across - rng.uniform(-0.3, 0.4)) * 18))
    light = 1 - 0.25 * hard * (across + 0.5) - 0.3 * hard * rng.random() * edge
    return np.asarray(light, dtype=np.float32)


def picture_bytes(picture: Image.Image, kind: str, rng: random.Random, *, exif_turn: bool = False) -> bytes:
    """Encode as JPEG or PNG; with `exif_turn` the pixels lie on their side and the file says so, as phones do it."""
    out = io.BytesIO()
    if kind == "png":
        picture.save(out, "PNG")
        return out.getvalue()
    exif = Image.Exif()
    if exif_turn:
        picture = picture.transpose(Image.Transpose.ROTATE_90)
        exif[0x0112] = 6  # "turn clockwise to see it upright"
    picture.convert("RGB").save(out, "JPEG", quality=rng.randint(60, 92), exif=exif)
    return out.getvalue()


def scanned_pdf(pages: Sequence[Image.Image]) -> bytes:
    """A PDF of pictures, as a scanner makes it; no text inside."""
    out = io.BytesIO()
    first, *others = (page.convert("RGB") for page in pages)
    made = time.gmtime(1_704_067_200)  # always the same, so that the same seed gives the same bytes
    first.save(out, "PDF", resolution=150, save_all=True, append_images=others, creationDate=made, modDate=made)
    return out.getvalue()


def written_pdf(lines: Sequence[Line]) -> bytes:
    """A PDF with real text (ISO 32000-1, the smallest that readers accept), as software sends it."""
    streams: list[str] = []
    current: list[str] = []
    y = 790.0
    for line in lines:
        if line.page_break:
            streams.append("\n".join(current))
            current, y = [], 790.0
            continue
        if line.rule:
            current.append(f"50 {y + 4:.1f} m 545 {y + 4:.1f} l S")
        size = 10 * line.size
        for text, share, at_right in (
            (line.left, 0.0, False),
            *((t, s, False) for s, t in line.middle),
            (line.right, 1.0, True),
        ):
            if text:
                width = ImageFont.load_default(size).getlength(text)
                x = 50 + 495 * share - (width if at_right else 0)
                x = (595 - width) / 2 if line.centred else x
                escaped = text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
                current.append(f"BT /F1 {size:.1f} Tf {x:.1f} {y:.1f} Td ({escaped}) Tj ET")
        y -= 15 * max(1.0, line.size)
    streams.append("\n".join(current))
    return _pdf_file(streams)


def _pdf_file(streams: Sequence[str]) -> bytes:
    count = len(streams)
    kids = " ".join(f"{4 + 2 * index} 0 R" for index in range(count))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {count} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for index, stream in enumerate(streams):
        body = stream.encode("cp1252")
        box = f"[0 0 {LETTER_POINTS[0]} {LETTER_POINTS[1]}]"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox {box} /Resources << /Font << /F1 3 0 R >> >> /Contents {5 + 2 * index} 0 R >>".encode()
        )
        objects.append(b"<< /Length %d >>\nstream\n%b\nendstream" % (len(body), body))
    out, places = io.BytesIO(b"%PDF-1.4\n"), []
    out.seek(0, io.SEEK_END)
    for number, content in enumerate(objects, start=1):
        places.append(out.tell())
        out.write(b"%d 0 obj\n%b\nendobj\n" % (number, content))
    table = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    out.write(b"".join(b"%010d 00000 n \n" % place for place in places))
    out.write(b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table))
    return out.getvalue()
