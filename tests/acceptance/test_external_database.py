"""INTERLOCK_DATABASE_URL: the same product on a PostgreSQL that is somebody else's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.acceptance.product import Product
from tests.acceptance.receipts import Receipt
from tests.folders import make_reachable_folder

pytestmark = [pytest.mark.acceptance, pytest.mark.postgres, pytest.mark.xdist_group("product")]


def test_from_the_receipt_to_the_proof(make_database: Callable[[], str], receipts: list[Receipt]) -> None:
    with make_reachable_folder() as folder:
        product = Product(folder.resolve(), database_url=make_database())
        try:
            started = product.up()
            assert [one["name"] for one in started["processes"]] == ["supervisor", "api", "worker", "relay"]
            assert not (folder / "pgdata").exists()
            words = ("task", "submit", "expenses", str(receipts[0].file), *receipts[0].claim(), "--wait")
            task = product.json(*words)
            assert (task["state"], task["output"]["decision"]) == ("succeeded", "approved")
            assert product.json("audit", "verify")["ok"] is True
        finally:
            product.down()
        assert product.left_behind() == []
