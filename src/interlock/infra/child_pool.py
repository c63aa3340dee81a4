"""A pool of child processes that run authors' code: steps and predictors. They hold no database credentials.

A call is one frame each way over pipes, and what the child tells meanwhile (see `infra.child`). A child that is too slow, dies or is no
longer wanted is ended and replaced; the call fails, the pool and its process live on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import structlog

from interlock.domain import canonical
from interlock.domain.errors import ExecutorFailed, Unavailable
from interlock.infra.child import FRAME_BYTES_MAX, HEADER, LENGTH_BYTES

log = structlog.get_logger("interlock.children")
WAITING_MAX = 10_000
# What a child may see of its parent's environment: enough to find programs, languages and caches, and no credentials.
ENVIRONMENT = (
    "_INTERLOCK_RUN",  # by this mark the supervisor finds what a killed worker left running
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "VIRTUAL_ENV",
    "PYTHONPATH",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a child gave back: the value, its CPU time and the wall time of the call."""

    value: Any
    cpu_ms: float
    duration_ms: float


Told = Callable[[Any], None]
"""Takes what a child tells of its call, in order, before the call's end. It must not raise."""


def _ignore(said: Any) -> None:
    """What nobody asked for."""


class _Child(asyncio.SubprocessProtocol):
    """One process and the reply that is awaited of it. A protocol, since streams cost more than a small step itself."""

    def __init__(self) -> None:
        self.calls = 0
        self.ended = asyncio.Event()
        self._transport: asyncio.SubprocessTransport | None = None
        self._received = bytearray()
        self._reply: asyncio.Future[dict[str, Any]] | None = None
        self._told: Told = _ignore

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._received += data
        while len(self._received) >= LENGTH_BYTES:
            (length,) = HEADER.unpack_from(self._received)
            reply = None if self._reply is None or self._reply.done() else self._reply
            if length > FRAME_BYTES_MAX:
                if reply is not None:
                    message = f"The answer has {length} bytes, over the limit of {FRAME_BYTES_MAX}."
                    reply.set_exception(ExecutorFailed(message, kind="TooLarge", retry=False))
                return
            if len(self._received) < LENGTH_BYTES + length:
                return
            frame = canonical.loads(bytes(self._received[LENGTH_BYTES : LENGTH_BYTES + length]))
            del self._received[: LENGTH_BYTES + length]
            if reply is None:
                continue  # of a call that is over: it must not reach the next one
            if "told" in frame:
                self._told(frame["told"])
            else:
                reply.set_result(frame)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self._lost()

    def process_exited(self) -> None:
        self._lost()
        self.transport.close()
        self.ended.set()

    def _lost(self) -> None:
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(ConnectionResetError("the process closed its pipes"))

    @property
    def transport(self) -> asyncio.SubprocessTransport:
        assert self._transport is not None
        return self._transport

    @property
    def pid(self) -> int:
        return self.transport.get_pid() or 0

    @property
    def alive(self) -> bool:
        return self.transport.get_returncode() is None

    async def call(self, body: Mapping[str, Any], files: Mapping[str, bytes], told: Told) -> dict[str, Any]:
        head = canonical.dumps({"body": body, "files": [[name, len(data)] for name, data in files.items()]})
        size = len(head) + sum(len(data) for data in files.values())
        if size > FRAME_BYTES_MAX:
            raise ExecutorFailed(
                f"The call has {size} bytes, over the limit of {FRAME_BYTES_MAX}.", kind="TooLarge", retry=False
            )
        pipe = cast(asyncio.WriteTransport | None, self.transport.get_pipe_transport(0))
        if pipe is None or pipe.is_closing() or not self.alive:
            raise ConnectionResetError("the process is gone")
        self._told = told
        self._reply = asyncio.get_running_loop().create_future()
        pipe.write(HEADER.pack(len(head)) + head)
        for data in files.values():
            pipe.write(data)
        reply = await self._reply
        self.calls += 1
        return reply

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)  # with whatever it started
        with contextlib.suppress(ProcessLookupError):
            self.transport.kill()


