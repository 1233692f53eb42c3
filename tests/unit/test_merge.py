"""What `rooms.merge` promises about updates, on bytes that real Yjs or pycrdt wrote."""

import asyncio
import random
import time
from collections import defaultdict
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Doc, Text

from rooms import merge, wire
from rooms.errors import Undecodable
from tests.unit.histories import clocks, content_of, history

PANIC = bytes.fromhex("01020a002801016d0163017c7c4f0000000000")
"""Merged without complaint; applying it divides by zero."""

MERGED_INTO_GARBAGE = bytes.fromhex("01010100020101748080808010013100")
"""Decodable; what pycrdt merges it into is not."""

BLOCKS_EVERY_APPLY = [bytes.fromhex("0101010004010174016100"), bytes.fromhex("0102020004010178017a04000100017100")]
"""Each can be applied alone; a document of both can't be built."""

WRONG_STATE_IF_APPLIED_ONE_BY_ONE = [
    bytes.fromhex("0101010008010161017c3f80000000"),
    bytes.fromhex("01010101880100017c4000000000"),
    bytes.fromhex("0102010204010174026162440102016300"),
]


def keystrokes(text: str, client: int = 5) -> list[bytes]:
    """Return one update for each character, typed at the end of the root text "t"."""
    document: Doc[Text] = Doc(client_id=client)
    shared = document.get("t", type=Text)
    updates: list[bytes] = []
    subscription = document.observe(lambda event: updates.append(event.update))
    for character in text:
        shared += character
    document.unobserve(subscription)
    return updates


def struct_after(clock: int, kind: bytes = b"\4", content: bytes = b"\1a") -> bytes:
    """Return the update by which client 5 puts something behind what it made at `clock` - 1."""
    info = bytes([kind[0] | 0x80])
    return b"\1\1\5" + wire.var_uint(clock) + info + b"\5" + wire.var_uint(clock - 1) + content + b"\0"


def text_of(*updates: bytes) -> str:
    """Return the root text "t" of a document built from `updates`."""
    document: Doc[Text] = Doc()
    for update in updates:
        document.apply_update(update)
    return str(document.get("t", type=Text))


def state_of_document(update: bytes) -> bytes:
    """Return the state vector of a document built from `update`, which knows nothing of what waits."""
    document: Doc[Text] = Doc()
    document.apply_update(update)
    return document.get_state()


def encoded(state: dict[int, int]) -> bytes:
    """Encode a state vector."""
    return wire.var_uint(len(state)) + b"".join(wire.var_uint(n) for item in state.items() for n in item)


A, B, C, D, E, F = keystrokes("abcdef")


class TestTreeMerge:
    def test_nothing_merges_into_the_empty_update(self):
        assert merge.tree_merge([]) == b"\0\0"

    def test_a_single_update_is_returned_untouched(self):
        assert merge.tree_merge([b"not an update"]) == b"not an update"

    def test_empty_updates_add_nothing(self):
        assert merge.tree_merge([b"\0\0", A, b"\0\0"]) == A

    def test_repeated_updates_add_nothing(self):
        assert merge.tree_merge([A, A, A]) == A

    @pytest.mark.parametrize("order", list(permutations([A, B, C])))
    def test_the_order_does_not_matter(self, order):
        merged = merge.tree_merge(order)
        assert (text_of(merged), clocks(merge.state_vector_of(merged))) == ("abc", {5: 3})

    def test_a_gap_stays_open_until_what_is_missing_comes(self):
        gap = merge.tree_merge([A, D])
        assert text_of(gap) == "a"
        assert text_of(merge.tree_merge([gap, C, B])) == "abcd"

    def test_deletions_alone_are_kept(self):
        assert merge.tree_merge([bytes.fromhex("000105010102"), b"\0\0"]) == bytes.fromhex("000105010102")

    def test_more_updates_than_one_level_holds_give_the_same_text(self):
        text = "".join(chr(97 + n % 26) for n in range(33 * 32 + 1))
        assert text_of(merge.tree_merge(keystrokes(text), fan_in=3)) == text

    def test_100_000_keystrokes_merge_in_seconds(self):
        updates = [A, *(struct_after(clock) for clock in range(1, 100_000))]
        random.Random(1).shuffle(updates)
        started = time.perf_counter()
        merged = merge.tree_merge(updates)
        assert time.perf_counter() - started < 5
        assert clocks(merge.state_vector_of(merged)) == {5: 100_000}

    @pytest.mark.parametrize("update", [b"", b"\1", b"\0\0"[:1], b"\1\1\5"])
    def test_bytes_cut_short_are_undecodable(self, update):
        with pytest.raises(Undecodable):
            merge.tree_merge([A, update])


