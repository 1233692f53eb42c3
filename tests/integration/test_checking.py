"""What `persistence.checking` promises, with real child processes and bytes that really kill them."""

import time
from collections.abc import AsyncIterator

import pytest

from persistence.checking import sift, sift_many
from rooms import wire
from rooms.compute import Compute
from rooms.entries import Entry, EntryId, encode
from rooms.errors import ComputeUnavailable
from tests.support.chains import raw

A_LETTER = bytes.fromhex("0101050004010174016100")
BIG_INT = bytes.fromhex("010107002801016d016b017a7fffffffffffffff00")
BLOCK_PARENT = [bytes.fromhex("0101010004010174016100"), bytes.fromhex("0102020004010178017a04000100017100")]
BLOCK_PARENT_IN_ONE = bytes.fromhex("0102020004010178017a04000200017100")
"""Struct 1 stands in the text that struct 0 is not: no document can be made of it alone."""

PANIC = bytes.fromhex("01020a002801016d0163017c7c4f0000000000")
UNDECODABLE = bytes.fromhex("01010100020101748080808010013100")
DEEP_VALUE = b"\1\1\5\0\x08\1\1t\1" + b"\x75\1" * 26_000 + b"\x7e\0"


def nested_arrays(depth: int, *, client: int = 5, deletions: bytes = b"\0") -> bytes:
    """Return the update that nests `depth` shared arrays; deleting the outermost recurses until the process dies."""
    inner = (b"\7\0" + wire.var_uint(client) + wire.var_uint(parent) + b"\0" for parent in range(depth - 1))
    return b"\1" + wire.var_uint(depth) + wire.var_uint(client) + b"\0\7\1\1t\0" + b"".join(inner) + deletions


DELETION = b"\1\5\1\0\1"
KILLER = nested_arrays(40_000, deletions=DELETION)


@pytest.fixture
async def compute() -> AsyncIterator[Compute]:
    children = Compute(processes=2, memory_bytes=2**31, timeout_seconds=20)
    yield children
    await children.aclose()


class TestGoodEntries:
    async def test_they_come_back_as_they_were(self, compute):
        entry = Entry(A_LETTER, user_id="ann", connection_id="7")
        assert await sift(compute, [(EntryId(1, 0), encode(entry))]) == ([(EntryId(1, 0), entry)], [])

    async def test_nothing_is_nothing(self, compute):
        assert await sift(compute, []) == ([], [])

    async def test_an_entry_that_can_not_be_written_again_is_marked_verbatim(self, compute):
        good, poison = await sift(compute, raw([A_LETTER, BIG_INT]))
        assert ([entry.verbatim for _, entry in good], poison) == ([False, True], [])

    async def test_a_parent_that_only_yjs_understands_is_no_poison(self, compute):
        good, poison = await sift(compute, raw(BLOCK_PARENT))
        assert ([entry.verbatim for _, entry in good], poison) == ([False, False], [])

    async def test_an_update_from_which_alone_no_document_can_be_made_is_kept_verbatim(self, compute):
        good, poison = await sift(compute, raw([A_LETTER, BLOCK_PARENT_IN_ONE]))
        assert ([entry.verbatim for _, entry in good], poison) == ([False, True], [])

    async def test_100_rooms_of_20_entries_are_one_request(self, compute):
        rooms = {f"room-{number}": raw([A_LETTER] * 20) for number in range(100)}
        sifted = [room async for room in sift_many(compute, rooms)]
        assert {name for name, _, _ in sifted} == rooms.keys()
        assert all(len(good) == 20 and not poison for _, good, poison in sifted)
        assert sum(child.served for child in compute.children) == 1


