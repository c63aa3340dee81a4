"""The inbox by the API: narrowed and ordered by the server, so that it holds over more than one page."""

from __future__ import annotations

from tests.contract.api_fixture import MARKS, api
from tests.contract.running_api import Running

pytestmark = MARKS
__all__ = ["api"]


async def test_the_inbox_is_narrowed_and_ordered_over_more_than_one_page(api: Running) -> None:
    made = [await api.review(name=f"narrow{n}", subject="person:lim" if n == 1 else None) for n in range(5)]
    ids = [review_id for _, review_id in made]
    for number, hours in ((0, 30), (1, 3), (3, 50), (4, 3)):
        await api.owner(
            "update reviews set deadline = time_now() + make_interval(hours => %s) where id = %s", (hours, ids[number])
        )
    await api.owner("update reviews set deadline = null where id = %s", (ids[2],))
    await api.owner(
        "update reviews set deadline = (select deadline from reviews where id = %s) where id = %s", (ids[1], ids[4])
    )
    await api.as_("reviewer").post(f"/v1/reviews/{ids[3]}:claim")

    async def found(**params: str | float) -> list[str]:
        seen: list[str] = []
        sent = {"limit": 2, "find": "narrow", **params}
        while True:
            page = await api.as_("reviewer").get("/v1/reviews", params=sent)
            assert page.status_code == 200, page.text
            seen += [r["id"] for r in page.json()["items"]]
            if page.json()["next_cursor"] is None:
                return seen
            sent["cursor"] = page.json()["next_cursor"]

    same = sorted((ids[1], ids[4]))  # due at the same time
    assert await found() == ids
    assert await found(order="newest") == await found(newest="true") == ids[::-1]
    assert await found(order="due") == [*same, ids[0], ids[3], ids[2]]
    assert await found(order="due", due_within=40 * 3600) == [*same, ids[0]]
    assert await found(due_within=3600) == []
    assert await found(risk="high") == [ids[1], ids[4]]
    assert await found(risk="low") == [ids[0], ids[2], ids[3]]
    assert await found(risk="medium") == []
    assert await found(person="person:lim") == [ids[1]]
    assert await found(person="me") == await found(person="user:mei") == [ids[3]]
    assert await found(person="user:amir") == ids  # who asked
    assert await found(automation="greet") == ids
    assert await found(automation="other") == []
    assert await found(find="NARROW2 reviewer") == [ids[2]]
    assert await found(find="narrow2 100%_") == []
    page = (await api.as_("reviewer").get("/v1/reviews", params={"find": "narrow1"})).json()["items"]
    assert [one["risk"] for one in page] == ["high"]
    cursor = (await api.as_("reviewer").get("/v1/reviews", params={"limit": 1, "order": "due"})).json()["next_cursor"]
    for wrong in ({"cursor": cursor}, {"cursor": cursor, "order": "newest"}):
        answer = await api.as_("reviewer").get("/v1/reviews", params=wrong)
        assert (answer.status_code, answer.json()["code"]) == (400, "request.malformed")
    for wrong in ({"order": "due", "newest": "true"}, {"risk": "some"}, {"due_within": "0"}, {"order": "x"}):
        assert (await api.as_("reviewer").get("/v1/reviews", params=wrong)).status_code == 422
