"""The `process` runtime: Python predictors in child processes, beside no credentials and away from the event loop.

Before a process starts, the files on disk must be those of the version, to the byte. The process reads its sources itself and checks each
once more as it compiles it: code that Python kept compiled (`__pycache__`) is not looked at, since nobody vouched for it.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Mapping
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

from interlock.domain.errors import ExecutorFailed
from interlock.domain.ports import Executed
from interlock.infra.child import GiveUp, Handler
from interlock.infra.child_pool import ChildPool
from interlock.serving.registry import ModelVersion, digests


class ProcessRuntime:
    """One model version, loaded in up to `processes` children. See the port `Predictor`."""

    def __init__(self, version: ModelVersion, *, processes: int) -> None:
        self.version = version
        self._pool = ChildPool(
            name=version.card.name,
            handler="interlock.serving.runtimes.process:handler",
            config={"folder": str(version.folder), "entry": version.card.entry, "files": dict(version.files)},
            size=processes,
            before_start=self._check_files,
        )

    async def warm(self) -> None:
        await self._pool.warm()

    async def predict(self, request: Mapping[str, Any], files: Mapping[str, bytes]) -> Executed:
        """Answer one request. `confidence` is the predictor's own, calibrated; None where it gives none."""
        result = await self._pool.call(request, files, timeout_s=self.version.card.timeout_s)
        if not isinstance(result.value, dict):
            raise ExecutorFailed(f"{self.version.label} answered no object.", kind="InvalidPrediction", retry=False)
        return Executed(
            value=result.value,
            confidence=result.value.get("confidence"),
            model_version=self.version.label,
            cpu_ms=result.cpu_ms,
            duration_ms=result.duration_ms,
        )

    async def close(self) -> None:
        await self._pool.close()

    def _check_files(self) -> None:
        """Compare what lies on disk with the version; raises ExecutorFailed that names the first file that is another one."""
        folder, known = self.version.folder, self.version.files
        try:
            _, there = digests(folder)
        except OSError as error:
            raise _changed(str(error.filename or folder)) from error
        for name in sorted({*known, *there}):
            if known.get(name) != there.get(name):
                raise _changed(str(folder / name))


def _changed(file: str) -> ExecutorFailed:
    return ExecutorFailed(
        f"{file} is not as it was when the worker started, so the model is not served.",
        kind="ModelUntrusted",
        retry=False,
        fix="Restore it; or restart the worker, and let the new version be approved and released.",
    )


def _import_checked(folder: Path, files: Mapping[str, str]) -> None:
    """Let modules of the folder be imported from sources with these digests only, and never from what was compiled before."""

    class Checked(SourceFileLoader):
        def get_code(self, fullname: str) -> CodeType:
            path = Path(self.get_filename(fullname))
            data = path.read_bytes()
            if files.get(path.relative_to(folder).as_posix()) != hashlib.sha256(data).hexdigest():
                raise ImportError(f"{path} is not the file that was released")
            code: CodeType = self.source_to_code(data, str(path))
            return code

    make = FileFinder.path_hook((Checked, SOURCE_SUFFIXES))

    def hook(path: str) -> Any:
        if not Path(path).is_relative_to(folder):
            raise ImportError("not the model's")
        return make(path)

    sys.path_hooks.insert(0, hook)
    sys.path_importer_cache.pop(str(folder), None)
    sys.path.insert(0, str(folder))


def handler(config: Mapping[str, Any]) -> Handler:
    """Load a predictor in a child: its folder comes first on the path, its class is made once."""
    folder = Path(config["folder"]).absolute()
    _import_checked(folder, config["files"])
    module, _, name = str(config["entry"]).partition(":")
    predictor = getattr(importlib.import_module(module), name)(folder)

    def predict(body: Mapping[str, Any], files: Mapping[str, bytes]) -> Any:
        try:
            return predictor.predict(dict(body), files)
        except ValueError as error:  # the request itself is wrong: an unreadable document and its like
            raise GiveUp(str(error), kind=type(error).__name__) from error

    return predict
