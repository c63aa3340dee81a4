"""Reading an evidence pack: its container, bit by bit, and the files in it. Written into the pack's `verify.py`, so it needs nothing of Interlock."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

LOCAL, CENTRAL, END = "<4s5H3I2H", "<4s6H3I5H2I", "<4s4H2IH"
DATE = 33  # 1980-01-01: a pack holds no other time than the log's
PIECE = 1 << 20


class Broken(Exception):
    """Something does not hold; the text names the file and the place."""


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
            return json.loads(self.text(name))
        except ValueError:
            raise Broken(f"{name}: it is not JSON") from None

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
