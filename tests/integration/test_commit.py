"""What a worker writes into the database is all or nothing, and only under the highest fence."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from persistence import commit, framing
from persistence.commit import Delta, Outcome, Poison
from persistence.compaction import Compacted
from persistence.models import Delivery, Quarantined, Segment
from persistence.replacement import Snapshot, replace
from persistence.stores.database import DatabaseStore
from persistence.stores.place import Place
from rooms import pool
from rooms.entries import Entry, EntryId
from rooms.errors import StoreUnavailable
from rooms.models import Room
from rooms.queue import Claim

pytestmark = pytest.mark.django_db

ROOM = "essay"


@pytest.fixture(autouse=True)
def settings_of_a_worker(settings: Any) -> Iterator[None]:
    """The defaults."""
    settings.YREDIS = {"STORE": "persistence.stores.database.DatabaseStore"}
    yield
    pool.close()


def delta(fence: int, *texts: bytes, room: str = ROOM, start: int = 1, **changes: Any) -> Delta:
    """Return a delta with entries from an id on."""
    entries = [(EntryId(start + at, 0), Entry(text)) for at, text in enumerate(texts)]
    data = framing.pack(entries)
    given: dict[str, Any] = {
        "claim": Claim(room, fence, 0),
        "generation": 0,
        "entries": entries,
        "first": EntryId(start, 0),
        "last": EntryId(start + max(len(texts), 1) - 1, 0),
        "data": data,
        "place": DatabaseStore().keep(room, data),
        "quarantined": (),
        "lag_seconds": 1.5,
    }
    return Delta(**given | changes)


def committed(*deltas: Delta) -> list[Outcome]:
    """Commit, as one batch."""
    return commit.commit(deltas)


def row(room: str = ROOM) -> Room:
    """Return a room's row."""
    return Room.objects.get(name=room)


def snapshot(fence: int, *texts: bytes, **changes: Any) -> Snapshot:
    """Return the snapshot of all that is there."""
    entries = [(EntryId(99, at), Entry(text)) for at, text in enumerate(texts)]
    data = framing.pack(entries)
    replaced = list(Segment.objects.filter(room__name=ROOM).order_by("pk").values_list("pk", flat=True))
    compacted = Compacted(entries, **{"gap": False, "verbatim": False} | changes)
    return Snapshot(Claim(ROOM, fence, 0), replaced, data, Place(payload=data), compacted)


