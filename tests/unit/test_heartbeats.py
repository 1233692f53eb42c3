"""Heartbeats and samples of other releases are read as far as they are understood; rates are means."""

import pytest

from rooms import history
from rooms.heartbeats import Beat, Rate, heard
from rooms.history import Sample
from rooms.metrics import Count, count


class TestHeard:
    @pytest.mark.parametrize(
        ("told", "numbers"),
        [
            (b"3 2", (3.0, 2.0)),
            (b"3 2 0.25", (3.0, 2.0, 0.25)),
            (b"3 2 0.25 7", (3.0, 2.0, 0.25, 7.0)),
            (b"3 2 eu-west 7", (3.0, 2.0)),
            (b"", ()),
        ],
    )
    def test_fewer_numbers_more_or_other_words_are_no_trouble(self, told, numbers):
        assert heard([(b"host-1", b"1500", told)]) == [Beat("host-1", 1.5, numbers)]

    def test_a_number_that_is_not_told_is_none(self):
        assert Beat("host-1", 1.5, (3.0, 2.0)).number(2) is None
        assert Beat("host-1", 1.5, (3.0, 2.0)).number(1) == 2.0

    def test_they_are_sorted_by_name(self):
        assert [each.name for each in heard([(b"b", b"1", b""), (b"a", b"1", b"")])] == ["a", "b"]

    @pytest.mark.parametrize(("silent_seconds", "alive"), [(0.0, True), (12.0, True), (12.1, False)])
    def test_who_missed_four_is_dead(self, silent_seconds, alive):
        assert Beat("host-1", silent_seconds, ()).is_alive(3.0) is alive


class Clock:
    """A clock that stands still until it is set."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class TestRate:
    def test_it_is_the_mean_since_the_call_before(self):
        clock = Clock()
        rate = Rate(Count.KEEP_ALIVES, clock=clock)
        count(Count.KEEP_ALIVES, 30)
        clock.now += 10
        assert rate.per_second() == 3.0
        clock.now += 10
        assert rate.per_second() == 0.0

    def test_one_within_a_millisecond_is_not_a_thousand_a_second(self):
        clock = Clock()
        rate = Rate(Count.KEEP_ALIVES, clock=clock)
        count(Count.KEEP_ALIVES)
        clock.now += 0.001
        assert rate.per_second() == 0.0
        clock.now += 0.999
        assert rate.per_second() == 1.0


class TestHistory:
    def test_what_can_not_be_read_is_left_out(self):
        items = [b"2000 1 2.5 3 4 5", b"2000 1", b"?", b"x 1 2 3 4 5", b"3000 1 2 3 4 5e+10"]
        found = history.read([b"4000", items])
        assert found.now == 4.0
        assert found.samples == ((2.0, Sample(1, 2.5, 3, 4, 5)), (3.0, Sample(1, 2, 3, 4, 5e10)))

    def test_numbers_of_a_later_release_are_not_needed(self):
        assert history.read([b"4000", [b"2000 1 2 3 4 5 6 7"]]).samples == ((2.0, Sample(1, 2, 3, 4, 5)),)
