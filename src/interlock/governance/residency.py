"""Residency at rest: in which regions a tenant's data of a class may stand, and whether the stores stand there.

A rule speaks of a tenant (or `*`) and a class of data, `contents` (inputs, outcomes, reviews) or `documents`; it binds every store, as each
holds part of every class: the database rows, the object store files, the backups copies of both. Each store says by a setting where it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from interlock.domain.errors import ConfigurationError, InterlockError
from interlock.domain.ports import ObjectStore
from interlock.domain.regions import lies_in
from interlock.infra.settings import Settings

ANY_TENANT: Final = "*"


class ResidencyRefused(InterlockError):
    """Data would stand in a region where it may not. Nothing was stored; it works once rule or store is another."""

    code, title, status, exit_code = "residency.refused", "The data may not be stored here", 409, 4


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Where a tenant's data of a class may stand."""

    tenant: str
    data_class: str
    regions: tuple[str, ...]


def rules_of(items: Iterable[str]) -> tuple[Rule, ...]:
    """Read the items of the setting, `tenant/class=region+region`, whose form it checked."""
    pairs = (item.partition("=") for item in items)
    split = ((place.partition("/"), said) for place, _, said in pairs)
    return tuple(Rule(tenant=t, data_class=c, regions=tuple(said.split("+"))) for (t, _, c), said in split)


class Residency:
    """The rules, and where each store says that it is.

    Args:
        stores: name of a store → (its region, the setting that says so).
    """

    def __init__(self, rules: Iterable[Rule], stores: Mapping[str, tuple[str, str]]) -> None:
        self._rules = {(rule.tenant, rule.data_class): rule for rule in rules}
        self._stores = dict(stores)

    def check_start(self) -> None:
        """Refuse to start where a store breaks a rule; raises ConfigurationError that names store, region, rule and setting."""
        for rule in self._rules.values():
            if (why := self._against(rule)) is not None:
                raise ConfigurationError(why[0], fix=why[1])

    def check(self, tenant: str, data_class: str) -> None:
        """Refuse to store a tenant's data of a class; raises ResidencyRefused."""
        rule = self._rules.get((tenant, data_class)) or self._rules.get((ANY_TENANT, data_class))
        if rule is not None and (why := self._against(rule)) is not None:
            raise ResidencyRefused(why[0], fix=why[1])

    def _against(self, rule: Rule) -> tuple[str, str] | None:
        whose = "every tenant" if rule.tenant == ANY_TENANT else f"the tenant {rule.tenant}"
        may = " or ".join(rule.regions)
        for store, (region, setting) in self._stores.items():
            if not any(lies_in(region, one) for one in rule.regions):
                where = f"stands in {region}" if region else "does not say where it stands"
                return (
                    f"The {rule.data_class} of {whose} may stand in {may} only, and the {store} {where}.",
                    f"Move the {store}, set {setting} to where it is, or change INTERLOCK_RESIDENCY.",
                )
        return None


def residency_of(settings: Settings) -> Residency:
    """Build the rules of residency, over where each store says that it is."""
    return Residency(
        rules_of(settings.residency),
        {
            "database": (settings.database_region, "INTERLOCK_DATABASE_REGION"),
            "object store": (settings.object_store_region, "INTERLOCK_OBJECT_STORE_REGION"),
            "backup": (settings.backup_region, "INTERLOCK_BACKUP_REGION"),
        },
    )


class ResidentObjects:
    """An object store that takes nothing which may not stand there. Keys begin with `tenants/TENANT/`."""

    def __init__(self, inner: ObjectStore, residency: Residency) -> None:
        self._inner = inner
        self._residency = residency

    async def put(self, key: str, data: bytes) -> None:
        """Write an object. Raises ResidencyRefused."""
        _, tenant, kind, _ = key.split("/", 3)
        self._residency.check(tenant, "documents" if kind == "documents" else "contents")
        await self._inner.put(key, data)

    async def get(self, key: str) -> bytes:
        return await self._inner.get(key)

    async def sha256(self, key: str) -> str:
        return await self._inner.sha256(key)

    async def delete(self, key: str) -> None:
        await self._inner.delete(key)
