"""What pycrdt does that the code has to work around, each shown once.

A test that fails here says that a new pycrdt behaves differently: look for what relied on it, then change the test.
What kills a process runs in a child.
"""

import subprocess
import sys
import time

import pytest
from pycrdt import Doc, Map, Text, get_state, merge_updates

from rooms.errors import MalformedFrame
from rooms.merge import is_panic, tree_merge
from rooms.scan import parse_state_vector, scan
from rooms.wire import var_uint

EMPTY = b"\0\0"
SIGSEGV = -11
TYPED = "01 01 07 00 04 01 01 74 01 61 00"
"""Client 7 types "a" into the root text "t"."""


def rewritten(update: str) -> str:
    """Return in hex what pycrdt writes when it merges an update in hex with nothing."""
    return merge_updates(bytes.fromhex(update), EMPTY).hex(" ")


def value_rewritten(encoded: str) -> str:
    """Return in hex what pycrdt makes of one value in lib0's any encoding."""
    before, behind = "01 01 07 00 08 01 01 74 01 ", " 00"
    return rewritten(before + encoded + behind).removeprefix(before).removesuffix(behind)


def json_rewritten(json: str) -> str:
    """Return what pycrdt makes of one embed in JSON."""
    text = json.encode()
    update = merge_updates(b"\1\1\7\0\5\1\1t" + var_uint(len(text)) + text + b"\0", EMPTY)
    return update[9:-1].decode()


def applied(*updates: str) -> Doc:
    """Return a document that got these updates, in hex, in this order."""
    document = Doc()
    for update in updates:
        document.apply_update(bytes.fromhex(update))
    return document


def in_child(statement: str, update: bytes) -> subprocess.CompletedProcess[bytes]:
    """Run a statement that may use `update` and the names of pycrdt in a process of its own."""
    code = f"import resource, sys\nfrom pycrdt import *\nupdate = sys.stdin.buffer.read()\n{statement}"
    return subprocess.run([sys.executable, "-c", code], input=update, capture_output=True, check=False)


class TestCrashes:
    @pytest.mark.parametrize(
        "statement",
        [
            "merge_updates(update, b'\\0\\0')",
            "get_state(update)",
            "get_update(update, b'\\0')",
            "Doc().apply_update(update)",
        ],
    )
    def test_values_nested_100_000_deep_end_the_process(self, statement):
        update = bytes.fromhex("010107000801017401") + b"\x75\1" * 100_000 + b"\x7e\0"

        assert in_child(statement, update).returncode == SIGSEGV

    def test_deleting_types_nested_40_000_deep_ends_the_process(self):
        """`scan` can't refuse this, since many updates could do it: documents are made in children only."""
        count = 40_000
        nested = b"".join(b"\7\0\7" + var_uint(clock) + b"\0" for clock in range(count - 1))
        update = b"\1" + var_uint(count) + b"\7\0\7\1\1a\0" + nested + b"\1\7\1\0\1"

        assert scan(merge_updates(update, EMPTY)).structs == scan(update).structs == {7: [(0, count)]}
        assert in_child("Doc().apply_update(update)", update).returncode == SIGSEGV

    def test_a_state_vector_of_four_bytes_takes_a_quarter_of_a_gigabyte(self):
        peak = "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        done = in_child(f"try: get_update(b'\\0\\0', update)\nexcept ValueError: {peak}", var_uint(2**27))

        assert int(done.stdout) > 200_000
        with pytest.raises(MalformedFrame):
            parse_state_vector(var_uint(2**27))


class TestPanics:
    @pytest.mark.parametrize(
        "updates",
        [["01 02 0a 00 28 01 01 6d 01 63 01 7c 7c4f0000 00 00 00"], [TYPED, "01 00 07 01 00"]],
        ids=["a struct of no length", "a client without structs"],
    )
    def test_some_updates_panic_and_a_panic_is_no_exception(self, updates):
        with pytest.raises(BaseException) as caught:
            applied(*updates)

        assert is_panic(caught.value)
        assert not isinstance(caught.value, Exception)


