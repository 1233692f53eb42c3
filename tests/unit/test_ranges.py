"""The arithmetic of clock ranges, held against plain sets of clocks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms.errors import MalformedFrame
from rooms.ranges import (
    Ranges,
    covers,
    encode_state_vector,
    merged,
    parse_state_vector,
    state_vector,
    union,
)

clocks = st.dictionaries(st.integers(0, 3), st.frozensets(st.integers(0, 60), min_size=1), max_size=3)


def ranges_of(sets: dict[int, frozenset[int]]) -> Ranges:
    """Return sets of clocks as ranges."""
    return {client: merged((clock, clock + 1) for clock in numbers) for client, numbers in sets.items()}


class TestRanges:
    @given(clocks, clocks)
    def test_a_union_has_what_either_has(self, a, b):
        both = {client: a.get(client, frozenset()) | b.get(client, frozenset()) for client in {*a, *b}}

        assert union(ranges_of(a), ranges_of(b)) == ranges_of(both)

    @given(clocks, clocks)
    def test_covering_is_being_a_superset(self, have, wanted):
        expected = all(numbers <= have.get(client, frozenset()) for client, numbers in wanted.items())

        assert covers(ranges_of(have), ranges_of(wanted)) == expected

    @given(clocks, clocks)
    def test_a_union_covers_both_and_changes_neither(self, a, b):
        one, other = ranges_of(a), ranges_of(b)
        both = union(one, other)

        assert covers(both, one)
        assert covers(both, other)
        assert (one, other) == (ranges_of(a), ranges_of(b))

    def test_ranges_that_touch_become_one(self):
        assert union({7: [(0, 2), (5, 6)]}, {7: [(2, 5)]}) == {7: [(0, 6)]}

    def test_many_ranges_are_merged_as_few_are(self):
        evens, odds = ([(clock, clock + 1) for clock in range(first, 100, 2)] for first in (0, 1))

        assert union({7: evens}, {7: odds}) == {7: [(0, 100)]}


class TestStateVector:
    """yjs/src/utils/encoding.js, readStateVector and writeStateVector."""

    def test_it_reaches_to_the_first_hole(self):
        assert state_vector({7: [(0, 3), (5, 9)], 1: [(0, 1)]}) == {7: 3, 1: 1}

    def test_a_client_whose_first_clock_is_missing_has_none(self):
        assert state_vector({7: [(1, 3)]}) == {}

    def test_higher_clients_are_written_first(self):
        assert encode_state_vector({1: 5, 300: 2}) == b"\x02\xac\x02\x02\x01\x05"

    def test_an_empty_one_is_a_zero(self):
        assert encode_state_vector({}) == b"\0"
        assert parse_state_vector(b"\0") == {}

    @given(st.dictionaries(st.integers(0, 2**53 - 1), st.integers(0, 2**31 - 1)))
    def test_reading_returns_what_was_written(self, vector):
        assert parse_state_vector(encode_state_vector(vector)) == vector

    @pytest.mark.parametrize(
        "data", ["", "01", "01 07", "01 07 05 00", "02 07 05", "02 07 05 07 06", "8080808002", f"{'ff' * 7}0f 07 05"]
    )
    def test_what_is_cut_short_too_long_or_says_a_client_twice_is_refused(self, data):
        with pytest.raises(MalformedFrame):
            parse_state_vector(bytes.fromhex(data))

    @pytest.mark.parametrize("data", ["01 07 8080808008", "01 ffffffffffffff1f 00"])
    def test_numbers_that_pycrdt_or_javascript_does_not_hold_are_refused(self, data):
        with pytest.raises(MalformedFrame):
            parse_state_vector(bytes.fromhex(data))
