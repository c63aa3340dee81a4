"""What a step writes while it runs, caught in its process: standard output and error, those of programs that it starts, and `logging`.

    print, logging, fd 1 and 2 → the call that it belongs to → lines → secrets masked → cut to the limits → told to the worker, line by line

A line is told as soon as it is whole, so that an attempt that hangs or dies leaves what it wrote before. Whom a line belongs to is the
context of the call (`contextvars`), which tasks and `asyncio.to_thread` take along; of another thread, the call that it was started in. What
belongs to no call that runs is dropped: it must not stand beside somebody else's task, nor in Interlock's own log.
"""

from __future__ import annotations

import base64
import codecs
import contextvars
import fcntl
import io
import json
import logging
import os
import re
import select
import selectors
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, ParamSpec, TypeVar
from urllib.parse import quote, quote_plus

from interlock.infra.child import GiveUp

P = ParamSpec("P")
T = TypeVar("T")
MASK: Final = "[secret]"
STREAMS: Final = ("stdout", "stderr", "log", "cut")
NAME_CHARS_MAX: Final = 128
TRACE_LINES_MAX: Final = 40
# How often the end of a call looks whether what was written is read. Looks, and no time: one that was held up all the time has not looked.
SETTLE_LOOKS: Final = 400
LOOK_S: Final = 0.0005
_SECRET_LINE_CHARS_MIN: Final = 8
_PIPE_BYTES: Final = 1024 * 1024
_READ_BYTES: Final = 65_536
_PACKAGE: Final = f"{Path(__file__).parents[1]}{os.sep}"
_LEVELS: Final = ("debug", "info", "warning", "error", "critical")

Tell = Callable[[Any], None]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What is kept of one attempt: bytes and lines in all, characters of a line, and the least severe level of `logging`."""

    bytes_max: int
    lines_max: int
    line_chars_max: int
    level: str


class Masks:
    """Puts `[secret]` where a secret stands: as it is, line by line, and as JSON, Python, a URL or Base64 write it."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = sorted({form for value in secrets for form in _forms(value)}, key=len, reverse=True)
        self.longest = len(forms[0]) if forms else 0
        self._any = re.compile("|".join(map(re.escape, forms))) if forms else None

    def __call__(self, text: str, *, goes_on: bool = False) -> str:
        """Give the text masked; of one that `goes_on` without its end, not what may be the first part of a secret."""
        if self._any is None:
            return text
        end = len(text)
        if goes_on:
            end = max(0, end - self.longest + 1)
            across = (match.start() for match in self._any.finditer(text) if match.start() < end < match.end())
            end = next(across, end)
        return self._any.sub(MASK, text[:end])


NO_MASKS: Final = Masks(())


def _forms(value: str) -> Iterator[str]:
    yield value
    yield from (line for line in value.split("\n") if len(line) >= _SECRET_LINE_CHARS_MIN)
    yield from (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1])
    yield from (quote(value, safe=""), quote(value), quote_plus(value))
    yield base64.b64encode(value.encode()).decode().rstrip("=")


class _Partial:
    """A line that is still being written: its first characters, and how many more there were."""

    __slots__ = ("more", "text")

    def __init__(self) -> None:
        self.text, self.more = "", 0

    def add(self, piece: str, room: int) -> None:
        taken = piece[: max(0, room - len(self.text))]
        self.text += taken
        self.more += len(piece) - len(taken)


