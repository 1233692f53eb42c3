"""Awareness updates, as y-protocols' awareness.js writes them: who is here, or is not any more."""

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rooms import wire
from rooms.awareness import GONE, State, check_json, encode, parse
from rooms.errors import MalformedFrame

ANN = bytes.fromhex("01b0b5f4b10301177b2275736572223a7b226e616d65223a22416e6e227d7d")
ANN_GONE = bytes.fromhex("01b0b5f4b10302046e756c6c")
"""Real y-protocols: client 909974192 shows {"user": {"name": "Ann"}}, then removes itself."""

STATES = st.lists(
    st.builds(
        State, st.integers(0, wire.MAX_SAFE_INTEGER), st.integers(0, wire.MAX_SAFE_INTEGER), st.binary(max_size=40)
    ),
    max_size=8,
)


class TestUpdates:
    """Number of states, then for each a client id, a clock, and JSON as a string."""

    def test_a_state_is_read_as_y_protocols_wrote_it(self):
        assert parse(ANN) == [State(909974192, 1, b'{"user":{"name":"Ann"}}')]

    def test_null_says_that_a_client_is_gone(self):
        [state] = parse(ANN_GONE)
        assert (state.clock, state.value, state.is_gone) == (2, GONE, True)

    def test_a_client_that_shows_something_is_not_gone(self):
        assert not parse(ANN)[0].is_gone

    def test_nobody_is_one_zero_byte(self):
        assert encode([]) == b"\x00"
        assert parse(b"\x00") == []

    @pytest.mark.parametrize("update", [ANN, ANN_GONE])
    def test_states_are_written_as_y_protocols_writes_them(self, update):
        assert encode(parse(update)) == update

    @given(STATES)
    def test_what_is_encoded_is_parsed_to_the_same(self, states):
        assert parse(encode(states)) == states


class TestMalformedUpdates:
    """From strangers: counts that lie, values cut short."""

    @given(STATES)
    def test_every_cut_is_malformed(self, states):
        update = encode(states)
        for cut in range(len(update)):
            with pytest.raises(MalformedFrame):
                parse(update[:cut])

    @pytest.mark.parametrize("more", [b"\x00", b"\x01\x01\x00"])
    def test_bytes_left_over_are_malformed(self, more):
        with pytest.raises(MalformedFrame):
            parse(ANN + more)

    @pytest.mark.parametrize("number", [1, 2, 2**29, 2**53 - 1])
    def test_a_number_of_states_that_the_bytes_cannot_hold_is_malformed(self, number):
        with pytest.raises(MalformedFrame, match="fewer"):
            parse(wire.var_uint(number) + b"\x01\x01")

    @pytest.mark.parametrize("field", [b"\xff" * 9, b"\x80" * 7 + b"\x10"])
    def test_a_client_or_clock_over_2_to_the_53_is_malformed(self, field):
        for update in (b"\x01" + field + b"\x01\x00", b"\x01\x01" + field + b"\x00"):
            with pytest.raises(MalformedFrame):
                parse(update)

    @given(st.binary(max_size=64))
    @settings(max_examples=300, deadline=None)
    def test_random_bytes_are_states_or_malformed_and_nothing_else(self, data):
        try:
            states = parse(data)
        except MalformedFrame:
            return
        assert len(encode(states)) <= len(data)


class TestJson:
    """A state that JSON.parse doesn't take would throw in every other client."""

    @pytest.mark.parametrize("value", [b"{}", b"null", b"5", b'"\\ud800"', b'{"name":"\xc3\xa9"}', b" [1, 2e3]\n"])
    def test_json_is_taken(self, value):
        check_json(value)

    @given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=8))
    def test_whatever_json_there_is_is_taken(self, value):
        check_json(json.dumps(value).encode())

    @pytest.mark.parametrize("value", [b"NaN", b"Infinity", b"-Infinity", b'{"x":NaN}', b"[1,-Infinity]"])
    def test_numbers_that_only_python_reads_are_malformed(self, value):
        with pytest.raises(MalformedFrame):
            check_json(value)

    @pytest.mark.parametrize(
        "value",
        [
            b"",
            b"{",
            b"undefined",
            b"{'a':1}",
            b"01",
            b"+1",
            b".5",
            b"[1,]",
            b"{}x",
            b'"\n"',
            b'"\\x"',
            b"\xef\xbb\xbf{}",
        ],
    )
    def test_what_is_no_json_is_malformed(self, value):
        with pytest.raises(MalformedFrame):
            check_json(value)

    @pytest.mark.parametrize("value", [b'"\xff"', b'"\xc3"', b'"\xed\xa0\x80"', b"\xfe\xff\x00{\x00}", b"{\x00}\x00"])
    def test_what_is_no_utf_8_is_malformed(self, value):
        with pytest.raises(MalformedFrame):
            check_json(value)

    @pytest.mark.parametrize(
        "value", [b"[" * 100_000, b"[" * 8_000 + b"]" * 8_000, b'{"a":' * 8_000 + b"1" + b"}" * 8_000]
    )
    def test_json_nested_by_thousands_is_malformed_and_kills_nobody(self, value):
        with pytest.raises(MalformedFrame):
            check_json(value)

    @pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'["\\"]",', b',"]"]')])
    def test_json_is_nested_64_times_at_most(self, opening, closing):
        check_json(opening * 64 + b"1" + closing * 64)
        with pytest.raises(MalformedFrame):
            check_json(opening * 65 + b"1" + closing * 65)

    @pytest.mark.parametrize(
        "value", [b'"' + b"[" * 500 + b'"', b"[" + b"[]," * 500 + b"{}]", b'["\\"[",' * 64 + b"1" + b"]" * 64]
    )
    def test_brackets_that_are_not_in_each_other_count_for_nothing(self, value):
        check_json(value)

    def test_a_number_of_ten_thousand_digits_is_malformed(self):
        with pytest.raises(MalformedFrame):
            check_json(b"1" * 10_000)

    @given(st.binary(max_size=64))
    @settings(max_examples=300, deadline=None)
    def test_random_bytes_are_json_or_malformed_and_nothing_else(self, value):
        with suppress(MalformedFrame):
            check_json(value)
