"""Bells: msgpack arrays that the scripts in Redis write, and that every server process hears."""

from contextlib import suppress

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rooms.bells import Bell, Head, Kind, decode
from rooms.entries import EntryId
from rooms.errors import Undecodable

HEAD = Head("e1", 0, EntryId(10, 1), EntryId(0, 0))
ENTRIES = [1, "entries", "e1", "0", "0-0", "10-0", "10-1", [b"\x01\x00\x00\x00\x00\x00"]]
"""What append.lua packs: version, kind, epoch, generation, floor, id before, last id, body."""


def packed(bell: list[object]) -> bytes:
    """Return a bell as cmsgpack packs it: text and bytes are the same there."""
    return msgpack.packb(bell, use_bin_type=False)


def changed(position: int, value: object) -> bytes:
    """Return the bell with one field changed."""
    return packed([*ENTRIES[:position], value, *ENTRIES[position + 1 :]])


def test_a_bell_tells_the_head_and_the_id_before():
    assert decode(packed(ENTRIES)) == Bell(Kind.ENTRIES, HEAD, EntryId(10, 0), [b"\x01\x00\x00\x00\x00\x00"])


def test_a_body_too_large_to_travel_is_false():
    assert decode(changed(7, False)).body is False


def test_the_generation_may_be_a_number_or_its_digits():
    assert decode(changed(3, 4)).head.generation == decode(changed(3, "4")).head.generation == 4


def test_a_kind_of_a_later_release_is_told_as_it_is():
    assert decode(changed(1, "kick")).kind == "kick"


def test_ids_are_compared_as_numbers():
    bell = decode(changed(6, "100-0"))
    assert bell.head.last > bell.previous


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_version_is_refused(version):
    with pytest.raises(Undecodable):
        decode(changed(0, version))


@pytest.mark.parametrize(
    ("position", "value"),
    [(1, None), (1, b"\xff"), (2, None), (2, 5), (3, "x"), (3, None), (4, ""), (5, "x-y"), (6, None), (6, [1])],
)
def test_a_field_of_the_wrong_kind_is_refused(position, value):
    with pytest.raises(Undecodable):
        decode(changed(position, value))


@pytest.mark.parametrize("bell", [ENTRIES[:-1], [*ENTRIES, 1], [], {}, 5, None, "entries"])
def test_what_has_not_eight_fields_is_refused(bell):
    with pytest.raises(Undecodable):
        decode(packed(bell))


def test_every_cut_is_refused():
    for cut in range(len(packed(ENTRIES))):
        with pytest.raises(Undecodable):
            decode(packed(ENTRIES)[:cut])


@pytest.mark.parametrize("data", [b"\xdd\xff\xff\xff\xff", b"\x91" * 100_000, b"\xc1", packed(ENTRIES) + b"\x00"])
def test_what_msgpack_does_not_take_is_refused(data):
    with pytest.raises(Undecodable):
        decode(data)


@given(st.binary(max_size=64), st.booleans())
@settings(max_examples=300, deadline=None)
def test_random_bytes_are_a_bell_or_undecodable_and_nothing_else(data, begin_well):
    with suppress(Undecodable):
        decode(b"\x98\x01" + data if begin_well else data)
