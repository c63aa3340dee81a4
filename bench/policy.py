"""Measure a policy decision: `Bundle.decide`, fresh and remembered, against a bare cedarpy call, in one run.

    python bench/policy.py [--calls 10000] [--json]

The bundle is the shipped base, and an automation's limits to make 50 policies. Two questions: a manager answers a review (few
of the policies admit the action), and the automation asks its own rules (most do). Each fresh call asks what was not asked
before; the bare call answers the same question over the same policies and schema, parsed beforehand; all are interleaved. The
crowded bundle has 1,000 policies more, about other actions. Times are of this thread's processor, so that a busy machine shows less.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cedarpy

from interlock.domain.decisions import Entity, Question
from interlock.governance.decide import Bundle
from interlock.governance.policies import BASE, SCHEMA_FILE, load_rules

POLICIES = 50
OTHERS = 1_000
P50_US, P99_US, CROWDED = 150, 500, 1.10
WARM_UP = 300
SCHEMA = """
action "others.act" appliesTo { principal: [Service], resource: [Task], context: { amount: decimal } };
action "expenses.approve" appliesTo {
  principal: [Service], resource: [Task],
  context: { amount: decimal, currency: String, category: String, age_days: Long, duplicate: Bool, confidence: decimal }
};
"""


def load() -> tuple[Bundle, Bundle, cedarpy.PolicySet]:
    """Load the base with an automation's limits; give the bundle, the crowded one, and the first as the bare call takes it."""
    missing = POLICIES - len(load_rules([]).policies)
    limits = ['@id("pays") @reason("Pays.") permit (principal, action == Action::"expenses.approve", resource);']
    limits += [
        f'@id("limit-{n}") @reason("Over limit {n}.") @review("manager")\n'
        f'forbid (principal, action == Action::"expenses.approve", resource)\n'
        f'when {{ context.category == "category-{n}" && context.amount.greaterThan(decimal("{100 + n}.00")) }};'
        for n in range(missing - 1)
    ]
    others = [
        f'@id("other-{n}") @reason("Over {n}.")\nforbid (principal, action == Action::"others.act", resource)\n'
        f'when {{ context.amount.greaterThan(decimal("{n}.00")) }};'
        for n in range(OTHERS)
    ]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "limits.cedar").write_text("\n".join(limits))
        (Path(folder) / SCHEMA_FILE).write_text(SCHEMA)
        bundle = Bundle.load([Path(folder)])
        crowded = Bundle.load([Path(folder)], texts={"others.cedar": "\n".join(others)})
    text = "\n".join([*(file.read_text() for file in sorted(BASE.glob("*.cedar"))), *limits])
    return bundle, crowded, cedarpy.PolicySet.from_str(text)


def answer_review(number: int) -> Question:
    return Question(
        principal=Entity(
            type="User",
            id=f"manager-{number % 97}",
            attrs={"tenant": "acme", "roles": ["reviewer", "finance-manager"], "approval_limit": "5000.00"},
        ),
        action="review.answer",
        resource=Entity(
            type="Review",
            id=f"review_{number}",
            attrs={
                "tenant": "acme",
                "automation": "expenses",
                "role": "finance-manager",
                "task_submitted_by": {"type": "User", "id": "nils"},
                "subject": {"type": "User", "id": "nils"},
                "amount": f"{number % 4_000}.50",
            },
        ),
        context={"verb": "approve"},
    )


def approve_expense(number: int) -> Question:
    return Question(
        principal=Entity(
            type="Service", id="expenses", attrs={"tenant": "acme", "automation": "expenses", "effects": ["infer"]}
        ),
        action="expenses.approve",
        resource=Entity(type="Task", id=f"task_{number}", attrs={"tenant": "acme", "automation": "expenses"}),
        context={
            "amount": f"{number % 90}.50",
            "currency": "MYR",
            "category": f"category-{number % 20}",
            "age_days": number % 30,
            "duplicate": False,
            "confidence": "0.9312",
        },
    )


