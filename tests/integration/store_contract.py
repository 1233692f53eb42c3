"""What every store must do. A subclass brings the fixtures `store` and `place_of_bytes`."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from hashlib import sha256
from typing import Any

import pytest
from django.core.files.storage import storages
from django.db.models import F

from persistence import chain, framing
from persistence.commit import Delta, Outcome, commit
from persistence.compaction import Compacted
from persistence.models import Segment
from persistence.replacement import Snapshot, replace
from persistence.stores.database import DatabaseStore
from persistence.stores.files import FileStore
from persistence.stores.place import Place
from persistence.stores.port import SegmentStore
from rooms import pool
from rooms.entries import Entry, EntryId
from rooms.errors import StoreUnavailable
from rooms.models import Room
from rooms.queue import Claim
from tests.integration.services import default_database

TIMEOUT_SECONDS = 3.0

HELLO = Entry(b"hello \x00\xff", False, "ann", "connection-1")
BIG_INTEGER = Entry(bytes.fromhex("010107002801016d016b017a7fffffffffffffff00"), True, "bob", "connection-2")
MORE = Entry(b"more", False, "", "")


def numbered(start: int, entries: Sequence[Entry]) -> list[tuple[EntryId, Entry]]:
    """Return entries with ids, as a stream has them."""
    return [(EntryId(start + number, 0), entry) for number, entry in enumerate(entries)]


def delta_of(
    claim: Claim, entries: Sequence[tuple[EntryId, Entry]], place: Place | None, data: bytes, generation: int = 0
) -> Delta:
    """Return what a worker commits."""
    return Delta(claim, generation, entries, entries[0][0], entries[-1][0], data, place, (), 0.0)


async def persist(
    store: SegmentStore, room: str, fence: int, *entries: Entry, start: int = 0, generation: int = 0
) -> Outcome:
    """Do what a worker does with a room's entries; their ids begin at `start`, or at a thousand times the fence."""
    numbers = numbered(start or 1000 * fence, entries)
    data = framing.pack(numbers)
    place = await pool.run(store.keep, room, data)
    [outcome] = await pool.run(commit, [delta_of(Claim(room, fence, 0), numbers, place, data, generation)])
    return outcome


async def nothing() -> None:
    """Happen meanwhile."""


async def compacted(
    store: SegmentStore,
    room: str,
    fence: int,
    *,
    wait: float = 0.0,
    meanwhile: Callable[[], Awaitable[None]] = nothing,
) -> bool:
    """Replace a room's chain by one segment with the same entries, and remove the old one's bytes.

    Args:
        wait: seconds before these are removed.
        meanwhile: happens while the new ones are written.
    """
    segments, several = await store.read(room)
    entries = chain.entries(segments, several)
    data = framing.pack(entries)
    place = await pool.run(store.keep, room, data)
    result = Compacted(entries, gap=False, verbatim=False)
    ids = [segment.pk for segment in segments]
    await meanwhile()
    gone = await pool.run(replace, Snapshot(Claim(room, fence, 0), ids, data, place, result))
    await asyncio.sleep(wait)
    if gone:
        await pool.run(store.forget, gone)
    return bool(gone)


def at(place: Place, data: bytes) -> Segment:
    """Return a segment that has no row yet."""
    kept = {"payload": place.payload, "storage": place.storage, "location": place.location}
    return Segment(byte_size=len(data), sha256=sha256(data).hexdigest(), **kept)


async def segments_of(room: str) -> list[Segment]:
    """Return a room's chain."""
    return await pool.run(chain.listed, room)


async def row_of(room: str) -> Room:
    """Return a room's row."""
    return await pool.run(Room.objects.get, name=room)


