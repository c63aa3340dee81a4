"""Bundles of a few policies over a schema that has something of everything. Unlike what is deployed, no validator has seen them: so a
policy may ask for an attribute that is absent, and the engine errs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import cedarpy

from interlock.governance.decide import Bundle
from interlock.governance.policies import ActionRules, Policy, Rules
from interlock.governance.policy_proof import Kind
from interlock.governance.policy_schema import shapes

SCHEMA: Final = """
entity User = { level?: Long }; entity Group; entity Member in [Group]; entity Agent;
entity Service = { tenant: String, automation: String, effects: Set<String> };
entity Task = { tenant: String, automation: String };
type Facts = {
  flag: Bool, on?: Bool, n: Long, m?: Long, s: String, t?: String, d: decimal, e?: decimal, at: datetime, until?: datetime,
  who: User, other?: User, tags: Set<String>, more?: Set<String>, numbers: Set<Long>, people?: Set<User>, member?: Member, address?: ipaddr,
  inner: { x: Long, y?: String }, deep?: { z: Bool, w?: Long }, flags?: Set<Bool>, "a.b"?: Long, a?: { b: Long }, odd?: { "x\\"y"?: Long },
};
action "lab.try" appliesTo { principal: [Service], resource: [Task], context: Facts };
"""
KIND: Final = Kind("Service", "lab.try", "Task")
KNOWN: Final = shapes(cedarpy.Schema.from_str(SCHEMA))


class Written(NamedTuple):
    """A policy as it is written; `note` may be a `@review` or a `@remedy`."""

    id: str
    effect: str
    note: str
    condition: str
    scope: str = "principal, action, resource"
    clause: str = "when"

    @property
    def text(self) -> str:
        return f'@id("{self.id}") {self.note} {self.effect} ({self.scope}) {self.clause} {{ {self.condition} }};'


@lru_cache(maxsize=1)
def _schema() -> cedarpy.Schema:
    return cedarpy.Schema.from_str(SCHEMA)


def bundle(policies: Sequence[Written]) -> Bundle:
    """Compile policies as they are."""
    forms = {one.id: _form(one.text) for one in policies}
    permits = {id_: form for id_, form in forms.items() if form["effect"] == "permit"}
    rules = ActionRules(ids=tuple(sorted(forms)), everything=_compiled(forms), permits=_compiled(permits))
    return Bundle(
        Rules(
            policies={one.id: _policy(one, forms[one.id]) for one in policies},
            forms=forms,
            schema=_schema(),
            schema_text=SCHEMA,
            actions={KIND.action: rules},
            version=hashlib.sha256(repr(policies).encode()).hexdigest(),
        )
    )


def _form(text: str) -> Any:
    ((_, form),) = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"].items()
    return form


def _policy(one: Written, form: Any) -> Policy:
    notes = form["annotations"]
    asked = [f"review:{notes['review']}"] if "review" in notes else [notes["remedy"]] if "remedy" in notes else []
    return Policy(
        id=one.id, effect=one.effect, reason="", obligations=tuple(asked), advice=None, file="lab.cedar", text=one.text
    )


def _compiled(forms: Any) -> cedarpy.PolicySet:
    return cedarpy.PolicySet.from_json_str(json.dumps({"staticPolicies": forms, "templates": {}, "templateLinks": []}))
