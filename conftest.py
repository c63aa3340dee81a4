"""What holds for every test of the repository, those of automations included."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, settings

UNIT = Path(__file__).parent / "tests" / "unit"

# How long an example takes, or drawing one, says how busy the machine is and nothing about what is tested.
settings.register_profile("interlock", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("interlock")


def pytest_configure() -> None:
    """Take Ctrl-C as a program does that somebody started: in a shell's background it is ignored, and so in every child."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a module on one worker, so that its servers start once. Unit tests have none and go anywhere."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None and not item.path.is_relative_to(UNIT):
            item.add_marker(pytest.mark.xdist_group(item.path.as_posix()))


@pytest.fixture(scope="module", autouse=True)
def automations_as_before() -> Iterator[None]:
    """Leave `automations` meaning the folder that it meant: a module that mounts another one must not disturb the next."""
    before = _mounted()
    paths = {name: module.__path__ for name, module in before.items() if hasattr(module, "__path__")}
    yield
    for name in _mounted():
        del sys.modules[name]
    sys.modules.update(before)
    for name, path in paths.items():
        before[name].__path__ = path


def _mounted() -> dict[str, ModuleType]:
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "automations"}
