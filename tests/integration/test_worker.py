"""A worker beside live hubs, in one process: what it moves nobody misses, and one room's trouble is its own."""

import asyncio
import logging
import shutil
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from persistence import commit, compactor, hooks, worker
from persistence.commit import Delta, Outcome
from persistence.compactor import Compactor
from persistence.health import Health
from persistence.leases import Leases
from persistence.models import Quarantined, Segment
from persistence.services import Services, connected
from persistence.signals import room_changed, room_persisted
from persistence.stores.database import DatabaseStore
from persistence.supervisor import Supervisor
from rooms import level, names
from rooms.entries import START, Entry, encode
from rooms.errors import StoreUnavailable
from rooms.metrics import Count, counters
from rooms.models import Room
from rooms.pool import run as in_pool
from rooms.queue import Claim
from rooms.redis_client import script
from tests.integration.conftest import Configure, Serve
from tests.integration.peers import READ, Peer, eventually, settled, text_update
from tests.integration.persisting import KEYS, append, work_once
from tests.support.valkey import Valkey

pytestmark = pytest.mark.django_db(transaction=True)

Seated = Callable[..., Awaitable[Peer]]
Once = Callable[..., Awaitable[int]]
FailingOnceAt = Callable[[str], asyncio.Event]
ROOM = "essay"
POISON = bytes.fromhex("01010100020101748080808010013100")
"""It scans, a decoder takes it, and what is merged with it can't be decoded."""


@pytest.fixture
async def services(serve: Serve, valkey: Valkey, configure: Configure) -> AsyncIterator[Services]:
    """What a worker has, on the run's Redis, with a store in the test's database."""
    configure(
        valkey,
        STORE="persistence.stores.database.DatabaseStore",
        DEBOUNCE_SECONDS=0,
        MAX_DELAY_SECONDS=1,
        LEASE_SECONDS=3,
        STORE_TIMEOUT_SECONDS=5,
    )
    async with connected() as services:
        yield services


@pytest.fixture
def once(services: Services) -> Once:
    """Let a worker do what is due, by `await once()`; returns how many times it could not persist a room."""

    return lambda: work_once(services)


@pytest.fixture
async def working(services: Services) -> AsyncIterator[Supervisor]:
    """A worker that runs for as long as the test."""
    supervisor = Supervisor(services, range(16), concurrency=2, health=Health())
    running = asyncio.create_task(supervisor.run())
    yield supervisor
    supervisor.stop()
    await asyncio.wait_for(running, 30)


@pytest.fixture
def failing_once_at(monkeypatch: pytest.MonkeyPatch) -> FailingOnceAt:
    """Let one failpoint of the worker raise, once."""

    def at(name: str) -> asyncio.Event:
        failed = asyncio.Event()

        def fail(here: str) -> None:
            if here == name and not failed.is_set():
                failed.set()
                raise ZeroDivisionError

        monkeypatch.setattr(worker, "failpoint", fail)
        return failed

    return at


def entry(text: str, number: int = 1) -> bytes:
    """Return the bytes of an entry whose update types a text."""
    return encode(Entry(text_update(text, number)))


def length(client: "redis.Redis", room: str) -> int:
    """Return the number of entries in a room's stream."""
    return int(client.xlen(KEYS.room(room)))


async def row(room: str) -> Room:
    """Return a room's row."""
    return await in_pool(Room.objects.get, name=room)


async def stored(services: Services, room: str) -> list[bytes]:
    """Return the updates that the store has of a room."""
    chain = await services.store.load(room)
    return [one.update for one in chain.entries] if chain else []