class ChildPool:
    """Up to `size` children, started when first needed (or by `warm`), each running one call at a time.

    Args:
        handler: `module:function` that the child imports; `function(config)` gives what answers calls.
        config: plain JSON for it.
        before_start: called in a thread before each child starts; what it raises is the answer of the call that needed the child.
    """

    def __init__(
        self,
        *,
        name: str,
        handler: str,
        config: Mapping[str, Any],
        size: int,
        calls_max: int = 10_000,
        before_start: Callable[[], None] | None = None,
    ) -> None:
        self._name = name
        self._before_start = before_start
        self._argv = [
            sys.executable,
            "-m",
            "interlock.infra.child",
            handler,
            canonical.dumps(config).decode(),
            str(os.getpid()),
        ]
        self._size = size
        self._calls_max = calls_max
        self._idle: list[_Child] = []
        self._all: set[_Child] = set()
        self._ending: set[_Child] = set()
        self._free = asyncio.Semaphore(size)
        self._waiting = 0
        self._closed = False

    async def warm(self) -> None:
        """Start all children now; those that cannot start are tried again when they are needed."""
        while len(self._all) < self._size:
            self._idle.append(await self._start())

    async def call(
        self,
        body: Mapping[str, Any],
        files: Mapping[str, bytes] | None = None,
        *,
        timeout_s: float,
        told: Told = _ignore,
    ) -> Result:
        """Run one call in a child. `told` is given what it tells meanwhile, also of a call that fails, is stopped or dies.

        Raises:
            ExecutorFailed: the handler raised (its `kind` and retry decision), was too slow, or its process died.
            Unavailable: too many calls wait already.
        """
        if self._waiting >= WAITING_MAX:
            raise Unavailable(f"Too many calls wait for a {self._name} process.", retry_after_s=1)
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        try:
            return await self._call(body, files or {}, timeout_s, told)
        finally:
            self._free.release()

    async def _call(self, body: Mapping[str, Any], files: Mapping[str, bytes], timeout_s: float, told: Told) -> Result:
        child = self._take_idle() or await self._start()
        began = time.perf_counter()
        healthy = False
        try:
            async with asyncio.timeout(timeout_s):
                reply = await child.call(body, files, told)
            healthy = child.alive and child.calls < self._calls_max
        except TimeoutError as error:
            raise ExecutorFailed(f"It took over {timeout_s:g} s and was stopped.", kind="TimedOut") from error
        except ConnectionError as error:
            raise ExecutorFailed("Its process died.", kind="ProcessDied") from error
        finally:
            if healthy and not self._closed:
                self._idle.append(child)
            else:
                self._discard(child)
        if "error" in reply:
            failure = reply["error"]
            raise ExecutorFailed(failure["message"], kind=failure["kind"], retry=failure["retry"])
        return Result(value=reply["value"], cpu_ms=reply["cpu_ms"], duration_ms=(time.perf_counter() - began) * 1000)

    def _take_idle(self) -> _Child | None:
        """Give a child that lives; one that died while nobody used it costs no call."""
        while self._idle:
            child = self._idle.pop()
            if child.alive:
                return child
            self._discard(child)
        return None

    async def _start(self) -> _Child:
        """Start a child. A caller that is cancelled meanwhile leaves no child behind."""
        starting = asyncio.ensure_future(self._spawn())
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            starting.add_done_callback(self._discard_started)
            raise

    def _discard_started(self, starting: asyncio.Future[_Child]) -> None:
        if not starting.cancelled() and starting.exception() is None:
            self._discard(starting.result())

    async def _spawn(self) -> _Child:
        if self._before_start is not None:
            await asyncio.to_thread(self._before_start)
        environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
        _, child = await asyncio.get_running_loop().subprocess_exec(
            _Child,
            *self._argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None,
            env=environment | {"PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
        self._all.add(child)
        return child

    def _discard(self, child: _Child) -> None:
        self._all.discard(child)
        self._ending = {one for one in self._ending if not one.ended.is_set()} | {child}
        child.kill()
        if not self._closed:
            log.info("child_ended", pool=self._name, pid=child.pid, calls=child.calls)

    @property
    def pids(self) -> list[int]:
        return [child.pid for child in self._all]

    async def close(self) -> None:
        """End all children, and wait until they are gone."""
        self._closed = True
        self._idle = []
        for child in list(self._all):
            self._discard(child)
        for child in list(self._ending):
            await child.ended.wait()
