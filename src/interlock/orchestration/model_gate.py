"""Who may answer: before a model version serves a tenant, its signed statement and its state are checked.

Signature, signer, the listed files and the state are looked at again once a second for each version that is asked; that the files on disk
are still the listed ones is checked whenever a process starts (`serving/runtimes/process.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from interlock.domain.errors import ModelUntrusted
from interlock.governance import model_statement
from interlock.infra.database import Database
from interlock.infra.keys import Keys
from interlock.orchestration import model_rows as rows
from interlock.orchestration.model_rows import Version
from interlock.orchestration.model_versions import ModelVersions, describe
from interlock.serving import registry
from interlock.serving.registry import ModelVersion

REFRESH_S: Final = 1.0
PASSED_MAX: Final = 10_000


class ModelGate:
    """Lets a version through, or raises. What passed is remembered for `REFRESH_S`; what did not is asked anew each time.

    Args:
        adopt: versions that came with the product count as released, on record, from the first time that a tenant needs them.
    """

    def __init__(
        self,
        database: Database,
        versions: ModelVersions,
        signing: Keys,
        *,
        adopt: bool,
        is_shipped: Callable[[str, ModelVersion], bool] = registry.is_shipped,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._versions = versions
        self._signing = signing
        self._adopt = adopt
        self._is_shipped = is_shipped
        self._monotonic = monotonic
        self._passed: dict[tuple[str, str, str, str], float] = {}

    async def __call__(self, tenant: str, automation: str, version: ModelVersion) -> None:
        """Return where this version may serve this tenant.

        Raises:
            ModelUntrusted: it is not released, or its statement does not hold; says which, and what to do.
        """
        about, now = (tenant, automation, version.card.name, version.digest), self._monotonic()
        if self._passed.get(about, -REFRESH_S) + REFRESH_S > now:
            return
        await self._check(tenant, automation, version)
        if len(self._passed) >= PASSED_MAX:
            self._passed.clear()
        self._passed[about] = now

    async def _check(self, tenant: str, automation: str, version: ModelVersion) -> None:
        async with self._database.tenant(tenant) as conn:
            found = await rows.find(conn, tenant, automation, version.card.name, version.digest)
            keys = await rows.keys(conn)
        if found is None and self._adopt and self._is_shipped(automation, version):
            await self._versions.adopt(tenant, automation, version)
            async with self._database.tenant(tenant) as conn:
                found = await rows.find(conn, tenant, automation, version.card.name, version.digest)
                keys = await rows.keys(conn)
        envelope = _envelope(found, automation, version)
        wanted = describe(tenant, automation, version, origin="registered")
        try:
            model_statement.check(envelope, wanted, rows.trusted(keys, tenant, self._signing))
        except ModelUntrusted as error:
            where = f"{version.folder}: {error.detail}"
            fix = error.fix or "Retire it, look at what was released, and release it again: `interlock model release`."
            raise ModelUntrusted(where, fix=fix) from error


def _envelope(found: Version | None, automation: str, version: ModelVersion) -> str:
    if found is None:
        raise ModelUntrusted(
            f"{version.folder} holds a version that nobody registered.",
            fix=f"Begin with: interlock model register {automation}/{version.card.name}",
        )
    if found.state != "released":
        raise ModelUntrusted(
            f"{version.folder} holds model version {found.number}, which is {found.state} and not released.",
            fix=f"See `interlock model show {found.number}`.",
        )
    if found.envelope is None:
        raise ModelUntrusted(f"{version.folder} holds model version {found.number}, whose statement is gone.")
    return found.envelope
