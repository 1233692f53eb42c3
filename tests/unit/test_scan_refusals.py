"""What the walk over an update refuses: what crashes pycrdt, what makes Yjs throw, what is no update at all."""

import pytest

from rooms import wire
from rooms.errors import MalformedFrame
from rooms.scan import scan


def bytes_of(hexadecimal: str) -> bytes:
    """Return what is written in hex, blanks between values being free."""
    return bytes.fromhex(hexadecimal)


def item(content: str) -> bytes:
    """Return an update of client 7 with one item in the root "t"; `content` is its info byte and content in hex."""
    return bytes_of(f"01 01 07 00 {content[:2]} 01 01 74 {content[2:]} 00")


def value(encoded: str) -> bytes:
    """Return an update whose only item holds one value in lib0's any encoding."""
    return item(f"08 01 {encoded}")


def embed(json: str) -> bytes:
    """Return an update whose only item is an embed, written as JSON."""
    text = json.encode()
    assert len(text) < 0x80
    return item(f"05 {len(text):02x} {text.hex()}")


class TestRefusals:
    """What crashes pycrdt, what makes Yjs throw in every client of a room, what isn't an update at all."""

    @pytest.mark.parametrize("cut", range(1, 21))
    def test_an_update_cut_short(self, cut):
        update = bytes_of("01 02 07 03 84 07 02 01 61 c8 07 03 01 00 01 7b 3fb999999999999a 01 07 01 00 02")

        with pytest.raises(MalformedFrame):
            scan(update[:-cut])

    @pytest.mark.parametrize("update", ["", "00", "00 00 00", "01 01 07 03 84 07 02 01 61 00 00"])
    def test_nothing_and_too_much(self, update):
        with pytest.raises(MalformedFrame):
            scan(bytes_of(update))

    @pytest.mark.parametrize(
        "update",
        [
            "01 02 0a 00 28 01 01 6d 01 63 01 7c 7c4f0000 00 00 00",
            "01 01 07 00 00 00 00",
            "01 01 07 00 0a 00 00",
            "01 01 07 00 04 01 01 74 00 00",
            "01 01 07 00 08 01 01 74 00 00",
            "01 01 07 00 01 01 01 74 00 00",
            "01 01 07 00 02 01 01 74 00 00",
        ],
        ids=["panic", "garbage", "skip", "string", "any", "deleted", "json"],
    )
    def test_a_struct_of_no_length(self, update):
        with pytest.raises(MalformedFrame, match="no length"):
            scan(bytes_of(update))

    def test_a_client_without_structs(self):
        with pytest.raises(MalformedFrame, match="without structs"):
            scan(bytes_of("01 00 01 01 00"))

    def test_two_sections_of_one_client(self):
        with pytest.raises(MalformedFrame, match="two sections"):
            scan(bytes_of("02 01 07 00 04 01 01 74 01 61 01 07 01 84 07 00 01 62 00"))

    @pytest.mark.parametrize("count", ["ffffffffffffff0f", "8080808010", "7f"])
    @pytest.mark.parametrize(
        "update",
        [
            "{0} 01 07 00 04 01 01 74 01 61 00",
            "01 {0} 07 00 04 01 01 74 01 61 00",
            "01 01 07 00 04 01 01 74 {0} 61 00",
            "01 01 07 00 08 01 01 74 {0} 7e 00",
            "01 01 07 00 08 01 01 74 01 75 {0} 7e 00",
            "01 01 07 00 08 01 01 74 01 76 {0} 01 61 7e 00",
            "01 01 07 00 02 01 01 74 {0} 01 31 00",
            "01 01 07 00 03 01 01 74 {0} 00",
            "00 {0} 07 01 00 01",
            "00 01 07 {0} 00 01",
        ],
        ids=["clients", "structs", "string", "any", "list", "map", "json", "binary", "deletes", "ranges"],
    )
    def test_a_count_beyond_the_bytes_that_are_left(self, update, count):
        with pytest.raises(MalformedFrame):
            scan(bytes_of(update.format(count)))

    @pytest.mark.parametrize(
        "update",
        [
            "01 01 ffffffffffffff1f 00 04 01 01 74 01 61 00",
            "01 01 ffffffffffffffff01 00 04 01 01 74 01 61 00",
            "01 01 8700 00 04 01 01 74 01 61 00",
            "01 01 07 00 84 ffffffffffffff1f 00 01 61 00",
            "01 01 07 00 84 8100 00 01 61 00",
            "01 01 07 00 84 01 8080808008 01 61 00",
            "01 01 07 ffffffff07 04 01 01 74 01 61 00",
            "01 01 07 8080808010 04 01 01 74 01 61 00",
            "01 01 07 00 00 8080808008 00",
            "01 01 07 00 0a 8080808008 00",
            "01 02 07 00 00 ffffffff07 00 01 00",
            "00 01 07 01 ffffffff07 01",
            "00 01 07 01 00 8080808008",
        ],
    )
    def test_ids_over_2_to_53_and_clocks_over_2_to_31(self, update):
        """pycrdt counts clocks in 32 bits: 2^32 + 5 would overwrite 5."""
        with pytest.raises(MalformedFrame):
            scan(bytes_of(update))

    def test_the_last_clock_is_2_to_31_less_2(self):
        assert scan(bytes_of("01 01 07 feffffff07 04 01 01 74 01 61 00")).structs == {7: [(2**31 - 2, 2**31 - 1)]}

    @pytest.mark.parametrize("info", ["84", "44"])
    @pytest.mark.parametrize("clock", ["05", "06"])
    def test_an_item_that_refers_to_itself_or_to_later_ones_of_its_client(self, info, clock):
        """Yjs waits for other clients' items, but throws for those of the same."""
        with pytest.raises(MalformedFrame, match="later"):
            scan(bytes_of(f"01 01 07 05 {info} 07 {clock} 01 61 00"))

    def test_an_item_inside_of_itself(self):
        with pytest.raises(MalformedFrame, match="later"):
            scan(bytes_of("01 01 07 05 07 00 07 05 00 00"))

    @pytest.mark.parametrize("info", ["0b", "0f", "14", "1f", "10", "20", "80", "2a", "8a"])
    def test_an_unknown_kind_of_struct(self, info):
        with pytest.raises(MalformedFrame):
            scan(bytes_of(f"01 01 07 05 {info} 01 01 74 01 61 00"))

    @pytest.mark.parametrize("kind", ["07", "08", "09", "0f", "8000"])
    def test_an_unknown_kind_of_shared_type(self, kind):
        with pytest.raises(MalformedFrame):
            scan(item(f"07 {kind}"))

    def test_a_parent_that_is_neither_name_nor_id(self):
        with pytest.raises(MalformedFrame):
            scan(bytes_of("01 01 07 00 04 02 01 74 01 61 00"))

    @pytest.mark.parametrize("kind", ["73", "00", "80", "ff"])
    def test_an_unknown_kind_of_value(self, kind):
        with pytest.raises(MalformedFrame):
            scan(value(kind))

    @pytest.mark.parametrize("number", ["bfffffffffffff2f", "ffffffffffffffff01", "8000", "c000"])
    def test_a_number_over_2_to_53_or_padded(self, number):
        with pytest.raises(MalformedFrame):
            scan(value(f"7d {number}"))

    @pytest.mark.parametrize("text", ["ff", "c3", "c080", "eda080", "f4908080", "f09f98"])
    @pytest.mark.parametrize(
        "update",
        [
            "01 01 07 00 04 01 01 74 {0} 00",
            "01 01 07 00 04 01 {0} 01 61 00",
            "01 01 07 00 24 01 01 74 {0} 01 61 00",
            "01 01 07 00 06 01 01 74 {0} 04 74727565 00",
            "01 01 07 00 05 01 01 74 {0} 00",
            "01 01 07 00 07 01 01 74 03 {0} 00",
            "01 01 07 00 09 01 01 74 {0} 76 00 00",
            "01 01 07 00 08 01 01 74 01 77 {0} 00",
            "01 01 07 00 08 01 01 74 01 76 01 {0} 7e 00",
        ],
        ids=["string", "root", "key", "format", "embed", "element", "document", "value", "map-key"],
    )
    def test_text_that_is_not_utf8(self, update, text):
        with pytest.raises(MalformedFrame):
            scan(bytes_of(update.format(f"{len(text) // 2:02x} {text}")))

    @pytest.mark.parametrize(
        "json",
        [
            "",
            "undefined",
            "[1,]",
            '"a',
            '"a\tb"',
            "NaN",
            "[Infinity]",
            "-Infinity",
            "01",
            "1.",
            "'a'",
            "{a:1}",
            "[" * 99,
        ],
    )
    def test_json_that_javascript_does_not_parse(self, json):
        """Every client of the room would throw when it loads it."""
        with pytest.raises(MalformedFrame):
            scan(embed(json))

    def test_json_text_may_speak_of_nan(self):
        assert scan(embed('"NaN [Infinity]"')).structs == {7: [(0, 1)]}

    @pytest.mark.parametrize("options", ["7e", "7f", "7d 01", "75 00"])
    def test_a_document_whose_options_are_not_a_map(self, options):
        with pytest.raises(MalformedFrame):
            scan(item(f"09 01 67 {options}"))

    def test_accepted_by_pycrdt_and_undecodable_then(self):
        with pytest.raises(MalformedFrame):
            scan(bytes_of("01 01 01 00 02 01 01 74 8080808010 01 31 00"))


