"""Room names: one canonical form for people, one injective encoding for everything that is stored."""

from urllib.parse import quote, unquote

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rooms.conf import Conf
from rooms.errors import NoSuchRoom
from rooms.keys import Keys
from rooms.names import canonical, from_key_part, from_path, key_part, shard_of

EIGHT = ["ünï/cödé", "ünï%2Fcödé", "a b", "a+b", "a.b", "a:b", "a{b}", "a*"]
"""They must stay distinct, however they come."""

AS_SENT = {
    "ünï/cödé": b"/ws/%C3%BCn%C3%AF/c%C3%B6d%C3%A9",
    "ünï%2Fcödé": b"/ws/%C3%BCn%C3%AF%2Fc%C3%B6d%C3%A9",
    "a b": b"/ws/a%20b",
    "a+b": b"/ws/a+b",
    "a.b": b"/ws/a.b",
    "a:b": b"/ws/a:b",
    "a{b}": b"/ws/a%7Bb%7D",
    "a*": b"/ws/a*",
}
"""The path in a browser's or Node's request for `new WebSocket("ws://host/ws/" + name)`."""

KEYS = Keys.of(Conf())

NAMES = st.one_of(
    st.text(max_size=30),
    st.text("aF2%5/.:{}*?[]+ é\u0301\u0307", max_size=12),
    st.lists(
        st.sampled_from(["%2F", "%2f", "%25", "%", "/", "2F", "25", "%C3%A9", "%41", "é", "\u0307"]), max_size=6
    ).map("".join),
)


def is_a_room(name: str) -> bool:
    """Tell whether the name can name a room."""
    try:
        canonical(name)
    except NoSuchRoom:
        return False
    return True


ROOMS = NAMES.filter(is_a_room).map(canonical)


def tail_of(raw_path: bytes, prefix: str = "/ws/") -> str:
    """Return what a url pattern captures: both servers decode the path with urllib's unquote."""
    return unquote(raw_path.decode("ascii")).removeprefix(prefix)


class TestCanonicalNames:
    """Text in NFC in which a percent sign only begins %2F or %25."""

    @given(ROOMS)
    @settings(max_examples=300, deadline=None)
    def test_what_is_canonical_stays_as_it_is(self, room):
        assert canonical(room) == room

    def test_the_eight_names_stay_distinct(self):
        assert len({canonical(name) for name in EIGHT}) == 8

    @pytest.mark.parametrize("name", EIGHT)
    def test_a_name_as_people_write_it_is_canonical(self, name):
        assert canonical(name) == name

    @pytest.mark.parametrize(
        ("spelling", "name"),
        [
            ("%61%62", "ab"),
            ("%C3%BCn%C3%AF", "ünï"),
            ("u\u0308", "ü"),
            ("%75%CC%88", "ü"),
            ("a%2fb", "a%2Fb"),
            ("a%20b", "a b"),
            ("100%", "100%25"),
            ("100%25", "100%25"),
            ("50%zz", "50%25zz"),
            ("%2525", "%2525"),
            ("%", "%25"),
            ("%2", "%252"),
            ("\u212b", "Å"),
        ],
    )
    def test_spellings_of_one_name_meet(self, spelling, name):
        assert canonical(spelling) == name

    def test_a_combining_mark_does_not_eat_the_f_of_an_encoded_slash(self):
        once = canonical("a%2F\u0307b")
        assert canonical(once) == once

    @pytest.mark.parametrize("name", ["a/b", "a%2Fb", "a%252Fb", "a%25252Fb", "a2Fb"])
    def test_an_encoded_percent_sign_is_no_encoded_slash(self, name):
        others = {"a/b", "a%2Fb", "a%252Fb", "a%25252Fb", "a2Fb"} - {name}
        assert canonical(name) not in {canonical(other) for other in others}

    @pytest.mark.parametrize("name", ["x" * 255, "é" * 127, "😀" * 63, "%2F" * 85])
    def test_a_name_may_have_255_bytes(self, name):
        assert len(canonical(name).encode()) <= 255

    @pytest.mark.parametrize("name", ["", "x" * 256, "é" * 128, "%C3%A9" * 128, "%" * 86, "\u0958" * 43])
    def test_a_name_that_is_empty_or_over_255_bytes_when_canonical_names_no_room(self, name):
        with pytest.raises(NoSuchRoom):
            canonical(name)

    @pytest.mark.parametrize("name", ["%FF", "a%C3", "%C0%AF", "%ED%A0%80", "\ud800", "%C3%28"])
    def test_a_name_that_is_not_utf_8_names_no_room(self, name):
        with pytest.raises(NoSuchRoom):
            canonical(name)

    @pytest.mark.parametrize(
        "name", ["a\0b", "%00", "a%0Ab", "a\n", "\r", "\t", "%7F", "%C2%85", "\u2028", "%E2%80%A9"]
    )
    def test_a_control_character_or_line_separator_names_no_room(self, name):
        with pytest.raises(NoSuchRoom):
            canonical(name)

    @given(NAMES)
    @settings(max_examples=300, deadline=None)
    def test_any_text_is_a_room_of_1_to_255_bytes_or_none(self, name):
        assume(is_a_room(name))
        assert 1 <= len(canonical(name).encode()) <= 255


