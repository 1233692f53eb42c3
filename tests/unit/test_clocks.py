"""A packed state vector is a dictionary."""

from hypothesis import given
from hypothesis import strategies as st

from rooms import clocks
from rooms.ranges import MAX_CLOCK

vectors = st.dictionaries(st.integers(0, 2**53 - 1) | st.integers(0, 5), st.integers(1, MAX_CLOCK))


@given(vectors, vectors)
def test_it_is_changed_and_read_as_a_dictionary_is(vector: dict[int, int], changes: dict[int, int]) -> None:
    packed = clocks.pack(vector)
    assert clocks.unpack(packed) == vector
    after = clocks.changed(packed, changes)
    assert after == clocks.pack(vector | changes)
    assert all(clocks.clock_of(after, client) == clock for client, clock in (vector | changes).items())


def test_who_is_not_there_has_written_nothing() -> None:
    assert [clocks.clock_of(clocks.pack({5: 7}), client) for client in (4, 5, 6)] == [0, 7, 0]
    assert clocks.clock_of(b"", 1) == 0
