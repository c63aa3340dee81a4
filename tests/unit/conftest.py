"""Unit tests have no network: a socket that is opened is a failure."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_socket import disable_socket, enable_socket


@pytest.fixture(autouse=True)
def network_off() -> Iterator[None]:
    """Refuse sockets but the Unix ones that asyncio's own loop needs."""
    disable_socket(allow_unix_socket=True)
    yield
    enable_socket()
