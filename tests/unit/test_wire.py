"""lib0's binary encoding: what is read is what was written, and nothing is read that isn't there."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rooms import wire
from rooms.errors import MalformedFrame
from rooms.wire import MAX_SAFE_INTEGER, Reader

NUMBERS = st.integers(0, MAX_SAFE_INTEGER)

LIB0_NUMBERS = {
    0: "00",
    1: "01",
    127: "7f",
    128: "8001",
    300: "ac02",
    16383: "ff7f",
    16384: "808001",
    2**32 - 1: "ffffffff0f",
    2**53 - 1: "ffffffffffffff0f",
}
"""As encoding.writeVarUint of lib0 0.2 writes them."""


def read_all(data: bytes) -> Reader:
    """Return a reader that has read one number from `data`."""
    reader = Reader(data)
    reader.var_uint()
    return reader


class TestUnsignedNumbers:
    """lib0: seven bits to a byte, the lowest first; the eighth bit says that more follows."""

    @pytest.mark.parametrize("number", LIB0_NUMBERS)
    def test_numbers_are_written_as_lib0_does(self, number):
        assert wire.var_uint(number).hex() == LIB0_NUMBERS[number]

    @pytest.mark.parametrize("number", LIB0_NUMBERS)
    def test_numbers_are_read_as_lib0_does(self, number):
        assert Reader(bytes.fromhex(LIB0_NUMBERS[number])).var_uint() == number

    @given(NUMBERS)
    def test_what_is_written_is_read_again_to_the_last_byte(self, number):
        reader = Reader(wire.var_uint(number))
        assert reader.var_uint() == number
        reader.expect_end()

    @given(NUMBERS)
    def test_a_number_takes_eight_bytes_at_most(self, number):
        assert len(wire.var_uint(number)) <= wire.MAX_VAR_INT_BYTES

    @given(NUMBERS)
    def test_a_number_cut_short_is_malformed(self, number):
        with pytest.raises(MalformedFrame):
            Reader(wire.var_uint(number)[:-1]).var_uint()

    def test_2_to_the_53_is_malformed_as_javascript_cannot_hold_it(self):
        with pytest.raises(MalformedFrame):
            Reader(bytes.fromhex("8080808080808010")).var_uint()

    @pytest.mark.parametrize("padded", ["8000", "808000", "8080808080808000"])
    def test_padding_is_read_as_lib0_reads_it(self, padded):
        assert Reader(bytes.fromhex(padded)).var_uint() == 0

    @pytest.mark.parametrize("data", [b"\x80" * 8 + b"\x00", b"\xff" * 8 + b"\x01", b"\xff" * 400_000])
    def test_a_ninth_byte_is_malformed_and_no_further_one_is_looked_at(self, data):
        reader = Reader(data)
        with pytest.raises(MalformedFrame):
            reader.var_uint()
        assert reader.position <= 8

    def test_a_bound_is_exclusive(self):
        assert Reader(b"\x02").var_uint(below=3) == 2
        with pytest.raises(MalformedFrame):
            Reader(b"\x03").var_uint(below=3)

    def test_padding_does_not_slip_under_a_bound(self):
        with pytest.raises(MalformedFrame):
            Reader(b"\x83\x00").var_uint(below=3)


class TestBytesAndStrings:
    """lib0: their length in bytes, and then they."""

    @given(st.binary(max_size=300))
    def test_bytes_are_read_again(self, value):
        assert Reader(wire.var_bytes(value)).var_bytes() == value

    @given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
    def test_text_is_read_again(self, value):
        assert Reader(wire.var_string(value)).var_string() == value

    def test_a_string_is_counted_in_bytes_and_not_in_characters(self):
        assert wire.var_string("é😀") == b"\x06\xc3\xa9\xf0\x9f\x98\x80"

    @pytest.mark.parametrize("data", [b"", b"\x01", b"\x03ab", b"\xff\xff\xff\xff\xff\xff\xff\x0fabc"])
    def test_a_length_that_reaches_past_the_end_is_malformed(self, data):
        with pytest.raises(MalformedFrame):
            Reader(data).var_bytes()

    @pytest.mark.parametrize("text", [b"\xff", b"\xc3", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"])
    def test_a_string_that_is_not_utf_8_is_malformed(self, text):
        with pytest.raises(MalformedFrame):
            Reader(wire.var_bytes(text)).var_string()

    def test_a_byte_order_mark_is_kept_as_lib0_keeps_it(self):
        assert Reader(b"\x03\xef\xbb\xbf").var_string() == "\ufeff"


class TestReader:
    """It reads `data[position:end]`, and nothing else."""

    def test_it_begins_where_it_is_told(self):
        assert Reader(b"\x01\x02\x03", position=1).byte() == 2

    def test_it_knows_how_much_remains(self):
        assert read_all(b"\x80\x01\x00\x00").remaining == 2

    def test_left_over_bytes_are_malformed(self):
        with pytest.raises(MalformedFrame):
            read_all(b"\x01\x00").expect_end()

    @pytest.mark.parametrize("read", [Reader.byte, Reader.var_uint, Reader.var_bytes])
    def test_nothing_is_read_from_nothing(self, read):
        with pytest.raises(MalformedFrame):
            read(Reader(b""))

    @given(st.binary(max_size=40), st.lists(st.sampled_from(["byte", "var_uint", "var_bytes", "var_string"])))
    @settings(deadline=None)
    def test_whatever_comes_it_is_read_or_malformed(self, data, steps):
        reader = Reader(data)
        try:
            for step in steps:
                getattr(reader, step)()
        except MalformedFrame:
            pass
        assert 0 <= reader.position <= len(data)
