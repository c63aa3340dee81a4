"""Residency at rest: a store in another region is refused at start and at each write, and the error says what to do."""

from __future__ import annotations

import pytest

from interlock.data.objects import MemoryObjects
from interlock.domain.errors import ConfigurationError, NotFound
from interlock.governance.residency import Residency, ResidencyRefused, ResidentObjects, rules_of
from interlock.infra.settings import load


def residency(rules: str, *, database: str = "eu-west-1", objects: str = "eu-north-1", backup: str = "eu") -> Residency:
    settings = load({"INTERLOCK_RESIDENCY": rules})
    stores = {"database": (database, "INTERLOCK_DATABASE_REGION"), "object store": (objects, "INTERLOCK_OBJECT_STORE_REGION"),
              "backup": (backup, "INTERLOCK_BACKUP_REGION")}  # fmt: skip
    return Residency(rules_of(settings.residency), stores)


async def test_what_a_store_in_the_region_takes_stands_there() -> None:
    found = residency("acme/documents=eu, */contents=us+eu")
    found.check_start()
    objects = MemoryObjects()
    for resident, key in (
        (found, "tenants/acme/documents/1"),
        (found, "tenants/other/tasks/2"),
        (residency(""), "tenants/acme/documents/3"),
    ):
        await ResidentObjects(objects, resident).put(key, b"x")
        assert await objects.get(key) == b"x"


@pytest.mark.parametrize(
    ("where", "store"),
    [({"database": "us-east-1"}, "database"), ({"objects": ""}, "object store"), ({"backup": "europe"}, "backup")],
)
def test_a_store_elsewhere_is_refused_at_start_and_at_a_write(where: dict[str, str], store: str) -> None:
    found = residency("acme/documents=eu", **where)
    with pytest.raises(
        ConfigurationError, match=f"documents of the tenant acme may stand in eu only, and the {store}"
    ) as failed:
        found.check_start()
    assert "INTERLOCK_" in (failed.value.fix or "")
    with pytest.raises(ResidencyRefused):
        found.check("acme", "documents")
    found.check("acme", "contents")
    found.check("other", "documents")


async def test_an_object_store_takes_nothing_that_may_not_stand_there() -> None:
    inner = MemoryObjects()
    objects = ResidentObjects(inner, residency("acme/documents=eu", objects="us"))
    with pytest.raises(ResidencyRefused):
        await objects.put("tenants/acme/documents/d", b"x")
    with pytest.raises(NotFound):
        await inner.get("tenants/acme/documents/d")
    await objects.put("tenants/acme/tasks/t/input.json", b"x")
    await objects.put("tenants/other/documents/d", b"x")
    await objects.delete("tenants/other/documents/d")
    with pytest.raises(NotFound):
        await objects.get("tenants/other/documents/d")


@pytest.mark.parametrize("item", ["acme=eu", "acme/shoes=eu", "acme/documents=", "/documents=eu", "acme/documents"])
def test_a_rule_in_another_form_is_refused(item: str) -> None:
    for setting in ("INTERLOCK_RESIDENCY", "INTERLOCK_RETENTION"):
        with pytest.raises(ConfigurationError, match=setting):
            load({setting: item})


def test_days_are_numbers_over_0() -> None:
    assert load({"INTERLOCK_RETENTION": "*/documents=0.5,acme/contents=30"}).kept_days == {
        ("*", "documents"): 0.5, ("acme", "contents"): 30,
    }  # fmt: skip
    for days in ("0", "-1", "week", "nan", "inf"):
        with pytest.raises(ConfigurationError):
            load({"INTERLOCK_RETENTION": f"*/documents={days}"})
