"""Import automations from their folder, wherever it is, as the package `automations`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

from interlock.domain.errors import ConfigurationError

PACKAGE = "automations"


def mount(folder: Path) -> None:
    """Make `automations.NAME` mean the sub-folder NAME of this folder. Mounting the same folder again changes nothing."""
    path = str(folder.resolve())
    package = sys.modules.get(PACKAGE)
    if package is None:
        package = ModuleType(PACKAGE)
        sys.modules[PACKAGE] = package
    if list(getattr(package, "__path__", [])) != [path]:
        package.__path__ = [path]
        for name in [n for n in sys.modules if n.startswith(f"{PACKAGE}.")]:
            del sys.modules[name]
        importlib.invalidate_caches()


def load(name: str) -> ModuleType:
    """Import a module of an automation; raises ConfigurationError that names what cannot be imported."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigurationError(
            f"{name} cannot be imported: {error}.", fix="Correct the import, or install the package."
        ) from error


def sources_of(folder: Path) -> dict[str, str]:
    """Read the Python files of an automation: path below its folder → text. Raises ConfigurationError for one that cannot be read."""
    found: dict[str, str] = {}
    for file in sorted(folder.rglob("*.py")):
        try:
            found[file.relative_to(folder).as_posix()] = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{file} cannot be read: {error}.", fix="Make it readable, as UTF-8.") from error
    return found
