"""`persistence.api`: one room is persisted or compacted now, by whoever asks, beside workers or without any."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis

from persistence import api, ondemand, worker
from persistence.models import Quarantined, Segment
from persistence.services import Services, connected
from persistence.supervisor import Supervisor
from rooms import pool
from rooms.backend import backend
from rooms.entries import Entry, encode
from rooms.errors import NoSuchRoom, StoreUnavailable
from rooms.models import Room
from rooms.store import StreamOnly
from tests.integration.conftest import Configure, Serve
from tests.integration.persisting import KEYS, append
from tests.integration.test_worker import POISON, ROOM, entry, length, row, stored, working
from tests.support.valkey import Valkey

__all__ = ["working"]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def services(serve: Serve, valkey: Valkey, configure: Configure) -> AsyncIterator[Services]:
    """What a worker has; nothing is due by itself within a test."""
    configure(
        valkey,
        STORE="persistence.stores.database.DatabaseStore",
        DEBOUNCE_SECONDS=300,
        MAX_DELAY_SECONDS=600,
        LEASE_SECONDS=3,
        STORE_TIMEOUT_SECONDS=5,
    )
    async with connected() as services:
        yield services
    await (await backend()).aclose()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a worker for a moment only."""
    monkeypatch.setattr(ondemand, "PATIENCE_SECONDS", 0.3)


async def segments() -> list[str]:
    """Return the kinds of all segments."""
    return await pool.run(lambda: list(Segment.objects.order_by("pk").values_list("kind", flat=True)))


