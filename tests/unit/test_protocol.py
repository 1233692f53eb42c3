"""The y-websocket protocol: y-protocols' PROTOCOL.md and what y-websocket 3.1 puts around it."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rooms import protocol
from rooms.errors import MalformedFrame
from rooms.protocol import Awareness, QueryAwareness, SyncStep1, SyncStep2, Update, parse

HI = bytes.fromhex("0101b0b5f4b103000401017402686900")
"""Real Yjs: client 909974192 typed "hi" into the root text "t"."""

ANN = bytes.fromhex("01b0b5f4b10301177b2275736572223a7b226e616d65223a22416e6e227d7d")
"""Real y-protocols: the same client says that it is {"user": {"name": "Ann"}}."""

FRAMES = {
    "sync step 1 of an empty document": ("00000100", SyncStep1(b"\x00")),
    "sync step 1": ("00000701b0b5f4b10302", SyncStep1(bytes.fromhex("01b0b5f4b10302"))),
    "sync step 2 with nothing": ("0001020000", SyncStep2(b"\x00\x00")),
    "sync step 2": ("000110" + HI.hex(), SyncStep2(HI)),
    "an update": ("000210" + HI.hex(), Update(HI)),
    "awareness of nobody": ("010100", Awareness(b"\x00")),
    "awareness": ("011f" + ANN.hex(), Awareness(ANN)),
    "a query for awareness": ("03", QueryAwareness()),
}
"""As y-websocket 3.1 and y-protocols 1.0 write them."""

CARRIERS = {
    SyncStep1: protocol.sync_step_1,
    SyncStep2: protocol.sync_step_2,
    Update: protocol.update,
    Awareness: protocol.awareness,
}


def frames(max_size: int = 200) -> st.SearchStrategy[bytes]:
    """Frames of every type that carries something."""
    return st.builds(
        lambda encode, content: encode(content),
        st.sampled_from(list(CARRIERS.values())),
        st.binary(max_size=max_size),
    )


class TestFrames:
    """One message to a frame, as y-websocket sends it."""

    @pytest.mark.parametrize("name", FRAMES)
    def test_a_frame_is_read(self, name):
        frame, message = FRAMES[name]
        assert parse(bytes.fromhex(frame)) == message

    @pytest.mark.parametrize("kind", CARRIERS)
    @given(content=st.binary(max_size=300))
    def test_what_is_encoded_is_parsed_to_the_same(self, kind, content):
        assert parse(CARRIERS[kind](content)) == kind(content)

    def test_a_length_over_127_takes_two_bytes(self):
        assert protocol.update(b"x" * 200)[:4] == b"\x00\x02\xc8\x01"

    @pytest.mark.parametrize("kind", CARRIERS)
    def test_contents_are_not_looked_into(self, kind):
        assert parse(CARRIERS[kind](b"\xff\xff")) == kind(b"\xff\xff")


class TestMalformedFrames:
    """Whatever is not a message to the last byte has one error."""

    @given(frames(max_size=40))
    def test_every_cut_makes_a_frame_malformed(self, frame):
        for cut in range(len(frame)):
            with pytest.raises(MalformedFrame):
                parse(frame[:cut])

    @given(frames(max_size=40), st.binary(min_size=1, max_size=8))
    def test_bytes_left_over_are_malformed(self, frame, more):
        with pytest.raises(MalformedFrame):
            parse(frame + more)

    def test_a_query_for_awareness_has_nothing_behind_it(self):
        with pytest.raises(MalformedFrame):
            parse(b"\x03\x00")

    @pytest.mark.parametrize("kind", [4, 5, 127])
    def test_an_unknown_message_type_is_malformed(self, kind):
        with pytest.raises(MalformedFrame):
            parse(bytes([kind]))

    @pytest.mark.parametrize("kind", [3, 4, 127])
    def test_an_unknown_sync_type_is_malformed(self, kind):
        with pytest.raises(MalformedFrame):
            parse(bytes([0, kind, 0]))

    def test_a_client_sends_no_auth_message(self):
        with pytest.raises(MalformedFrame):
            parse(b"\x02\x00\x06denied")

    @pytest.mark.parametrize("frame", [b"", b"\x80" * 9, b"\xff" * 400_000, b"\x00\x02" + b"\xff" * 400_000])
    def test_an_over_long_number_is_malformed(self, frame):
        with pytest.raises(MalformedFrame):
            parse(frame)

    def test_the_largest_length_is_compared_with_what_is_there(self):
        with pytest.raises(MalformedFrame):
            parse(b"\x00\x02\xff\xff\xff\xff\xff\xff\xff\x0f")

    @given(st.binary(max_size=64))
    @settings(max_examples=500, deadline=None)
    def test_random_bytes_are_a_message_or_malformed_and_nothing_else(self, frame):
        try:
            message = parse(frame)
        except MalformedFrame:
            return
        assert isinstance(message, SyncStep1 | SyncStep2 | Update | Awareness | QueryAwareness)

    @given(st.sampled_from([b"\x00\x00", b"\x00\x01", b"\x00\x02", b"\x01", b"\x03"]), st.binary(max_size=32))
    @settings(max_examples=500, deadline=None)
    def test_random_bytes_behind_a_good_beginning_too(self, beginning, rest):
        with suppress(MalformedFrame):
            parse(beginning + rest)
