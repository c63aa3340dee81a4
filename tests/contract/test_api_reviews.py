"""Reviews by the API: who may answer, who was first, what was changed, and what comes too late."""

from __future__ import annotations

import asyncio
from datetime import datetime

import pytest
from tests.contract.api_fixture import MARKS, api
from tests.contract.running_api import Running
from tests.eventually import eventually

from interlock.app import audit_log
from interlock.governance.verify import verify

pytestmark = MARKS
__all__ = ["api"]


async def test_an_approval_goes_through_to_the_task(api: Running) -> None:
    task, review_id = await api.review(name="Ada")
    shown = (await api.as_("reviewer").get(f"/v1/reviews/{review_id}")).json()
    assert shown["state"] == "open"
    assert shown["request"]["title"] == "Greet Ada?"
    assert shown["request"]["values"] == {"name": "Ada", "amount": "200", "currency": "EUR"}
    assert shown["request"]["form"]["properties"]["name"]["maxLength"] == 80
    assert shown["request"]["reasons"] == ["A greeting over 100 is for a person to judge."]
    assert [line["kind"] for line in shown["history"]] == ["opened"]

    answered = await api.as_("reviewer").post(f"/v1/reviews/{review_id}:approve", json={"reason": "why not"})
    assert answered.status_code == 200, answered.text
    assert answered.json()["answer"]["decision"]["answer"] == "allow"
    done = await api.until(task["id"], "succeeded")
    assert done["output"] == {"text": "Hello Ada", "decision": "sent", "by": "user:mei", "amount": "200"}
    review = next(e for e in done["effects"] if e["kind"] == "review")
    assert (review["status"], review["by"], review["review_id"]) == ("ok", "user:mei", review_id)


async def test_of_two_at_once_exactly_one_wins_and_the_other_is_told_who_and_when(api: Running) -> None:
    for _ in range(5):
        task, review_id = await api.review()
        answers = await asyncio.gather(
            api.as_("reviewer").post(f"/v1/reviews/{review_id}:approve"),
            api.as_("reviewer2").post(f"/v1/reviews/{review_id}:reject", json={"reason": "no"}),
        )
        assert sorted(a.status_code for a in answers) == [200, 409]
        won = next(a for a in answers if a.status_code == 200).json()
        lost = next(a for a in answers if a.status_code == 409).json()
        assert lost["code"] == "review.answered"
        assert lost["answered_by"] == won["answered_by"]
        assert datetime.fromisoformat(lost["answered_at"]) == datetime.fromisoformat(won["answered_at"])
        assert lost["verdict"] == won["answer"]["verdict"]
        done = await api.until(task["id"], "succeeded")
        assert done["output"]["by"] == won["answered_by"]


async def test_amending_keeps_before_and_after_of_each_field(api: Running) -> None:
    task, review_id = await api.review(name="Adda")
    answered = await api.as_("reviewer").post(
        f"/v1/reviews/{review_id}:amend", json={"values": {"name": "Ada", "amount": "150.00"}, "reason": "a typo"}
    )
    assert answered.status_code == 200, answered.text
    answer = answered.json()["answer"]
    assert answer["changes"] == [
        {"pointer": "/amount", "before": "200", "after": "150.00"},
        {"pointer": "/name", "before": "Adda", "after": "Ada"},
    ]
    assert answer["values"] == {"name": "Ada", "amount": "150.00", "currency": "EUR"}
    assert (await api.until(task["id"], "succeeded"))["output"]["amount"] == "150.00"


async def test_amended_values_are_validated_as_the_automation_will(api: Running) -> None:
    _, review_id = await api.review()
    for values, pointer in (
        ({"amount": "-1"}, "/values/amount"),
        ({"name": ""}, "/values/name"),
        ({"name": None}, "/values/name"),
        ({"nmae": "Ada"}, "/values/nmae"),
        ({"amount": "150", "a/b": 1}, "/values/a~1b"),
    ):
        answer = await api.as_("reviewer").post(f"/v1/reviews/{review_id}:amend", json={"values": values})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == pointer
    assert (await api.as_("reviewer").post(f"/v1/reviews/{review_id}:amend", json={"values": {}})).status_code == 422
    assert (await api.as_("reviewer").get(f"/v1/reviews/{review_id}")).json()["state"] == "open"


