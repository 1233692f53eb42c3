"""Stream entries: their ids, and their bytes, which segments keep too."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rooms import wire
from rooms.entries import START, Entry, EntryId, Flag, decode, encode
from rooms.errors import LaterRelease, Undecodable

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
ENTRIES = st.builds(Entry, st.binary(max_size=100), st.booleans(), TEXT, TEXT)

HI = bytes.fromhex("0101b0b5f4b103000401017402686900")

RELEASED = {
    "01000003632d310000": Entry(b"\x00\x00", connection_id="c-1"),
    "010102753703632d31" + HI.hex(): Entry(HI, verbatim=True, user_id="u7", connection_id="c-1"),
    "01000000": Entry(b""),
}
"""Entries of format version 1, as they may be in somebody's Redis: every later release must read them."""


class TestEntryIds:
    """Redis stream ids: "milliseconds-sequence"."""

    def test_ids_compare_as_numbers(self):
        assert EntryId.parse(b"9-0") < EntryId.parse(b"10-0") < EntryId.parse(b"10-9") < EntryId.parse(b"10-10")

    @given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
    def test_an_id_is_read_as_it_was_written(self, milliseconds, sequence):
        entry_id = EntryId(milliseconds, sequence)
        assert EntryId.parse(str(entry_id)) == EntryId.parse(str(entry_id).encode()) == entry_id

    @given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
    def test_no_id_comes_before_the_start(self, milliseconds, sequence):
        assert EntryId(milliseconds, sequence) >= START

    @pytest.mark.parametrize("text", [b"", b"5", b"5-", b"-5", b"a-b", b"$", b"+", b"\xff-1"])
    def test_what_is_no_id_is_a_value_error(self, text):
        with pytest.raises(ValueError):
            EntryId.parse(text)


class TestBytes:
    """version, flags, user id, connection id, and the update to the end."""

    @given(ENTRIES)
    def test_what_is_encoded_is_decoded_to_the_same(self, entry):
        assert decode(encode(entry)) == entry

    @pytest.mark.parametrize("data", RELEASED)
    def test_entries_of_version_1_are_read_for_ever(self, data):
        assert decode(bytes.fromhex(data)) == RELEASED[data]

    @pytest.mark.parametrize("data", RELEASED)
    def test_entries_of_version_1_are_written_so(self, data):
        assert encode(RELEASED[data]).hex() == data

    @pytest.mark.parametrize("version", [0, 2, 127, 2**53 - 1])
    def test_an_unknown_version_is_refused(self, version):
        with pytest.raises(Undecodable):
            decode(wire.var_uint(version) + b"\x00\x00\x00\x00\x00")

    @pytest.mark.parametrize(("version", "later"), [(0, False), (2, True), (15, True), (16, False), (110, False)])
    def test_a_later_release_is_told_from_bytes_that_are_no_entry(self, version, later):
        with pytest.raises(Undecodable) as refused:
            decode(wire.var_uint(version) + b"\x00\x00\x00\x00\x00")
        assert isinstance(refused.value, LaterRelease) == later

    @pytest.mark.parametrize("flags", [2, 4, 64, 2**31, 2**53 - 1])
    def test_flags_of_a_later_release_do_not_hide_the_entry(self, flags):
        entry = decode(b"\x01" + wire.var_uint(flags) + b"\x00\x00" + HI)
        assert (entry.update, entry.verbatim) == (HI, bool(flags & Flag.VERBATIM))

    def test_verbatim_is_seen_beside_flags_of_a_later_release(self):
        assert decode(b"\x01\x07\x00\x00" + HI).verbatim

    @pytest.mark.parametrize(
        "data", [b"", b"\x01", b"\x01\x00", b"\x01\x00\x02a", b"\x01\x00\x00\x01", b"\x01\x00\x01\xff\x00"]
    )
    def test_bytes_that_are_no_entry_are_undecodable(self, data):
        with pytest.raises(Undecodable):
            decode(data)

    @given(st.binary(max_size=64), st.booleans())
    @settings(max_examples=300, deadline=None)
    def test_random_bytes_are_an_entry_or_undecodable_and_nothing_else(self, data, begin_well):
        with suppress(Undecodable):
            decode(b"\x01" + data if begin_well else data)
