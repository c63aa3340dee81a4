"""The one place that answers a policy question: allow, deny or needs review, always with reasons and a policy version.

Cedar skips a policy whose evaluation errs, a forbid as well; taking its answer then would fail open. So request and
entities are validated against the schema, and any error that the engine reports raises PolicyError, whatever it said.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Final, Self

import cedarpy
import orjson

from interlock.domain.decisions import Answer, Decision, Entity, Question, Reason, is_cure
from interlock.governance import missing_permits
from interlock.governance.facts import PolicyError, cedar_json
from interlock.governance.policies import DEFAULT_DENY, Policy, Rules, load_rules

CACHE_SIZE: Final = 4_096
QUESTION_BYTES_MAX: Final = 256 * 1024
ENTITIES_MAX: Final = 1_000
_UID: Final = re.compile(r'\b((?!Action::)[A-Z]\w*)::"[^"]*"')


class Bundle:
    """Schema and policies that decide together. Safe to share between threads; a decision does no I/O.

    Answers are remembered by the digest of the whole question (principal, action, resource, context, entities); of
    `cache_size` the least recently used goes first. A decision depends on nothing else, on no clock either.
    """

    def __init__(self, rules: Rules, *, cache_size: int = CACHE_SIZE) -> None:
        self.rules = rules
        self.version = rules.version
        self._cache_size = cache_size
        self._cache: OrderedDict[bytes, Decision] = OrderedDict()
        self._lock = Lock()

    @classmethod
    def load(cls, folders: Sequence[Path], *, cache_size: int = CACHE_SIZE, **options: Any) -> Self:
        """Load the shipped base and the policy folders of automations; options are those of `load_rules`.

        Raises:
            ConfigurationError: a policy or schema is wrong; names file, policy and fix.
        """
        return cls(load_rules(folders, **options), cache_size=cache_size)

    @property
    def cached(self) -> int:
        """How many answers are remembered now."""
        return len(self._cache)

    def decide(self, question: Question) -> Decision:
        """Answer a question.

        Needs review: every forbid that holds carries `@review`, or a `@remedy` by people, and the permits alone would allow. Its
        obligations name who decides (`review:ROLE`), how many (`review:2`), or `escalate`. A deny with obligations would be
        allowed once they are met: `redact`, `reroute:REGION`. One without has no remedy.

        Raises:
            PolicyError: the question does not fit the schema, or a policy erred. Retryable; releases nothing.
        """
        entities = _entities(question)
        context = _dumps(cedar_json(question.context))
        if len(entities) + len(context) > QUESTION_BYTES_MAX:
            raise PolicyError("The policy question is over 256 KiB.", fix="Give policies facts, not documents.")
        key = _key(question, entities, context)
        with self._lock:
            if (known := self._cache.get(key)) is not None:
                self._cache.move_to_end(key)
                return known
        decision = self._evaluate(question, entities.decode(), context.decode())
        with self._lock:
            self._cache[key] = decision
            while len(self._cache) > self._cache_size:
                self._cache.popitem(last=False)
        return decision

    def _evaluate(self, question: Question, entities: str, context: str) -> Decision:
        if (rules := self.rules.actions.get(question.action)) is None:
            raise _failed(question, "no schema declares this action")
        request = {
            "principal": {"type": question.principal.type, "id": question.principal.id},
            "action": {"type": "Action", "id": question.action},
            "resource": {"type": question.resource.type, "id": question.resource.id},
            "context": context,
        }
        allowed, ids = self._ask(question, request, rules.everything, entities)
        deciding = [self.rules.policies[id_] for id_ in sorted(ids)]
        if allowed:
            return self._decision(Answer.ALLOW, [_reason(p) for p in deciding])
        if not deciding:
            return self._decision(Answer.DENY, [self._nothing_permits(question)])
        permitted, _ = self._ask(question, request, rules.permits, entities)
        reasons = [_reason(p) for p in deciding]
        if not permitted:
            return self._decision(Answer.DENY, [*reasons, self._nothing_permits(question)])
        if any(not p.obligations for p in deciding):
            return self._decision(Answer.DENY, reasons)
        obligations = tuple(sorted({obligation for p in deciding for obligation in p.obligations}))
        # What can be cured is cured first, and asked again; what then remains is for people.
        cured = any(is_cure(obligation) for obligation in obligations)
        return self._decision(Answer.DENY if cured else Answer.NEEDS_REVIEW, reasons, obligations)

    def _ask(
        self, question: Question, request: dict[str, Any], policies: cedarpy.PolicySet, entities: str
    ) -> tuple[bool, list[str]]:
        try:
            result = cedarpy.is_authorized(request, policies, entities, self.rules.schema)
        except (ValueError, TypeError) as error:
            raise _failed(question, str(error)) from error
        if result.diagnostics.errors:
            raise _failed(question, "; ".join(result.diagnostics.errors))
        if result.decision not in (cedarpy.Decision.Allow, cedarpy.Decision.Deny):
            raise _failed(question, "the engine gave no decision")
        return result.allowed, result.diagnostics.reasons

    def _nothing_permits(self, question: Question) -> Reason:
        return Reason(
            policy=DEFAULT_DENY, text=missing_permits.reason(question, self.rules.actions[question.action].holders)
        )

    def _decision(self, answer: Answer, reasons: list[Reason], obligations: tuple[str, ...] = ()) -> Decision:
        return Decision(answer=answer, reasons=tuple(reasons), obligations=obligations, policy_version=self.version)


def _entities(question: Question) -> bytes:
    every = {(e.type, e.id): e for e in (*question.entities, question.resource, question.principal)}
    if len(every) > ENTITIES_MAX:
        raise PolicyError(f"The policy question has {len(every)} entities.", fix=f"At most {ENTITIES_MAX} are taken.")
    return _dumps([_entity(e) for e in every.values()])


def _dumps(value: Any) -> bytes:
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError as error:
        raise PolicyError(
            f"The policy question has no JSON form: {error}.", fix="Give it valid Unicode text."
        ) from error


def _entity(entity: Entity) -> dict[str, Any]:
    return {
        "uid": {"type": entity.type, "id": entity.id},
        "attrs": cedar_json(entity.attrs, entity.type),
        "parents": [{"type": type_, "id": id_} for type_, id_ in entity.parents],
    }


def _key(question: Question, entities: bytes, context: bytes) -> bytes:
    ends = [
        question.principal.type,
        question.principal.id,
        question.action,
        question.resource.type,
        question.resource.id,
    ]
    # Each part is one JSON value, so the parts cannot run into each other.
    return hashlib.sha256(b"\n".join((_dumps(ends), entities, context))).digest()


def _reason(policy: Policy) -> Reason:
    text = policy.reason if policy.advice is None else f"{policy.reason} {policy.advice}"
    return Reason(policy=policy.id, text=text, fields=policy.fields)


def _failed(question: Question, why: str) -> PolicyError:
    # The engine quotes all entities that it refuses, and the IDs of people: those stay out of messages.
    why = _UID.sub(r"\1", why.rpartition("]: ")[2] if "\n" in why else why)
    return PolicyError(
        f'The policy could not decide "{question.action}": {why[:500]}.',
        fix="Correct the policy or the facts it is given; nothing was released.",
    )