class Collector:
    """The lines of one call, within the limits. Any thread may write; after `close` nothing is taken any more."""

    __slots__ = ("_bytes", "_closed", "_full", "_limits", "_lines", "_lock", "_masks", "_partial", "_room", "_tell")

    def __init__(self, limits: Limits, masks: Masks, tell: Tell) -> None:
        self._limits = limits
        self._masks = masks
        self._tell = tell
        self._lock = threading.RLock()
        self._partial: dict[tuple[str, int], _Partial] = {}
        self._bytes = self._lines = 0
        self._full = False
        self._closed = False
        # A secret that begins before the limit of a line must be seen whole to be masked.
        self._room = limits.line_chars_max + masks.longest

    def write(self, stream: str, text: str) -> None:
        """Take what was written to a stream; lines end at line feeds."""
        with self._lock:
            if self._closed or self._full:
                return
            key = (stream, threading.get_ident())  # two threads that print pieces at once do not mix them
            *whole, rest = text.split("\n")
            for piece in whole:
                held = self._partial.pop(key, None) or _Partial()
                held.add(piece, self._room)
                self._line(stream, held.text.rstrip("\r"), more=held.more)
            if rest:
                self._partial.setdefault(key, _Partial()).add(rest, self._room)

    def log(self, level: str, logger: str, text: str) -> None:
        """Take a record of `logging`; its further lines (a traceback) have its level too."""
        with self._lock:
            if self._closed or self._full:
                return
            for line in text.split("\n"):
                self._line("log", line[: self._room], level, logger, more=max(0, len(line) - self._room))

    def failed(self, text: str) -> None:
        """Take the traceback of what ended the call; it has room of its own, since it is what people look for."""
        with self._lock:
            if not self._closed:
                self._rest()
                for line in text.rstrip("\n").split("\n")[-TRACE_LINES_MAX:]:
                    self._say("log", line[: self._room], "error", "step", more=max(0, len(line) - self._room))

    def close(self) -> None:
        """Tell what is left of lines without an end; nothing is taken, or told, after it: it would reach the next call."""
        with self._lock:
            if self._partial:
                self._rest()
            self._closed = True

    def _rest(self) -> None:
        left, self._partial = self._partial, {}
        for (stream, _), held in left.items():
            self._line(stream, held.text.rstrip("\r"), more=held.more)

    def _line(self, stream: str, text: str, level: str | None = None, logger: str | None = None, *, more: int) -> None:
        if self._full:
            return
        limits = self._limits
        size = min(len(text), limits.line_chars_max) if text.isascii() else len(text.encode("utf-8", "replace"))
        if self._lines >= limits.lines_max or self._bytes + size > limits.bytes_max:
            self._full = True
            self._partial = {}
            which = f"{limits.lines_max:,} lines and {limits.bytes_max:,} bytes of an attempt are kept"
            self._say("cut", f"What it wrote after this was not kept: {which}.", more=0)
            return
        self._lines += 1
        self._bytes += size
        self._say(stream, text, level, logger, more=more)

    def _say(self, stream: str, text: str, level: str | None = None, logger: str | None = None, *, more: int) -> None:
        shown = self._masks(text, goes_on=more > 0)
        cut = shown[: self._limits.line_chars_max]
        name = None if logger is None else _sendable(self._masks(logger))[:NAME_CHARS_MAX]
        at = datetime.now(UTC).isoformat(timespec="microseconds")
        self._tell([at, stream, level, name, _sendable(cut), more + len(shown) - len(cut)])


def _sendable(text: str) -> str:
    """Give a text as UTF-8 can say it; half of a surrogate pair is none."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


_OF_THIS_CALL: contextvars.ContextVar[Collector | None] = contextvars.ContextVar("interlock_step_output", default=None)


class Capture:
    """Catches what this process writes, for one call after another. One a process: it takes standard output and error over."""

    def __init__(self, limits: Limits, tell: Tell) -> None:
        self._limits = limits
        self._tell = tell
        self.running: Collector | None = None
        self.forked = False
        self._programs = _Programs(self)
        sys.stdout, sys.stderr = _Stream(self, 1, "stdout"), _Stream(self, 2, "stderr")
        root = logging.getLogger()
        root.addHandler(_Handler(self))
        root.setLevel(limits.level.upper())
        os.register_at_fork(after_in_child=self._in_fork)
        threading.setprofile(self._in_thread)

    def begin(self, secrets: Mapping[str, str]) -> None:
        """Catch what is written from now on, until `end`; called in the call's own context."""
        self.running = Collector(self._limits, Masks(secrets.values()) if secrets else NO_MASKS, self._tell)
        _OF_THIS_CALL.set(self.running)

    def failed(self, error: BaseException) -> None:
        """Say where the error came from that ends the call."""
        self._programs.settle()
        shown = error.__cause__ if isinstance(error, GiveUp) and error.__cause__ is not None else error
        if self.running is not None:
            self.running.failed("".join(traceback.format_exception(type(shown), shown, _authors(shown.__traceback__))))

    def end(self) -> None:
        """Take what was written so far; all lines are told when this returns."""
        self._programs.settle()
        running, self.running = self.running, None
        if running is not None:
            running.close()
        self._programs.leave()

    def write(self, fd: int, stream: str, text: str) -> None:
        """Give what was written to whom it belongs."""
        if self.forked:
            os.write(fd, text.encode("utf-8", "replace"))  # as any program that the step started
        elif (collector := _OF_THIS_CALL.get()) is not None:
            collector.write(stream, text)

    def _in_fork(self) -> None:
        self.forked = True

    def _in_thread(self, *event: Any) -> None:
        """Bind a thread that begins to the call that runs: `threading` calls this in it, with its first event."""
        sys.setprofile(None)
        _OF_THIS_CALL.set(self.running)


