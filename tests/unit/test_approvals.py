"""Counting approvals: only of the values as they stand, nobody twice, and never more than there are people."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from interlock.domain.approvals import Approval, counted
from interlock.domain.reviews import ReviewRequest

PEOPLE = [f"user:{name}" for name in ("ada", "bo", "cy", "di")]
AT = datetime(2026, 1, 1, tzinfo=UTC)


@st.composite
def histories(draw: st.DrawFn) -> list[Approval]:
    rows = draw(
        st.lists(
            st.tuples(st.sets(st.sampled_from(PEOPLE), min_size=1, max_size=2), st.integers(0, 2), st.booleans()),
            max_size=12,
        )
    )
    return [
        Approval(number=n, revision=revision, by="x", persons=frozenset(who), verdict="approve", at=AT, revoked=revoked)
        for n, (who, revision, revoked) in enumerate(rows, start=1)
    ]


@given(histories(), st.integers(0, 2))
def test_what_counts_is_of_this_revision_not_taken_back_and_of_different_people(
    history: list[Approval], revision: int
) -> None:
    found = counted(history, revision)
    assert all(a in history and a.revision == revision and not a.revoked for a in found)
    behind = [person for a in found for person in a.persons]
    assert len(behind) == len(set(behind))
    assert len(found) <= len(PEOPLE)
    # Whoever was left out is behind one that counts already, so that nobody is forgotten.
    for left in [a for a in history if a.revision == revision and not a.revoked and a not in found]:
        assert any(a.number < left.number and a.persons & left.persons for a in found)


@given(histories(), st.integers(0, 2), st.sampled_from(PEOPLE))
def test_one_more_of_the_same_person_adds_nothing(history: list[Approval], revision: int, who: str) -> None:
    def more(number: int) -> Approval:
        return Approval(number=number, revision=revision, by=who, persons=frozenset({who}), verdict="approve", at=AT)

    once = counted([*history, more(100)], revision)
    assert counted([*history, more(100), more(101)], revision) == once
    assert len(once) - len(counted(history, revision)) in (0, 1)


@given(histories())
def test_an_amendment_leaves_only_what_came_with_it(history: list[Approval]) -> None:
    assert counted(history, 3) == []


def test_a_request_that_needs_one_reads_as_it_always_did() -> None:
    """What a journal recorded before there were several approvals is what is asked today."""
    one = ReviewRequest(title="x").model_dump(mode="json")
    assert not {"approvals", "also"} & one.keys()
    two = ReviewRequest(title="x", approvals=2, also=("finance",)).model_dump(mode="json")
    assert (two["approvals"], two["also"]) == (2, ["finance"])
    assert ReviewRequest.model_validate(two).approvals == 2
