"""The other end of `infra.child_pool`: a process that answers one call at a time until its parent is gone.

A frame is a big-endian length, a JSON head of that length, and, towards the child, the bytes of the files that the head names.
Before its answer a call may `tell` its parent things, each in a frame of its own. What the code prints goes to the parent's log, unless
the handler catches it (`boundary/step_output.py`); the pipe of the answers is kept out of its reach.
"""

from __future__ import annotations

import asyncio
import ctypes
import importlib
import inspect
import os
import signal
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, TextIO

from interlock.domain import canonical

HEADER = struct.Struct(">I")
LENGTH_BYTES = HEADER.size
FRAME_BYTES_MAX = 512 * 1024 * 1024
MESSAGE_CHARS_MAX = 2000
_PR_SET_PDEATHSIG = 1

Handler = Callable[[Mapping[str, Any], Mapping[str, bytes]], Any]


class GiveUp(Exception):
    """A handler's failure for which trying again cannot help; `kind` is what the author sees."""

    def __init__(self, message: str, *, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class _Parent:
    """The way to the parent: frames, and the log that the parent writes. Any thread may use it."""

    def __init__(self, outgoing: BinaryIO, log: TextIO) -> None:
        self._outgoing = outgoing
        self._lock = threading.Lock()
        self.log = log

    def send(self, frame: Mapping[str, Any]) -> None:
        data = canonical.dumps(frame)
        with self._lock:
            self._outgoing.write(HEADER.pack(len(data)) + data)
            self._outgoing.flush()


_parents: list[_Parent] = []  # the one of this process, once it runs


def tell(said: Any) -> None:
    """Tell the parent something of the call that runs: it has it at once, also where the call never ends. Plain JSON."""
    _parents[0].send({"told": said})


def main() -> None:
    _end_with_parent(int(sys.argv[3]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    incoming, parent = _pipes()
    _parents.append(parent)
    module, _, name = sys.argv[1].partition(":")
    handler: Handler = getattr(importlib.import_module(module), name)(canonical.loads(sys.argv[2]))
    loop = asyncio.new_event_loop()
    while (call := _read(incoming)) is not None:
        parent.send(_answer(loop, handler, parent.log, *call))


def _pipes() -> tuple[BinaryIO, _Parent]:
    """Take the pipes for ourselves: prints go to standard error, reads from standard input find nothing."""
    incoming = os.fdopen(os.dup(0), "rb")
    outgoing = os.fdopen(os.dup(1), "wb")
    log = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="replace")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return incoming, _Parent(outgoing, log)


def _read(incoming: BinaryIO) -> tuple[dict[str, Any], dict[str, bytes]] | None:
    start = incoming.read(LENGTH_BYTES)
    if len(start) < LENGTH_BYTES:
        return None
    head = canonical.loads(incoming.read(HEADER.unpack(start)[0]))
    return head["body"], {name: incoming.read(size) for name, size in head["files"]}


def _answer(
    loop: asyncio.AbstractEventLoop, handler: Handler, log: TextIO, body: dict[str, Any], files: dict[str, bytes]
) -> dict[str, Any]:
    began = time.process_time()
    try:
        value = handler(body, files)
        if inspect.isawaitable(value):
            value = loop.run_until_complete(_awaited(value))
        canonical.dumps(value)
        return {"value": value, "cpu_ms": (time.process_time() - began) * 1000}
    except GiveUp as error:
        return {"error": {"kind": error.kind, "message": _said(error)[:MESSAGE_CHARS_MAX], "retry": False}}
    except Exception as error:
        # Where it failed, for the log; what it said may quote personal data, and stands in the journal only.
        frames = " > ".join(f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(error.__traceback__)[-8:])
        log.write(f"call_failed {type(error).__name__} at {frames}\n")
        return {"error": {"kind": type(error).__name__, "message": _said(error)[:MESSAGE_CHARS_MAX], "retry": True}}


def _said(error: BaseException) -> str:
    """Give what an error says, never nothing: without a text it is named, with the notes that it bears."""
    notes = "; ".join(getattr(error, "__notes__", ()))
    text = str(error) if str(error).strip() else f"{type(error).__name__} without a message"
    return f"{text} ({notes})" if notes else text


async def _awaited(value: Any) -> Any:
    return await value


def _end_with_parent(parent: int) -> None:
    """Ask Linux to end this process when its parent dies; elsewhere the closed pipe does, at the next read."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before we could ask; not `== 1`, which a worker in a container is itself
            sys.exit(1)


if __name__ == "__main__":
    # As the module that handlers import, not as `__main__`: else their GiveUp would be another class than ours.
    importlib.import_module("interlock.infra.child").main()
