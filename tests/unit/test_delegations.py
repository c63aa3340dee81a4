"""What a delegation is worth: never more than was lent, never more than its giver holds, and nothing after its end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from interlock.domain.approvals import Approval, counted
from interlock.domain.delegations import Rights, Standing, standing, usable

ROLES = ("owner", "reviewer", "manager", "finance")
AT = datetime(2026, 1, 1, tzinfo=UTC)
limits = st.none() | st.decimals(min_value=0, max_value=10_000, places=2)
rights = st.builds(Rights, roles=st.frozensets(st.sampled_from(ROLES)), limit=limits)
times = st.integers(-1000, 1000).map(lambda s: AT + timedelta(seconds=s))


@given(rights, st.lists(rights, max_size=4))
def test_nobody_acts_with_more_than_was_lent_or_than_one_key_of_the_giver_holds(
    lent: Rights, held: list[Rights]
) -> None:
    found = usable(lent, held)
    if found is None:
        assert not any(lent.roles & own.roles for own in held)
        return
    assert found.roles
    assert found.within(lent)
    assert any(found.within(own) for own in held)


@given(rights, st.lists(rights, max_size=4))
def test_who_still_holds_all_of_it_lends_all_of_it(lent: Rights, others: list[Rights]) -> None:
    if lent.roles:
        assert usable(lent, [*others, lent]) == lent


@given(rights, st.lists(rights, max_size=4), rights)
def test_losing_a_key_never_gives_the_delegate_a_role_more(lent: Rights, held: list[Rights], lost: Rights) -> None:
    before, after = usable(lent, [*held, lost]), usable(lent, held)
    assert len(after.roles if after else ()) <= len(before.roles if before else ())


@given(times, times, st.none() | times)
def test_it_is_open_only_before_its_end_and_unless_it_was_taken_back(
    at: datetime, ends_at: datetime, revoked_at: datetime | None
) -> None:
    found = standing(at, ends_at=ends_at, revoked_at=revoked_at)
    assert (found is Standing.OPEN) == (at < ends_at and revoked_at is None)
    if found is Standing.ENDED:  # and it stays ended
        assert standing(at + timedelta(days=1), ends_at=ends_at, revoked_at=revoked_at) is Standing.ENDED


def test_limits_are_not_put_together_from_several_keys() -> None:
    lent = Rights(roles=frozenset({"reviewer", "manager"}), limit=None)
    small = Rights(roles=frozenset({"reviewer", "manager"}), limit=Decimal(10))
    large = Rights(roles=frozenset({"reviewer"}), limit=None)
    assert usable(lent, [small, large]) == small


@given(st.permutations([("user:b", "user:a"), ("user:a",), ("user:b",), ("user:c",)]))
def test_one_answer_counts_for_both_and_neither_counts_again(order: list[tuple[str, ...]]) -> None:
    given_ = [
        Approval(number=n, revision=0, by=who[0], persons=frozenset(who), verdict="approve", at=AT)
        for n, who in enumerate(order, start=1)
    ]
    found = counted(given_, 0)
    behind = [person for one in found for person in one.persons]
    assert len(behind) == len(set(behind))
    if order[0] == ("user:b", "user:a"):
        assert [one.persons for one in found] == [frozenset({"user:a", "user:b"}), frozenset({"user:c"})]