def _authors(trace: TracebackType | None) -> TracebackType | None:
    """Give a traceback from where it leaves Interlock's own code."""
    while trace is not None and trace.tb_next is not None and _is_ours(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return trace


def _is_ours(file: str) -> bool:
    return file.startswith(_PACKAGE) and not file.startswith(f"{_PACKAGE}_automations{os.sep}")


class _Stream(io.TextIOBase):
    """What `sys.stdout` and `sys.stderr` are."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, capture: Capture, fd: int, stream: str) -> None:
        self._capture = capture
        self._fd = fd
        self._stream = stream
        self.buffer = io.FileIO(fd, "wb", closefd=False)  # bytes go the way that programs' do

    def write(self, text: str) -> int:
        self._capture.write(self._fd, self._stream, text)
        return len(text)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def close(self) -> None:
        """Stay open: the next call prints too."""


class _Handler(logging.Handler):
    """Takes records of `logging`."""

    def __init__(self, capture: Capture) -> None:
        super().__init__()
        self._capture = capture
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
        except Exception as error:  # an author's `%d` of a text: said in the log, and no failure of the step
            text = f"{record.msg} (its arguments do not fit: {type(error).__name__})"
        if self._capture.forked:
            self._capture.write(2, "stderr", f"{record.levelname} {record.name} {text}\n")
        elif (collector := _OF_THIS_CALL.get()) is not None:
            collector.log(_level(record.levelno), record.name, text)


def _level(number: int) -> str:
    return _LEVELS[max(0, min(number // 10, len(_LEVELS)) - 1)]


class _Pipe:
    """One standard stream of the programs that a step starts, of libraries in C, and of bytes written to `sys.stdout.buffer`."""

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.fd, self.writing = os.pipe()
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            # A library in C may print while nobody else can run, the reader neither; so it is large.
            with suppress(OSError):
                fcntl.fcntl(self.writing, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def text(self, data: bytes) -> str:
        return self._decoder.decode(data)


class _Programs:
    """Reads file descriptors 1 and 2 in a thread. Where a program outlives its call, the next call gets pipes of its own."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._selector = selectors.DefaultSelector()
        self._now: tuple[_Pipe, ...] = ()
        self._reading = False
        self._open()
        threading.Thread(target=self._read, name="step-output", daemon=True).start()

    def _open(self) -> None:
        self._now = (_Pipe("stdout"), _Pipe("stderr"))
        for fd, pipe in zip((1, 2), self._now, strict=True):
            os.dup2(pipe.writing, fd)
            os.close(pipe.writing)
            self._selector.register(pipe.fd, selectors.EVENT_READ, pipe)
        self._unread = select.poll()
        for pipe in self._now:
            self._unread.register(pipe.fd, select.POLLIN)

    def settle(self) -> None:
        """Wait until what was written so far is read; not for ever, where something writes on and on."""
        for _ in range(SETTLE_LOOKS):
            # In this order: the reader says that it reads before it does.
            if not (self._unread.poll(0) or self._reading):
                return
            time.sleep(LOOK_S)

    def leave(self) -> None:
        """Give the next call new pipes, where a program still runs that could write into these."""
        if hasattr(os, "waitid"):  # else nobody can tell (macOS before Python 3.13)
            try:
                os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
        self._open()

    def _read(self) -> None:
        while True:
            for key, _ in self._selector.select():
                self._reading = True
                pipe: _Pipe = key.data
                data = os.read(pipe.fd, _READ_BYTES)
                if not data:
                    self._selector.unregister(pipe.fd)
                    os.close(pipe.fd)
                elif pipe in self._now and (collector := self._capture.running) is not None:
                    collector.write(pipe.stream, pipe.text(data))
            self._reading = False


class InContext(ThreadPoolExecutor):
    """Threads that write for the call that gave them their work, however long they live."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        context = contextvars.copy_context()
        return super().submit(lambda: context.run(fn, *args, **kwargs))
