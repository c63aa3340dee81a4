"""The console: static files of the wheel below `/console/`, with a content policy that lets nothing in from anywhere else.

They are built by `scripts/build_console.py` from `console/`, and read once, at the first request. What is no file is a page of the console, which
its own router knows, and gets `index.html`.
"""

from __future__ import annotations

import gzip
import secrets
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.convertors import PathConvertor, register_url_convertor

from interlock.api.transport import COOKIE_HTTPS, COOKIE_LOOPBACK
from interlock.domain.errors import NotFound

router = APIRouter(prefix="", include_in_schema=False)

FOLDER: Final = Path(__file__).resolve().parent.parent / "_console"
INDEX: Final = "index.html"
NONCE: Final = b"{{nonce}}"
# Whether the browser came with a session's cookie, which the page's scripts cannot see: without one they need not ask.
SESSION: Final = b"{{session}}"
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".woff2": "font/woff2",
}
_PACKED: Final = frozenset({".js", ".css", ".svg"})
# Mantine writes style elements, which carry the nonce; everything else comes from here.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' blob: data:; font-src 'self';"
    " connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
}


class _Any(PathConvertor):
    """Any path at all: Starlette's own ends at a line's end, and a person would get the API's words instead of a page."""

    regex = "(?s:.*)"


register_url_convertor("any", _Any())


@dataclass(frozen=True, slots=True)
class File:
    """A built file: its bytes, the same packed by gzip where that is worth it, and its media type."""

    data: bytes
    packed: bytes | None
    media_type: str


def files(folder: Path) -> dict[str, File]:
    """Give the built files by their path below the folder; empty where the console was not built."""
    found = {}
    for path in sorted(folder.rglob("*")):
        media_type = _TYPES.get(path.suffix)
        if path.is_file() and media_type is not None:
            data = path.read_bytes()
            packed = gzip.compress(data, 9, mtime=0) if path.suffix in _PACKED else None
            found[path.relative_to(folder).as_posix()] = File(data, packed, media_type)
    return found


class Console:
    """The built files, read and packed when the first of them is asked for."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder

    @cached_property
    def files(self) -> dict[str, File]:
        """Every file by its path."""
        return files(self._folder)


def _built(request: Request) -> dict[str, File]:
    console: Console = request.app.state.console
    return console.files


@router.get("/")
async def root(request: Request) -> RedirectResponse:
    """Lead to the console, or where it was not built, to the page that lists the API."""
    return RedirectResponse("/console/" if _built(request) else "/docs")


@router.get("/console")
async def without_slash() -> RedirectResponse:
    """Lead to the console's own folder."""
    return RedirectResponse("/console/")


@router.get("/console/{path:any}")
async def page(request: Request, path: str) -> Response:
    """Give a file of the console, or the page that its router makes."""
    built = _built(request)
    if INDEX not in built:
        raise NotFound("The console was not built.", fix="Run `make console`, or install a released wheel.")
    found = built.get(path)
    if path.startswith("assets/") and found is None:
        raise NotFound(f"The console has no {path}.", fix="Load the page anew: it was updated.")
    if found is None or path == INDEX:
        return _index(built[INDEX], cookie=any(name in request.cookies for name in (COOKIE_HTTPS, COOKIE_LOOPBACK)))
    headers = dict(_HEADERS)
    # The name of an asset holds a digest of what is in it.
    headers["cache-control"] = "public, max-age=31536000, immutable" if path.startswith("assets/") else "no-cache"
    if found.packed is not None:
        headers["vary"] = "accept-encoding"
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["content-encoding"] = "gzip"
            return Response(found.packed, media_type=found.media_type, headers=headers)
    return Response(found.data, media_type=found.media_type, headers=headers)


def _index(index: File, *, cookie: bool) -> Response:
    nonce = secrets.token_urlsafe(16)
    headers = _HEADERS | {"content-security-policy": _POLICY.format(nonce=nonce), "cache-control": "no-store"}
    html = index.data.replace(NONCE, nonce.encode()).replace(SESSION, b"maybe" if cookie else b"none")
    return Response(html, media_type=index.media_type, headers=headers)
