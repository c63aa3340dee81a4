"""Model versions from the `models/NAME/` folders of automations."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from interlock.domain.errors import ConfigurationError
from interlock.domain.ids import is_name

SHIPPED_FILE: Final = "shipped_models.json"


class TrainingData(BaseModel):
    """A data set that a version was made from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    version: str = ""
    licence: str = ""
    sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")


class Provenance(BaseModel):
    """`[provenance]` of a `model.toml`: who made the version, with which code, from which data."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    trained_by: str = ""
    code: str = Field(default="", description="Where the code that made it stands: a repository, a path.")
    code_version: str = Field(default="", description="Of that code: a release or a commit.")
    data: tuple[TrainingData, ...] = ()


class ModelCard(BaseModel):
    """`model.toml`: what a model version is, who answers for it, and how good it was measured to be."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str
    version: str
    runtime: str
    entry: str
    description: str = ""
    owner: str = ""
    licence: str = ""
    provenance: Provenance = Provenance()
    timeout_s: float = Field(default=120.0, gt=0, le=3600)
    endpoint: str = Field(default="", description="What it answers for, where that is another name than its own.")
    region: str = Field(
        default="", pattern=r"^([a-z0-9]+(-[a-z0-9]+)*)?$", description="Where it runs, such as `eu` or `eu-west-1`."
    )
    needs: tuple[str, ...] = Field(
        default=(), description="JSON pointers of the input's fields that are sent to it; empty: all."
    )


@dataclass(frozen=True, kw_only=True)
class ModelVersion:
    """One immutable artefact of a model.

    Attributes:
        digest: SHA-256 (hex) over its files' names and bytes. files: SHA-256 (hex) of each file, by its path in the folder.
    """

    card: ModelCard
    folder: Path
    digest: str
    files: Mapping[str, str]

    @property
    def label(self) -> str:
        return f"{self.card.name}@{self.card.version}+{self.digest[:12]}"

    @property
    def endpoint(self) -> str:
        return self.card.endpoint or self.card.name

    @property
    def size_bytes(self) -> int:
        """Bytes of the files that the digest is taken over."""
        return sum(path.stat().st_size for path in _files(self.folder))


def load_all(automation: Path) -> dict[str, ModelVersion]:
    """Read every model folder of an automation's folder, by name; raises ConfigurationError as `load`."""
    return {m.card.name: m for m in (load(p.parent) for p in sorted(automation.glob("models/*/model.toml")))}


def load(folder: Path) -> ModelVersion:
    """Read one model folder; raises ConfigurationError that names the file and the fix."""
    file = folder / "model.toml"
    try:
        raw: dict[str, Any] = tomllib.loads(file.read_text())
        card = ModelCard.model_validate(raw)
    except (OSError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise ConfigurationError(f"{file}: {error}", fix="See docs/how-to/add-a-model.md.") from error
    if card.name != folder.name or not is_name(card.name):
        raise ConfigurationError(f"{file}: the name {card.name!r} should be the folder's name, {folder.name!r}.")
    if card.runtime != "process":
        raise ConfigurationError(f"{file}: the runtime {card.runtime!r} is not known.", fix="Use runtime = 'process'.")
    digest, files = digests(folder)
    return ModelVersion(card=card, folder=folder, digest=digest, files=files)


def digests(folder: Path) -> tuple[str, dict[str, str]]:
    """Read a model's files: give SHA-256 (hex) over all names and bytes, and of each file by its path in the folder."""
    whole, files = hashlib.sha256(), {}
    for path in _files(folder):
        name, data = path.relative_to(folder).as_posix(), path.read_bytes()
        whole.update(f"{name}\0{len(data)}\0".encode() + data)
        files[name] = hashlib.sha256(data).hexdigest()
    return whole.hexdigest(), files


def is_shipped(automation: str, version: ModelVersion) -> bool:
    """Tell whether a version is, to the byte, one that came with this release of the product."""
    return _shipped().get(f"{automation}/{version.card.name}") == version.digest


@cache
def _shipped() -> dict[str, str]:
    text = (resources.files("interlock.serving") / SHIPPED_FILE).read_text(encoding="utf-8")
    return dict(orjson.loads(text))


def _files(folder: Path) -> Iterator[Path]:
    # Code that Python compiled earlier is no part of a version, and is never loaded (`runtimes/process.py`).
    yield from sorted(p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