class StoreContract:
    """Reading, writing, fences, damage."""

    @pytest.fixture
    def in_database(self, url: str, django_db_blocker: Any) -> Iterator[None]:
        """Let this test's database be the default one."""
        with django_db_blocker.unblock(), default_database(url):
            yield

    @pytest.fixture
    async def store(self, in_database: None, store_class: type[SegmentStore]) -> AsyncIterator[SegmentStore]:
        """The store under test."""
        yield store_class()
        pool.close()

    @pytest.fixture
    def yredis(self, settings: Any) -> None:
        """Settings under which a test need not wait."""
        settings.YREDIS = {"STORAGE": "segments", "STORE_TIMEOUT_SECONDS": TIMEOUT_SECONDS, "STORE_THREADS": 4}

    async def test_a_room_never_persisted_has_no_chain(self, store: SegmentStore) -> None:
        assert await store.load("unseen") is None

    async def test_what_is_persisted_is_read_byte_for_byte(self, store: SegmentStore) -> None:
        await persist(store, "essay", 1, HELLO, BIG_INTEGER, MORE)
        loaded = await store.load("essay")
        assert loaded is not None
        assert list(loaded.entries) == [HELLO, BIG_INTEGER, MORE]
        assert loaded.last == EntryId(1002, 0)

    async def test_a_large_segment_is_read_byte_for_byte(self, store: SegmentStore) -> None:
        large = Entry(bytes(range(256)) * 8192 * 3)
        await persist(store, "essay", 1, large)
        loaded = await store.load("essay")
        assert loaded is not None
        assert list(loaded.entries) == [large]

    @pytest.mark.parametrize("room", ["a/b", "%2Fetc%2Fpasswd", "..", "naïve 文 😀", "x" * 255])
    async def test_a_room_may_have_any_name(self, store: SegmentStore, room: str) -> None:
        await persist(store, room, 1, HELLO)
        loaded = await store.load(room)
        assert loaded is not None
        assert list(loaded.entries) == [HELLO]

    async def test_a_chain_is_in_the_order_of_its_commits(self, store: SegmentStore) -> None:
        for fence in range(1, 8):
            await persist(store, "essay", fence, Entry(b"%d" % fence))
        loaded = await store.load("essay")
        assert loaded is not None
        assert [entry.update for entry in loaded.entries] == [b"%d" % fence for fence in range(1, 8)]
        assert loaded.last == EntryId(7000, 0)

    async def test_rooms_do_not_mix(self, store: SegmentStore) -> None:
        await persist(store, "essay", 1, HELLO)
        await persist(store, "Essay", 2, MORE)
        loaded = await store.load("Essay")
        assert loaded is not None
        assert list(loaded.entries) == [MORE]

    async def test_bytes_can_be_read_before_there_is_a_row(self, store: SegmentStore) -> None:
        place = await pool.run(store.keep, "essay", b"bytes")
        assert await pool.run(chain.data, at(place, b"bytes")) == b"bytes"

    async def test_the_same_room_written_twice_has_two_places(self, store: SegmentStore) -> None:
        places = [await pool.run(store.keep, "essay", data) for data in (b"one", b"two")]
        assert [
            await pool.run(chain.data, at(place, data)) for place, data in zip(places, (b"one", b"two"), strict=True)
        ] == [
            b"one",
            b"two",
        ]

    async def test_sums_are_in_the_rooms_row(self, store: SegmentStore) -> None:
        await persist(store, "essay", 1, HELLO)
        await persist(store, "essay", 2, MORE)
        row, segments = await row_of("essay"), await segments_of("essay")
        assert (row.delta_count, row.delta_bytes) == (2, sum(segment.byte_size for segment in segments))
        assert (row.fence, row.last_entry_id, row.state) == (2, "2000-0", Room.State.OK)
        assert row.last_persisted_at is not None