class TestStateVector:
    def test_the_empty_update_has_the_empty_state_vector(self):
        assert merge.state_vector_of(b"\0\0") == merge.EMPTY_STATE_VECTOR

    def test_it_ends_at_the_first_gap(self):
        assert clocks(merge.state_vector_of(merge.tree_merge([A, B, D, E]))) == {5: 2}

    def test_a_client_whose_first_struct_is_missing_is_not_in_it(self):
        other = keystrokes("z", client=6)[0]
        assert clocks(merge.state_vector_of(merge.tree_merge([B, C, other]))) == {6: 1}

    def test_deletions_are_not_in_it(self):
        assert merge.state_vector_of(bytes.fromhex("000105010102")) == merge.EMPTY_STATE_VECTOR

    def test_empty_bytes_are_undecodable(self):
        with pytest.raises(Undecodable):
            merge.state_vector_of(b"")


class TestDiff:
    def test_an_empty_peer_gets_everything(self):
        assert text_of(merge.diff(merge.tree_merge([A, B, C]), b"\0")) == "abc"

    def test_an_equal_peer_gets_the_empty_update(self):
        assert merge.diff(merge.tree_merge([A, B, C]), encoded({5: 3})) == b"\0\0"

    def test_a_struct_that_the_peer_has_half_of_is_cut(self):
        whole = merge.tree_merge([A, B, C])
        assert text_of(A, merge.diff(whole, encoded({5: 1}))) == "abc"

    def test_every_peer_gets_all_deletions(self):
        deletion = bytes.fromhex("000105010102")
        assert merge.diff(merge.tree_merge([A, B, C, deletion]), encoded({5: 3})) == deletion

    @pytest.mark.parametrize("have", range(6))
    def test_what_lies_behind_a_gap_comes_too(self, have):
        gap = merge.tree_merge([A, B, D, E])
        peer = [A, B, C, D, E][:have]
        assert text_of(*peer, merge.diff(gap, encoded({5: have})), C) == "abcde"

    def test_a_state_vector_cut_short_is_undecodable(self):
        with pytest.raises(Undecodable):
            merge.diff(A, b"\1\5")


class TestRest:
    def test_a_whole_update_leaves_the_empty_update(self):
        assert merge.rest(merge.tree_merge([A, B])) == b"\0\0"

    def test_the_structs_behind_a_gap_are_left(self):
        left = merge.rest(merge.tree_merge([A, B, D, E]))
        assert left[0] != 0
        assert text_of(A, B, C, left) == "abcde"

    def test_deletions_are_left(self):
        deletion = bytes.fromhex("000105010102")
        assert merge.rest(merge.tree_merge([A, B, C, deletion])) == deletion


