"""A pool of child processes that run authors' code: steps and predictors. They hold no database credentials.

A call is one frame each way over pipes (see `infra.child`). A child that is too slow, dies or is no longer wanted is ended and
replaced; the call fails, the pool and its process live on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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


class _Child:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.calls = 0

    @property
    def alive(self) -> bool:
        return self.process.returncode is None

    async def call(self, body: Mapping[str, Any], files: Mapping[str, bytes]) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        head = canonical.dumps({"body": body, "files": [[name, len(data)] for name, data in files.items()]})
        size = len(head) + sum(len(data) for data in files.values())
        if size > FRAME_BYTES_MAX:
            raise ExecutorFailed(
                f"The call has {size} bytes, over the limit of {FRAME_BYTES_MAX}.", kind="TooLarge", retry=False
            )
        self.process.stdin.write(HEADER.pack(len(head)) + head)
        for data in files.values():
            self.process.stdin.write(data)
        await self.process.stdin.drain()
        (length,) = HEADER.unpack(await self.process.stdout.readexactly(LENGTH_BYTES))
        if length > FRAME_BYTES_MAX:
            raise ExecutorFailed(
                f"The answer has {length} bytes, over the limit of {FRAME_BYTES_MAX}.", kind="TooLarge", retry=False
            )
        reply: dict[str, Any] = canonical.loads(await self.process.stdout.readexactly(length))
        self.calls += 1
        return reply

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)  # with whatever it started
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()


class ChildPool:
    """Up to `size` children, started when first needed (or by `warm`), each running one call at a time.

    Args:
        handler: `module:function` that the child imports; `function(config)` gives what answers calls.
        config: plain JSON for it.
    """

    def __init__(
        self, *, name: str, handler: str, config: Mapping[str, Any], size: int, calls_max: int = 10_000
    ) -> None:
        self._name = name
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
        self._free = asyncio.Semaphore(size)
        self._waiting = 0
        self._closed = False

    async def warm(self) -> None:
        """Start all children now; those that cannot start are tried again when they are needed."""
        while len(self._all) < self._size:
            self._idle.append(await self._start())

    async def call(
        self, body: Mapping[str, Any], files: Mapping[str, bytes] | None = None, *, timeout_s: float
    ) -> Result:
        """Run one call in a child.

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
            return await self._call(body, files or {}, timeout_s)
        finally:
            self._free.release()

    async def _call(self, body: Mapping[str, Any], files: Mapping[str, bytes], timeout_s: float) -> Result:
        child = self._take_idle() or await self._start()
        began = time.perf_counter()
        healthy = False
        try:
            async with asyncio.timeout(timeout_s):
                reply = await child.call(body, files)
            healthy = child.alive and child.calls < self._calls_max
        except TimeoutError as error:
            raise ExecutorFailed(f"It took over {timeout_s:g} s and was stopped.", kind="TimedOut") from error
        except (asyncio.IncompleteReadError, ConnectionError) as error:
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
        environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
        process = await asyncio.create_subprocess_exec(
            *self._argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment | {"PYTHONUNBUFFERED": "1"},
            start_new_session=True,
            limit=2**20,
        )
        child = _Child(process)
        self._all.add(child)
        return child

    def _discard(self, child: _Child) -> None:
        self._all.discard(child)
        child.kill()
        if not self._closed:
            log.info("child_ended", pool=self._name, pid=child.process.pid, calls=child.calls)

    @property
    def pids(self) -> list[int]:
        return [child.process.pid for child in self._all]

    async def close(self) -> None:
        """End all children."""
        self._closed = True
        children, self._idle = list(self._all), []
        for child in children:
            self._discard(child)
        for child in children:
            await child.process.wait()