class TestLostWhenMerged:
    """`scan` refuses these."""

    def test_clocks_are_cut_to_32_bits(self):
        assert merge_updates(b"\1\1\7" + var_uint(2**32 + 5) + b"\4\1\1t\1a\0", EMPTY) == b"\1\1\7\5\4\1\1t\1a\0"

    def test_lengths_are_cut_to_32_bits(self):
        assert get_state(b"\1\1\7\0\0" + var_uint(2**32 + 5) + b"\0") == b"\1\7\5"

    def test_a_padded_number_is_a_second_spelling_of_an_id(self):
        assert rewritten("01 01 8700 00 04 01 01 74 01 61 00") == TYPED

    def test_the_second_of_two_delete_sets_of_a_client_replaces_the_first(self):
        assert rewritten("00 02 07 01 00 01 07 01 05 01") == "00 01 07 01 05 01"

    def test_deletions_out_of_order_get_lost(self):
        update = bytes.fromhex("00 01 07 02 05 01 00 01")

        assert merge_updates(update, update).hex(" ") == "00 01 07 01 05 01"

    def test_bytes_behind_the_update_are_ignored(self):
        assert rewritten(TYPED + "ff") == TYPED


class TestNotFaithful:
    """`scan` marks these as verbatim: they are never merged."""

    def test_a_bigint_becomes_a_number(self):
        assert value_rewritten("7a 7f ff ff ff ff ff ff ff") == "7c 5f 00 00 00"
        assert value_rewritten("7a 00 00 00 00 00 00 00 05") == "7d 05"

    def test_minus_zero_becomes_zero(self):
        assert value_rewritten("7d 40") == "7d 00"

    @pytest.mark.parametrize(
        "update",
        [
            "01 01 07 00 02 01 01 61 04 01 31 03 227322 0a 7b2261223a6e756c6c7d 03 5b325d 00",
            "01 01 07 00 07 01 01 78 05 02 686b 00",
        ],
        ids=["ContentJSON", "XmlHook"],
    )
    @pytest.mark.parametrize("decode", [get_state, Doc().apply_update, merge_updates])
    def test_old_json_and_hooks_are_not_understood(self, update, decode):
        with pytest.raises(ValueError):
            decode(bytes.fromhex(update))

    def test_a_documents_meta_is_dropped(self):
        assert b"meta" not in merge_updates(b"\1\1\7\0\x09\1\1t\1g\x76\1\4meta\x7d\5\0", EMPTY)

    @pytest.mark.parametrize(
        ("json", "changed"),
        [
            ("0.9690406502940995", "0.9690406502940996"),
            ("-213489.81007154786", "-213489.81007154784"),
            ("-0", "0"),
        ],
    )
    def test_some_numbers_change_in_attributes_and_embeds(self, json, changed):
        assert json_rewritten(json) == changed

    @pytest.mark.parametrize("json", ["9300000000000000000", r'"\ud83d"', r'"\ude00"', "1e400", "[" * 128 + "]" * 128])
    def test_some_json_is_not_understood(self, json):
        with pytest.raises(ValueError):
            json_rewritten(json)


class TestFaithful:
    """`scan` relies on these when it does not mark an update."""

    @pytest.mark.parametrize(
        "encoded",
        [
            "7f",
            "7e",
            "78",
            "79",
            "7d 05",
            "7d 41",
            "7b 43 3f ff ff ff ff ff ff",
            "7c 3f c0 00 00",
            "7c 80 00 00 00",
            "7b 3f b9 99 99 99 99 99 9a",
            "7b 7f f8 00 00 00 00 00 00",
            "7b 00 00 00 00 00 00 00 01",
            "77 02 c3 bc",
            "74 02 00 ff",
            "75 02 7f 7e",
            "76 01 01 61 7f",
        ],
    )
    def test_these_values_are_written_again_as_they_were(self, encoded):
        assert value_rewritten(encoded) == encoded

    @pytest.mark.parametrize(
        ("encoded", "shorter"),
        [
            ("7b 3f f8 00 00 00 00 00 00", "7c 3f c0 00 00"),
            ("7b 80 00 00 00 00 00 00 00", "7c 80 00 00 00"),
            ("7c 7f c0 00 00", "7b 7f f8 00 00 00 00 00 00"),
            ("7d bf ff ff ff ff ff ff 1f", "7b 43 3f ff ff ff ff ff ff"),
        ],
    )
    def test_these_become_another_spelling_of_the_same_number(self, encoded, shorter):
        assert value_rewritten(encoded) == shorter

    @pytest.mark.parametrize(
        "json", ["0.1", "4.35", "9007199254740992", "-123456.789", '"\\"ü😀"', '{"a":[null,true]}']
    )
    def test_json_with_at_most_15_digits_stays(self, json):
        assert json_rewritten(json) == json


