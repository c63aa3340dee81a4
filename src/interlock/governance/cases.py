"""Policy test cases, which live beside the policies in `cases.yaml`.

Each case is a mapping: `name`, `principal` and `resource` (`type`, `id`, `attrs`), `action`, `context`, `entities`,
`expect` (allow, deny, needs_review or error) and `reasons`, the IDs of the policies that must have decided. Amounts are
quoted text ("12.30"). Whatever else the file holds beside `cases` is there for YAML anchors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from interlock.domain.decisions import Answer, Entity, Question
from interlock.domain.errors import ConfigurationError
from interlock.governance.decide import Bundle
from interlock.governance.facts import PolicyError

CASES_FILE: Final = "cases.yaml"
CASES_MAX: Final = 2_000
_ERROR: Final = "error"
_KEYS: Final = frozenset({"name", "principal", "action", "resource", "context", "entities", "expect", "reasons"})
_NEEDED: Final = ("name", "principal", "action", "resource", "expect")


@dataclass(frozen=True, kw_only=True)
class CaseResult:
    """How one case went. `reasons` are policy IDs, sorted; `wanted_reasons` is None where the case names none."""

    name: str
    wanted: str
    got: str
    wanted_reasons: tuple[str, ...] | None
    reasons: tuple[str, ...]
    detail: str

    @property
    def passed(self) -> bool:
        return self.wanted == self.got and (self.wanted_reasons is None or self.wanted_reasons == self.reasons)


def run_cases(bundle: Bundle, folder: Path) -> list[CaseResult]:
    """Ask the bundle each case of `folder/cases.yaml`.

    Raises:
        ConfigurationError: the file is missing, empty, or a case is not complete. Names the case and the fix.
    """
    file = folder / CASES_FILE
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read: {error}.", fix="Write a YAML file of cases.") from error
    return run_text(lambda _: bundle, text, str(file))


def run_text(bundle_of: Callable[[str], Bundle], text: str, file: str) -> list[CaseResult]:
    """Ask each case of a text the bundle of its action. Raises ConfigurationError as `run_cases` does."""
    return [_run(bundle_of(str(case["action"])), case) for case in _load(file, text)]


def _load(file: str, text: str) -> list[Mapping[str, Any]]:
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{file} cannot be read: {error}.", fix="Write a YAML file of cases.") from error
    except RecursionError as error:
        raise ConfigurationError(
            f"{file} cannot be read: it is nested too deep.", fix="Give policies flat facts."
        ) from error
    cases = content.get("cases") if isinstance(content, Mapping) else content
    if not isinstance(cases, list) or not 0 < len(cases) <= CASES_MAX:
        raise ConfigurationError(f"{file} holds no list of 1 to {CASES_MAX} cases.", fix="Put them under `cases:`.")
    seen: set[str] = set()
    for number, case in enumerate(cases, 1):
        _check(file, number, case)
        if case["name"] in seen:
            raise ConfigurationError(f'{file}: two cases are named "{case["name"]}".', fix="Rename one.")
        seen.add(case["name"])
    return cases


def _check(file: str, number: int, case: Any) -> None:
    if not isinstance(case, Mapping):
        raise ConfigurationError(f"{file}: case {number} is not a mapping.", fix=f"Give {', '.join(_NEEDED)}.")
    if missing := [key for key in _NEEDED if not case.get(key)]:
        raise ConfigurationError(f"{file}: case {number} has no `{missing[0]}`.", fix=f"Give {', '.join(_NEEDED)}.")
    if unknown := sorted(set(case) - _KEYS):
        raise ConfigurationError(
            f"{file}: case {number} has the unknown key `{unknown[0]}`.", fix=f"Known are {', '.join(sorted(_KEYS))}."
        )
    if case["expect"] not in (*Answer, _ERROR):
        raise ConfigurationError(
            f"{file}: case {number} expects `{case['expect']}`.", fix="Expect allow, deny, needs_review or error."
        )


def _run(bundle: Bundle, case: Mapping[str, Any]) -> CaseResult:
    question = Question(
        principal=_entity(case["principal"]),
        action=case["action"],
        resource=_entity(case["resource"]),
        context=case.get("context") or {},
        entities=tuple(_entity(e) for e in case.get("entities") or ()),
    )
    wanted_reasons = tuple(sorted(case["reasons"])) if "reasons" in case else None
    try:
        decision = bundle.decide(question)
    except PolicyError as error:
        decided, got, detail = [], _ERROR, str(error)
    else:
        decided, got = [r.policy for r in decision.reasons], decision.answer.value
        detail = " ".join(r.text for r in decision.reasons)
    return CaseResult(
        name=case["name"],
        wanted=case["expect"],
        got=got,
        wanted_reasons=wanted_reasons,
        reasons=tuple(sorted(decided)),
        detail=detail,
    )


def _entity(value: Any) -> Entity:
    if not isinstance(value, Mapping) or not isinstance(value.get("type"), str) or not isinstance(value.get("id"), str):
        raise ConfigurationError(f"A case names the entity {value!r}.", fix="Give `type`, `id` and `attrs`.")
    parents = tuple((p["type"], p["id"]) for p in value.get("parents") or ())
    return Entity(type=value["type"], id=value["id"], attrs=value.get("attrs") or {}, parents=parents)
