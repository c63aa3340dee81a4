"""Where inference goes in: an endpoint resolves to a model version, and its runtime answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from interlock.domain.errors import ExecutorFailed
from interlock.domain.ports import Executed, Predictor


class Gateway:
    """Endpoints of all automations. An endpoint is looked up in the automation that asks."""

    def __init__(self) -> None:
        self._endpoints: dict[tuple[str, str], Predictor] = {}

    def register(self, automation: str, endpoint: str, predictor: Predictor) -> None:
        self._endpoints[automation, endpoint] = predictor

    async def infer(
        self, automation: str, endpoint: str, request: Mapping[str, Any], files: Mapping[str, bytes]
    ) -> Executed:
        """Answer a request. Raises ExecutorFailed; an endpoint that nobody registered cannot be retried."""
        predictor = self._endpoints.get((automation, endpoint))
        if predictor is None:
            raise ExecutorFailed(
                f"The automation {automation} has no endpoint {endpoint!r}.",
                kind="UnknownEndpoint",
                retry=False,
                fix=f"Add models/{endpoint}/model.toml to its folder.",
            )
        return await predictor.predict(request, files)