async def test_the_policies_judge_the_values_as_amended(api: Running) -> None:
    _, review_id = await api.review(amount="400")
    limited = api.as_("limited")  # may approve up to 500
    over = await limited.post(f"/v1/reviews/{review_id}:amend", json={"values": {"amount": "500.01"}})
    assert over.status_code == 403
    assert over.json()["code"] == "auth.refused"
    assert "over-approval-limit" in over.text
    other_currency = await limited.post(f"/v1/reviews/{review_id}:amend", json={"values": {"currency": "JPY"}})
    assert other_currency.status_code == 403
    own = await api.as_("reviewer").post(f"/v1/reviews/{review_id}:amend", json={"values": {"amount": "6000"}})
    assert own.status_code == 403
    assert "greeting-amended-too-far" in own.text
    judged = await api.as_("reviewer").post(f"/v1/reviews/{review_id}:amend", json={"values": {"name": "nobody"}})
    assert judged.status_code == 403
    assert "greeting-of-nobody" in judged.text
    within = await limited.post(f"/v1/reviews/{review_id}:amend", json={"values": {"amount": "499.00"}})
    assert within.status_code == 200, within.text


async def test_a_limit_holds_where_the_amount_is_not_known(api: Running) -> None:
    """Without a rate there is nothing to hold against the limit: neither what was read nor what somebody amends it to."""
    task, review_id = await api.review(amount="200", rate_known=False)
    limited = api.as_("limited")
    answers = [
        await limited.post(f"/v1/reviews/{review_id}:approve"),
        await limited.post(f"/v1/reviews/{review_id}:amend", json={"values": {"amount": "1", "currency": "JPY"}}),
        await limited.post(f"/v1/reviews/{review_id}:amend", json={"values": {"amount": "4999", "currency": "USD"}}),
    ]
    assert [(a.status_code, a.json()["reason"]) for a in answers] == [(403, "amount-not-comparable")] * 3
    assert (await limited.post(f"/v1/reviews/{review_id}:claim")).status_code == 200
    assert (await limited.post(f"/v1/reviews/{review_id}:reject", json={"reason": "no rate"})).status_code == 200
    assert (await api.until(task["id"], "succeeded"))["output"]["decision"] == "rejected"


async def test_four_eyes_the_limit_and_the_role_hold(api: Running) -> None:
    task = await api.submit("owner", name="own", amount="200")
    waiting = await api.until(task["id"], "waiting")
    review_id = next(e["review_id"] for e in waiting["effects"] if e["kind"] == "review")
    own = await api.as_("owner").post(f"/v1/reviews/{review_id}:approve")
    assert own.status_code == 403
    assert "four-eyes-submitter" in own.text

    _, about_mei = await api.review(subject="user:mei")
    assert "four-eyes-subject" in (await api.as_("reviewer").post(f"/v1/reviews/{about_mei}:approve")).text
    _, dear = await api.review(amount="900")
    assert "over-approval-limit" in (await api.as_("limited").post(f"/v1/reviews/{dear}:approve")).text
    assert (await api.as_("limited").post(f"/v1/reviews/{dear}:reject", json={"reason": "dear"})).status_code == 200
    for who in ("nobody", "author", "boss"):
        refused = await api.as_(who).post(f"/v1/reviews/{about_mei}:approve")
        assert refused.status_code == 403, who
        assert refused.json()["decision"]["answer"] == "deny"


async def test_a_late_answer_is_told_that_it_expired_and_expired_is_never_approved(api: Running) -> None:
    task, review_id = await api.review()
    await api.skip("25 hours")
    late = await api.as_("reviewer").post(f"/v1/reviews/{review_id}:approve")
    assert late.status_code == 409
    assert late.json()["code"] == "review.answered"
    assert late.json()["state"] == "expired"
    done = await api.until(task["id"], "succeeded")
    assert done["output"]["decision"] == "expired"
    assert next(e for e in done["effects"] if e["kind"] == "review")["status"] == "expired"
    later = await api.as_("reviewer").post(f"/v1/reviews/{review_id}:approve")
    assert later.status_code == 409
    assert later.json()["answered_by"] is None