class Fences(StoreContract):
    """Whoever is late writes nothing."""

    @pytest.mark.parametrize("fence", [7, 8])
    async def test_a_late_worker_can_not_write(self, store: SegmentStore, fence: int) -> None:
        await persist(store, "essay", 8, HELLO)
        outcome = await persist(store, "essay", fence, MORE, start=20_000)
        assert (outcome.kept, outcome.seen_fence) == (False, 8)
        assert len(await segments_of("essay")) == 1

    async def test_a_commit_that_comes_twice_is_written_once(self, store: SegmentStore) -> None:
        numbers = numbered(1000, [HELLO])
        data = framing.pack(numbers)
        delta = delta_of(Claim("essay", 5, 0), numbers, await pool.run(store.keep, "essay", data), data)
        first, second = [await pool.run(commit, [delta]) for _ in range(2)]
        assert first[0].kept
        assert second[0].kept
        assert len(await segments_of("essay")) == 1

    async def test_of_many_rooms_only_the_late_one_is_left_out(self, store: SegmentStore) -> None:
        await persist(store, "late", 9, HELLO)
        numbers = numbered(20_000, [MORE])
        data = framing.pack(numbers)
        rooms = ["one", "late", "two"]
        claims = [Claim(room, 5, 0) for room in rooms]
        deltas = [delta_of(claim, numbers, await pool.run(store.keep, claim.room, data), data) for claim in claims]
        assert [outcome.kept for outcome in await pool.run(commit, deltas)] == [True, False, True]
        assert [len(await segments_of(room)) for room in rooms] == [1, 1, 1]

    async def test_a_late_compaction_replaces_nothing(self, store: SegmentStore) -> None:
        await persist(store, "essay", 1, HELLO)
        await persist(store, "essay", 2, MORE)
        assert not await compacted(store, "essay", 1)
        assert len(await segments_of("essay")) == 2

    async def test_workers_that_commit_at_the_same_time_lose_nothing(self, store: SegmentStore) -> None:
        outcomes = await asyncio.gather(
            *(persist(store, "essay", fence, Entry(b"%d" % fence)) for fence in range(1, 9)), return_exceptions=True
        )
        kept = [one.delta.entries[0][1] for one in outcomes if isinstance(one, Outcome) and one.kept]
        loaded = await store.load("essay")
        assert loaded is not None
        assert sorted(entry.update for entry in loaded.entries) == sorted(entry.update for entry in kept)
        fences = [segment.fence for segment in await segments_of("essay")]
        assert fences == sorted(fences)


class Reading(StoreContract):
    """What others do meanwhile."""

    async def test_a_compaction_leaves_what_was_there(self, store: SegmentStore) -> None:
        await persist(store, "essay", 1, HELLO, BIG_INTEGER)
        await persist(store, "essay", 2, MORE)
        assert await compacted(store, "essay", 2)
        loaded = await store.load("essay")
        assert loaded is not None
        assert (list(loaded.entries), loaded.last) == ([HELLO, BIG_INTEGER, MORE], EntryId(2000, 0))
        assert [segment.kind for segment in await segments_of("essay")] == ["snapshot"]

    async def test_loading_beside_compactions_is_always_complete(self, store: SegmentStore) -> None:
        await persist(store, "essay", 1, HELLO, BIG_INTEGER)
        loads, working = 0, True

        async def load() -> None:
            nonlocal loads
            while working:
                loaded = await store.load("essay")
                assert loaded is not None
                assert list(loaded.entries)[:2] == [HELLO, BIG_INTEGER]
                loads += 1

        loading = [asyncio.create_task(load()) for _ in range(2)]
        for fence in range(2, 12):
            await persist(store, "essay", fence, MORE)
            assert await compacted(store, "essay", fence, wait=0.01)
        working = False
        await asyncio.gather(*loading)
        assert loads > 10

    @pytest.mark.parametrize("other", [DatabaseStore, FileStore])
    async def test_any_store_reads_what_this_one_wrote(self, store: SegmentStore, other: type[SegmentStore]) -> None:
        await persist(store, "essay", 1, HELLO)
        await persist(other(), "essay", 2, MORE)
        for reader in (store, other()):
            loaded = await reader.load("essay")
            assert loaded is not None
            assert list(loaded.entries) == [HELLO, MORE]


