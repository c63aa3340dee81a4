"""Reading an evidence pack: its container, bit by bit, and the files in it. Written into the pack's `verify.py`, so it needs nothing of Interlock."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

LOCAL, CENTRAL, END = "<4s5H3I2H", "<4s6H3I5H2I", "<4s4H2IH"
DATE = 33  # 1980-01-01: a pack holds no other time than the log's
PIECE = 1 << 20


class Broken(Exception):
    """Something does not hold; the text names the file and the place."""


@contextmanager
def part(where: str) -> Iterator[None]:
    """Read a part: whatever is wrong in it names the place. Anybody can make a pack, so nothing that stands in one may end in a traceback."""
    try:
        yield
    except (Broken, OSError):
        raise
    except Exception as error:
        raise Broken(f"{where}: it is not made as in a pack ({type(error).__name__}: {error})") from None


def printable(text: str) -> str:
    """Write out what nobody sees, moves the cursor or ends a line, so that no word of a pack forges what is said of it."""
    return "".join(c if " " <= c <= "~" else c.encode("unicode_escape").decode("ascii") for c in text)


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a JSON object of which every reader reads the same."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in an object")
    return found


STRICT = json.JSONDecoder(object_pairs_hook=once)


# The container: uncompressed entries one after the other, each bit of which is determined by the files in it.


def read_container(file: BinaryIO) -> dict[str, tuple[int, int]]:
    """Give where each file lies (offset, size); everything between them is checked."""
    entries: dict[str, tuple[int, int]] = {}
    central = b""
    while True:
        at = file.tell()
        head = file.read(30)
        if head[:4] != b"PK\x03\x04":
            file.seek(at)
            break
        if len(head) < 30:
            raise Broken(f"container: it ends in a header, at byte {at}")
        crc, size, _, name_size = struct.unpack_from("<3IH", head, 14)
        raw = file.read(name_size)
        fixed = (20, 0x800, 0, 0, DATE, crc, size, size, name_size)
        if head != struct.pack(LOCAL, b"PK\x03\x04", *fixed, 0):
            raise Broken(f"container: the header at byte {at} is not one of a pack")
        try:
            name = raw.decode("ascii")
        except UnicodeDecodeError:
            raise Broken(f"container: the name at byte {at + 30} is not one of a pack") from None
        if name in entries:
            raise Broken(f"{name}: it is there twice")
        entries[name] = (file.tell(), size)
        found, left = 0, size
        while left:
            piece = file.read(min(PIECE, left))
            if not piece:
                raise Broken(f"{name}: it is cut off, {left} bytes short")
            found, left = zlib.crc32(piece, found), left - len(piece)
        if found != crc:
            raise Broken(f"{name}: its checksum in the container is another one")
        central += struct.pack(CENTRAL, b"PK\x01\x02", 0x314, *fixed, 0, 0, 0, 0, 0x81A40000, at) + raw
    start = file.tell()
    end = struct.pack(END, b"PK\x05\x06", 0, 0, len(entries), len(entries), len(central), start, 0)
    if file.read() != central + end:
        raise Broken(f"container: its directory at byte {start} is not that of its files")
    return entries


class Pack:
    """The files of a pack, by name."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.entries = read_container(file)

    def read(self, name: str) -> bytes:
        if name not in self.entries:
            raise Broken(f"{name}: it is not there")
        start, size = self.entries[name]
        self.file.seek(start)
        return self.file.read(size)

    def text(self, name: str) -> str:
        try:
            return self.read(name).decode("utf-8")
        except UnicodeDecodeError:
            raise Broken(f"{name}: it is not UTF-8") from None

    def json(self, name: str) -> Any:
        try:
            return STRICT.decode(self.text(name))
        except (ValueError, RecursionError) as error:
            raise Broken(f"{name}: it is not JSON that everybody reads alike ({error})") from None

    def lines(self, name: str) -> Iterator[bytes]:
        """Give the lines of a file without their newlines, a piece at a time."""
        rest = b""
        for piece in self.pieces(name):
            *whole, rest = (rest + piece).split(b"\n")
            yield from whole
        if rest:
            raise Broken(f"{name}: its last line has no end")

    def pieces(self, name: str) -> Iterator[bytes]:
        start, left = self.entries[name]
        self.file.seek(start)
        while left:
            piece = self.file.read(min(PIECE, left))
            left -= len(piece)
            yield piece

    def digest(self, name: str) -> str:
        digest = hashlib.sha256()
        for piece in self.pieces(name):
            digest.update(piece)
        return digest.hexdigest()


def check_form(manifest: dict[str, Any]) -> None:
    """Check that the manifest's parts are what they should be, and that the positions go up: else a record could stand beside the tree."""
    forms = {
        "tenant": str, "made_at": str, "records": int, "checkpoint_size": int, "filter": dict, "positions": list,
        "policies": dict, "policies_missing": list, "files": list,
    }  # fmt: skip
    for name, form in forms.items():
        if type(manifest[name]) is not form:
            raise Broken(f"manifest.json: its {name} is not one of a pack")
    end = -1
    for low, high in manifest["positions"]:
        if not (type(low) is type(high) is int and end < low < high):
            raise Broken(f"manifest.json: its positions do not go up, at {low} to {high}")
        end = high
    if sum(high - low for low, high in manifest["positions"]) != manifest["records"]:
        raise Broken("manifest.json: it has another number of records than positions")
