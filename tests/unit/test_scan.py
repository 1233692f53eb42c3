"""What the walk over an update accepts and what it tells of it. Bytes are written as Yjs writes them."""

import pytest

from rooms.errors import MalformedFrame
from rooms.scan import Scan, scan

MAX_SAFE = "ffffffffffffff0f"
"""2^53 - 1 as Yjs writes it."""


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


class TestStructs:
    """yjs/src/utils/updates.js, lazyStructReaderGenerator."""

    def test_an_empty_update_brings_nothing(self):
        assert scan(bytes_of("00 00")) == Scan(structs={}, deletes={}, verbatim=False)

    def test_one_keystroke(self):
        update = bytes_of("01 01 07 03 84 07 02 01 61 00")

        assert scan(update) == Scan(structs={7: [(3, 4)]}, deletes={}, verbatim=False)

    def test_each_client_has_its_own_clocks(self):
        update = bytes_of("02 01 ffffffff0f 00 04 01 01 74 01 61 01 07 05 84 07 04 02 6162 00")

        assert scan(update).structs == {0xFFFFFFFF: [(0, 1)], 7: [(5, 7)]}

    def test_a_skip_is_a_hole(self):
        update = bytes_of("01 03 07 00 04 01 01 74 01 61 0a 03 84 07 03 01 62 00")

        assert scan(update).structs == {7: [(0, 1), (4, 5)]}

    def test_a_skip_alone_brings_nothing(self):
        assert scan(bytes_of("01 01 07 00 0a 03 00")).structs == {}

    def test_garbage_counts_and_a_skip_at_the_end_does_not(self):
        assert scan(bytes_of("01 02 07 02 00 09 0a 03 00")).structs == {7: [(2, 11)]}

    @pytest.mark.parametrize(
        ("info", "place"),
        [
            ("04", "01 01 74"),
            ("24", "01 01 74 01 6b"),
            ("04", "00 01 00"),
            ("24", "00 01 00 01 6b"),
            ("84", "01 00"),
            ("44", "01 00"),
            ("c4", "01 00 02 00"),
            ("a4", "01 00"),
            ("e4", f"{MAX_SAFE} ffffffff07 01 00"),
        ],
        ids=["root", "root key", "nested", "nested key", "left", "right", "both", "left key", "largest"],
    )
    def test_a_parent_stands_only_where_no_neighbour_does(self, info, place):
        update = bytes_of(f"01 01 07 00 {info} {place} 01 61 00")

        assert scan(update).structs == {7: [(0, 1)]}

    @pytest.mark.parametrize(
        ("content", "length"),
        [
            ("01 05", 5),
            ("03 02 00ff", 1),
            ("03 00", 1),
            ("04 03 616263", 3),
            ("05 02 7b7d", 1),
            ("06 01 62 04 74727565", 1),
            ("07 00", 1),
            ("07 01", 1),
            ("07 02", 1),
            ("07 03 01 70", 1),
            ("07 04", 1),
            ("07 06", 1),
            ("08 03 7e 7f 78", 3),
            ("09 01 67 76 00", 1),
        ],
        ids=[
            "deleted",
            "binary",
            "nothing",
            "string",
            "embed",
            "format",
            "array",
            "map",
            "text",
            "element",
            "fragment",
            "xmltext",
            "any",
            "document",
        ],
    )
    def test_every_kind_of_content_has_its_length(self, content, length):
        assert scan(item(content)) == Scan(structs={7: [(0, length)]}, deletes={}, verbatim=False)

    @pytest.mark.parametrize(
        ("text", "length"), [("é", 1), ("漢字", 2), ("😀", 2), ("a😀b", 4), ("\ufeffa", 2), ("\0", 1)]
    )
    def test_text_is_counted_in_utf16_units(self, text, length):
        encoded = text.encode()

        assert scan(item(f"04 {len(encoded):02x} {encoded.hex()}")).structs == {7: [(0, length)]}


class TestDeletes:
    """yjs/src/utils/DeleteSet.js, readDeleteSet."""

    def test_deletions_are_ranges_of_clocks(self):
        update = bytes_of("00 02 09 01 00 01 07 02 00 02 05 03")

        assert scan(update) == Scan(structs={}, deletes={9: [(0, 1)], 7: [(0, 2), (5, 8)]}, verbatim=False)

    def test_ranges_that_touch_are_one(self):
        assert scan(bytes_of("00 01 07 02 00 02 02 03")).deletes == {7: [(0, 5)]}

    def test_a_client_without_deletions_is_left_out(self):
        assert scan(bytes_of("00 01 07 00")).deletes == {}

    @pytest.mark.parametrize("ranges", ["02 05 01 00 01", "02 00 05 04 02", "02 00 01 00 01", "01 03 00"])
    def test_ranges_out_of_order_overlapping_or_empty_are_refused(self, ranges):
        """pycrdt loses some of these when it merges; Yjs never writes them."""
        with pytest.raises(MalformedFrame):
            scan(bytes_of(f"00 01 07 {ranges}"))

    def test_two_delete_sets_of_one_client_are_refused(self):
        with pytest.raises(MalformedFrame):
            scan(bytes_of("00 02 07 01 00 01 07 01 05 01"))

    def test_two_empty_delete_sets_of_one_client_are_refused(self):
        with pytest.raises(MalformedFrame):
            scan(bytes_of("00 02 07 00 07 00"))