class TestSplitSurrogates:
    """One client's updates that overlap inside an emoji. No single one of them shows it."""

    def test_the_merge_of_a_cut_emoji_holds_a_struct_of_no_length(self):
        """Yjs throws when it applies that, so a merge has to be looked at before it is served."""
        typed, overlapping = (
            bytes.fromhex("01 01 07 00 04 01 01 74 02 6162 00"),
            bytes.fromhex("01 01 07 01 84 07 00 04 f09f9880 00"),
        )

        merged = merge_updates(typed, overlapping)

        assert scan(typed).structs == {7: [(0, 2)]}
        assert scan(overlapping).structs == {7: [(1, 3)]}
        assert merged.hex(" ") == "01 02 07 00 04 01 01 74 02 61 62 84 07 01 00 00"
        with pytest.raises(MalformedFrame, match="no length"):
            scan(merged)

    def test_an_item_put_inside_an_emoji_goes_behind_it(self):
        document = applied("01 01 07 00 04 01 01 74 06 61 f09f9880 62 00", "01 01 07 04 c4 07 01 07 02 01 78 00")

        assert str(document.get("t", type=Text)) == "a😀xb"


class TestDocuments:
    def test_a_parent_that_is_no_shared_type_blocks_every_later_update(self):
        with pytest.raises(RuntimeError, match="parent"):
            applied("01 01 01 00 04 01 01 74 01 61 00", "01 02 02 00 04 01 01 78 01 7a 04 00 01 00 01 71 00")

    GAP = (
        "01 01 01 00 08 01 01 61 01 7c 3f800000 00",
        "01 01 01 01 88 01 00 01 7c 40000000 00",
        "01 02 01 02 04 01 01 74 02 6162 44 01 02 01 63 00",
    )

    def test_the_pending_part_is_missing_in_what_a_document_returns(self):
        assert applied(self.GAP[1]).get_update() == EMPTY

    def test_a_gap_that_closes_late_makes_a_wrong_state_vector(self):
        first, second, third = self.GAP

        assert parse_state_vector(applied(first, second, third).get_state()) == {1: 5}
        assert parse_state_vector(applied(second, third, first).get_state()) == {1: 1}

    def test_one_merge_applied_at_once_is_right(self):
        first, second, third = map(bytes.fromhex, self.GAP)

        assert parse_state_vector(applied(merge_updates(second, third, first).hex()).get_state()) == {1: 5}

    def test_what_comes_after_a_state_repeats_old_deletions(self):
        document = applied(TYPED, "00 01 07 01 00 01")

        assert document.get_update(document.get_state()) == bytes.fromhex("00 01 07 01 00 01")

    def test_merged_bytes_differ_from_run_to_run(self):
        document = Doc({"m": Map({f"k{number}": {"a": 1, "b": 2, "c": 3, "d": 4} for number in range(5)})})

        assert len({merge_updates(document.get_update(), EMPTY) for _ in range(20)}) > 1


class TestTime:
    def test_merging_many_at_once_takes_quadratic_time_and_a_tree_does_not(self):
        updates: list[bytes] = []
        text = Doc({"t": Text()}).get("t", type=Text)
        text.doc.observe(lambda event: updates.append(event.update))
        for _ in range(8000):
            text += "x"

        begun = time.process_time()
        merge_updates(*updates)
        flat = time.process_time() - begun
        begun = time.process_time()
        tree_merge(updates)
        tree = time.process_time() - begun

        assert flat > 5 * tree

    def test_an_over_long_number_is_refused_by_our_own_reader_at_once(self):
        """pycrdt's Decoder takes quadratic time for 400 KB of 0xff."""
        begun = time.process_time()
        with pytest.raises(MalformedFrame):
            scan(b"\xff" * 400_000)

        assert time.process_time() - begun < 0.1
