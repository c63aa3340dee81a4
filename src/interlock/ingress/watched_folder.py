"""Watched folders: a file that is put into one becomes a task.

A file is taken when its size and time stood still over two looks, handed in under an idempotency key made of its content, name and
time, and then moved to `done/`, or to `refused/` with a text beside it that says why. A crash between handing in and moving repeats
both, and the key makes the second handing in give the first task.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from interlock.domain.errors import InterlockError, InvalidInput, TooLarge

log = structlog.get_logger("interlock.watched_folder")
Submit = Callable[[str, str, bytes, str], Awaitable[str]]
"""Called with automation, file name, content and idempotency key; gives the task's ID, durable. Must keep to the key."""

DONE, REFUSED = "done", "refused"
FILES_PER_LOOK_MAX: Final = 100
NAME_CHARS_MAX: Final = 200
# What browsers and copying programs call a file until all of it is there.
UNFINISHED: Final = (".part", ".partial", ".crdownload", ".download", ".filepart", ".tmp")


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a file looked like; the same twice means that nobody writes it any more."""

    inode: int
    size_bytes: int
    modified_ns: int

    @classmethod
    def of(cls, found: os.stat_result) -> _Seen:
        return cls(found.st_ino, found.st_size, found.st_mtime_ns)


class WatchedFolders:
    """Looks into folders and hands in what stands there. Symbolic links, folders, hidden and unfinished files are left alone.

    Args:
        folders: (automation, folder) pairs.
        submit: makes the task.
        size_bytes_max: larger files are refused unread.
        suffixes: by automation, which files it takes; others are refused unread. Not named, it takes all.
    """

    def __init__(
        self,
        folders: Sequence[tuple[str, Path]],
        submit: Submit,
        *,
        size_bytes_max: int,
        suffixes: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._folders = tuple(folders)
        self._submit = submit
        self._size_bytes_max = size_bytes_max
        self._suffixes = suffixes or {}
        self._seen: dict[Path, _Seen] = {}
        self._missing: set[Path] = set()

    async def once(self) -> int:
        """Look once into each folder; gives how many files were moved on. What can be tried again stays where it is."""
        moved = 0
        for automation, folder in self._folders:
            for path, seen in await asyncio.to_thread(self._still, folder):
                moved += await self._take(automation, folder, path, seen)
        return moved

    def _still(self, folder: Path) -> list[tuple[Path, _Seen]]:
        """Give the files that look as they did last time, and remember how all look now."""
        try:
            found = dict(_files(folder))
        except OSError as error:
            if folder not in self._missing:
                log.warning("watched_folder_unreadable", folder=str(folder), error=error.strerror)
            self._missing.add(folder)
            return []
        self._missing.discard(folder)
        before = {path: seen for path, seen in self._seen.items() if path.parent == folder}
        for path in before.keys() - found.keys():
            del self._seen[path]
        self._seen |= found
        still = [(path, seen) for path, seen in found.items() if before.get(path) == seen]
        return sorted(still, key=lambda item: item[1].modified_ns)[:FILES_PER_LOOK_MAX]

    async def _take(self, automation: str, folder: Path, path: Path, seen: _Seen) -> bool:
        try:
            self._check_suffix(automation, path)
            data = await asyncio.to_thread(self._read, path, seen)
            if data is None:
                return False
            task_id = await self._submit(automation, path.name, data, _key(automation, path.name, data, seen))
        except InterlockError as error:
            if error.retryable:
                log.warning("watched_file_postponed", automation=automation, code=error.code)
                return False
            log.warning("watched_file_refused", automation=automation, code=error.code)
            return await asyncio.to_thread(self._move, path, seen, folder / REFUSED, _reason(error))
        except OSError as error:
            log.warning("watched_file_unreadable", automation=automation, error=error.strerror)
            return False
        log.info("watched_file_submitted", automation=automation, task_id=task_id)
        return await asyncio.to_thread(self._move, path, seen, folder / DONE, None)

    def _check_suffix(self, automation: str, path: Path) -> None:
        taken = self._suffixes.get(automation)
        if taken is not None and path.suffix.lower() not in {one.lower() for one in taken}:
            raise InvalidInput(
                f"{automation} takes no files of this kind.",
                fix=f"Put one there whose name ends in {' or '.join(taken)}.",
            )

    def _read(self, path: Path, seen: _Seen) -> bytes | None:
        """Read a file that is still the one that was seen; None where it is not, or changes meanwhile.

        Raises:
            TooLarge: it is over the limit. InvalidInput: its name cannot be written down.
        """
        if seen.size_bytes > self._size_bytes_max:
            raise TooLarge(
                f"The file has {seen.size_bytes} bytes.",
                fix=f"At most {self._size_bytes_max} are taken (INTERLOCK_DOCUMENT_SIZE_BYTES_MAX).",
            )
        if len(path.name) > NAME_CHARS_MAX or not path.name.isprintable():
            raise InvalidInput(
                "The file's name is too long or has characters that are no text.",
                fix=f"Rename it: at most {NAME_CHARS_MAX} printable characters.",
            )
        # O_NONBLOCK, since a pipe that took the file's place would hold us up.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if _Seen.of(os.fstat(descriptor)) != seen:
                return None
            data = file.read(seen.size_bytes + 1)
            return data if _Seen.of(os.fstat(descriptor)) == seen and len(data) == seen.size_bytes else None

    def _move(self, path: Path, seen: _Seen, folder: Path, reason: str | None) -> bool:
        """Move a file on, never over another. Where somebody moved or replaced it meanwhile, it is left to them."""
        try:
            if _Seen.of(path.lstat()) != seen:
                return False
            folder.mkdir(exist_ok=True)
            target = _free(folder, path.name)
            if reason is not None:
                target.with_name(target.name + ".txt").write_text(reason)
            path.rename(target)
        except OSError as error:
            log.warning("watched_file_not_moved", error=error.strerror)
            return False
        self._seen.pop(path, None)
        return True


def _reason(error: InterlockError) -> str:
    lines = [str(error), *(f"{field.pointer}: {field.detail}" for field in error.fields)]
    return "".join(f"{line}\n" for line in lines)


def _files(folder: Path) -> list[tuple[Path, _Seen]]:
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name.lower().endswith(UNFINISHED):
                continue
            try:
                looks = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # taken away since it was listed
            if stat.S_ISREG(looks.st_mode):
                found.append((folder / entry.name, _Seen.of(looks)))
    return found


def _key(automation: str, name: str, data: bytes, seen: _Seen) -> str:
    """Make the idempotency key: the same for the same file after a crash, another for the same content that is put there later."""
    parts = (automation.encode(), name.encode(), str(seen.modified_ns).encode(), hashlib.sha256(data).digest())
    return hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).hexdigest()


def _free(folder: Path, name: str) -> Path:
    """Give a path in the folder that is not taken."""
    path, number = folder / name, 1
    while os.path.lexists(path) or os.path.lexists(f"{path}.txt"):
        number += 1
        path = folder / f"{Path(name).stem}-{number}{Path(name).suffix}"
    return path
