"""The container of an evidence pack: a zip file of which every bit follows from the files in it, so that none can be flipped unseen.

Entries are not compressed and have one date; `zipfile` would write what depends on its version and on the clock.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable
from typing import BinaryIO, Final

from interlock.domain.errors import TooLarge

_LOCAL: Final = "<4s5H3I2H"
_CENTRAL: Final = "<4s6H3I5H2I"
_END: Final = "<4s4H2IH"
_VERSION, _UTF8, _DATE, _MADE_BY, _MODE = 20, 0x800, 33, 0x314, 0x81A40000
BYTES_MAX: Final = 2**32 - 2**20
ENTRIES_MAX: Final = 60_000


class Container:
    """Writes files into a seekable file, one after the other."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._central: list[bytes] = []
        self.files: list[dict[str, str | int]] = []

    def add(self, name: str, pieces: Iterable[bytes]) -> None:
        """Write a file from its pieces. Raises TooLarge where the container would be over 4 GiB."""
        at, raw = self._file.tell(), name.encode("ascii")
        self._file.write(bytes(struct.calcsize(_LOCAL)) + raw)
        crc, size, digest = 0, 0, hashlib.sha256()
        for piece in pieces:
            crc, size = zlib.crc32(piece, crc), size + len(piece)
            digest.update(piece)
            if at + size > BYTES_MAX or len(self._central) >= ENTRIES_MAX:
                raise TooLarge("The evidence pack would be over 4 GiB.", fix="Narrow the filter.")
            self._file.write(piece)
        end = self._file.tell()
        fixed = (_VERSION, _UTF8, 0, 0, _DATE, crc, size, size, len(raw), 0)
        self._file.seek(at)
        self._file.write(struct.pack(_LOCAL, b"PK\x03\x04", *fixed))
        self._file.seek(end)
        self._central.append(struct.pack(_CENTRAL, b"PK\x01\x02", _MADE_BY, *fixed, 0, 0, 0, _MODE, at) + raw)
        self.files.append({"name": name, "bytes": size, "sha256": digest.hexdigest()})

    def close(self) -> None:
        """Write the directory."""
        at, central = self._file.tell(), b"".join(self._central)
        count = len(self._central)
        self._file.write(central + struct.pack(_END, b"PK\x05\x06", 0, 0, count, count, len(central), at, 0))