class TestNamesInPaths:
    """What a client asked for is in the raw path; the decoded path can't tell %2F from a slash."""

    @pytest.mark.parametrize("name", EIGHT)
    def test_the_name_is_what_the_client_sent(self, name):
        assert from_path(AS_SENT[name], tail_of(AS_SENT[name])) == name

    def test_the_eight_names_stay_distinct(self):
        assert len({from_path(raw_path, tail_of(raw_path)) for raw_path in AS_SENT.values()}) == 8

    @given(st.text(max_size=20), st.sampled_from(["/ws/", "/", "/sub/ws/", "/a/ws/b/ws/"]))
    @settings(deadline=None)
    def test_a_name_encoded_by_a_client_comes_back_under_every_mount(self, name, prefix):
        assume("%" not in name and is_a_room(name))
        raw_path = (prefix + quote(name, safe="/")).encode()
        assert from_path(raw_path, tail_of(raw_path, prefix)) == canonical(name)

    @pytest.mark.parametrize(
        ("raw_path", "tail", "room"),
        [
            (b"/ws/a", "a", "a"),
            (b"/sub/ws/a%2Fb", "a/b", "a%2Fb"),
            (b"/sub/ws/a/b", "a/b", "a/b"),
            (b"/ws/ws/ws/a", "ws/ws/a", "ws/ws/a"),
            (b"/ws/ws%2Fa", "ws/a", "ws%2Fa"),
            (b"/w%73/a%2Fb", "a/b", "a%2Fb"),
            (b"/ws//a", "/a", "/a"),
            (b"/ws/a/", "a/", "a/"),
            (b"/ws/a%252Fb", "a%2Fb", "a%252Fb"),
            (b"/ws/..", "..", ".."),
        ],
    )
    def test_nested_mounts_and_slashes_are_told_apart(self, raw_path, tail, room):
        assert from_path(raw_path, tail) == room

    @pytest.mark.parametrize(("tail", "room"), [("a", "a"), ("a b", "a b"), ("a%2Fb", "a%252Fb"), ("100%", "100%25")])
    def test_without_a_raw_path_the_decoded_tail_is_taken_as_it_stands(self, tail, room):
        assert from_path(b"", tail) == room

    def test_a_slash_of_the_mount_that_is_encoded_does_not_hide_the_room(self):
        assert from_path(b"/ws%2Fa", "a") == "a"

    @pytest.mark.parametrize("raw_path", [b"/ws/%FF", b"/ws/a%C3", b"/ws/a%0Ab", b"/ws/", b"/ws/" + b"x" * 256])
    def test_what_names_no_room_is_refused(self, raw_path):
        with pytest.raises(NoSuchRoom):
            from_path(raw_path, tail_of(raw_path))


class TestNamesInRedis:
    """Distinct names never share anything."""

    @given(ROOMS, ROOMS)
    @settings(max_examples=300, deadline=None)
    def test_distinct_rooms_have_distinct_keys_and_channels(self, room, other):
        assume(room != other)
        for name in (key_part, KEYS.room, KEYS.head, KEYS.bell, KEYS.awareness):
            assert name(room) != name(other)

    @pytest.mark.parametrize("name", [key_part, KEYS.room, KEYS.head, KEYS.bell, KEYS.awareness])
    def test_the_eight_names_have_eight_keys(self, name):
        assert len({name(canonical(each)) for each in EIGHT}) == 8

    @given(ROOMS)
    @settings(deadline=None)
    def test_a_key_part_gives_the_room_back(self, room):
        assert from_key_part(key_part(room)) == room

    @given(ROOMS)
    @settings(deadline=None)
    def test_a_key_part_has_no_glob_tag_separator_or_control_characters(self, room):
        assert not set(key_part(room)) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~%")

    @given(ROOMS, st.integers(1, 1024))
    @settings(deadline=None)
    def test_a_room_is_in_one_of_the_shards(self, room, shards):
        assert 0 <= shard_of(room, shards) < shards

    def test_the_shard_of_a_room_is_the_same_in_every_release(self):
        assert [shard_of(name, 16) for name in ("demo-welcome", "ünï/cödé", "a*")] == [13, 4, 15]