async def test_a_held_answer_can_be_taken_back_by_its_author_alone(api: Running) -> None:
    task, review_id = await api.review()
    nothing = await api.as_("reviewer").post(f"/v1/reviews/{review_id}:revoke")
    assert (nothing.status_code, nothing.json()["detail"]) == (
        409,
        "The review has no answer that could be taken back.",
    )
    held = await api.as_("reviewer").post(f"/v1/reviews/{review_id}:approve", json={"hold_s": 30})
    assert held.json()["hold_until"]
    second = await api.as_("reviewer2").post(f"/v1/reviews/{review_id}:reject", json={"reason": "mine"})
    assert second.status_code == 409
    assert (await api.as_("reviewer2").post(f"/v1/reviews/{review_id}:revoke")).status_code == 403
    back = await api.as_("reviewer").post(f"/v1/reviews/{review_id}:revoke")
    assert back.status_code == 200
    assert (back.json()["state"], back.json()["answer"]) == ("open", None)
    assert (await api.as_("author").get(f"/v1/tasks/{task['id']}")).json()["state"] == "waiting"

    await api.as_("reviewer").post(f"/v1/reviews/{review_id}:approve", json={"hold_s": 30})
    await api.skip("31 seconds")
    assert (await api.as_("reviewer").post(f"/v1/reviews/{review_id}:revoke")).status_code == 409
    assert (await api.until(task["id"], "succeeded"))["output"]["decision"] == "sent"
    for hold_s in (-1, 31, "NaN"):
        wrong = await api.as_("reviewer").post(f"/v1/reviews/{review_id}:approve", json={"hold_s": hold_s})
        assert wrong.status_code == 422


async def test_who_claims_a_review_keeps_others_from_it_until_it_is_released(api: Running) -> None:
    _, review_id = await api.review()
    mine = await api.as_("reviewer").post(f"/v1/reviews/{review_id}:claim")
    assert mine.json()["assignee"] == "user:mei"
    theirs = await api.as_("reviewer2").post(f"/v1/reviews/{review_id}:claim")
    assert theirs.status_code == 409
    assert theirs.json()["assignee"] == "user:mei"
    assert (await api.as_("reviewer2").post(f"/v1/reviews/{review_id}:approve")).status_code == 409
    assert (await api.as_("reviewer2").post(f"/v1/reviews/{review_id}:release")).status_code == 409
    assert (await api.as_("reviewer").post(f"/v1/reviews/{review_id}:release")).json()["assignee"] is None
    assert (await api.as_("reviewer2").post(f"/v1/reviews/{review_id}:approve")).status_code == 200


async def test_a_question_and_its_reply_stand_in_the_history(api: Running) -> None:
    _, review_id = await api.review()
    await api.as_("reviewer").post(f"/v1/reviews/{review_id}:ask", json={"text": "Who is that?"})
    reply = await api.as_("author").post(f"/v1/reviews/{review_id}:reply", json={"text": "My aunt."})
    assert reply.status_code == 200, reply.text
    assert [(line["kind"], line["by"], line["data"]) for line in reply.json()["history"][1:]] == [
        ("asked", "user:mei", {"text": "Who is that?"}), ("replied", "user:amir", {"text": "My aunt."}),
    ]  # fmt: skip
    assert (await api.as_("nobody").post(f"/v1/reviews/{review_id}:reply", json={"text": "me?"})).status_code == 403
    for text in ("", "  ", "x" * 5000):
        assert (await api.as_("reviewer").post(f"/v1/reviews/{review_id}:ask", json={"text": text})).status_code == 422


async def test_escalating_gives_it_to_the_next_role(api: Running) -> None:
    task, review_id = await api.review()
    assert (await api.as_("boss").post(f"/v1/reviews/{review_id}:approve")).status_code == 403
    moved = await api.as_("reviewer").post(f"/v1/reviews/{review_id}:escalate")
    assert (moved.json()["role"], moved.json()["assignee"]) == ("boss", None)
    assert (await api.as_("reviewer").post(f"/v1/reviews/{review_id}:approve")).status_code == 403
    assert (await api.as_("boss").post(f"/v1/reviews/{review_id}:escalate")).status_code == 409
    inbox = (await api.as_("boss").get("/v1/reviews")).json()["items"]
    assert [r["id"] for r in inbox] == [review_id]
    assert (await api.as_("boss").post(f"/v1/reviews/{review_id}:approve")).status_code == 200
    assert (await api.until(task["id"], "succeeded"))["output"]["by"] == "user:bo"


async def test_a_rejection_needs_a_reason(api: Running) -> None:
    task, review_id = await api.review()
    for wrong in ({}, {"reason": ""}, {"reason": " \n"}):
        assert (await api.as_("reviewer").post(f"/v1/reviews/{review_id}:reject", json=wrong)).status_code == 422
    assert (await api.as_("reviewer").post(f"/v1/reviews/{review_id}:reject", json={"reason": "no"})).status_code == 200
    assert (await api.until(task["id"], "succeeded"))["output"]["decision"] == "rejected"


