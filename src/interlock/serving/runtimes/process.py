"""The `process` runtime: Python predictors in child processes, beside no credentials and away from the event loop."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interlock.domain.errors import ExecutorFailed
from interlock.domain.ports import Executed
from interlock.infra.child import GiveUp, Handler
from interlock.infra.child_pool import ChildPool
from interlock.serving.registry import ModelVersion


class ProcessRuntime:
    """One model version, loaded in up to `processes` children. See the port `Predictor`."""

    def __init__(self, version: ModelVersion, *, processes: int) -> None:
        self.version = version
        self._pool = ChildPool(
            name=version.card.name,
            handler="interlock.serving.runtimes.process:handler",
            config={"folder": str(version.folder), "entry": version.card.entry},
            size=processes,
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


def handler(config: Mapping[str, Any]) -> Handler:
    """Load a predictor in a child: its folder comes first on the path, its class is made once."""
    folder = Path(config["folder"])
    sys.path.insert(0, str(folder))
    module, _, name = str(config["entry"]).partition(":")
    predictor = getattr(importlib.import_module(module), name)(folder)

    def predict(body: Mapping[str, Any], files: Mapping[str, bytes]) -> Any:
        try:
            return predictor.predict(dict(body), files)
        except ValueError as error:  # the request itself is wrong: an unreadable document and its like
            raise GiveUp(str(error), kind=type(error).__name__) from error

    return predict
