"""A refusal where no policy permits says in plain words what is missing, and who can give it."""

from __future__ import annotations

import json

import pytest

from interlock.domain.decisions import Entity, Question
from interlock.governance import ask
from interlock.governance.decide import Bundle
from interlock.governance.missing_permits import phrase

BASE = Bundle.load([])


def said(action: str, resource: Entity, *roles: str, kind: str = "User", **context: object) -> str:
    attrs = {"tenant": "acme", "roles": list(roles)} | ({"tools": []} if kind == "Agent" else {})
    principal = Entity(type=kind, id="user:mei", attrs=attrs)
    [reason] = BASE.decide(Question(principal=principal, action=action, resource=resource, context=context)).reasons
    assert reason.policy == "default-deny"
    return reason.text


def test_the_roles_that_have_it_are_named_with_who_gives_them() -> None:
    task = ask.task("acme", "task_1", automation="expenses", submitted_by="user:ada")
    assert said("task.cancel", task, "auditor", "reviewer") == (
        "The permission to cancel tasks is missing here. It comes with one of the roles admin, operator or owner; this is asked with the roles"
        " auditor and reviewer. An owner can give one of these, to an account or by a key. Who submitted a task may see it and cancel it."
    )
    assert said("key.create", ask.system("acme")) == (
        "The permission to create API keys is missing here. It comes with one of the roles admin or owner; this is asked without any role."
        " An owner can give one of these, to an account or by a key."
    )


def test_a_role_that_a_review_asks_for_is_named() -> None:
    review = ask.review(
        "acme", "rev_1", automation="expenses", role="manager", submitted_by="user:ada", also=["finance"]
    )
    text = said("review.answer", review, "author", verb="approve")
    assert "answer reviews" in text
    assert "one of the roles admin, finance, manager or owner; this is asked with the role author" in text


def test_an_agent_is_told_the_role_of_agents() -> None:
    text = said("document.create", ask.system("acme"), "reviewer", kind="Agent")
    assert "It comes with the role agent; this is asked with the role reviewer." in text
    assert "No role has it" in said("key.create", ask.system("acme"), "agent", kind="Agent")


def test_an_automation_is_told_what_it_declares() -> None:
    question = ask.effect_question("acme", "expenses", ("step",), "infer", "read-receipt")
    [reason] = BASE.decide(question).reasons
    assert reason.text == (
        "The automation does not declare infer:read-receipt. Its author can, in `effects` of its automation.toml."
    )


def test_many_long_names_are_cut() -> None:
    text = said("key.create", ask.system("acme"), *("r" * 20_000 + str(n) for n in range(3)), *map(str, range(20)))
    assert len(text) < 1_000
    assert json.dumps(text)


@pytest.mark.parametrize("action", sorted(BASE.rules.actions))
def test_every_action_of_a_route_has_words(action: str) -> None:
    if not action.startswith("effect"):
        assert "." not in phrase(action)
