"""A room's activity: an hour is a point, and there are never many."""

from persistence.activity import MOST_POINTS, added

HOUR = 3600


def test_the_first_point_tells_the_hour_the_entries_and_the_bytes():
    assert added([], 10 * HOUR + 59, 3, 100) == [[10, 3, 100]]


def test_within_an_hour_entries_add_up_and_the_last_size_counts():
    assert added([[10, 3, 100]], 11 * HOUR - 1, 2, 90) == [[10, 5, 90]]


def test_another_hour_is_another_point():
    assert added([[10, 3, 100]], 12 * HOUR, 2, 150) == [[10, 3, 100], [12, 2, 150]]


def test_the_oldest_goes_when_there_are_too_many():
    full = [[hour, 1, 1] for hour in range(MOST_POINTS)]
    assert added(full, MOST_POINTS * HOUR, 2, 2) == [*full[1:], [MOST_POINTS, 2, 2]]


def test_a_clock_that_was_set_back_adds_to_the_last_hour():
    assert added([[10, 3, 100]], 5 * HOUR, 2, 150) == [[10, 5, 150]]


def test_what_was_there_is_not_changed():
    before = [[10, 3, 100]]
    added(before, 10 * HOUR, 2, 150)
    assert before == [[10, 3, 100]]
