"""The whole product, as `interlock up` starts it, in a folder that goes away afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
from bench.installation import AUTOMATIONS
from bench.machine import family

UP_S_MAX = 120


@dataclass(frozen=True, kw_only=True)
class Product:
    """A running installation. `started_s` is the time of `interlock up` until it said that it is ready."""

    folder: Path
    url: str
    key: str
    started_s: float

    def processes(self) -> dict[str, list[psutil.Process]]:
        """Give each process of the product by name, with the children that it started."""
        seen = json.loads(_interlock(self.folder, "status", "--json"))
        pids = {entry["name"]: entry["pid"] for entry in seen["processes"]}
        own = set(pids.values())
        return {
            name: [p for p in family(pid) if p.pid == pid or p.pid not in own]
            if name != "supervisor"
            else [psutil.Process(pid)]
            for name, pid in pids.items()
        }


def _interlock(folder: Path, *arguments: str) -> str:
    environ = {**os.environ, "INTERLOCK_AUTOMATIONS_DIR": str(AUTOMATIONS), "INTERLOCK_LOG_LEVEL": "warning"}
    command = [str(Path(sys.executable).parent / "interlock"), *arguments, "--data", str(folder)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=UP_S_MAX, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"interlock {arguments[0]} failed: {done.stdout}{done.stderr}")
    return done.stdout


def up(folder: Path) -> Product:
    """Start everything on a folder and wait until it is ready."""
    began = time.perf_counter()
    ready = json.loads(_interlock(folder, "up", "--detach", "--json"))
    seconds = time.perf_counter() - began
    key = Path(ready["key_file"]).read_text().strip()
    return Product(folder=folder, url=ready["url"], key=key, started_s=seconds)


def down(folder: Path) -> None:
    _interlock(folder, "down")


@contextmanager
def data_folder() -> Iterator[Path]:
    """Lend an empty folder that other users may walk to, since called by root the server runs as another one."""
    folder = Path(tempfile.mkdtemp(prefix="interlock-bench-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running() -> Iterator[Product]:
    """Run the product for the time of the block."""
    with data_folder() as folder:
        try:
            yield up(folder)
        finally:
            down(folder)


@asynccontextmanager
async def client(product: Product) -> AsyncIterator[httpx.AsyncClient]:
    """Give an HTTP client with the admin's key."""
    headers = {"authorization": f"Bearer {product.key}"}
    async with httpx.AsyncClient(base_url=product.url, headers=headers, timeout=30, trust_env=False) as found:
        yield found


async def submit(http: httpx.AsyncClient, automation: str, value: dict[str, Any]) -> str:
    """Submit a task; gives its ID."""
    response = await http.post("/v1/tasks", json={"automation": automation, "input": value})
    if response.status_code != 202:
        raise RuntimeError(f"the task was not accepted: {response.status_code} {response.text}")
    return str(response.json()["id"])


async def until(http: httpx.AsyncClient, task_id: str, state: str, *, poll_s: float = 0.01) -> dict[str, Any]:
    """Wait for a task to reach a state; gives the task."""
    async with asyncio.timeout(120):
        while True:
            task: dict[str, Any] = (await http.get(f"/v1/tasks/{task_id}")).json()
            if task["state"] == state:
                return task
            await asyncio.sleep(poll_s)
