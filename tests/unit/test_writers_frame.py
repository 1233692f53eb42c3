"""Frames as they go over the wire."""

import pytest

from rooms.writers.frame import Frame, header, short_reason


class TestHeader:
    """RFC 6455, section 5.2; the literals of section 5.7."""

    def test_256_bytes_take_a_length_of_two_bytes(self):
        assert header(256) == bytes.fromhex("82 7E 0100")

    def test_64_kib_take_a_length_of_eight_bytes(self):
        assert header(65_536) == bytes.fromhex("82 7F 0000000000010000")

    @pytest.mark.parametrize(
        ("length", "expected"), [(0, "8200"), (125, "827D"), (126, "827E007E"), (65_535, "827EFFFF")]
    )
    def test_a_length_takes_as_few_bytes_as_it_can(self, length, expected):
        assert header(length) == bytes.fromhex(expected)


class TestFrame:
    def test_is_header_and_payload_unmasked(self):
        assert Frame(b"\x00\x01").encoded == b"\x82\x02\x00\x01"

    def test_is_encoded_once_for_all(self):
        frame = Frame(b"x" * 1000)
        assert frame.encoded is frame.encoded


class TestShortReason:
    """RFC 6455, section 5.5: a control frame's payload is at most 125 bytes, and the reason is UTF-8."""

    def test_what_fits_is_kept(self):
        assert short_reason("a" * 123) == "a" * 123

    def test_half_a_character_is_left_out(self):
        assert short_reason("a" * 122 + "ü") == "a" * 122
