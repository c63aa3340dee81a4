"""One started product for all acceptance tests that can share it: real OCR is loaded once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.product import Product, running
from tests.acceptance.receipts import Receipt
from tests.chaos.callbacks import Receiver, receiver

from generate_receipts import generate

SEED = 11
COUNT = 6


@pytest.fixture(scope="session")
def callbacks() -> Iterator[Receiver]:
    """Where callbacks go."""
    with receiver() as found:
        yield found


@pytest.fixture(scope="session")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A watched folder of the shared product."""
    return tmp_path_factory.mktemp("watched")


@pytest.fixture(scope="session")
def product(watched: Path, callbacks: Receiver) -> Iterator[Product]:
    """The whole product, running, with everything as the README starts it."""
    with running(
        watch_dirs=f"expenses={watched}",
        watch_poll_s="0.2",
        outgoing_allow="127.0.0.1",
        callback_backoff_initial_s="0.2",
    ) as started:
        yield started


@pytest.fixture(scope="session")
def receipts(tmp_path_factory: pytest.TempPathFactory) -> list[Receipt]:
    """Generated receipts that look real."""
    folder = tmp_path_factory.mktemp("receipts")
    return [Receipt(folder / sample.file, sample) for sample in generate(COUNT, SEED, folder)]
