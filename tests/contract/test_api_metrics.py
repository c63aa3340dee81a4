"""Metrics: one tenant's figures alone, counted once, in a form that Prometheus reads."""

from __future__ import annotations

import asyncio
from typing import Any

from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as prometheus
from tests.contract.api_fixture import MARKS, api
from tests.contract.running_api import Running
from tests.contract.test_api_duties import key_of
from tests.eventually import eventually

from interlock.orchestration.metrics import Metrics

pytestmark = MARKS
__all__ = ["api"]
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


async def samples(api: Running, who: str = "owner") -> Samples:
    answer = await api.as_(who).get("/v1/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=")
    found = [s for family in prometheus(answer.text) for s in family.samples]
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for s in found}


def value(found: Samples, name: str, **labels: str) -> float:
    return found.get((f"interlock_{name}", tuple(sorted(labels.items()))), 0.0)


async def counted(api: Running, who: str = "owner") -> Samples:
    """Scrape until no task is on its way and everything that was written is counted."""

    async def all_of_it() -> Samples | None:
        if not await api.at_rest():
            return None
        found = await samples(api, who)
        left = ("audit_pending_records", "metrics_uncounted_records", "outbox_pending_events")
        return found if not any(value(found, name) for name in left) else None

    result: Samples = await eventually(all_of_it, message="all records being counted")
    return result


async def test_what_happened_is_counted_once(api: Running) -> None:
    before = await counted(api)
    await api.submit(name="Ida", wait="succeeded")
    await api.submit(name="Fay", fail=True, wait="failed")
    task, review_id = await api.review(name="Ada")
    wrong = await api.as_("anonymous").get(
        "/v1/whoami", headers={"authorization": "Bearer " + "il_test_" + "0" * 12 + "_" + "A" * 40}
    )
    assert wrong.status_code == 401
    after = await counted(api)

    def grew(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    states = {
        s: grew("tasks_total", automation="greet", state=s) for s in ("accepted", "waiting", "succeeded", "failed")
    }
    assert states == {"accepted": 3, "waiting": 1, "succeeded": 1, "failed": 1}
    assert grew("open_tasks", automation="greet", state="waiting") == 1
    assert grew("reviews_open", automation="greet") == 1
    assert grew("refused_requests_total", what="key") == 1
    assert grew("effects_total", automation="greet", kind="step", outcome="ok") >= 1
    assert grew("policy_decisions_total", automation="greet", answer="allow") >= 2
    assert grew("task_duration_seconds_count", automation="greet") == 2
    assert grew("task_duration_seconds_bucket", automation="greet", le="+Inf") == 2
    assert grew("task_duration_seconds_sum", automation="greet") > 0
    assert grew("effect_duration_seconds_count", kind="step") >= 1
    assert await counted(api) == after  # asking changes nothing
    await api.as_("reviewer").post(f"/v1/reviews/{review_id}:approve")
    await api.until(task["id"], "succeeded")  # or it would be counted in the next test


async def test_two_who_ask_at_once_count_each_record_once(api: Running) -> None:
    before = await counted(api)
    for number in range(4):
        await api.submit(name=f"N{number}", wait="succeeded")
    await asyncio.gather(*(samples(api, who) for who in ("owner", "owner2", "auditor", "owner")))
    after = await counted(api)
    name = {"automation": "greet", "state": "succeeded"}
    assert value(after, "tasks_total", **name) - value(before, "tasks_total", **name) == 4
    rows = await api.owner(
        "select (select value from metric_counters where tenant = 'default' and name = 'tasks' and labels = '{greet,accepted}'),"
        " (select count(*) from audit_records where tenant = 'default' and leaf like %s)",
        ('%"kind":"task.accepted"%',),
    )
    assert rows[0][0] == rows[0][1]


async def test_a_scrape_counts_a_bounded_part_and_says_what_it_left(api: Running) -> None:
    await counted(api)
    await api.submit(name="Ida", wait="succeeded")

    async def placed() -> bool:
        return not await api.owner("select 1 from audit_pending limit 1")

    await eventually(placed, message="the records having positions")
    bounded = Metrics(api.app.database, batch=1, batches_max=2)
    left = []
    for _ in range(2):
        figures = await bounded.figures("default")
        left.append(next(f.value for f in figures if f.name == "uncounted_records"))
    assert left[0] >= 1
    assert left[1] == max(0, left[0] - 2)


async def test_no_tenant_sees_anothers_figures(api: Running) -> None:
    await counted(api)
    before = await counted(api, "stranger")
    await api.submit(name="Ida", wait="succeeded")
    await api.review(name="Ada")
    await counted(api)
    assert await counted(api, "stranger") == before
    own = await api.submit("stranger", name="own", wait=None)
    await api.until(own["id"], "succeeded", who="stranger")
    after = await counted(api, "stranger")
    assert value(after, "tasks_total", automation="greet", state="succeeded") == 1 + value(
        before, "tasks_total", automation="greet", state="succeeded"
    )


async def test_gauges_say_what_is_overdue_dead_and_open(api: Running) -> None:
    before = await counted(api)
    task, review_id = await api.review(name="Ada")
    await api.owner("update reviews set deadline = time_now() - interval '1 second' where id = %s", (review_id,))
    await api.owner(
        "insert into deliveries (tenant, id, task_id, url, body, state) values ('default', 'dlv_dead', %s, 'https://x', '', 'dead')",
        (task["id"],),
    )
    api.clients["operator"] = await key_of(api, "user:otis", "operator")
    body = {"actions": ["task.cancel"], "reason": "The imports run away and nobody is in."}
    assert (await api.as_("operator").post("/v1/elevations", json=body)).status_code == 201
    after = await counted(api, "operator")
    for name, labels in (
        ("reviews_overdue", {"automation": "greet"}),
        ("callbacks", {"state": "dead"}),
        ("elevations", {"state": "open"}),
    ):
        assert value(after, name, **labels) - value(before, name, **labels) == 1, name


async def test_the_policy_says_who_may_look_and_a_key_may_be_narrowed_to_it(api: Running) -> None:
    status = {
        who: (await api.as_(who).get("/v1/metrics")).status_code
        for who in ("auditor", "author", "reviewer", "nobody", "agent")
    }
    assert status == {"auditor": 200, "author": 403, "reviewer": 403, "nobody": 403, "agent": 403}
    made = await api.as_("owner").post(
        "/v1/keys",
        json={"name": "scraper", "user": "user:olga", "roles": ["operator"], "scope": {"actions": ["metrics.read"]}},
    )
    headers = {"authorization": f"Bearer {made.json()['key']}"}
    assert (await api.as_("anonymous").get("/v1/metrics", headers=headers)).status_code == 200
    assert (await api.as_("anonymous").get("/v1/statistics", headers=headers)).status_code == 403


async def test_open_metrics_is_given_where_it_is_asked_for(api: Running) -> None:
    await api.submit(name="Ida", wait="succeeded")
    answer = await api.as_("owner").get(
        "/v1/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"}
    )
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    families: dict[str, Any] = {family.name: family for family in open_metrics(answer.text)}  # type: ignore[no-untyped-call]
    assert families["interlock_tasks"].type == "counter"
    assert families["interlock_cost_usd"].unit == "usd"
    assert families["interlock_task_duration_seconds"].type == "histogram"