class TestPersisting:
    async def test_entries_become_a_segment_and_the_stream_is_gone(
        self, services: Services, once: Once, redis_of: "redis.Redis"
    ) -> None:
        append(redis_of, ROOM, entry("a", 1), entry("b", 2))
        assert await once() == 0
        assert await stored(services, ROOM) == [text_update("a", 1), text_update("b", 2)]
        assert not redis_of.exists(KEYS.room(ROOM), KEYS.due_of(ROOM))
        head = redis_of.hgetall(KEYS.head(ROOM))
        assert head[b"floor"] == head[b"last"]

    async def test_the_row_tells_what_was_done(self, services: Services, once: Once, redis_of: "redis.Redis") -> None:
        append(redis_of, ROOM, entry("a"))
        last = redis_of.hget(KEYS.head(ROOM), "last").decode()
        await once()
        room = await row(ROOM)
        assert (room.last_entry_id, room.delta_count, room.failures, room.state) == (last, 1, 0, Room.State.OK)
        assert room.last_persisted_at is not None
        assert room.delta_bytes > 0
        assert room.lag_seconds >= 0

    async def test_a_hundred_rooms_and_more_at_a_time(
        self, services: Services, once: Once, redis_of: "redis.Redis"
    ) -> None:
        for number in range(250):
            append(redis_of, f"room-{number}", entry("a"))
        assert await once() == 0
        assert not any(length(redis_of, f"room-{number}") for number in range(250))
        assert await in_pool(Segment.objects.count) == 250

    async def test_a_single_room_is_found_in_whichever_shard(
        self, services: Services, once: Once, redis_of: "redis.Redis"
    ) -> None:
        for shard in range(16):
            room = next(room for room in map(str, range(1000)) if names.shard_of(room, 16) == shard)
            append(redis_of, room, entry("a"))
            assert await once() == 0
            assert length(redis_of, room) == 0, shard

    async def test_once_looks_past_any_number_of_tasks_that_are_none(
        self, services: Services, once: Once, redis_of: "redis.Redis"
    ) -> None:
        shard = names.shard_of(ROOM, 16)
        none = [room for room in map(str, range(20_000)) if names.shard_of(room, 16) == shard][:1000]
        redis_of.zadd(KEYS.due_of(ROOM), dict.fromkeys(none, 1))
        append(redis_of, ROOM, entry("a"))
        assert await once() == 0
        assert length(redis_of, ROOM) == 0

    async def test_a_task_without_entries_is_no_task(
        self, services: Services, once: Once, redis_of: "redis.Redis"
    ) -> None:
        redis_of.zadd(KEYS.due_of(ROOM), {ROOM: 1})
        assert await once() == 0
        assert not redis_of.exists(KEYS.due_of(ROOM))
        assert await in_pool(Segment.objects.count) == 0

    async def test_once_ends_although_somebody_types_on(
        self, services: Services, once: Once, redis_of: "redis.Redis", monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def typing(news: Any) -> None:
            append(redis_of, ROOM, entry("more", 9))

        monkeypatch.setattr(hooks, "tell", typing)
        append(redis_of, ROOM, entry("a"))
        async with asyncio.timeout(10):
            assert await once() == 0
        assert length(redis_of, ROOM) == 1

    async def test_one_log_line_a_room(
        self, services: Services, once: Once, redis_of: "redis.Redis", caplog: pytest.LogCaptureFixture
    ) -> None:
        append(redis_of, ROOM, entry("a"), entry("b", 2))
        with caplog.at_level(logging.INFO, "persistence"):
            await once()
        [line] = [one for one in caplog.records if getattr(one, "action", "") == "room_persisted"]
        assert (line.room, line.entries) == (ROOM, 2)
        assert line.bytes > 0
        assert line.seconds >= 0
        assert line.lag_seconds >= 0

    async def test_many_deltas_are_compacted(self, services: Services, once: Once, redis_of: "redis.Redis") -> None:
        for number in range(services.conf.compact_deltas + 1):
            append(redis_of, ROOM, encode(Entry(text_update("a", 1, number))))
            assert await once() == 0
        room = await row(ROOM)
        assert room.snapshot_bytes > 0
        assert room.delta_count < services.conf.compact_deltas
        kinds = await in_pool(lambda: list(Segment.objects.order_by("id").values_list("kind", flat=True)))
        assert kinds[0] == "snapshot"
        assert len(kinds) == room.delta_count + 1


class TestCompaction:
    """It is late rather than in the way of what must be persisted."""

    @pytest.fixture
    def slow(self, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
        """Let no compaction end before this is set."""
        release, real = asyncio.Event(), compactor.compact

        async def waiting(*given: Any) -> Any:
            await release.wait()
            return await real(*given)

        monkeypatch.setattr(compactor, "compact", waiting)
        return release

    async def test_rooms_that_wait_for_it_hold_nobody_up_and_all_are_compacted_in_the_end(
        self, valkey: Valkey, configure: Configure, redis_of: "redis.Redis", slow: asyncio.Event
    ) -> None:
        store = "persistence.stores.database.DatabaseStore"
        configure(valkey, STORE=store, DEBOUNCE_SECONDS=0, MAX_DELAY_SECONDS=1, COMPACT_DELTAS=2)
        rooms = [f"long-{number}" for number in range(12)]
        async with connected() as services:
            supervisor = Supervisor(services, range(16), concurrency=2, health=Health())
            supervisor.worker.capacity = 4
            running = asyncio.create_task(supervisor.run())
            for number in range(2):
                for room in rooms:
                    append(redis_of, room, entry("a", number + 1))
                await eventually(lambda: not any(length(redis_of, room) for room in rooms), 10)
            await eventually(lambda: len(supervisor.worker.leases) == 1)
            being_compacted = {claim.room for claim in supervisor.worker.leases.held}
            for room in {*rooms, "healthy"} - being_compacted:
                append(redis_of, room, entry("b", 3))
            others = {*rooms, "healthy"} - being_compacted
            await eventually(lambda: not any(length(redis_of, room) for room in others), 4)
            slow.set()
            await eventually(lambda: not supervisor.worker.tasks, 30)
            assert all([(await row(room)).snapshot_bytes for room in rooms])
            assert not len(supervisor.worker.leases)
            supervisor.stop()
            await asyncio.wait_for(running, 30)

    async def test_who_has_persisted_a_room_meanwhile_compacts_it(
        self, services: Services, once: Once, redis_of: "redis.Redis"
    ) -> None:
        append(redis_of, ROOM, entry("a"))
        assert await once() == 0
        claim = Claim(ROOM, (await row(ROOM)).fence - 1, names.shard_of(ROOM, 16))
        delta = Delta(claim, 0, [], START, START, b"", None, [], 0.0)
        late = Compactor(services, Leases(services.queue, lease_seconds=3))
        before = await in_pool(lambda: list(Segment.objects.values_list("pk", flat=True)))
        assert late.line_up(Outcome(delta, True, 0, 0, 0, 0, 1000, b""))
        await late.compact()
        assert await in_pool(lambda: list(Segment.objects.values_list("pk", flat=True))) == before
        assert not redis_of.exists(KEYS.leases(claim.shard), KEYS.due_of(ROOM))


class TestLiveHubs:
    """Trimming takes nothing from who is connected, and nothing from who comes."""

    async def test_who_joins_afterwards_reads_it_from_the_store(
        self, services: Services, serve: Serve, seat: Seated, once: Once, redis_of: "redis.Redis"
    ) -> None:
        here, there = await serve(), await serve()
        writer = await seat(here, ROOM)
        for text in ("hello", " again"):
            writer.add(text)
            await settled(writer)
            assert await once() == 0
            assert length(redis_of, ROOM) == 0
        expected = writer.view()
        await writer.leave()
        assert (await (await seat(there, ROOM, READ)).sync()).view() == expected

    async def test_two_servers_go_on_over_a_trim(
        self, services: Services, serve: Serve, seat: Seated, once: Once
    ) -> None:
        here, there = await seat(await serve(), ROOM), await seat(await serve(), ROOM)
        before = counters[Count.REWINDS], counters[Count.STORE_RELOADS]
        for number in range(5):
            here.add(str(number))
            await settled(here, there)
            await once()
        there.add("!")
        await settled(here, there)
        assert here.view()[0] == there.view()[0] == "01234!"
        assert (counters[Count.REWINDS], counters[Count.STORE_RELOADS]) == before

    async def test_a_server_that_missed_a_bell_before_the_trim_reads_the_store(
        self, services: Services, serve: Serve, seat: Seated, once: Once, redis_of: "redis.Redis"
    ) -> None:
        here = await seat(await serve(), ROOM)
        here.add("seen")
        await settled(here)
        keys = (KEYS.room(ROOM), KEYS.head(ROOM), KEYS.due_of(ROOM))
        silently = ("nowhere:{0}", "epoch", 0, names.key_part(ROOM), 65536, "", 0, 0)
        redis_of.eval(script("append").source, 3, *keys, *silently, entry("missed, ", 7))
        await once()
        append(redis_of, ROOM, entry("rung, ", 8))
        await eventually(lambda: {"seen", "missed, ", "rung, "} <= set_of(here))

    async def test_joins_while_a_worker_persists_are_complete(
        self, services: Services, working: Supervisor, serve: Serve, seat: Seated
    ) -> None:
        first, second = await serve(), await serve()
        writer = await seat(first, ROOM)
        for number in range(40):
            writer.add(f"{number},")
            await settled(writer)
            late = await (await seat(second, ROOM, READ)).sync()
            assert late.view()[0] == writer.view()[0]
            await late.leave()


def set_of(peer: Peer) -> set[str]:
    """Return which of the known pieces a client's text has."""
    text = peer.view()[0]
    return {piece for piece in ("seen", "missed, ", "rung, ") if piece in text}


class TestTrouble:
    """A room that fails waits alone (G7), and nothing is trimmed that is not in the store (G3)."""

    async def test_a_room_whose_bytes_can_not_be_kept_waits_alone(
        self, services: Services, once: Once, redis_of: "redis.Redis", monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kept = DatabaseStore.keep

        def full(self: DatabaseStore, room: str, data: bytes) -> Any:
            if room == "full":
                raise OSError(28, "No space left on device")
            return kept(self, room, data)

        monkeypatch.setattr(DatabaseStore, "keep", full)
        for room in ("full", *(f"room-{number}" for number in range(20))):
            append(redis_of, room, entry("a"))
        assert await once() == 1
        assert length(redis_of, "full") == 1
        assert not any(length(redis_of, f"room-{number}") for number in range(20))
        room = await row("full")
        assert (room.state, room.failures) == (Room.State.FAILING, 1)
        assert "No space left on device" in room.last_error
        monkeypatch.undo()
        redis_of.zadd(KEYS.due_of("full"), {"full": 1})
        assert await once() == 0
        room = await row("full")
        assert (room.state, room.failures, room.last_error, length(redis_of, "full")) == (Room.State.OK, 0, "", 0)

    async def test_a_transaction_that_fails_is_tried_room_by_room(
        self, services: Services, once: Once, redis_of: "redis.Redis", monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def picky(deltas: Any) -> Any:
            if any(delta.claim.room == "bad" for delta in deltas):
                raise ValueError("A string literal cannot contain NUL (0x00) characters.")
            return commit.commit(deltas)

        monkeypatch.setattr(worker, "commit", picky)
        for room in ("bad", *(f"room-{number}" for number in range(20))):
            append(redis_of, room, entry("a"))
        assert await once() == 1
        assert length(redis_of, "bad") == 1
        assert not any(length(redis_of, f"room-{number}") for number in range(20))

    async def test_a_stream_that_is_none_waits_alone(
        self, services: Services, once: Once, redis_of: "redis.Redis"
    ) -> None:
        redis_of.set(KEYS.room("bad"), "no stream")
        redis_of.zadd(KEYS.due_of("bad"), {"bad": 1})
        append(redis_of, ROOM, entry("a"))
        assert await once() == 1
        assert length(redis_of, ROOM) == 0
        assert redis_of.zscore(KEYS.due_of("bad"), "bad") > 1
        assert (await row("bad")).state == Room.State.FAILING

    async def test_a_room_that_fails_waits_longer_each_time(
        self, services: Services, once: Once, redis_of: "redis.Redis"
    ) -> None:
        redis_of.set(KEYS.room("bad"), "no stream")
        delays = []
        for _ in range(4):
            redis_of.zadd(KEYS.due_of("bad"), {"bad": 1})
            assert await once() == 1
            seconds, microseconds = redis_of.time()
            delays.append(redis_of.zscore(KEYS.due_of("bad"), "bad") / 1000 - seconds - microseconds / 1e6)
        assert delays[-1] > 5
        assert delays == sorted(delays)

    async def test_poison_is_set_aside_and_the_room_goes_on(
        self, services: Services, once: Once, redis_of: "redis.Redis"
    ) -> None:
        append(redis_of, ROOM, entry("a", 1), b"no entry at all", entry("b", 2))
        assert await once() == 0
        assert await stored(services, ROOM) == [text_update("a", 1), text_update("b", 2)]
        assert length(redis_of, ROOM) == 0
        [poison] = await in_pool(lambda: list(Quarantined.objects.all()))
        assert bytes(poison.data) == b"no entry at all"
        assert (await row(ROOM)).state == Room.State.QUARANTINED

    async def test_poison_is_in_quarantine_once_although_a_worker_died_before_the_trim(
        self, services: Services, once: Once, redis_of: "redis.Redis", failing_once_at: FailingOnceAt
    ) -> None:
        failing_once_at("worker.committed")
        append(redis_of, ROOM, entry("a"), *(b"no entry %d" % number for number in range(1200)))
        assert await once() == 1
        assert length(redis_of, ROOM) == 1201
        append(redis_of, ROOM, b"and another")
        redis_of.zadd(KEYS.due_of(ROOM), {ROOM: 1})
        assert await once() == 0
        assert await in_pool(Quarantined.objects.count) == (await row(ROOM)).quarantined == 1201

    async def test_an_entry_of_a_later_release_is_left_to_it_and_what_came_before_is_persisted(
        self, services: Services, once: Once, redis_of: "redis.Redis"
    ) -> None:
        append(redis_of, ROOM, entry("a"), b"\x02\x00\x00\x00\x00\x00", entry("b", 2))
        append(redis_of, "other", entry("a"))
        for failures in (1, 2):
            assert await once() == 1
            seconds, microseconds = redis_of.time()
            assert redis_of.zscore(KEYS.due_of(ROOM), ROOM) / 1000 - seconds - microseconds / 1e6 < 20
            assert (await row(ROOM)).failures == failures
            redis_of.zadd(KEYS.due_of(ROOM), {ROOM: 1})
        assert await stored(services, ROOM) == [text_update("a", 1)]
        assert (length(redis_of, ROOM), length(redis_of, "other")) == (2, 0)
        assert await in_pool(Quarantined.objects.count) == 0
        assert "later release" in (await row(ROOM)).last_error

    @pytest.mark.parametrize(
        "name", ["worker.claimed", "worker.read", "worker.written", "worker.committed", "worker.trimmed"]
    )
    async def test_after_an_error_anywhere_no_claim_is_kept_and_all_is_persisted(
        self,
        services: Services,
        working: Supervisor,
        redis_of: "redis.Redis",
        failing_once_at: FailingOnceAt,
        name: str,
    ) -> None:
        failed = failing_once_at(name)
        rooms = [f"room-{number}" for number in range(20)]
        for room in rooms:
            append(redis_of, room, entry("a"))
        await eventually(failed.is_set, 5)
        await eventually(lambda: not any(length(redis_of, room) for room in rooms), 10)
        await eventually(lambda: not working.worker.tasks)
        assert (len(working.worker.leases), working.worker.works) == (0, {})
        assert not any(redis_of.exists(KEYS.leases(shard)) for shard in range(16))

    async def test_with_all_in_hand_and_nothing_under_way_it_only_waits(
        self, services: Services, redis_of: "redis.Redis"
    ) -> None:
        supervisor = Supervisor(services, range(16), concurrency=2, health=Health())
        supervisor.worker.capacity = 0
        append(redis_of, ROOM, entry("a"))
        assert await supervisor.claim() == []

    async def test_each_child_that_a_batch_cost_is_counted(
        self, services: Services, once: Once, redis_of: "redis.Redis"
    ) -> None:
        services.quick.timeout_seconds = 0  # the others are asked after that
        crashes = counters[Count.COMPUTE_CRASHES]
        append(redis_of, ROOM, entry("a"))
        assert await once() == 0
        assert counters[Count.COMPUTE_CRASHES] == crashes + 1

    async def test_a_healthy_room_does_not_wait_for_sixty_poisoned_ones(
        self, services: Services, working: Supervisor, redis_of: "redis.Redis"
    ) -> None:
        for number in range(60):
            append(redis_of, f"poisoned-{number}", entry("a"), encode(Entry(POISON)))
        await asyncio.sleep(0.3)
        append(redis_of, ROOM, entry("healthy"))
        await eventually(lambda: not length(redis_of, ROOM), 2)
        await eventually(lambda: not any(length(redis_of, f"poisoned-{number}") for number in range(60)), 120)

    async def test_a_fence_below_what_the_store_has_seen_writes_nothing_and_is_raised(
        self, services: Services, once: Once, redis_of: "redis.Redis"
    ) -> None:
        append(redis_of, ROOM, entry("a", 1))
        await once()
        await in_pool(Room.objects.filter(name=ROOM).update, fence=1000)
        lost = counters[Count.LEASES_LOST]
        append(redis_of, ROOM, entry("b", 2))
        assert await once() == 0
        assert counters[Count.LEASES_LOST] == lost + 1
        assert (await stored(services, ROOM), length(redis_of, ROOM)) == (
            [text_update("a", 1), text_update("b", 2)],
            0,
        )
        assert (await row(ROOM)).fence > 1000

    async def test_a_worker_whose_lease_ran_out_does_not_trim(
        self, services: Services, once: Once, redis_of: "redis.Redis", monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def meanwhile(news: Any) -> None:
            """Another worker takes the lease between the commit and the trim."""
            monkeypatch.undo()
            redis_of.delete(KEYS.leases(names.shard_of(ROOM, 16)))

        monkeypatch.setattr(hooks, "tell", meanwhile)
        append(redis_of, ROOM, entry("a"))
        lost = counters[Count.LEASES_LOST]
        await once()
        assert counters[Count.LEASES_LOST] == lost + 1
        assert await stored(services, ROOM) == [text_update("a", 1)]


class TestSignals:
    """The site hears of it after the commit."""

    @pytest.fixture
    def heard(self) -> Any:
        """Whatever both signals bring."""
        found: list[tuple[str, dict[str, Any]]] = []

        def persisted(sender: Any, signal: Any, **news: Any) -> None:
            found.append(("persisted", news))

        def changed(sender: Any, signal: Any, **news: Any) -> None:
            found.append(("changed", news))

        room_persisted.connect(persisted, sender=Room)
        room_changed.connect(changed, sender=Room)
        yield found
        room_persisted.disconnect(persisted, sender=Room)
        room_changed.disconnect(changed, sender=Room)

    async def test_both_are_sent_for_each_room(
        self, services: Services, once: Once, redis_of: "redis.Redis", heard: Any
    ) -> None:
        append(redis_of, ROOM, entry("a"), entry("b", 2))
        await once()
        assert [kind for kind, _ in heard] == ["persisted", "changed"]
        assert (heard[0][1]["room"], heard[0][1]["entries"]) == (ROOM, 2)
        assert heard[0][1]["bytes"] > 0
        assert heard[1][1] == {"room": ROOM}

    async def test_a_receiver_that_fails_stops_nothing(
        self, services: Services, once: Once, redis_of: "redis.Redis", heard: Any
    ) -> None:
        def failing(sender: Any, **news: Any) -> None:
            raise ZeroDivisionError

        room_persisted.connect(failing, sender=Room)
        failed = counters[Count.HOOKS_FAILED]
        append(redis_of, ROOM, entry("a"))
        assert await once() == 0
        room_persisted.disconnect(failing, sender=Room)
        assert (counters[Count.HOOKS_FAILED], length(redis_of, ROOM), len(heard)) == (failed + 1, 0, 2)

    async def test_receivers_that_hang_hold_up_no_persisting(
        self,
        valkey: Valkey,
        configure: Configure,
        redis_of: "redis.Redis",
        heard: Any,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        store = "persistence.stores.database.DatabaseStore"
        configure(valkey, STORE=store, DEBOUNCE_SECONDS=0, STORE_TIMEOUT_SECONDS=0.5, STORE_THREADS=2)
        monkeypatch.setattr(level, "_warned_at", {})
        release, skipped = threading.Event(), counters[Count.HOOKS_SKIPPED]

        def hanging(**news: Any) -> None:
            release.wait()

        room_persisted.connect(hanging, sender=Room)
        try:
            async with connected() as services:
                for number in range(12):
                    append(redis_of, f"room-{number}", entry("a"))
                    assert await work_once(services) == 0
                    assert length(redis_of, f"room-{number}") == 0
                assert counters[Count.HOOKS_SKIPPED] == skipped + 10
                release.set()
                await eventually(lambda: not hooks.receivers.is_full)
                heard.clear()
                append(redis_of, ROOM, entry("a"))
                await work_once(services)
        finally:
            release.set()
            room_persisted.disconnect(hanging, sender=Room)
        assert tuple(news["room"] for _, news in heard) == (ROOM, ROOM)
        lines = [one for one in caplog.records if getattr(one, "action", "") == "hooks_skipped"]
        assert [one.levelno for one in lines].count(logging.WARNING) == 1


class TestStoreAway:
    async def test_a_room_that_was_refused_goes_on_when_its_files_are_back_although_nobody_reads_it(
        self, valkey: Valkey, configure: Configure, redis_of: "redis.Redis", settings: Any, tmp_path: Path
    ) -> None:
        folder = tmp_path / "segments"
        backend = "django.core.files.storage.FileSystemStorage"
        settings.STORAGES |= {"rooms": {"BACKEND": backend, "OPTIONS": {"location": str(folder)}}}
        configure(valkey, STORE="persistence.stores.files.FileStore", STORAGE="rooms", DEBOUNCE_SECONDS=0)
        async with connected() as services:
            append(redis_of, ROOM, entry("a"))
            assert await work_once(services) == 0
            away = folder.rename(tmp_path / "away")
            with pytest.raises(StoreUnavailable):
                await services.store.load(ROOM)
            append(redis_of, ROOM, entry("b", 2))
            append(redis_of, "other", entry("a"))
            assert await work_once(services) == 1
            assert (length(redis_of, ROOM), length(redis_of, "other")) == (1, 0)
            shutil.copytree(away, folder, dirs_exist_ok=True)
            append(redis_of, "other", entry("b", 2))
            redis_of.zadd(KEYS.due_of(ROOM), {ROOM: 1})
            assert await work_once(services) == 0
            assert await stored(services, ROOM) == [text_update("a", 1), text_update("b", 2)]
        room = await row(ROOM)
        assert (room.state, room.damage, length(redis_of, ROOM)) == (Room.State.OK, "", 0)

    async def test_nothing_is_trimmed_and_all_drains_by_itself(
        self, services: Services, working: Supervisor, redis_of: "redis.Redis", monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(self: DatabaseStore, room: str, data: bytes) -> Any:
            raise StoreUnavailable("503 Slow Down")

        monkeypatch.setattr(DatabaseStore, "keep", away)
        rooms = [f"room-{number}" for number in range(30)]
        failed = counters[Count.PERSISTS_FAILED]
        for room in rooms:
            append(redis_of, room, entry("a"))
        await eventually(lambda: counters[Count.PERSISTS_FAILED] >= failed + 60, 15)
        assert all(length(redis_of, room) == 1 for room in rooms)
        async with asyncio.timeout(10):
            while (await row("room-0")).lag_seconds < 0.5:
                await asyncio.sleep(0.1)
        monkeypatch.undo()
        await eventually(lambda: not any(length(redis_of, room) for room in rooms), 25)
