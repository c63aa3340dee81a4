"""Where inference goes in: an endpoint resolves to a model version, and its runtime answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from interlock.domain.errors import ConfigurationError, ExecutorFailed
from interlock.domain.ports import Executed, Predictor
from interlock.domain.regions import lies_in


class Gateway:
    """Endpoints of all automations. An endpoint is looked up in the automation that asks."""

    def __init__(self) -> None:
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
    ) -> None:
        """Let a predictor answer for an endpoint.

        Args:
            region: where it runs. needs: the fields of the input that it is sent; none declared: all.
            stand_in: it answers only where its region is asked for.

        Raises:
            ConfigurationError: another one answers for the endpoint in this region already.
        """
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
        region: str | None = None,
    ) -> Executed:
        """Answer a request. Raises ExecutorFailed; an endpoint that nobody registered cannot be retried."""
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
        return await predictor.predict(request, files)
