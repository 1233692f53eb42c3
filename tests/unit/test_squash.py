"""What `rooms.squash` joins, and that joining changes nothing else."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rooms import merge
from rooms.errors import MalformedFrame
from rooms.scan import scan
from rooms.squash import squash
from tests.unit.histories import content_of, history


def structs(*encoded: str, deleted: str = "00") -> bytes:
    """Return the update in which client 5 made these structs, given in hexadecimal, from clock 0 on."""
    return bytes([1, len(encoded), 5, 0]) + bytes.fromhex("".join(encoded) + deleted)


A = "04 0101 74 01 61"  # "a", the first in the root text "t"
B_AFTER_0 = "84 0500 01 62"  # "b" behind clock 0
C_AFTER_1 = "84 0501 01 63"
ONE = "08 0101 74 01 7d01"  # the value 1, the first in the root list "t"
TWO_AFTER_0 = "88 0500 01 7d02"


class TestJoined:
    def test_letters_typed_in_a_row(self):
        assert squash(structs(A, B_AFTER_0, C_AFTER_1)) == structs("04 0101 74 03 616263")

    def test_values_pushed_in_a_row(self):
        assert squash(structs(ONE, TWO_AFTER_0)) == structs("08 0101 74 02 7d01 7d02")

    def test_letters_typed_before_the_same_letter(self):
        before = [A, "c4 0500 0700 01 62", "c4 0501 0700 01 63"]
        assert squash(structs(*before)) == structs(A, "c4 0500 0700 02 6263")

    def test_letters_outside_ascii_count_as_javascript_counts_them(self):
        emoji_then_c = structs("04 0101 74 04 f09f9880", C_AFTER_1)
        assert squash(emoji_then_c) == structs("04 0101 74 05 f09f988063")

    def test_values_that_pycrdt_can_not_write_again(self):
        big = structs("08 0101 74 01 7a7fffffffffffffff", TWO_AFTER_0)
        assert squash(big) == structs("08 0101 74 02 7a7fffffffffffffff 7d02")

    def test_each_client_for_itself(self):
        two = bytes.fromhex("02 02 05 00" + A + B_AFTER_0 + "01 03 00" + "84 0501 01 64" + "00")
        assert squash(two) == bytes.fromhex("02 01 05 00 04 0101 74 02 6162 01 03 00 84 0501 01 64 00")

    def test_what_follows_a_gap_from_there_on(self):
        gap = [A, "0a 02", "84 0502 01 64", "84 0503 01 65"]
        assert squash(structs(*gap)) == structs(A, "0a 02", "84 0502 02 6465")


class TestLeftApart:
    @pytest.mark.parametrize(
        "apart",
        [
            pytest.param([A, "84 0300 01 62"], id="a letter behind another client's"),
            pytest.param([A, B_AFTER_0, "84 0500 01 63"], id="a letter behind an earlier one of the client's own"),
            pytest.param([A, "c4 0500 0700 01 62", "c4 0501 0701 01 63"], id="letters before different letters"),
            pytest.param([A, "44 0500 01 62"], id="a letter typed in front"),
            pytest.param([A, TWO_AFTER_0], id="a letter and a value"),
            pytest.param([A, "81 0500 02"], id="a letter and what was deleted"),
            pytest.param([A, "00 01", "84 0501 01 63"], id="what stands around garbage"),
            pytest.param(["28 0101 6d 01 6b 01 7d01", "a8 0500 01 7d02"], id="values of one key of a map"),
        ],
    )
    def test_what_are_no_neighbours(self, apart):
        update = structs(*apart)
        if apart[1:2] == [B_AFTER_0]:
            assert squash(update) == structs("04 0101 74 02 6162", *apart[2:])
        else:
            assert squash(update) == update

    @pytest.mark.parametrize("clock", [0, 1])
    def test_a_letter_that_is_deleted(self, clock):
        update = structs(A, B_AFTER_0, deleted=f"01 05 01 {clock:02x} 01")
        assert squash(update) == update

    def test_a_value_that_took_the_place_of_another_under_a_key(self):
        # pycrdt's merge forgets the bit that says "under a key" wherever there is a left neighbour.
        values = ["28 0101 6d 01 6b 01 7d01", "88 0500 01 7d02", "88 0501 01 7d03"]
        update = structs(*values, deleted="01 05 01 00 02")
        assert squash(update) == update

    def test_the_empty_update(self):
        assert squash(b"\0\0") == b"\0\0"


class TestRefused:
    @pytest.mark.parametrize("update", [b"", b"\1", structs(A) + b"\0", structs(A)[:-1]])
    def test_what_is_no_update(self, update):
        with pytest.raises(MalformedFrame):
            squash(update)


class TestAnyHistory:
    @given(st.randoms(use_true_random=False))
    @settings(max_examples=60, deadline=None)
    def test_content_clocks_and_deletions_stay_the_same(self, chance):
        everything = [update for peer in history(chance) for update, _, _ in peer.updates]
        some = [update for update in everything if chance.random() < 0.9]
        merged = merge.tree_merge(some)
        squashed = squash(merged)
        assert content_of(squashed) == content_of(merged)
        assert scan(squashed) == scan(merged)
        assert len(squashed) <= len(merged)

    @given(st.randoms(use_true_random=False))
    @settings(max_examples=60, deadline=None)
    def test_what_was_missing_can_still_come(self, chance):
        peers = history(chance)
        everything = [update for peer in peers for update, _, _ in peer.updates]
        chance.shuffle(everything)
        cut = chance.randint(0, len(everything))
        squashed = squash(merge.tree_merge(everything[:cut]))
        assert content_of(merge.tree_merge([squashed, *everything[cut:]])) == peers[0].content()

    @given(st.randoms(use_true_random=False))
    @settings(max_examples=60, deadline=None)
    def test_nothing_is_left_to_join(self, chance):
        squashed = squash(merge.tree_merge([update for peer in history(chance) for update, _, _ in peer.updates]))
        assert squash(squashed) == squashed
