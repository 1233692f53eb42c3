"""A segment's bytes are its entries, all of them and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persistence.framing import pack, unpack
from rooms.entries import Entry, EntryId
from rooms.errors import Undecodable

ids = st.builds(EntryId, st.integers(0, 2**48), st.integers(0, 2**32))
entries = st.builds(
    Entry,
    st.binary(max_size=50),
    verbatim=st.booleans(),
    user_id=st.text(st.characters(codec="utf-8"), max_size=5),
    connection_id=st.sampled_from(["", "connection-1", "connection-2"]),
)


@given(st.lists(st.tuples(ids, entries), max_size=20))
def test_what_is_packed_is_unpacked(pairs):
    assert unpack(pack(pairs)) == pairs


@given(st.lists(st.tuples(ids, entries), min_size=1, max_size=5), st.data())
def test_a_part_of_a_segment_is_none(pairs, data):
    whole = pack(pairs)
    part = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(Undecodable):
        unpack(whole[:part])


def test_a_segment_with_something_behind_it_is_none():
    with pytest.raises(Undecodable):
        unpack(pack([(EntryId(1, 0), Entry(b"\0\0"))]) + b"\0")


@given(st.binary(max_size=40))
def test_strangers_bytes_are_refused_or_read(data):
    try:
        unpack(data)
    except Undecodable:
        return


def test_another_version_is_refused():
    with pytest.raises(Undecodable, match="version 2"):
        unpack(b"\2" + pack([])[1:])


def test_an_entry_costs_few_bytes_beside_its_update():
    who = {"user_id": "7a6b8c9d-user", "connection_id": "0123456789abcdef0123456789abcdef"}
    pairs = [(EntryId(1_700_000_000_000 + 40 * at, 0), Entry(b"x" * 20, **who)) for at in range(1000)]
    assert len(pack(pairs)) <= 1000 * (20 + 6)
