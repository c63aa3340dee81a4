"""Steps that write in every way; run by `test_step_output.py` in the product's own step process."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

from pydantic import BaseModel

from interlock import step
from interlock.sdk.step import current_step

log = logging.getLogger("author")
_late: list[threading.Thread] = []


class Reply(BaseModel):
    """What another system should have answered."""

    number: int


@step
async def parses(answer: str) -> int:
    """Read what another system answered."""
    return Reply.model_validate_json(answer).number


@step
async def every_way() -> str:
    print("printed")
    print("to stderr", file=sys.stderr)
    log.debug("not kept")
    log.info("informed %s", 1)
    log.warning("does not fit %d", "x")
    try:
        raise KeyError("inner")
    except KeyError:
        log.exception("caught")
    warnings.warn("beware", stacklevel=1)
    sys.stdout.buffer.write(b"bytes\n")
    os.write(1, b"by descriptor\n")
    subprocess.run(
        [sys.executable, "-c", "import sys; print('a program'); print('its error', file=sys.stderr)"], check=True
    )
    await asyncio.gather(*(_task(number) for number in range(3)), asyncio.to_thread(print, "a thread"))
    await asyncio.get_running_loop().run_in_executor(None, print, "an executor")
    own = threading.Thread(target=print, args=("own thread",))
    own.start()
    own.join()
    print("no line feed", end="")
    return "done"


async def _task(number: int) -> None:
    await asyncio.sleep(0)
    print(f"task {number}")


@step
def quiet() -> int:
    return 1


@step(secrets=["token"])
def leaks(how: str) -> int:
    print(f"signing in with {current_step().secrets['token']}")
    if how == "raise":
        raise ValueError(f"refused {current_step().secrets['token']}")
    return 1


@step
def hangs() -> None:
    print("before it hangs")
    time.sleep(600)


@step
def dies() -> None:
    print("before it dies")
    os._exit(3)


@step
def chatters(lines: int) -> None:
    for number in range(lines):
        print(number)
    raise RuntimeError("at the end")


@step
async def leaves(folder: str) -> None:
    """Leave a thread, a task and a program behind that write as soon as the file `go` is there."""
    go = Path(folder, "go")

    def wait(what: str) -> None:
        while not go.exists():
            time.sleep(0.01)
        print(f"late {what}")
        log.info("late %s", what)
        Path(folder, what).touch()

    async def later() -> None:
        while not go.exists():
            await asyncio.sleep(0.01)
        print("late task")
        Path(folder, "task").touch()

    _late.append(threading.Thread(target=wait, args=("thread",), daemon=True))
    _late[-1].start()
    globals()["_kept"] = asyncio.get_running_loop().create_task(later())
    code = (
        "import pathlib, sys, time\nfolder = pathlib.Path(sys.argv[1])\nwhile not (folder / 'go').exists(): time.sleep(0.01)\n"
        "print('late program', flush=True)\n(folder / 'program').touch()"
    )
    globals()["_program"] = subprocess.Popen([sys.executable, "-c", code, folder])
    print("mine")


@step
async def goes_on(folder: str) -> None:
    """Let what was left behind write now, and wait until it has."""
    print("first")
    Path(folder, "go").touch()
    while not all(Path(folder, what).exists() for what in ("thread", "task", "program")):
        await asyncio.sleep(0.01)
    print("last")


def _forked() -> None:
    print("from a fork")
    logging.getLogger("fork").warning("logged in it")


@step
def forks() -> str:
    process = multiprocessing.get_context("fork").Process(target=_forked)
    process.start()
    process.join()
    return "joined"