class TestRebuild:
    def test_nothing_is_rebuilt_into_the_empty_update(self):
        assert merge.rebuild([]) == b"\0\0"

    def test_the_content_of_what_was_deleted_is_forgotten(self):
        compacted = merge.rebuild([*keystrokes("secret"), bytes.fromhex("000105010006")])
        assert clocks(merge.state_vector_of(compacted)) == {5: 6}
        assert len(compacted) < 16

    def test_what_waits_behind_a_gap_survives(self):
        compacted = merge.rebuild([A, D, E])
        assert text_of(compacted) == "a"
        assert text_of(merge.tree_merge([compacted, B, C])) == "abcde"

    def test_a_deletion_that_came_before_its_text_survives(self):
        compacted = merge.rebuild([A, bytes.fromhex("000105010102")])
        assert text_of(merge.tree_merge([compacted, B, C, D])) == "ad"

    @pytest.mark.parametrize("order", list(permutations(WRONG_STATE_IF_APPLIED_ONE_BY_ONE)))
    def test_updates_out_of_order_give_the_right_state_vector(self, order):
        assert clocks(merge.state_vector_of(merge.rebuild(order))) == {1: 5}

    @pytest.mark.parametrize("first", ["0101050004010174016100", "010105000801017401770161 00"])
    def test_20_000_things_in_a_row_are_rebuilt_in_a_second(self, first):
        # Built without squash(), values take 15 s and 9 GB.
        update = bytes.fromhex(first)
        updates = [update, *(struct_after(clock, update[4:5], update[8:-1]) for clock in range(1, 20_000))]
        started = time.perf_counter()
        assert len(merge.rebuild(updates)) < 70_000
        assert time.perf_counter() - started < 3

    def test_a_panic_is_undecodable(self):
        with pytest.raises(Undecodable, match="panicked"):
            merge.rebuild([PANIC])

    @pytest.mark.parametrize("updates", [[MERGED_INTO_GARBAGE], BLOCKS_EVERY_APPLY, [b"\1"]])
    def test_updates_that_make_no_document_are_undecodable(self, updates):
        with pytest.raises(Undecodable):
            merge.rebuild(updates)


class TestTranslation:
    @pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError])
    def test_what_stops_a_program_passes(self, raised):
        def stop() -> None:
            raise raised

        with pytest.raises(raised):
            merge.translated(stop)()

    def test_a_callers_mistake_passes(self):
        with pytest.raises(TypeError):
            merge.state_vector_of("text")

    def test_a_panics_words_are_not_repeated(self):
        with pytest.raises(Undecodable) as caught:
            merge.rebuild([PANIC])
        assert str(caught.value) == "rebuild: pycrdt panicked"


def prefixes(known: list[tuple[int, int, int]]) -> dict[int, int]:
    """Return per client the clock up to which the ranges (client, start, end) leave no gap."""
    reached: dict[int, int] = defaultdict(int)
    for client, start, end in sorted(known):
        if start <= reached[client]:
            reached[client] = max(reached[client], end)
    return {client: clock for client, clock in reached.items() if clock}


class TestAnyHistory:
    """Concurrent histories, cut into pieces, in any order, with some of them missing."""

    @given(st.randoms(use_true_random=False))
    @settings(max_examples=60, deadline=None)
    def test_whatever_is_missing_the_state_vector_is_the_gapless_part(self, chance):
        everything = [(peer.client, *update) for peer in history(chance) for update in peer.updates]
        some = [entry for entry in everything if chance.random() < 0.7]
        chance.shuffle(some)
        merged = merge.tree_merge([update for _, update, _, _ in some], fan_in=chance.randint(2, 5))
        assert clocks(merge.state_vector_of(merged)) == prefixes([(client, *span) for client, _, *span in some])

    @given(st.randoms(use_true_random=False))
    @settings(max_examples=60, deadline=None)
    def test_compacting_a_part_and_adding_what_was_missing_gives_the_whole(self, chance):
        peers = history(chance)
        everything = [update for peer in peers for update, _, _ in peer.updates]
        chance.shuffle(everything)
        cut = chance.randint(0, len(everything))
        compacted = merge.rebuild(everything[:cut])
        assert content_of(merge.tree_merge([compacted, *everything[cut:]])) == peers[0].content()

    @given(st.randoms(use_true_random=False))
    @settings(max_examples=60, deadline=None)
    def test_a_peer_that_gets_the_diff_and_then_the_missing_has_the_whole(self, chance):
        peers = history(chance)
        everything = [update for peer in peers for update, _, _ in peer.updates]
        chance.shuffle(everything)
        cut = chance.randint(0, len(everything))
        mine = merge.tree_merge([update for update in everything if chance.random() < 0.5])
        answer = merge.diff(merge.tree_merge(everything[:cut]), state_of_document(mine))
        assert content_of(mine, merge.tree_merge([answer, *everything[cut:]])) == peers[0].content()