class TestCommit:
    def test_a_delta_becomes_a_segment_and_the_row_tells(self) -> None:
        [outcome] = committed(delta(5, b"a", b"b"))
        assert (outcome.kept, outcome.seen_fence, outcome.delta_count) == (True, 5, 1)
        segment = Segment.objects.get()
        assert (segment.fence, segment.entries, segment.first_entry_id, segment.last_entry_id) == (5, 2, "1-0", "2-0")
        assert [entry.update for _, entry in framing.unpack(bytes(segment.payload))] == [b"a", b"b"]
        room = row()
        assert (room.fence, room.last_entry_id, room.delta_bytes) == (5, "2-0", segment.byte_size)
        assert (room.lag_seconds, room.failures, room.state) == (1.5, 0, Room.State.OK)
        assert abs((timezone.now() - room.last_persisted_at).total_seconds()) < 60

    def test_sizes_and_counts_add_up(self) -> None:
        committed(delta(1, b"a"))
        [outcome] = committed(delta(2, b"b", start=9))
        sizes = [segment.byte_size for segment in Segment.objects.all()]
        assert (outcome.delta_bytes, outcome.delta_count) == (sum(sizes), 2)
        assert (row().delta_bytes, row().delta_count) == (sum(sizes), 2)

    def test_what_is_persisted_within_an_hour_is_a_point_of_the_activity(self) -> None:
        committed(delta(1, b"a", b"b"))
        committed(delta(2, b"c", start=9))
        points = row().activity
        assert sum(entries for _, entries, _ in points) == 3
        assert points[-1][2] == row().delta_bytes
        assert abs(points[-1][0] - timezone.now().timestamp() // 3600) <= 1

    def test_a_row_that_the_release_before_made_has_no_activity_yet(self) -> None:
        """It runs beside this one, and does not know the column."""
        fields = [one for one in Room._meta.concrete_fields if one.name not in {"id", "activity", "state"}]
        values = [one.get_db_prep_save(one.pre_save(Room(name=ROOM), add=True), connection) for one in fields]
        columns, marks = ", ".join(one.column for one in fields), ", ".join("%s" for _ in fields)
        with connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO {Room._meta.db_table} ({columns}) VALUES ({marks})", values)
        assert row().activity == []
        committed(delta(1, b"a"))
        assert len(row().activity) == 1

    def test_a_hundred_rooms_are_one_transaction_of_few_queries(self, django_assert_max_num_queries: Any) -> None:
        with django_assert_max_num_queries(120):
            outcomes = committed(*(delta(1, b"a", room=f"room-{number}") for number in range(100)))
        assert [outcome.delta.claim.room for outcome in outcomes] == [f"room-{number}" for number in range(100)]
        assert Segment.objects.count() == Room.objects.count() == 100

    @pytest.mark.parametrize("fence", [4, 5])
    def test_a_fence_that_is_not_above_what_was_seen_writes_nothing(self, fence: int) -> None:
        committed(delta(5, b"a"))
        [late, fine] = committed(delta(fence, b"late", start=50), delta(1, b"b", room="other"))
        assert (late.kept, late.seen_fence, fine.kept) == (False, 5, True)
        assert Segment.objects.filter(room__name=ROOM).count() == 1
        assert row().last_entry_id == "1-0"

    def test_the_same_commit_twice_writes_once(self) -> None:
        same = delta(5, b"a")
        assert [one.kept for one in committed(same) + committed(same)] == [True, True]
        assert Segment.objects.count() == 1
        assert row().delta_count == 1

    def test_a_range_of_poison_only_is_covered(self) -> None:
        poison = Poison(EntryId(1, 0), b"\xffbytes", "ann\0", "connection-1", "can't be read")
        committed(delta(1, quarantined=[poison]))
        assert (Segment.objects.get().entries, Segment.objects.get().last_entry_id) == (0, "1-0")
        kept = Quarantined.objects.get()
        assert (kept.entry_id, bytes(kept.data), kept.connection_id) == ("1-0", b"\xffbytes", "connection-1")
        assert (row().quarantined, row().state) == (1, Room.State.QUARANTINED)

    def test_verbatim_entries_show_in_the_row(self) -> None:
        committed(delta(1, entries=[(EntryId(1, 0), Entry(b"a", verbatim=True))]))
        assert row().state == Room.State.VERBATIM

    def test_a_room_that_failed_is_well_again(self) -> None:
        commit.fail(ROOM, "503\0 Slow Down", 9.5)
        commit.fail(ROOM, "503\0 Slow Down", 10.5)
        failing = row()
        assert (failing.state, failing.failures, failing.lag_seconds) == (Room.State.FAILING, 2, 10.5)
        assert "503" in failing.last_error
        committed(delta(1, b"a"))
        assert (row().state, row().failures, row().last_error) == (Room.State.OK, 0, "")

    def test_a_damaged_room_takes_nothing(self) -> None:
        committed(delta(1, b"a"))
        Room.objects.update(damage="segment 1 is missing")
        with pytest.raises(StoreUnavailable, match="segment 1 is missing"):
            committed(delta(2, b"b", start=9))
        assert Segment.objects.count() == 1

    def test_nothing_is_written_behind_what_the_store_lacks(self) -> None:
        committed(delta(1, b"a", start=10))
        with pytest.raises(StoreUnavailable, match="trimmed up to 20-0, its segments end at 10-0"):
            committed(delta(2, b"c", start=30, floor=EntryId(20, 0)))
        assert Segment.objects.count() == 1

    def test_what_was_trimmed_and_is_there_is_no_hole(self) -> None:
        committed(delta(1, b"a", start=20))
        committed(delta(2, b"b", start=10))  # after FLUSHALL, by a clock that was set back
        committed(delta(3, b"c", start=30, floor=EntryId(20, 0)))
        assert Segment.objects.count() == 3

    def test_a_room_whose_head_is_lost_keeps_its_generation(self) -> None:
        Room.objects.create(name=ROOM, generation=3)
        committed(delta(1, b"a", generation=None))
        assert Segment.objects.get().generation == 3

    def test_what_belongs_to_an_erased_document_is_not_kept(self) -> None:
        Room.objects.create(name=ROOM, generation=3)
        (outcome,) = committed(delta(1, b"a", generation=2))
        assert (outcome.kept, outcome.erased, Segment.objects.exists()) == (False, True, False)

    def test_bytes_that_waited_for_the_sweep_are_not_relied_on(self, settings: Any) -> None:
        old = Place(storage="yredis", location="x", kept_at=timezone.now().timestamp() - 1801)
        with pytest.raises(StoreUnavailable, match="too long ago"):
            committed(delta(1, b"a", place=old))

    def test_the_webhook_is_told_once_and_of_the_newest(self, settings: Any) -> None:
        committed(delta(1, b"a"))
        assert not Delivery.objects.exists()
        settings.YREDIS = {**settings.YREDIS, "WEBHOOK_URL": "http://localhost/", "WEBHOOK_SECRET": "s"}
        committed(delta(2, b"b", start=5))
        due_at = Delivery.objects.get().due_at
        committed(delta(3, b"c", start=9))
        told = Delivery.objects.get()
        assert (told.version, told.due_at) == (2, due_at)


class TestReplacement:
    @pytest.fixture(autouse=True)
    def chain(self) -> None:
        """Three deltas."""
        for fence in (1, 2, 3):
            committed(delta(fence, b"a", start=10 * fence))

    def test_a_snapshot_takes_the_place_of_its_chain(self) -> None:
        assert replace(snapshot(3, b"abc"))
        segment = Segment.objects.get()
        assert (segment.kind, segment.first_entry_id, segment.last_entry_id) == ("snapshot", "10-0", "30-0")
        room = row()
        assert (room.snapshot_bytes, room.delta_bytes, room.delta_count) == (segment.byte_size, 0, 0)

    def test_what_is_gone_is_told_with_the_place_that_a_move_gave_it_meanwhile(self) -> None:
        prepared = snapshot(3, b"abc")
        Segment.objects.filter(pk=prepared.replaced[0]).update(payload=None, storage="yredis", location="moved")
        assert [one.location for one in replace(prepared)] == ["moved", "", ""]

    @pytest.mark.parametrize("fence", [2, 4])
    def test_under_another_fence_nothing_is_replaced(self, fence: int) -> None:
        assert not replace(snapshot(fence, b"abc"))
        assert Segment.objects.count() == 3

    def test_a_chain_that_is_another_one_by_now_stays(self) -> None:
        stale = snapshot(3, b"abc")
        Segment.objects.order_by("pk").first().delete()
        with pytest.raises(StoreUnavailable):
            replace(stale)
        assert Segment.objects.count() == 2

    def test_an_empty_snapshot_never_replaces_entries(self) -> None:
        with pytest.raises(StoreUnavailable, match="empty"):
            replace(snapshot(3))
        assert Segment.objects.count() == 3

    @pytest.mark.parametrize(("fact", "state"), [("gap", Room.State.GAP), ("verbatim", Room.State.VERBATIM)])
    def test_what_the_compaction_found_shows_in_the_row(self, fact: str, state: str) -> None:
        assert replace(snapshot(3, b"abc", **{fact: True}))
        assert row().state == state


@pytest.mark.django_db(transaction=True)
async def test_what_was_committed_is_loaded_in_order() -> None:
    await pool.run(lambda: committed(delta(1, b"a", b"b")))
    await pool.run(lambda: committed(delta(2, b"c", start=9)))
    chain = await DatabaseStore().load(ROOM)
    assert chain is not None
    assert ([entry.update for entry in chain.entries], chain.last) == ([b"a", b"b", b"c"], EntryId(9, 0))


@pytest.mark.django_db(transaction=True)
async def test_segments_of_an_erased_document_are_not_loaded() -> None:
    await pool.run(lambda: committed(delta(1, b"a")))
    await pool.run(lambda: Room.objects.update(generation=1))
    assert await DatabaseStore().load(ROOM) is None
