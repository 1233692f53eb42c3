"""How much one connection may send: on average over windows of ten seconds."""

import pytest

from rooms import limits
from rooms.limits import WINDOW_SECONDS, Rate


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(limits, "time", clock)
    return clock


def test_what_was_spent_is_a_multiple_of_the_limit(clock):
    rate = Rate(5)
    assert [rate.spend(25), rate.spend(25), rate.spend(50)] == [0.5, 1.0, 2.0]


def test_one_is_spent_if_nothing_is_said(clock):
    assert Rate(1).spend() == 1 / WINDOW_SECONDS


def test_a_burst_may_use_up_a_whole_window(clock):
    rate = Rate(50)
    assert max(rate.spend() for _ in range(500)) <= 1
    assert rate.spend() > 1


def test_a_new_window_begins_from_nothing(clock):
    rate = Rate(1)
    rate.spend(1_000)
    clock.now += WINDOW_SECONDS
    assert rate.spend(5) == 0.5


def test_a_window_does_not_move_with_what_comes(clock):
    rate = Rate(1)
    for _ in range(9):
        clock.now += 1
        rate.spend()
    assert rate.spend() == 1.0


@pytest.mark.parametrize("amount", [1, 10**12])
def test_no_limit_is_never_spent(clock, amount):
    assert Rate(0).spend(amount) == 0.0