def bare(asked: Question) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Give the arguments that a program without Interlock would hand to cedarpy."""
    request = {
        "principal": {"type": asked.principal.type, "id": asked.principal.id},
        "action": {"type": "Action", "id": asked.action},
        "resource": {"type": asked.resource.type, "id": asked.resource.id},
        "context": dict(asked.context),
    }
    entities = [
        {"uid": {"type": e.type, "id": e.id}, "attrs": dict(e.attrs), "parents": []}
        for e in (asked.principal, asked.resource)
    ]
    return request, entities


def measure(
    bundle: Bundle, crowded: Bundle, policies: cedarpy.PolicySet, ask: Callable[[int], Question], calls: int
) -> dict[str, Any]:
    schema = bundle.rules.schema
    times: dict[str, list[float]] = {"fresh": [], "remembered": [], "crowded": [], "bare": []}
    for number in range(WARM_UP + calls):
        asked = ask(number)
        request, entities = bare(asked)
        ticks = [time.thread_time_ns()]
        decision = bundle.decide(asked)
        ticks.append(time.thread_time_ns())
        bundle.decide(asked)
        ticks.append(time.thread_time_ns())
        crowded.decide(asked)
        ticks.append(time.thread_time_ns())
        result = cedarpy.is_authorized(request, policies, entities, schema)
        ticks.append(time.thread_time_ns())
        if not (decision.allowed and result.allowed):
            raise AssertionError("the measured question must be allowed by both")
        if number >= WARM_UP:
            for name, start, end in zip(times, ticks, ticks[1:], strict=False):
                times[name].append((end - start) / 1_000)
    return {
        name: {"p50_us": percentile(values, 0.50), "p99_us": percentile(values, 0.99)} for name, values in times.items()
    }


def percentile(values: list[float], share: float) -> float:
    return round(sorted(values)[min(len(values) - 1, int(len(values) * share))], 1)


def machine() -> str:
    """Name the processor, its cores and how busy they are."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores (load {os.getloadavg()[0]:.1f}), Python {platform.python_version()}"


def show(report: Mapping[str, Any]) -> None:
    print(f"{report['machine']}\n{report['policies']} policies, {report['calls']} calls each, interleaved; µs\n")
    print(
        f"{'question':<20}{'admitting':>10}"
        + "".join(f"{n + ' p50':>16}{'p99':>8}" for n in ("fresh", "remembered", "crowded", "bare"))
    )
    for name, row in report["questions"].items():
        figures = "".join(
            f"{row[n]['p50_us']:>16}{row[n]['p99_us']:>8}" for n in ("fresh", "remembered", "crowded", "bare")
        )
        print(f"{name:<20}{row['admitting']:>10}{figures}")
        print(
            f"{'':<20}fresh to bare {row['fresh_to_bare']}×; {OTHERS} policies more {row['crowded_to_fresh']}×"
            f" (gate ≤ {CROWDED}: {'held' if row['crowded_to_fresh'] <= CROWDED else 'MISSED'})"
        )
    print(f"\naim: fresh at p50 ≤ {P50_US} µs, p99 ≤ {P99_US} µs")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    bundle, crowded, policies = load()
    questions: dict[str, Any] = {}
    for ask in (answer_review, approve_expense):
        action = ask(0).action
        row = measure(bundle, crowded, policies, ask, options.calls)
        p50 = {who: found["p50_us"] for who, found in row.items()}
        questions[action] = {
            "admitting": len(bundle.rules.actions[action].ids),
            **row,
            "fresh_to_bare": round(p50["fresh"] / p50["bare"], 2),
            "crowded_to_fresh": round(p50["crowded"] / p50["fresh"], 2),
        }
    report = {
        "machine": f"{machine()}, cedarpy {version('cedarpy')}",
        "policies": len(policies),
        "calls": options.calls,
        "questions": questions,
    }
    if options.json:
        print(json.dumps(report))
    else:
        show(report)
    return 0 if all(row["crowded_to_fresh"] <= CROWDED for row in questions.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