class TestVerbatim:
    """pycrdt can't write these again as they were: tests/unit/test_pycrdt_facts.py shows each one's loss."""

    @pytest.mark.parametrize(
        "update",
        [
            value("7a 7fffffffffffffff"),
            value("7a 0000000000000005"),
            value("75 02 7e 76 01 01 6b 7a 0000000000000005"),
            value("7d 40"),
            bytes_of("01 01 07 00 02 01 01 61 04 01 31 03 227322 0a 7b2261223a6e756c6c7d 03 5b325d 00"),
            item("02 02 09 756e646566696e6564 01 31"),
            item("07 05 02 686b"),
            item("09 01 67 76 01 04 6d657461 7d 05"),
            item("09 01 67 76 01 02 6763 7e"),
        ],
        ids=[
            "BigInt",
            "small-BigInt",
            "nested-BigInt",
            "minus-zero",
            "JSON",
            "undefined-JSON",
            "XmlHook",
            "document-meta",
            "document-gc",
        ],
    )
    def test_what_pycrdt_loses_is_marked(self, update):
        assert scan(update).verbatim

    @pytest.mark.parametrize(
        "json",
        [
            "0.9690406502940995",
            "[1,0.30000000000000004]",
            "1e21",
            "1E5",
            "-0",
            "-0.0",
            "[-0]",
            "10000000000000000000",
            r'"\ud83d"',
            r'{"a":"\uDE00"}',
            '{"width":33.333333333333336}',
        ],
    )
    def test_json_that_pycrdt_changes_or_refuses_is_marked(self, json):
        assert scan(embed(json)).verbatim

    @pytest.mark.parametrize(
        "json",
        [
            "null",
            "true",
            '"0.9690406502940995"',
            '"-0"',
            r'"\"1e5"',
            "-0.5",
            "-0.005",
            "0.1",
            "9007199254740992",
            "-12",
            '{"date":"2024-01-05"}',
            "[[],{}]",
            '"\\u00fc"',
            '"😀"',
            " 1 ",
            "4.35",
            '"\\\\"',
        ],
    )
    def test_json_that_survives_is_not(self, json):
        assert not scan(embed(json)).verbatim

    @pytest.mark.parametrize(
        "encoded",
        [
            "7f",
            "7e",
            "78",
            "79",
            "7d 00",
            "7d 41",
            "7d bfffffffffffff1f",
            "7d ffffffffffffff1f",
            "7c 3fc00000",
            "7c 80000000",
            "7b 8000000000000000",
            "7b 3fb999999999999a",
            "7b 7ff8000000000000",
            "7b 7ff0000000000000",
            "77 00",
            "77 02 c3bc",
            "74 02 00ff",
            "75 02 7f 76 01 00 7e",
        ],
    )
    def test_all_other_values_are_not(self, encoded):
        assert scan(value(encoded)) == Scan(structs={7: [(0, 1)]}, deletes={}, verbatim=False)

    def test_a_documents_usual_options_are_not(self):
        assert not scan(item("09 01 67 76 02 02 6763 79 08 6175746f4c6f6164 78")).verbatim

    def test_one_item_marks_the_whole_update(self):
        update = bytes_of("02 01 07 00 08 01 01 74 01 7d 40 01 01 00 04 01 01 74 01 61 00")

        assert scan(update) == Scan(structs={7: [(0, 1)], 1: [(0, 1)]}, deletes={}, verbatim=True)


class TestWhatOneUpdateCannotShow:
    """Harmless alone, harmful together: `merge` and `compute` have to bear these."""

    def test_a_parent_that_another_update_makes_a_string(self):
        assert scan(bytes_of("01 01 01 00 04 01 01 74 01 61 00")).structs == {1: [(0, 1)]}
        assert scan(bytes_of("01 02 02 00 04 01 01 78 01 7a 04 00 01 00 01 71 00")).structs == {2: [(0, 2)]}

    def test_a_cut_inside_an_emoji(self):
        assert scan(bytes_of("01 01 07 00 04 01 01 74 06 61f09f988062 00")).structs == {7: [(0, 4)]}
        assert not scan(bytes_of("01 01 07 04 c4 07 01 07 02 01 78 00")).verbatim

    def test_three_updates_in_the_wrong_order(self):
        assert scan(bytes_of("01 01 01 00 08 01 01 61 01 7c 3f800000 00")).structs == {1: [(0, 1)]}
        assert scan(bytes_of("01 01 01 01 88 01 00 01 7c 40000000 00")).structs == {1: [(1, 2)]}
        assert scan(bytes_of("01 02 01 02 04 01 01 74 02 6162 44 01 02 01 63 00")).structs == {1: [(2, 5)]}
