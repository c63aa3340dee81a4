"""Automations from their folders: checked, imported and registered with their policies and models."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from interlock.domain import needs
from interlock.domain.effects import Kind
from interlock.domain.errors import AutomationRejected, ConfigurationError, NotFound
from interlock.domain.manifests import Manifest, with_value_at
from interlock.governance.decide import Bundle
from interlock.governance.policies import ROLES
from interlock.infra import modules
from interlock.sdk import check
from interlock.sdk.automation import Automation
from interlock.sdk.replayed import replayed
from interlock.sdk.task import Endpoint
from interlock.serving import registry
from interlock.serving.registry import ModelVersion


@dataclass(frozen=True, kw_only=True)
class Registered:
    """An automation that is ready to run. `digest` is SHA-256 (hex) over its Python files."""

    manifest: Manifest
    automation: Automation[Any, Any]
    folder: Path
    digest: str
    bundle: Bundle
    models: Mapping[str, ModelVersion] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.manifest.name

    def input_of_file(self, document_id: str) -> Any:
        """Give the input that a file in a watched folder makes.

        Raises:
            ConfigurationError: the manifest has no `[watch]`, or its `documents` leads nowhere in the input.
        """
        watch = self.manifest.watch
        if watch is None:
            raise ConfigurationError(
                f"INTERLOCK_WATCH_DIRS names {self.name}, which takes no files.",
                fix="Add [watch] to its automation.toml.",
            )
        try:
            return with_value_at(self.automation.input.model_json_schema(), watch.documents, {"id": document_id})
        except LookupError as error:
            raise ConfigurationError(
                f"{self.name}/automation.toml: [watch] documents is {watch.documents!r}, and its input has nothing there.",
                fix="Write the JSON pointer of the field that takes the document, such as /documents.",
            ) from error

    def facts(self, kind: str, target: str) -> tuple[tuple[str, str], ...]:
        """Give what policies are told of an effect beside its kind and name: the class of its data, and the region it goes to."""
        found = {
            "data_class": self.manifest.data_class or "",
            "region": self._regions.get(target, "") if kind == Kind.INFER else "",
        }
        return tuple((name, fact) for name, fact in found.items() if fact)

    @cached_property
    def _regions(self) -> dict[str, str]:
        """Where each endpoint answers when no other region is asked for, as far as its model says."""
        return {m.endpoint: m.card.region for m in self.models.values() if m.endpoint == m.card.name and m.card.region}


class Automations:
    """Every automation of a folder, by name."""

    def __init__(self, registered: Mapping[str, Registered]) -> None:
        self._registered = dict(registered)

    def __iter__(self) -> Iterator[Registered]:
        return iter(self._registered.values())

    def get(self, name: str) -> Registered:
        """Give an automation; raises NotFound that names those there are."""
        found = self._registered.get(name)
        if found is None:
            known = ", ".join(sorted(self._registered)) or "none"
            raise NotFound(f"There is no automation {name!r}.", fix=f"Registered are: {known}.")
        return found

    @property
    def roles(self) -> frozenset[str]:
        """Every role that a person may hold: those of the product, and those that automations declare."""
        return ROLES.union(*(r.manifest.roles for r in self._registered.values()))

    @property
    def names(self) -> list[str]:
        return sorted(self._registered)


def load_all(folder: Path) -> Automations:
    """Load every sub-folder that has an `automation.toml`.

    Raises:
        ConfigurationError: the folder is not there, or the first that cannot be registered, with file and fix.
    """
    if not folder.is_dir():
        raise ConfigurationError(
            f"INTERLOCK_AUTOMATIONS_DIR={str(folder)!r} is no folder.",
            fix="Name the folder whose sub-folders are the automations; unset: those that come with Interlock.",
        )
    modules.mount(folder)
    found = sorted(p.parent for p in folder.glob("*/automation.toml"))
    return Automations({r.name: r for r in (load(f) for f in found)})


def load(folder: Path) -> Registered:
    """Check and import one automation folder, which is mounted already."""
    manifest = _manifest(folder)
    check_folder(folder)
    module = modules.load(f"{modules.PACKAGE}.{folder.name}.automation")
    declared = [value for value in vars(module).values() if isinstance(value, Automation)]
    if len(declared) != 1:
        raise AutomationRejected(
            f"{folder / 'automation.py'} declares {len(declared)} automations.",
            fix="Decorate one function with @automation.",
        )
    policy = folder / "policy"
    models = registry.load_all(folder)
    _check_needs(folder, module, models)
    return Registered(
        manifest=manifest,
        automation=declared[0],
        folder=folder,
        digest=_digest(folder),
        bundle=Bundle.load([policy] if policy.is_dir() else [], roles=ROLES | {*manifest.roles}),
        models=models,
    )


def _check_needs(folder: Path, module: ModuleType, models: Mapping[str, ModelVersion]) -> None:
    """Refuse a model that declares to need what its endpoint's input does not have, or leaves out what that requires."""
    inputs = {value.name: value.input for value in vars(module).values() if isinstance(value, Endpoint)}
    for model in models.values():
        if not model.card.needs or model.endpoint not in inputs:
            continue
        file = folder / "models" / model.card.name / "model.toml"
        schema = inputs[model.endpoint].model_json_schema(by_alias=True)
        if unknown := needs.unknown(schema, model.card.needs):
            raise AutomationRejected(
                f"{file}: needs names {unknown[0]!r}, which is no field of {inputs[model.endpoint].__name__}.",
                fix="Name fields by JSON pointer, as in /claim/amount.",
            )
        if left := needs.left_required(schema, model.card.needs):
            raise AutomationRejected(
                f"{file}: needs leaves out {left[0]!r}, which {inputs[model.endpoint].__name__} requires.",
                fix="Add it, or give the field a default.",
            )


def check_folder(folder: Path) -> None:
    """Refuse what cannot be replayed; raises AutomationRejected with every finding and its fix."""
    check.reject(findings(folder))


def findings(folder: Path) -> list[check.Finding]:
    """Give what cannot be replayed in an automation's folder: in `automation.py`, and in what that imports of the folder."""
    sources, name = modules.sources_of(folder), folder.resolve().name
    files = replayed(sources, f"{modules.PACKAGE}.{name}")
    return check.check_all({f"{name}/{file}": sources[file] for file in files})


def _manifest(folder: Path) -> Manifest:
    file = folder / "automation.toml"
    try:
        manifest = Manifest.model_validate(tomllib.loads(file.read_text()))
    except (OSError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise AutomationRejected(f"{file}: {error}", fix="See docs/how-to/write-an-automation.md.") from error
    if manifest.name != folder.name:
        raise AutomationRejected(f"{file}: the name {manifest.name!r} should be the folder's name, {folder.name!r}.")
    return manifest


def _digest(folder: Path) -> str:
    sha = hashlib.sha256()
    for file in sorted(folder.glob("*.py")):
        sha.update(f"{file.name}\0".encode() + file.read_bytes())
    return sha.hexdigest()


def config_of(registered: Registered, data_dir: Path) -> dict[str, Any]:
    """Give the `[config]` table for its steps, with `{data_dir}` filled in."""
    return {
        name: value.replace("{data_dir}", str(data_dir)) if isinstance(value, str) else value
        for name, value in registered.manifest.config.items()
    }
