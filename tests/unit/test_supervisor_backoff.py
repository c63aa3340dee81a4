"""How long the supervisor waits before it starts a dead process again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from interlock.infra.supervisor import Backoff


def test_the_pause_doubles_up_to_ten_seconds() -> None:
    backoff, pauses, last_s = Backoff(), [], 0.0
    for _ in range(8):
        last_s = backoff.next_delay_s(last_s, lived_s=0.1)
        pauses.append(last_s)
    assert pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]


def test_a_process_that_lived_for_half_a_minute_begins_anew() -> None:
    assert Backoff().next_delay_s(10.0, lived_s=29.9) == 10.0
    assert Backoff().next_delay_s(10.0, lived_s=30.0) == 0.2


@given(lives_s=st.lists(st.floats(0, 100), max_size=30))
def test_every_pause_is_within_the_bounds(lives_s: list[float]) -> None:
    backoff, last_s = Backoff(), 0.0
    for lived_s in lives_s:
        last_s = backoff.next_delay_s(last_s, lived_s)
        assert backoff.initial_s <= last_s <= backoff.max_s
