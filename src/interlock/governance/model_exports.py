"""What leaves about a model version: a CycloneDX 1.6 ML-BOM for machines, and a model card for people.

The BOM is built here: the CycloneDX library for Python knows no `modelCard`. The tests validate it against the published schema.
https://cyclonedx.org/docs/1.6/json/
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from interlock.domain import canonical
from interlock.governance.model_statement import Act, Described

_NAMESPACE: Final = uuid.UUID("5d1f3c1e-5b0a-4d52-9d0e-7f0b6b1c6a11")
_DONE: Final = {
    "registered": "Registered",
    "evaluated": "Evaluated",
    "approved": "Approved",
    "released": "Released",
    "retired": "Retired",
    "rejected": "Turned down",
}


def bom(described: Described, acts: Sequence[Act], *, state: str, made_at: datetime, product: str) -> dict[str, Any]:
    """Give the ML-BOM of a version: the model with its card and files, the data it was made from, who did what.

    The serial number follows from version and state on record, so the same BOM has the same one.
    """
    card, provenance = described.card, described.card.get("provenance", {})
    serial = uuid.uuid5(
        _NAMESPACE, "\0".join((described.tenant, described.automation, described.digest, str(len(acts))))
    )
    reference = f"{described.automation}/{described.model}@{described.version}+{described.digest[:12]}"
    data = [_data(number, one) for number, one in enumerate(provenance.get("data", ()))]
    model: dict[str, Any] = {
        "type": "machine-learning-model",
        "bom-ref": reference,
        "group": described.automation,
        "name": described.model,
        "version": described.version,
        "description": card.get("description", ""),
        "hashes": [{"alg": "SHA-256", "content": described.digest}],
        "components": [
            {
                "type": "file",
                "bom-ref": f"{reference}/{name}",
                "name": name,
                "hashes": [{"alg": "SHA-256", "content": sha}],
            }
            for name, sha in sorted(described.files.items())
        ],
        "modelCard": {
            "modelParameters": {"datasets": [{"ref": one["bom-ref"]} for one in data]},
            "quantitativeAnalysis": {"performanceMetrics": list(_metrics(card, acts))},
            "considerations": {"technicalLimitations": [f"{n}: {v}" for n, v in card.get("limits", {}).items()]},
        },
        "properties": [
            {"name": f"interlock:{name}", "value": str(value)}
            for name, value in (
                ("tenant", described.tenant),
                ("state", state),
                ("origin", described.origin),
                ("runtime", card.get("runtime", "")),
                ("code", provenance.get("code", "")),
                ("code_version", provenance.get("code_version", "")),
            )
            if value
        ]
        + [{"name": f"interlock:{act.kind}", "value": f"{canonical.rfc3339(act.at)} {act.by}"} for act in acts],
    }
    if card.get("licence"):
        model["licenses"] = [{"license": {"name": card["licence"]}}]
    if provenance.get("trained_by"):
        model["authors"] = [{"name": provenance["trained_by"]}]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "timestamp": canonical.rfc3339(made_at),
            "tools": {"components": [{"type": "application", "name": "interlock", "version": product}]},
            "component": {"type": "application", "bom-ref": described.automation, "name": described.automation},
        },
        "components": [model, *data],
        "dependencies": [{"ref": reference, "dependsOn": [one["bom-ref"] for one in data]}],
    }


def card_markdown(described: Described, acts: Sequence[Act], *, state: str, prose: str | None) -> str:
    """Give the model card as Markdown: facts and record first, then the version's own `card.md`."""
    card, provenance = described.card, described.card.get("provenance", {})
    facts = {
        "version": f"{described.version}, digest {described.digest}",
        "automation": described.automation,
        "state": state,
        "owner": card.get("owner", ""),
        "licence": card.get("licence", ""),
        "trained by": provenance.get("trained_by", ""),
        "code": " ".join(filter(None, (provenance.get("code"), provenance.get("code_version")))),
        "data": "; ".join(_named(one) for one in provenance.get("data", ())),
        "limits": ", ".join(f"{n} {v}" for n, v in card.get("limits", {}).items()),
    }
    lines = [f"# {described.model}", "", card.get("description", ""), "", "| | |", "|---|---|"]
    lines += [f"| {name} | {_cell(value) or 'not stated'} |" for name, value in facts.items()]
    lines += ["", "## Measured", "", "| metric | value | on |", "|---|---|---|"]
    lines += [
        f"| {_cell(m['type'])} | {_cell(m['value'])} | {_cell(m.get('slice', 'not stated'))} |"
        for m in _metrics(card, acts)
    ]
    lines += ["", "## On record", "", "| what | when | who | note |", "|---|---|---|---|"]
    lines += [f"| {_DONE[a.kind]} | {canonical.rfc3339(a.at)} | {_cell(a.by)} | {_cell(a.note)} |" for a in acts]
    if prose:
        lines += ["", "---", "", prose.strip()]
    return "\n".join(lines) + "\n"


def _metrics(card: Mapping[str, Any], acts: Sequence[Act]) -> Iterator[dict[str, str]]:
    """Give what was measured: of the last evaluation on record, else what the version itself states."""
    evaluated = next((act for act in reversed(acts) if act.kind == "evaluated"), None)
    stated = dict(card.get("measured", {}))
    data = str(stated.pop("data", "")) if evaluated is None else str(evaluated.facts.get("data", ""))
    for name, value in sorted((stated if evaluated is None else evaluated.facts["metrics"]).items()):
        yield {"type": name, "value": str(value)} | ({"slice": data} if data else {})


def _data(number: int, one: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "data", "bom-ref": f"data-{number}", "name": one["name"]}
    if one.get("version"):
        found["version"] = one["version"]
    if one.get("licence"):
        found["licenses"] = [{"license": {"name": one["licence"]}}]
    if one.get("sha256"):
        found["hashes"] = [{"alg": "SHA-256", "content": one["sha256"]}]
    return found | {"data": [{"type": "dataset", "name": one["name"]}]}


def _named(one: Mapping[str, Any]) -> str:
    return " ".join(filter(None, (one["name"], one.get("version"), one.get("licence"))))


def _cell(value: object) -> str:
    return " ".join(str(value).replace("|", "\\|").split())
