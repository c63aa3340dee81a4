"""Tasks by the API: accepted once, validated first, listed, followed, cancelled, tried again."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.contract.api_fixture import MARKS, api
from tests.contract.running_api import Running, effect_path

from interlock.domain.errors import InvalidInput
from interlock.governance.residency import Residency
from interlock.infra.http import GuardedClient
from interlock.orchestration.submit import Submission, Submit

pytestmark = MARKS
__all__ = ["api"]


def body(**given: Any) -> dict[str, Any]:
    return {"automation": "greet", "input": {"name": "Ada"}, **given}


async def test_a_task_is_accepted_runs_and_shows_what_it_did(api: Running) -> None:
    accepted = await api.as_("author").post("/v1/tasks", json=body(labels={"team": "sales"}))
    assert accepted.status_code == 202
    told = accepted.json()
    assert told["state"] == "accepted"
    assert accepted.headers["x-correlation-id"] == told["correlation_id"]
    assert told["links"]["self"] == f"/v1/tasks/{told['id']}"

    task = await api.until(told["id"], "succeeded")
    assert task["output"] == {"text": "Hello Ada", "decision": "sent", "by": "policy", "amount": "0"}
    assert [(e["name"], e["kind"], e["status"]) for e in task["effects"]] == [
        ("compose", "step", "ok"), ("send", "decide", "ok"), ("emit", "emit", "ok"),
    ]  # fmt: skip
    assert task["labels"] == {"team": "sales"}
    assert task["accepted_at"].endswith("Z")


async def test_the_timeline_tells_decision_cost_duration_and_attempts(api: Running) -> None:
    task = await api.submit(name="Bob", wait="succeeded")
    timeline = (await api.as_("author").get(f"/v1/tasks/{task['id']}/timeline")).json()
    compose, send, _ = timeline["effects"]
    assert compose["input"]["name"] == "Bob"
    assert compose["decision"]["answer"] == "allow"
    assert len(compose["decision"]["policy_version"]) == 64
    assert compose["duration_ms"] > 0
    assert compose["attempts"] == 1
    assert send["decision"]["reasons"] == [{"policy": "greeting-may-be-sent", "text": "Greetings are welcome."}]
    assert send["by"] == "policy"
    assert float(timeline["cost_usd"]) > 0


async def test_the_value_of_an_effect_is_given_by_its_id_however_it_is_written(api: Running) -> None:
    task = await api.submit(name="Cy", wait="succeeded")
    effect = task["effects"][0]
    for written in (effect_path(effect["id"]), effect["id"].replace("#", "%23"), effect["id"][1:].replace("#", "%23")):
        found = await api.as_("author").get(f"/v1/tasks/{task['id']}/effects/{written}")
        assert found.status_code == 200, found.text
        assert found.json()["value"] == "Hello Cy"
    assert (await api.as_("author").get(f"/v1/tasks/{task['id']}/effects/nothing%231")).status_code == 404


async def test_the_same_key_and_body_give_the_same_task(api: Running) -> None:
    headers = {"idempotency-key": "same"}
    first, second = [await api.as_("author").post("/v1/tasks", json=body(), headers=headers) for _ in range(2)]
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    assert second.headers["x-correlation-id"] == first.json()["correlation_id"]


async def test_a_repeated_request_gets_its_answer_whatever_would_stand_against_it_by_now(api: Running) -> None:
    known = True

    async def resolver(host: str, port: int) -> list[str]:
        if not known:
            raise socket.gaierror(socket.EAI_NONAME, "no such host")
        return ["93.184.216.34"]

    async with GuardedClient([], 5, 10, resolver) as outgoing:
        submit = Submit(
            database=api.app.database,
            automations=api.app.automations,
            documents=api.app.documents,
            objects=api.app.objects,
            keys=api.app.subject_keys,
            outgoing=outgoing,
            clock=api.app.clock,
            settings=api.app.settings,
            residency=Residency([], {}),
        )
        wish = Submission(automation="greet", input={"name": "Ada"}, callback_url="https://hooks.example/done")
        first = await submit.accept("default", wish, by="user:amir", idempotency_key="long ago")
        known = False
        again = await submit.accept("default", wish, by="user:amir", idempotency_key="long ago")
        assert (again.task_id, again.correlation_id, again.repeated) == (first.task_id, first.correlation_id, True)
        for other, key in ((replace(wish, labels={"a": "b"}), "long ago"), (wish, "never used"), (wish, None)):
            with pytest.raises(InvalidInput):
                await submit.accept("default", other, by="user:amir", idempotency_key=key)


@pytest.mark.parametrize(
    "change",
    [
        {"input": {"name": "Eve"}}, {"labels": {"a": "b"}}, {"slo": {"priority": 5}},
        {"slo": {"complete_within": 60}}, {"slo": {"deadline": (datetime.now(UTC) + timedelta(days=1)).isoformat()}},
    ],
)  # fmt: skip
async def test_the_same_key_with_another_body_is_a_conflict(api: Running, change: dict[str, Any]) -> None:
    headers = {"idempotency-key": f"other {change}"}
    first = await api.as_("author").post("/v1/tasks", json=body(), headers=headers)
    second = await api.as_("author").post("/v1/tasks", json=body(**change), headers=headers)
    assert second.status_code == 409
    problem = second.json()
    assert problem["code"] == "idempotency.conflict"
    assert problem["retryable"] is False
    assert problem["task_id"] == first.json()["id"]


async def test_concurrent_submissions_under_one_key_make_one_task(api: Running) -> None:
    headers = {"idempotency-key": "at once"}
    answers = await asyncio.gather(
        *(api.as_("author").post("/v1/tasks", json=body(), headers=headers) for _ in range(12))
    )
    assert {a.status_code for a in answers} == {202}
    assert len({a.json()["id"] for a in answers}) == 1


async def test_a_key_belongs_to_who_used_it(api: Running) -> None:
    headers = {"idempotency-key": "mine"}
    mine = await api.as_("author").post("/v1/tasks", json=body(), headers=headers)
    theirs = await api.as_("owner").post("/v1/tasks", json=body(input={"name": "Zed"}), headers=headers)
    assert theirs.status_code == 202
    assert theirs.json()["id"] != mine.json()["id"]


@pytest.mark.parametrize(
    ("given", "pointer", "kind"),
    [
        (body(input={}), "/input/name", "missing"),
        (body(input={"name": "A", "amount": "-1"}), "/input/amount", "greater_than_equal"),
        (body(input={"name": "A", "surprise": 1}), "/input/surprise", "extra_forbidden"),
        (body(input={"name": "A", "document": {"id": "doc_1"}}), "/input/document/id", "string_pattern_mismatch"),
        (body(surprise=1), "/surprise", "extra_forbidden"),
        ({"input": {}}, "/automation", "missing"),
        (body(slo={"priority": 101}), "/slo/priority", "less_than_equal"),
        (body(slo={"complete_within": 0}), "/slo/complete_within", "greater_than"),
        (body(slo={"complete_within": 1e12}), "/slo/complete_within", "invalid"),
        (body(slo={"complete_within": 5, "deadline": "2030-01-01T00:00:00Z"}), "/slo", "invalid"),
        (body(slo={"deadline": "2030-01-01T00:00:00"}), "/slo/deadline", "timezone_aware"),
        (body(slo={"deadline": "9998-01-01T00:00:00Z"}), "/slo/deadline", "invalid"),
        (body(slo={"deadline": "0001-01-01T00:00:00+14:00"}), "/slo/deadline", "value_error"),
        (body(labels={"a/b~c": "x" * 200}), "/labels/a~1b~0c", "invalid"),
        (body(labels={f"l{n}": "" for n in range(40)}), "/labels", "invalid"),
        (body(labels={"a": 1}), "/labels/a", "string_type"),
    ],
)  # fmt: skip
async def test_each_wrong_field_is_named_by_a_pointer_and_nothing_is_stored(
    api: Running, given: dict[str, Any], pointer: str, kind: str
) -> None:
    before = await api.owner("select count(*) from tasks")
    answer = await api.as_("owner").post("/v1/tasks", json=given)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == "input.invalid"
    assert {"pointer": pointer, "kind": kind} in [
        {"pointer": e["pointer"], "kind": e["kind"]} for e in problem["errors"]
    ]
    assert await api.owner("select count(*) from tasks") == before


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{", b"nonsense", b'{"automation": "greet", "input": {"name": NaN}}', b'\xff\xfe',
        b'{"automation": "greet", "input": {"name": "\\ud800"}}', b'{"automation": "greet", "input": {"name": "a\\u0000b"}}',
        b'{"automation": "greet", "input": {"name": 1e400}}', b'{"automation": "greet", "input": {"n": 123456789012345678901234567890}}',
        b'{"automation": "greet", "input": ' + b"[" * 100 + b"]" * 100 + b"}",
        b'{"automation": "greet", "input": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    ],
)  # fmt: skip
async def test_what_is_no_json_that_could_be_kept_is_refused(api: Running, raw: bytes) -> None:
    answer = await api.as_("author").post("/v1/tasks", content=raw, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["code"] in ("request.malformed", "input.invalid")
    assert answer.status_code == 400 or raw == b""


async def test_an_input_over_its_limit_is_413(api: Running) -> None:
    answer = await api.as_("author").post("/v1/tasks", json=body(input={"name": "A", "padding": "x" * 60_000}))
    assert answer.status_code == 413
    assert answer.json()["errors"][0]["pointer"] == "/input"


async def test_an_automation_that_is_not_there_is_404(api: Running) -> None:
    answer = await api.as_("owner").post("/v1/tasks", json=body(automation="nothing"))
    assert answer.status_code == 404
    assert "greet" in answer.json()["fix"]


async def test_a_callback_to_an_inner_address_is_refused(api: Running) -> None:
    answer = await api.as_("author").post("/v1/tasks", json=body(callback_url="http://169.254.169.254/latest"))
    assert answer.status_code == 422
    assert answer.json()["code"] == "outgoing.refused"


async def test_a_well_formed_traceparent_gives_the_correlation_and_another_does_not(api: Running) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    good = await api.as_("author").post(
        "/v1/tasks", json=body(), headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    )
    assert good.json()["correlation_id"] == trace == good.headers["traceparent"].split("-")[1]
    for bad in (f"00-{'0' * 32}-00f067aa0ba902b7-01", "nonsense", f"00-{trace}-x-01"):
        other = await api.as_("author").post("/v1/tasks", json=body(), headers={"traceparent": bad})
        assert other.status_code == 202
        assert other.json()["correlation_id"] not in (trace, "0" * 32)


async def test_lists_are_paged_newest_first_without_gap_or_repeat(api: Running) -> None:
    ids = [(await api.submit(name=f"p{n}"))["id"] for n in range(7)]
    seen: list[str] = []
    cursor = None
    while True:
        params: dict[str, str | int] = {
            "limit": 3,
            "submitted_by": "user:amir",
            **({"cursor": cursor} if cursor else {}),
        }
        page = (await api.as_("author").get("/v1/tasks", params=params)).json()
        assert len(page["items"]) <= 3
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen[:7] == ids[::-1]
    assert len(seen) == len(set(seen))


async def test_lists_are_narrowed_by_each_filter(api: Running) -> None:
    now = datetime.now(UTC)
    made = await api.as_("owner").post(
        "/v1/tasks", json=body(input={"name": "F", "amount": "300"}, labels={"team": "filters", "kind": "a:b"})
    )
    task = await api.until(made.json()["id"], "waiting", who="owner")

    async def found(**params: Any) -> bool:
        answer = await api.as_("owner").get("/v1/tasks", params=params)
        assert answer.status_code == 200, answer.text
        return task["id"] in [item["id"] for item in answer.json()["items"]]

    assert await found(automation="greet")
    assert not await found(automation="other")
    assert await found(state=["waiting", "failed"])
    assert not await found(state=["succeeded"])
    assert await found(label=["team:filters", "kind:a:b"])
    assert not await found(label=["team:filters", "kind:c"])
    assert await found(correlation_id=task["correlation_id"])
    assert not await found(correlation_id="0" * 32)
    assert await found(submitted_by="user:olga")
    assert not await found(submitted_by="user:amir")
    assert await found(
        accepted_from=(now - timedelta(hours=1)).isoformat(), accepted_to=(now + timedelta(hours=1)).isoformat()
    )
    assert not await found(accepted_from=(now + timedelta(hours=1)).isoformat())
    for wrong in ({"label": "nocolon"}, {"state": "nonsense"}, {"limit": 0}, {"accepted_from": "2020-01-01T00:00:00"}):
        answer = await api.as_("owner").get("/v1/tasks", params=wrong)
        assert answer.status_code == 422
        assert answer.json()["errors"]


async def test_a_page_is_never_over_the_servers_limit(api: Running) -> None:
    assert api.app.settings.list_page_size_max == 20
    for n in range(22):
        await api.submit(name=f"many{n}")
    page = (await api.as_("author").get("/v1/tasks", params={"limit": 10_000})).json()
    assert len(page["items"]) == 20
    assert page["next_cursor"]


@pytest.mark.parametrize(
    "cursor", ["nonsense", "W10", "WyJ0YXNrcyIsMV0", "WyJyZXZpZXdzIiwiMjAyNi0wMS0wMVQwMDowMDowMFoiLCJ4Il0", "é", "%00"]
)
async def test_a_tampered_cursor_is_400(api: Running, cursor: str) -> None:
    answer = await api.as_("author").get("/v1/tasks", params={"cursor": cursor})
    assert answer.status_code == 400
    assert answer.json()["code"] == "request.malformed"


async def test_who_may_not_list_sees_its_own_tasks_only(api: Running) -> None:
    await api.submit(name="not the agent's")
    own = await api.submit("agent", name="the agent's own")
    page = (await api.as_("agent").get("/v1/tasks")).json()
    assert [item["id"] for item in page["items"]] == [own["id"]]
    assert (await api.as_("nobody").get("/v1/tasks")).json()["items"] == []
    assert (await api.as_("nobody").get("/v1/tasks", params={"submitted_by": "user:amir"})).status_code == 403


async def test_a_waiting_task_is_cancelled_and_its_review_withdrawn(api: Running) -> None:
    task, review_id = await api.review()
    answer = await api.as_("owner").post(f"/v1/tasks/{task['id']}:cancel", json={"reason": "sent twice"})
    assert answer.status_code == 202
    ended = await api.until(task["id"], "cancelled")
    assert ended["cancel_requested"] is True
    assert (await api.as_("reviewer").get(f"/v1/reviews/{review_id}")).json()["state"] == "cancelled"
    late = await api.as_("reviewer").post(f"/v1/reviews/{review_id}:approve")
    assert late.status_code == 409
    assert late.json()["detail"].startswith("The review was cancelled at 20")
    late = await api.as_("reviewer").post(f"/v1/reviews/{review_id}:approve")
    assert late.status_code == 409
    again = await api.as_("owner").post(f"/v1/tasks/{task['id']}:cancel")
    assert again.status_code == 202
    done = await api.submit(name="done", wait="succeeded")
    assert (await api.as_("owner").post(f"/v1/tasks/{done['id']}:cancel")).status_code == 409


async def test_a_failed_task_is_tried_again_from_what_failed(api: Running) -> None:
    task = await api.submit(name="Fay", fail=True, wait="failed")
    assert task["error"]["kind"]
    assert task["effects"][-1]["status"] == "failed"
    answer = await api.as_("author").post(f"/v1/tasks/{task['id']}:retry")
    assert answer.status_code == 202
    assert answer.json()["generation"] == 2
    again = await api.until(task["id"], "failed")
    assert [e["generation"] for e in again["effects"]] == [1, 2]
    fine = await api.submit(name="fine", wait="succeeded")
    refused = await api.as_("author").post(f"/v1/tasks/{fine['id']}:retry")
    assert refused.status_code == 409
    assert refused.json()["state"] == "succeeded"


async def test_callbacks_are_shown_with_their_attempts_and_a_dead_letter_is_sent_again(api: Running) -> None:
    task = await api.submit(name="called", wait="succeeded")
    other = await api.submit(name="not called", wait="succeeded")
    for number, state in enumerate(("dead", "delivered")):
        await api.owner(
            "insert into deliveries (tenant, id, task_id, url, body, state, attempts) values ('default', %s, %s, 'https://x.test/', '', %s, 1)",
            (f"dlv_{number}", task["id"], state),
        )
    await api.owner(
        "insert into delivery_attempts (tenant, delivery_id, attempt, status, error, duration_ms) values ('default', 'dlv_0', 1, 500, 'no', 2)"
    )
    first = (await api.as_("owner").get("/v1/deliveries", params={"limit": 1, "task_id": task["id"]})).json()
    second = (
        await api.as_("owner").get("/v1/deliveries", params={"task_id": task["id"], "cursor": first["next_cursor"]})
    ).json()
    assert [d["id"] for d in first["items"] + second["items"]] == ["dlv_1", "dlv_0"]
    assert second["next_cursor"] is None
    dead = (await api.as_("author").get("/v1/deliveries", params={"state": "dead"})).json()["items"]
    assert [(d["id"], d["attempts"][0]["status"], d["attempts"][0]["error"]) for d in dead] == [("dlv_0", 500, "no")]
    own = (await api.as_("author").get(f"/v1/tasks/{task['id']}/deliveries")).json()["items"]
    assert {d["id"] for d in own} == {"dlv_0", "dlv_1"}
    matter = (await api.as_("owner").get(f"/v1/correlations/{task['correlation_id']}")).json()
    assert [d["state"] for d in matter["deliveries"]] == ["dead", "delivered"]

    again = await api.as_("author").post(f"/v1/tasks/{task['id']}/deliveries/dlv_0:redeliver")
    assert (again.status_code, again.json()["state"]) == (202, "pending")
    for path, status in (
        (f"/v1/tasks/{task['id']}/deliveries/dlv_1:redeliver", 409),
        (f"/v1/tasks/{other['id']}/deliveries/dlv_0:redeliver", 404),
    ):
        assert (await api.as_("author").post(path)).status_code == status
    assert (await api.as_("reviewer").post(f"/v1/tasks/{task['id']}/deliveries/dlv_0:redeliver")).status_code == 403
    assert (await api.as_("nobody").get("/v1/deliveries")).status_code == 403


async def test_a_correlation_shows_the_whole_matter(api: Running) -> None:
    task, review_id = await api.review()
    found = (await api.as_("owner").get(f"/v1/correlations/{task['correlation_id']}")).json()
    assert [t["id"] for t in found["tasks"]] == [task["id"]]
    assert [r["id"] for r in found["reviews"]] == [review_id]
    assert found["deliveries"] == []
    assert found["complete"] is True
    assert (await api.as_("owner").get(f"/v1/correlations/{'0' * 32}")).status_code == 404
    assert (await api.as_("nobody").get(f"/v1/correlations/{task['correlation_id']}")).status_code == 403


async def test_what_is_wrong_is_named_by_its_place_in_the_body(api: Running) -> None:
    async def refused(path: str, body: dict[str, Any]) -> tuple[int, list[str], str]:
        answer = await api.as_("owner").post(path, json=body)
        return answer.status_code, [e["pointer"] for e in answer.json()["errors"]], str(answer.json()["fix"])

    task = {"automation": "greet", "input": {"name": "Ada"}}
    status, pointers, _ = await refused("/v1/tasks", task | {"callback_url": "http://127.0.0.1:1/x"})
    assert (status, pointers) == (422, ["/callback_url"])
    status, pointers, _ = await refused("/v1/tasks", task | {"callback_url": "https://nowhere.invalid/x"})
    assert (status, pointers) == (422, ["/callback_url"])
    status, pointers, fix = await refused("/v1/tasks", {"automation": "greet", "input": {}})
    assert (status, pointers) == (422, ["/input/name"])
    assert "`errors`" in fix
    key = {"name": "k", "user": "user:k", "roles": ["reviewer"], "expires_at": "2001-01-01T00:00:00Z"}
    assert (await refused("/v1/keys", key))[:2] == (422, ["/expires_at"])
    with pytest.raises(InvalidInput) as unknown:
        await api.app.documents.find("default", ["doc_x"], pointers=["/input/documents/0/id"])
    assert unknown.value.fields[0].pointer == "/input/documents/0/id"


async def test_a_body_of_another_type_is_415(api: Running) -> None:
    body = b'{"automation": "greet", "input": {"name": "Ada"}}'
    for kind, status in (
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/json; charset=utf-8", 202),
        ("application/merge-patch+json", 202),
    ):
        answer = await api.as_("author").post("/v1/tasks", content=body, headers={"content-type": kind})
        assert answer.status_code == status, answer.text