class TestPoison:
    @pytest.mark.parametrize("poison", [PANIC, UNDECODABLE, DEEP_VALUE], ids=["panic", "undecodable", "deep"])
    async def test_malformed_bytes_are_taken_out_with_all_that_is_known_of_them(self, compute, poison):
        entries = raw([A_LETTER, poison, A_LETTER])
        good, found = await sift(compute, entries)
        assert [entry_id.milliseconds for entry_id, _ in good] == [1, 3]
        assert [(each.entry_id, each.data, each.user_id) for each in found] == [(EntryId(2, 0), entries[1][1], "ann")]
        assert found[0].reason

    @pytest.mark.parametrize("data", [b"", b"\1", b"garbage", b"\1\0\xff\xff\xff\xff\xff"])
    async def test_bytes_that_are_no_entry_are_poison(self, compute, data):
        good, poison = await sift(compute, [(EntryId(1, 0), data), (EntryId(2, 0), encode(Entry(A_LETTER)))])
        assert ([i.milliseconds for i, _ in good], [each.data for each in poison]) == ([2], [data])

    async def test_what_kills_a_child_is_found_among_many(self, compute):
        updates = [A_LETTER] * 50
        updates[17] = updates[41] = KILLER
        good, poison = await sift(compute, raw(updates))
        assert (len(good), [each.entry_id.milliseconds for each in poison]) == (48, [18, 42])
        assert "SIGSEGV" in poison[0].reason

    async def test_what_kills_a_child_only_after_another_is_found(self, compute):
        good, poison = await sift(compute, raw([A_LETTER, nested_arrays(40_000, client=6), A_LETTER, b"\0\1\6\1\0\1"]))
        assert ([i.milliseconds for i, _ in good], [each.entry_id.milliseconds for each in poison]) == ([1, 2, 3], [4])

    @pytest.mark.soak  # it takes half a minute, and a machine that does nothing else
    async def test_too_slow_together_is_not_poison(self):
        children = Compute(processes=1, memory_bytes=2**31, timeout_seconds=0.25)
        many = [b"\1\1" + wire.var_uint(client) + b"\0\4\1\1t\1a\0" for client in range(1, 40_000)]
        try:
            good, poison = await sift(children, raw(many))
        finally:
            await children.aclose()
        assert (len(good), poison) == (len(many), [])


class TestManyRooms:
    @pytest.mark.soak  # a minute of children that die; with a worker, tests/acceptance has it
    async def test_60_poisoned_rooms_do_not_delay_a_healthy_one(self, compute):
        rooms = {f"poisoned-{number}": raw([A_LETTER, KILLER]) for number in range(60)}
        rooms["healthy"] = raw([A_LETTER] * 20)
        started, healthy_after = time.monotonic(), 0.0
        found = {}
        async for name, good, poison in sift_many(compute, rooms):
            found[name] = (len(good), len(poison))
            if name == "healthy":
                healthy_after = time.monotonic() - started
                assert len(found) == 1
        print(f"healthy after {healthy_after:.2f} s, all after {time.monotonic() - started:.2f} s")
        assert healthy_after < 5
        assert found.pop("healthy") == (20, 0)
        assert set(found.values()) == {(1, 1)}
        assert len(found) == 60

    async def test_small_poison_in_the_same_request_does_not_delay_it_either(self, compute):
        rooms = {f"poisoned-{number}": raw([A_LETTER, PANIC]) for number in range(60)}
        rooms["healthy"] = raw([A_LETTER])
        found = {name: (len(good), len(poison)) async for name, good, poison in sift_many(compute, rooms)}
        assert found.pop("healthy") == (1, 0)
        assert set(found.values()) == {(1, 1)}

    async def test_without_a_child_nothing_counts_as_poison(self, compute):
        await compute.aclose()
        with pytest.raises(ComputeUnavailable):
            await sift(compute, raw([A_LETTER]))

    async def test_who_stops_listening_leaves_no_request_behind(self, compute):
        sifted = sift_many(compute, {"a": raw([A_LETTER]), "b": raw([KILLER])})
        await anext(sifted)
        await sifted.aclose()
        assert await sift(compute, raw([A_LETTER]))
