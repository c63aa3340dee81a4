"""Model versions from the `models/NAME/` folders of automations."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from interlock.domain.errors import ConfigurationError
from interlock.domain.ids import is_name


class ModelCard(BaseModel):
    """`model.toml`: what a model version is, who answers for it, and how good it was measured to be."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str
    version: str
    runtime: str
    entry: str
    description: str = ""
    owner: str = ""
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
    """One immutable artefact of a model. `digest` is SHA-256 (hex) over its files' names and bytes."""

    card: ModelCard
    folder: Path
    digest: str

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
    return ModelVersion(card=card, folder=folder, digest=_digest(folder))


def _digest(folder: Path) -> str:
    sha = hashlib.sha256()
    for path in _files(folder):
        data = path.read_bytes()
        sha.update(f"{path.relative_to(folder).as_posix()}\0{len(data)}\0".encode() + data)
    return sha.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    yield from sorted(p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