class TestDepth:
    """Decoders recurse: 40,000 levels of nested lists end the process."""

    def test_64_levels_are_accepted(self):
        assert scan(value("75 01" * 64 + "7e")).structs == {7: [(0, 1)]}
        assert scan(value("76 01 01 61" * 64 + "7e")).structs == {7: [(0, 1)]}

    def test_65_levels_are_refused(self):
        with pytest.raises(MalformedFrame, match="too deep"):
            scan(value("75 01" * 64 + "76 00"))

    def test_40000_levels_are_refused(self):
        with pytest.raises(MalformedFrame, match="too deep"):
            scan(value("75 01" * 40_000 + "7e"))

    def test_many_lists_side_by_side_are_not_deep(self):
        assert scan(value("75 7f" + "75 00" * 127)).structs == {7: [(0, 1)]}

    @pytest.mark.parametrize(("levels", "accepted"), [(63, True), (64, True), (65, False), (5000, False)])
    def test_json_is_held_to_the_same(self, levels, accepted):
        text = b"[" * levels + b"]" * levels
        update = b"\1\1\7\0\6\1\1t\1b" + wire.var_bytes(text) + b"\0"
        if accepted:
            assert scan(update).structs == {7: [(0, 1)]}
        else:
            with pytest.raises(MalformedFrame):
                scan(update)
