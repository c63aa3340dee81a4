"""Where inference goes in: an endpoint resolves to a model version, and its runtime answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from interlock.domain.errors import ConfigurationError, ExecutorFailed, ModelUntrusted
from interlock.domain.ports import Executed, Predictor
from interlock.domain.regions import lies_in
from interlock.serving.registry import ModelVersion

Gate = Callable[[str, str, ModelVersion], Awaitable[None]]
"""Called with tenant, automation and version before a version answers; raises ModelUntrusted where the tenant has not released it."""


class Gateway:
    """Endpoints of all automations. An endpoint is looked up in the automation that asks.

    Args:
        gate: asked about every version that answers; without one only predictors that are no model version can be registered.
    """

    def __init__(self, gate: Gate | None = None) -> None:
        self._gate = gate
        self._versions: dict[int, ModelVersion] = {}
        self._endpoints: dict[tuple[str, str], Predictor] = {}
        self._regions: dict[tuple[str, str], dict[str, Predictor]] = {}
        self._needs: dict[tuple[str, str], tuple[str, ...]] = {}

    def register(
        self,
        automation: str,
        endpoint: str,
        predictor: Predictor,
        *,
        region: str = "",
        needs: tuple[str, ...] = (),
        stand_in: bool = False,
        version: ModelVersion | None = None,
    ) -> None:
        """Let a predictor answer for an endpoint.

        Args:
            region: where it runs. needs: the fields of the input that it is sent; none declared: all.
            stand_in: it answers only where its region is asked for.
            version: the model version that it serves; None for a test's own predictor.

        Raises:
            ConfigurationError: another one answers for the endpoint in this region already; a version, and nobody to ask about it.
        """
        if version is not None:
            if self._gate is None:
                raise ConfigurationError(
                    f"Nobody says whether {version.label} is released.", fix="Give the gateway a gate."
                )
            self._versions[id(predictor)] = version
        regions = self._regions.setdefault((automation, endpoint), {})
        if region and region in regions:
            raise ConfigurationError(
                f"Two models of {automation} answer for {endpoint!r} in the region {region}.",
                fix="Give one another region.",
            )
        if region:
            regions[region] = predictor
        if not stand_in:
            self._endpoints[automation, endpoint] = predictor
            self._needs[automation, endpoint] = needs

    def needs(self, automation: str, endpoint: str) -> tuple[str, ...]:
        """Give the fields that an endpoint is sent; empty where it declares none."""
        return self._needs.get((automation, endpoint), ())

    def elsewhere(self, automation: str, endpoint: str, wanted: str) -> str | None:
        """Give the region of the endpoint that lies in the wanted one (`eu-west-1` lies in `eu`); None where none does."""
        found = self._regions.get((automation, endpoint), {})
        return next((r for r in sorted(found) if lies_in(r, wanted)), None)

    async def infer(
        self,
        automation: str,
        endpoint: str,
        request: Mapping[str, Any],
        files: Mapping[str, bytes],
        *,
        tenant: str,
        region: str | None = None,
    ) -> Executed:
        """Answer a request. Raises ExecutorFailed; an endpoint that nobody registered, or a version that is not released, cannot be retried."""
        # Never the usual one where a region is asked for: the policy allowed that region and no other.
        predictor = (
            self._endpoints.get((automation, endpoint))
            if region is None
            else self._regions.get((automation, endpoint), {}).get(region)
        )
        if predictor is None:
            raise ExecutorFailed(
                f"The automation {automation} has no endpoint {endpoint!r}.",
                kind="UnknownEndpoint",
                retry=False,
                fix=f"Add models/{endpoint}/model.toml to its folder.",
            )
        await self._check_released(tenant, automation, predictor)
        return await predictor.predict(request, files)

    async def _check_released(self, tenant: str, automation: str, predictor: Predictor) -> None:
        version = self._versions.get(id(predictor))
        if version is None or self._gate is None:
            return
        try:
            await self._gate(tenant, automation, version)
        except ModelUntrusted as error:
            raise ExecutorFailed(
                f"{version.label}: {error.detail}", kind="ModelUntrusted", retry=False, fix=error.fix
            ) from error
