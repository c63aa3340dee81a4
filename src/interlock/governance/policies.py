"""Policies from folders: parsed, linted and compiled once; a wrong one is found at start-up, never at a decision.

A bundle is the shipped `base/` and the `policy/` folder of each automation: `*.cedar`, and optionally
`schema.cedarschema`, a fragment that adds the automation's own actions (call them `NAME.verb`) and entity types.

Every policy carries `@id` (unique in the bundle) and `@reason` (what a person is told). A forbid may carry
`@review("role")`, or `@remedy` with what would make it allowed: `redact`, `reroute:REGION`, `escalate`, `review:N` (that many
people). Where only such forbids stand against what the permits allow, these are the decision's obligations. `@advice` says what
somebody can do about it, `@field("total,currency")` which fields of the values it is about, so that a review shows it beside these.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import cedarpy

from interlock.domain.errors import ConfigurationError
from interlock.governance import missing_permits, policy_lint
from interlock.governance.redaction.findings import TYPES

BASE: Final = Path(__file__).parent / "base"
SCHEMA_FILE: Final = "schema.cedarschema"
DEFAULT_DENY: Final = "default-deny"
FILE_BYTES_MAX: Final = 256 * 1024
POLICIES_MAX: Final = 2_000
ROLES: Final = frozenset(
    {"owner", "admin", "author", "operator", "ml-release", "reviewer", "auditor", "privacy", "agent"}
)
_ANNOTATIONS: Final = frozenset({"id", "reason", "review", "remedy", "advice", "field"})
_TYPE: Final = f"(?i:{'|'.join(TYPES)})"
_FIELDS: Final = re.compile(r"[A-Za-z_]\w{0,63}(\s*,\s*[A-Za-z_]\w{0,63}){0,15}")
_REMEDY: Final = re.compile(rf"redact(:{_TYPE}(,{_TYPE})*)?|escalate|reroute:[a-z][a-z0-9-]{{0,31}}|review:[2-9]")


@dataclass(frozen=True, kw_only=True)
class Policy:
    """One policy: what it is called, what it tells a person, where it was read, and its own text there, comments above it included."""

    id: str
    effect: str
    reason: str
    obligations: tuple[str, ...]
    advice: str | None
    file: str
    text: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ActionRules:
    """The policies whose scope admits one action: all of them, and the permits alone.

    The engine looks at each policy of a set (1.7 µs, measured), so the policies of other automations would slow all down.
    `holders` are the roles that the permits ask for.
    """

    ids: tuple[str, ...]
    everything: cedarpy.PolicySet
    permits: cedarpy.PolicySet
    holders: Mapping[str, missing_permits.Holders] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Rules:
    """A compiled bundle.

    Attributes:
        policies: every policy, by its `@id`. forms: the same as Cedar's JSON.
        schema: of the base and all fragments.
        actions: what decides about each action that the schema knows.
        version: SHA-256 (hex) over schemas and policies, whatever the order or names of their files.
        sources: what it was compiled from, as (`schema` or `policies`, text); whoever has them can compute the version.
    """

    policies: Mapping[str, Policy]
    forms: Mapping[str, Any]
    schema: cedarpy.Schema
    schema_text: str
    actions: Mapping[str, ActionRules]
    version: str
    sources: tuple[tuple[str, str], ...] = ()


def load_rules(
    folders: Sequence[Path],
    *,
    schemas: Sequence[Path] = (),
    texts: Mapping[str, str] | None = None,
    roles: frozenset[str] | None = None,
) -> Rules:
    """Compile the shipped base and the given policy folders.

    Args:
        schemas: folders of which only the schema fragment is taken, so that `texts` may speak of their actions.
        texts: more policies by file name, such as a tenant's own.
        roles: the roles that there are; None leaves them unchecked.

    Raises:
        ConfigurationError: a file that cannot be read or parsed, a policy that the schema refutes or that can never match, a
            missing or doubled `@id`, a missing `@reason`, an unknown annotation, remedy or role. It names file, policy and fix.
    """
    every = (BASE, *(f for f in folders if f.resolve() != BASE.resolve()))
    schema, schema_texts = _load_schema((*every, *(f for f in schemas if f not in every)), policies_in=every)
    policies: dict[str, Policy] = {}
    compiled: dict[str, Any] = {}
    sources = [("schema", text) for text in schema_texts]
    files = [(str(file), _read(file)) for folder in every for file in sorted(folder.glob("*.cedar"))]
    for file, text in (*files, *sorted((texts or {}).items())):
        sources.append(("policies", text))
        for policy, form in _parse(file, text, schema):
            if policy.id in policies:
                raise ConfigurationError(
                    f'{file}: the policy ID "{policy.id}" is used already in {Path(policies[policy.id].file).name}.',
                    fix="Give each policy of a bundle its own @id.",
                )
            policy_lint.check(file, policy.id, form, roles)
            policies[policy.id] = policy
            compiled[policy.id] = form
    if len(policies) > POLICIES_MAX:
        raise ConfigurationError(
            f"The bundle has {len(policies)} policies.", fix=f"At most {POLICIES_MAX} may be loaded."
        )
    return Rules(
        policies=policies,
        forms=compiled,
        schema=schema,
        schema_text="\n".join(schema_texts),
        actions={action: _admitted(compiled, groups) for action, groups in _actions(schema).items()},
        version=_digest(json.dumps(sorted((what, _digest(text)) for what, text in sources))),
        sources=tuple(sources),
    )


def _actions(schema: cedarpy.Schema) -> dict[str, frozenset[str]]:
    """Give each action of the schema with the groups that it is in, itself among them."""
    entities = json.loads(str(cedarpy.Entities.from_json_str("[]", schema)))
    parents = {e["uid"]["id"]: {p["id"] for p in e["parents"]} for e in entities if e["uid"]["type"] == "Action"}
    closed: dict[str, frozenset[str]] = {}
    for action in parents:
        groups, fresh = {action}, {action}
        while fresh := {parent for group in fresh for parent in parents.get(group, ())} - groups:
            groups |= fresh
        closed[action] = frozenset(groups)
    return closed


def _admitted(forms: Mapping[str, Any], groups: frozenset[str]) -> ActionRules:
    admitted = {id_: form for id_, form in forms.items() if _admits(form["action"], groups)}
    permits = {id_: form for id_, form in admitted.items() if form["effect"] == "permit"}
    return ActionRules(
        ids=tuple(sorted(admitted)),
        everything=_compile(admitted),
        permits=_compile(permits),
        holders=missing_permits.holders(list(permits.values())),
    )


def _admits(scope: Mapping[str, Any], groups: frozenset[str]) -> bool:
    """Tell whether an action scope may admit an action in these groups; a form that is not known here does."""
    if scope["op"] == "==":
        named = [scope["entity"]]
    elif scope["op"] == "in":
        named = scope["entities"] if "entities" in scope else [scope["entity"]]
    else:
        return True
    # Only names are compared, so an action of the same name in another namespace is kept, and the engine tells them apart.
    return any(entity["id"] in groups for entity in named)


def _compile(forms: Mapping[str, Any]) -> cedarpy.PolicySet:
    # Named by their @id, so that the engine's diagnostics name them too; from text it would number them.
    return cedarpy.PolicySet.from_json_str(
        json.dumps({"staticPolicies": dict(forms), "templates": {}, "templateLinks": []})
    )


def _load_schema(folders: Sequence[Path], *, policies_in: Sequence[Path]) -> tuple[cedarpy.Schema, list[str]]:
    texts: list[str] = []
    schema: cedarpy.Schema | None = None
    for folder in folders:
        if not folder.is_dir():
            raise ConfigurationError(f"{folder} is not a folder.", fix="Give a folder with *.cedar files.")
        if folder in policies_in and not any(folder.glob("*.cedar")):
            raise ConfigurationError(f"{folder} holds no *.cedar file.", fix="Add policies, or remove the folder.")
        file = folder / SCHEMA_FILE
        if not file.exists():
            continue
        texts.append(_read(file))
        try:
            # Fragment by fragment, so that an error names the file that brought it.
            schema = cedarpy.Schema.from_str("\n".join(texts))
        except ValueError as error:
            raise ConfigurationError(
                f"{file}: {error}.",
                fix="A fragment adds actions and types to the base schema under names of its own, such as `NAME.verb`.",
            ) from error
    if schema is None:
        raise ConfigurationError(f"{BASE / SCHEMA_FILE} is missing.", fix="Install the package again.")
    return schema, texts


def _parse(file: str, text: str, schema: cedarpy.Schema) -> list[tuple[Policy, Any]]:
    policy_lint.check_depth(file, text)
    try:
        parsed = json.loads(cedarpy.policies_to_json_str(text))
    except ValueError as error:
        raise ConfigurationError(f"{file}: {error}.", fix="Correct the Cedar syntax.") from error
    if parsed["templates"]:
        raise ConfigurationError(
            f"{file}: a policy template (?principal or ?resource).", fix="Write the policy out: templates are not used."
        )
    for form in parsed["staticPolicies"].values():
        policy_lint.check_form_depth(file, form)
    texts = split(text)
    found = [
        (_lint(file, number, form, texts), form) for number, form in enumerate(parsed["staticPolicies"].values(), 1)
    ]
    checked = cedarpy.validate_policies(text, schema)
    if not checked.validation_passed:
        names = checked.id_annotations_by_policy_id
        what = "; ".join(
            f"{names.get(e.policy_id, e.policy_id)}: {e.error.removeprefix(f'for policy `{e.policy_id}`, ')}"
            for e in checked.errors
        )
        raise ConfigurationError(f"{file}: {what}.", fix="Policies may use only what the schema declares.")
    return found


def _lint(file: str, number: int, form: Mapping[str, Any], texts: Mapping[str, str]) -> Policy:
    notes: Mapping[str, str | None] = form.get("annotations", {})
    id_, reason = notes.get("id"), notes.get("reason")
    if not id_:
        raise ConfigurationError(f"{file}: policy {number} has no @id.", fix='Add @id("a-name") above it.')
    if id_ == DEFAULT_DENY:
        raise ConfigurationError(
            f'{file}: "{id_}" is the name of the default deny.', fix="Give the policy another @id."
        )
    if not reason:
        raise ConfigurationError(
            f'{file}: policy "{id_}" has no @reason.', fix='Add @reason("What a person is told.").'
        )
    if unknown := sorted(set(notes) - _ANNOTATIONS):
        raise ConfigurationError(
            f'{file}: policy "{id_}" has the unknown annotation @{unknown[0]}.',
            fix=f"Known are {', '.join('@' + a for a in sorted(_ANNOTATIONS))}.",
        )
    if "review" in notes and (form["effect"] != "forbid" or not notes["review"]):
        raise ConfigurationError(
            f'{file}: policy "{id_}" has a @review that cannot work.',
            fix='Put @review("role") on a forbid, and name who should decide.',
        )
    if "remedy" in notes and (form["effect"] != "forbid" or not _REMEDY.fullmatch(notes["remedy"] or "")):
        raise ConfigurationError(
            f'{file}: policy "{id_}" has a @remedy that cannot work.',
            fix="Put redact, redact:TYPE,TYPE, reroute:REGION, escalate or review:N (2 to 9) on a forbid;"
            " words for a person go into @advice.",
        )
    if "field" in notes and not _FIELDS.fullmatch(notes["field"] or ""):
        raise ConfigurationError(
            f'{file}: policy "{id_}" has a @field that names none.',
            fix='Write @field("total"), or several, at most 16: @field("total,currency").',
        )
    obligations = [f"review:{notes['review']}"] if "review" in notes else []
    return Policy(
        id=id_,
        effect=form["effect"],
        reason=reason,
        obligations=(*obligations, *filter(None, [notes.get("remedy")])),
        advice=notes.get("advice"),
        file=file,
        text=texts.get(id_, ""),
        fields=tuple(name.strip() for name in (notes.get("field") or "").split(",") if name.strip()),
    )


_TOKENS: Final = re.compile(r'@id\s*\(\s*"((?:\\.|[^"\\])*)"\s*\)|"(?:\\.|[^"\\])*"|//[^\n]*|;')


def split(text: str) -> dict[str, str]:
    """Give the text of each policy of a file by its `@id`, with the comments above it; a policy ends with a semicolon."""
    found: dict[str, str] = {}
    start, id_ = 0, None
    for token in _TOKENS.finditer(text):
        if token[0] == ";":
            if id_ is not None:
                found[id_] = text[start : token.end()].strip()
            start, id_ = token.end(), None
        elif token[1] is not None and id_ is None:
            id_ = token[1]
    return found


def _read(file: Path) -> str:
    try:
        data = file.read_bytes()
        if len(data) > FILE_BYTES_MAX:
            raise ConfigurationError(f"{file} has {len(data)} bytes.", fix=f"At most {FILE_BYTES_MAX} are read.")
        return data.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read: {error}.", fix="Make it readable UTF-8 text.") from error


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