class Damage(StoreContract):
    """A bad segment refuses its room, and only that."""

    async def test_a_damaged_segment_refuses_its_room_and_no_other(
        self, store: SegmentStore, damage: Callable[[Segment, bytes], None]
    ) -> None:
        for room in ("essay", "other"):
            await persist(store, room, 1, HELLO)
        [segment] = await segments_of("essay")
        good = await pool.run(chain.data, segment)
        await pool.run(damage, segment, good[:-1] + bytes([good[-1] ^ 1]))
        with pytest.raises(StoreUnavailable, match=f"segment {segment.pk} "):
            await store.load("essay")
        row = await row_of("essay")
        assert row.state == Room.State.FAILING
        assert f"segment {segment.pk}" in row.damage
        assert await store.load("other") is not None

    async def test_a_segment_cut_short_refuses_its_room(
        self, store: SegmentStore, damage: Callable[[Segment, bytes], None]
    ) -> None:
        await persist(store, "essay", 1, HELLO)
        [segment] = await segments_of("essay")
        await pool.run(damage, segment, (await pool.run(chain.data, segment))[:-1])
        with pytest.raises(StoreUnavailable, match=f"segment {segment.pk} "):
            await store.load("essay")

    async def test_a_damaged_room_takes_nothing_more_until_it_is_well(
        self, store: SegmentStore, damage: Callable[[Segment, bytes], None]
    ) -> None:
        await persist(store, "essay", 1, HELLO)
        [segment] = await segments_of("essay")
        good = await pool.run(chain.data, segment)
        await pool.run(damage, segment, b"other")
        with pytest.raises(StoreUnavailable):
            await store.load("essay")
        with pytest.raises(StoreUnavailable, match="refused"):
            await persist(store, "essay", 2, MORE)
        await pool.run(damage, segment, good)
        assert await store.load("essay") is not None
        assert (await persist(store, "essay", 3, MORE)).kept
        assert (await row_of("essay")).state == Room.State.OK


class Trouble(StoreContract):
    """What does not answer is never an empty room."""

    async def test_a_store_that_hangs_is_unavailable_in_time_and_recovers(
        self, store: SegmentStore, hanging: Callable[[], Any]
    ) -> None:
        await persist(store, "essay", 1, HELLO)
        with hanging():
            for work in (store.load("essay"), persist(store, "essay", 2, MORE)):
                began = time.monotonic()
                with pytest.raises(StoreUnavailable):
                    await work
                assert time.monotonic() - began < 3 * TIMEOUT_SECONDS
        async with asyncio.timeout(30):
            while True:
                try:
                    loaded = await store.load("essay")
                    break
                except StoreUnavailable:
                    await asyncio.sleep(0.1)
        assert loaded is not None
        assert list(loaded.entries)[:1] == [HELLO]
        assert (await persist(store, "essay", 3, MORE)).kept


class Erasing(StoreContract):
    """A room whose row says that it is being erased."""

    @staticmethod
    async def erased(store: SegmentStore, room: str) -> None:
        erasing = Room.objects.filter(name=room)
        await pool.run(lambda: erasing.update(is_erasing=True, generation=F("generation") + 1))
        await store.erase(room)
        await pool.run(lambda: erasing.update(is_erasing=False))

    async def test_nothing_of_it_is_left_and_all_of_the_others(self, store: SegmentStore) -> None:
        for room in ("essay", "other"):
            await persist(store, room, 1, HELLO)
        [segment] = await segments_of("essay")
        await self.erased(store, "essay")
        assert await store.load("essay") is None
        assert not segment.location or not await pool.run(storages[segment.storage].exists, segment.location)
        assert await store.load("other") is not None

    async def test_it_can_be_persisted_again_above_the_fence_that_it_had(self, store: SegmentStore) -> None:
        await persist(store, "essay", 7, HELLO)
        await self.erased(store, "essay")
        assert not (await persist(store, "essay", 7, HELLO, generation=1)).kept
        assert (await persist(store, "essay", 8, MORE, generation=1)).kept
        loaded = await store.load("essay")
        assert loaded is not None
        assert list(loaded.entries) == [MORE]

    async def test_a_room_that_is_not_being_erased_is_left_alone(self, store: SegmentStore) -> None:
        await persist(store, "essay", 1, HELLO)
        await store.erase("essay")
        assert await store.load("essay") is not None

    async def test_a_compaction_that_comes_late_brings_nothing_back(self, store: SegmentStore) -> None:
        await persist(store, "essay", 1, HELLO)
        with pytest.raises(StoreUnavailable):
            await compacted(store, "essay", 1, meanwhile=lambda: self.erased(store, "essay"))
        assert await store.load("essay") is None


class Contract(Fences, Reading, Damage, Trouble, Erasing):
    """All of it."""