class TestPersist:
    async def test_what_is_there_is_persisted_though_it_is_not_due(
        self, services: Services, redis_of: "redis.Redis"
    ) -> None:
        append(redis_of, ROOM, entry("a", 1), entry("b", 2))
        await api.persist(ROOM)
        assert length(redis_of, ROOM) == 0
        assert len(await stored(services, ROOM)) == 2
        assert not redis_of.exists(KEYS.due_of(ROOM))

    async def test_a_room_without_entries_is_left_alone(self, services: Services, redis_of: "redis.Redis") -> None:
        await api.persist("nobody's")
        assert not await pool.run(Room.objects.exists)
        assert not redis_of.exists(KEYS.due_of("nobody's"))

    async def test_a_stream_of_several_batches_is_persisted_to_its_end(
        self, services: Services, redis_of: "redis.Redis", monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("persistence.reading.ROOM_BYTES", 100)
        append(redis_of, ROOM, *(entry("a" * 50, number) for number in range(1, 100)))
        await api.persist(ROOM)
        assert length(redis_of, ROOM) == 0
        assert len(await segments()) > 1

    async def test_a_room_that_a_worker_keeps_is_said_to_be_busy(
        self, services: Services, redis_of: "redis.Redis", impatient: None
    ) -> None:
        append(redis_of, ROOM, entry("a"))
        assert await services.queue.take(ROOM)
        with pytest.raises(api.RoomBusy, match="a worker has room essay"):
            await api.persist(ROOM)

    async def test_a_room_that_a_worker_gives_back_is_waited_for(
        self, services: Services, redis_of: "redis.Redis"
    ) -> None:
        append(redis_of, ROOM, entry("a"))
        claim = await services.queue.take(ROOM)
        assert claim
        asked = asyncio.create_task(api.persist(ROOM))
        await asyncio.sleep(0.3)
        await services.queue.release(claim)
        await asyncio.wait_for(asked, 5)
        assert length(redis_of, ROOM) == 0

    async def test_why_it_can_not_be_is_raised_and_stands_in_its_row(
        self, services: Services, redis_of: "redis.Redis", monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refused(deltas: Any) -> None:
            raise StoreUnavailable("disk full")

        monkeypatch.setattr(worker, "commit", refused)
        append(redis_of, ROOM, entry("a"))
        with pytest.raises(StoreUnavailable, match="disk full"):
            await api.persist(ROOM)
        assert (await row(ROOM)).last_error == "disk full"
        assert length(redis_of, ROOM) == 1

    async def test_after_a_failure_it_can_be_tried_at_once(
        self, services: Services, redis_of: "redis.Redis", monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await self.test_why_it_can_not_be_is_raised_and_stands_in_its_row(services, redis_of, monkeypatch)
        monkeypatch.undo()
        await api.persist(ROOM)
        assert length(redis_of, ROOM) == 0
        assert (await row(ROOM)).failures == 0

    async def test_a_fence_that_the_store_has_seen_is_passed(self, services: Services, redis_of: "redis.Redis") -> None:
        await pool.run(lambda: Room.objects.create(name=ROOM, fence=1000))
        append(redis_of, ROOM, entry("a"))
        await api.persist(ROOM)
        assert (await row(ROOM)).fence == 1001

    async def test_poison_goes_into_quarantine(self, services: Services, redis_of: "redis.Redis") -> None:
        append(redis_of, ROOM, entry("a"), encode(Entry(POISON)), entry("b", 2))
        await api.persist(ROOM)
        assert await pool.run(Quarantined.objects.count) == 1
        assert length(redis_of, ROOM) == 0

    async def test_of_many_at_once_beside_a_worker_nothing_is_lost_or_doubled(
        self, services: Services, redis_of: "redis.Redis", working: Supervisor
    ) -> None:
        append(redis_of, ROOM, *(entry("a", number) for number in range(1, 30)))
        await asyncio.gather(*(api.persist(ROOM) for _ in range(10)))
        assert len(await stored(services, ROOM)) == 29
        assert length(redis_of, ROOM) == 0

    async def test_a_store_without_segments_is_said_so(
        self, services: Services, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("persistence.services.store", StreamOnly)
        with pytest.raises(StoreUnavailable, match="StreamOnly is no store that rooms can be persisted in"):
            await api.persist(ROOM)

    async def test_what_is_no_name_is_refused(self, services: Services) -> None:
        with pytest.raises(NoSuchRoom):
            await api.persist("")

    async def test_it_can_be_asked_for_without_an_event_loop(self, services: Services, redis_of: "redis.Redis") -> None:
        append(redis_of, ROOM, entry("a"))
        await asyncio.to_thread(api.persist_sync, ROOM)
        assert length(redis_of, ROOM) == 0


class TestCompact:
    @pytest.fixture
    async def chain(self, services: Services, redis_of: "redis.Redis") -> None:
        """Three deltas."""
        for number in range(1, 4):
            append(redis_of, ROOM, entry("hello", number))
            await api.persist(ROOM)

    async def test_few_small_deltas_become_one_snapshot(self, services: Services, chain: None) -> None:
        assert await segments() == ["delta"] * 3
        before, after = await api.compact(ROOM)
        assert await segments() == ["snapshot"]
        found = await row(ROOM)
        assert (found.snapshot_bytes, found.delta_bytes, found.delta_count) == (after, 0, 0)
        assert after < before

    async def test_a_single_snapshot_stays_as_it_is(self, services: Services, chain: None) -> None:
        _, after = await api.compact(ROOM)
        [pk] = await pool.run(lambda: list(Segment.objects.values_list("pk", flat=True)))
        assert await api.compact(ROOM) == (after, after)
        assert await pool.run(Segment.objects.filter(pk=pk).exists)

    async def test_a_room_that_was_never_persisted_has_nothing(
        self, services: Services, redis_of: "redis.Redis"
    ) -> None:
        append(redis_of, ROOM, entry("a"))
        assert await api.compact(ROOM) == (0, 0)
        assert length(redis_of, ROOM) == 1

    async def test_what_is_written_meanwhile_is_persisted_after_it(
        self, services: Services, redis_of: "redis.Redis", chain: None
    ) -> None:
        append(redis_of, ROOM, entry("later", 9))
        await api.compact(ROOM)
        await api.persist(ROOM)
        assert await segments() == ["snapshot", "delta"]

    async def test_a_worker_that_is_late_changes_nothing(
        self, services: Services, redis_of: "redis.Redis", chain: None
    ) -> None:
        append(redis_of, ROOM, entry("later", 9))
        claim = await services.queue.take(ROOM)
        assert claim
        redis_of.hset(KEYS.leases(claim.shard), ROOM, "0 0 0")  # its lease ran out
        await api.compact(ROOM)
        late = worker.Worker(services)
        await late.persist([claim])
        assert await segments() == ["snapshot"]
        assert length(redis_of, ROOM) == 1

    async def test_a_room_that_a_worker_keeps_is_said_to_be_busy(
        self, services: Services, chain: None, impatient: None
    ) -> None:
        assert await services.queue.take(ROOM)
        with pytest.raises(api.RoomBusy):
            await api.compact(ROOM)
        assert await segments() == ["delta"] * 3

    async def test_a_fence_that_the_store_has_seen_is_passed(self, services: Services, chain: None) -> None:
        await pool.run(lambda: Room.objects.update(fence=1000))
        await api.compact(ROOM)
        assert await segments() == ["snapshot"]
        assert (await row(ROOM)).fence == 1001

    async def test_a_damaged_room_is_said_so_and_left_as_it_is(self, services: Services, chain: None) -> None:
        await pool.run(lambda: Segment.objects.update(payload=b"other"))
        with pytest.raises(StoreUnavailable, match="is damaged"):
            await api.compact(ROOM)
        assert await segments() == ["delta"] * 3