async def test_the_inbox_is_narrowed_and_paged_oldest_first(api: Running) -> None:
    made = [await api.review(name=f"n{n}") for n in range(3)]
    ids = [review_id for _, review_id in made]
    await api.as_("reviewer").post(f"/v1/reviews/{ids[0]}:claim")
    await api.as_("reviewer").post(f"/v1/reviews/{ids[2]}:approve")

    async def found(**params: str) -> list[str]:
        seen: list[str] = []
        cursor = None
        while True:
            page = await api.as_("reviewer").get(
                "/v1/reviews", params={"limit": 2, **params, **({"cursor": cursor} if cursor else {})}
            )
            assert page.status_code == 200, page.text
            seen += [r["id"] for r in page.json()["items"]]
            cursor = page.json()["next_cursor"]
            if cursor is None:
                return [i for i in seen if i in ids]

    assert await found() == ids[:2]
    assert await found(state="any") == ids
    assert await found(state="answered") == ids[2:]
    assert await found(assignee="me") == ids[:1]
    assert await found(assignee="none") == ids[1:2]
    assert await found(assignee="user:ravi") == []
    assert await found(role="reviewer") == ids[:2]
    assert await found(role="boss") == []
    assert await found(task_id=made[1][0]["id"]) == ids[1:2]
    assert (await api.as_("nobody").get("/v1/reviews")).json()["items"] == []
    assert (await api.as_("nobody").get("/v1/reviews", params={"role": "reviewer"})).status_code == 403


@pytest.mark.parametrize("verb", ["claim", "release", "approve", "escalate", "revoke"])
async def test_a_review_that_is_not_there_is_404(api: Running, verb: str) -> None:
    assert (await api.as_("reviewer").post(f"/v1/reviews/rev_nothing:{verb}")).status_code == 404


async def test_what_people_did_with_reviews_verifies(api: Running) -> None:
    _, review_id = await api.review()
    for who, verb, body in (
        ("reviewer", "claim", {}),
        ("reviewer", "ask", {"text": "Who was there?"}),
        ("author", "reply", {"text": "Mei"}),
        ("reviewer", "release", {}),
        ("reviewer", "escalate", {}),
        ("boss", "approve", {"hold_s": 20}),
        ("boss", "revoke", {}),
        ("boss", "approve", {}),
    ):
        answer = await api.as_(who).post(f"/v1/reviews/{review_id}:{verb}", json=body)
        assert answer.status_code == 200, (verb, answer.text)
    log = audit_log(api.app.settings, api.relay)
    public = api.app.keys.audit_key.public_key()
    report = await verify(api.app.database, api.relay, log, api.app.subject_keys, public, digest=api.app.objects.sha256)
    assert report.findings == ()
    assert report.reviews > 0


async def test_each_line_of_a_history_is_committed_to(api: Running) -> None:
    """Also the words of questions and replies, and an escalation by the clock."""
    _, review_id = await api.review(name="Ada")
    for verb, body in (
        ("claim", {}),
        ("ask", {"text": "which one?"}),
        ("reply", {"text": "this one"}),
        ("release", {}),
    ):
        answer = await api.as_("reviewer").post(f"/v1/reviews/{review_id}:{verb}", json=body)
        assert answer.status_code == 200, (verb, answer.text)
    await api.skip("21 hours")

    async def escalated() -> bool:
        shown = (await api.as_("owner").get(f"/v1/reviews/{review_id}")).json()
        return bool(shown["role"] == "boss")

    await eventually(escalated, message="the escalation")
    assert (await api.as_("boss").post(f"/v1/reviews/{review_id}:approve")).status_code == 200
    shown = (await api.as_("owner").get(f"/v1/reviews/{review_id}")).json()["history"]
    kinds = ["opened", "claimed", "asked", "replied", "released", "escalated", "answered"]
    assert [line["kind"] for line in shown] == kinds

    async def found() -> set[str]:
        log = audit_log(api.app.settings, api.relay)
        report = await verify(
            api.app.database, api.relay, log, api.app.subject_keys, api.app.keys.audit_key.public_key()
        )
        return {one.where for one in report.findings if review_id in one.where}

    assert await found() == set()
    for column, value in (("by_whom", "'user:eve'"), ("data", '\'{"text":"another one"}\'')):
        where = f"where review_id = '{review_id}' and kind = 'asked'"
        [(before,)] = await api.owner(f"select {column}::text from review_events {where}")
        await api.owner(f"update review_events set {column} = {value} {where}")
        assert await found() == {f"default/{review_id} line 3"}
        await api.owner(f"update review_events set {column} = %s {where}", (before,))
    leaves = await api.owner("select leaf from audit_records where leaf like %s", (f"%{review_id}%",))
    assert all("which one" not in leaf and "user:mei" not in leaf for (leaf,) in leaves)
