"""Loading: what is in the stream and what is in the store, joined; and what happens when a part can't be read."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import redis
from pycrdt import Doc, Map

from rooms.backend import Backend
from rooms.baseline import FAILED_SECONDS
from rooms.entries import Entry
from rooms.errors import StoreUnavailable
from rooms.hub import Hub
from rooms.metrics import Count, counters
from rooms.protocol import SyncStep2
from tests.integration.conftest import Configure
from tests.integration.peers import READ, Peer, append_silently, eventually, settled, text_update
from tests.integration.stores import MemoryStore
from tests.support.folder_store import persist
from tests.support.valkey import Valkey

Seated = Callable[..., Awaitable[Peer]]
ROOM = "essay"


async def persisted(hub: Hub, client: "redis.Redis") -> None:
    """Do what a worker does."""
    await persist(client, hub.backend.keys, MemoryStore(), ROOM)  # type: ignore[arg-type]


async def entries(hub: Hub) -> int:
    """Return the number of entries in the stream."""
    return len((await hub.backend.streams.read(ROOM)).entries)


def binary(size_bytes: int, number: int) -> bytes:
    """Return an update that puts many bytes under a key of "map"."""
    doc: Doc[Any] = Doc(client_id=100 + number)
    doc["map"] = Map({str(number): bytes(size_bytes)})
    return bytes(doc.get_update())


class TestStore:
    """What a worker took out of the stream is in the store, and nobody is told that it is lost."""

    async def test_a_room_is_loaded_from_both(self, hub: Hub, seat: Seated, redis_of: "redis.Redis") -> None:
        first = await seat(hub, ROOM)
        first.add("stored ")
        await settled(first)
        await persisted(hub, redis_of)
        first.add("streamed")
        await settled(first)
        assert await entries(hub) == 1
        assert str((await (await seat(hub, ROOM, READ)).sync()).text) == "stored streamed"

    async def test_a_server_behind_the_floor_reloads_and_does_not_rewind(
        self, hub: Hub, seat: Seated, redis_of: "redis.Redis"
    ) -> None:
        writer = await seat(hub, ROOM)
        writer.add("a")
        await settled(writer)
        rewinds, reloads = counters[Count.REWINDS], counters[Count.STORE_RELOADS]
        append_silently(hub, redis_of, ROOM, text_update("missed", 9))
        await persisted(hub, redis_of)
        await hub.backend.lane.append_and_wait(ROOM, Entry(text_update("!", 9, clock=6)))
        await eventually(lambda: "missed!" in str(writer.text))
        assert (counters[Count.REWINDS], counters[Count.STORE_RELOADS]) == (rewinds, reloads + 1)

    async def test_a_stream_trimmed_to_its_end_is_no_loss(
        self, hub: Hub, other_hub: Hub, seat: Seated, redis_of: "redis.Redis"
    ) -> None:
        writer, lagging = await seat(hub, ROOM), await seat(other_hub, ROOM)
        rewinds = counters[Count.REWINDS]
        for number in range(5):
            writer.add(f"{number} ")
            await settled(writer)
            await persisted(hub, redis_of)
            redis_of.client_kill_filter(_type="pubsub")
            for _ in range(10):
                await hub.upkeep.sweep()
        await eventually(lambda: str(lagging.text) == "0 1 2 3 4 ")
        assert counters[Count.REWINDS] == rewinds

    async def test_what_is_trimmed_while_a_long_backlog_is_read_arrives(
        self, hub: Hub, seat: Seated, redis_of: "redis.Redis"
    ) -> None:
        peer = await seat(hub, ROOM, READ)
        append_silently(hub, redis_of, ROOM, *(binary(200_000, number) for number in range(48)))
        hub.rooms[ROOM].catch_up()
        await asyncio.sleep(0.002)  # some of it is read
        await persisted(hub, redis_of)
        await eventually(lambda: len(peer.doc.get("map", type=Map)) == 48, 15)

    async def test_a_store_that_ends_before_the_floor_refuses_the_room(self, hub: Hub, redis_of: "redis.Redis") -> None:
        """What was trimmed is nowhere: never take what is left for the whole."""
        append_silently(hub, redis_of, ROOM, text_update("a", 9), text_update("b", 9, clock=1))
        await persisted(hub, redis_of)
        MemoryStore.rooms.clear()
        with pytest.raises(StoreUnavailable):
            await hub.backend.documents.load(ROOM)


class TestLoads:
    """G6: a load that fails is never an empty document."""

    async def test_two_hundred_joiners_cause_one_load(self, hub: Hub, seat: Seated) -> None:
        await hub.backend.lane.append_and_wait(ROOM, Entry(text_update("hello", 9)))
        MemoryStore.seconds = 0.1
        before = counters[Count.LOADS]
        peers = await asyncio.gather(*(seat(hub, ROOM) for _ in range(200)))
        await asyncio.gather(*(peer.sync() for peer in peers))
        assert counters[Count.LOADS] == before + 1
        assert {str(peer.text) for peer in peers} == {"hello"}

    async def test_what_is_typed_during_a_load_is_not_missed(self, hub: Hub, other_hub: Hub, seat: Seated) -> None:
        typist = await seat(other_hub, ROOM)
        MemoryStore.seconds = 0.3
        joining = asyncio.create_task(seat(hub, ROOM))
        for number in range(20):
            typist.add(f"{number} ")
            await asyncio.sleep(0.02)
        joiner = await (await joining).sync()
        await settled(typist)
        await eventually(lambda: len(str(joiner.text).split()) == 20)

    async def test_a_reader_of_a_room_that_can_not_be_loaded_is_told_to_come_back(self, hub: Hub, seat: Seated) -> None:
        MemoryStore.failing.add(ROOM)
        peer = await seat(hub, ROOM, READ)
        await peer.sync()
        assert (peer.code, peer.count(SyncStep2)) == (1013, 0)

    async def test_a_writer_is_refused_and_nobody_is_left_in_the_room(self, hub: Hub, seat: Seated) -> None:
        MemoryStore.failing.add(ROOM)
        with pytest.raises(StoreUnavailable):
            await seat(hub, ROOM)
        assert (hub.seats, await entries(hub)) == (0, 0)

    async def test_a_room_is_served_when_it_can_be_loaded_again(self, hub: Hub, seat: Seated) -> None:
        append = hub.backend.lane.append_and_wait(ROOM, Entry(text_update("hello", 9)))
        MemoryStore.failing.add(ROOM)
        await append
        await (await seat(hub, ROOM, READ)).sync()
        MemoryStore.failing.clear()
        await asyncio.sleep(FAILED_SECONDS)
        assert str((await (await seat(hub, ROOM)).sync()).text) == "hello"

    async def test_a_store_may_raise_what_it_likes(self, valkey: Valkey, configure: Configure) -> None:
        configure(valkey, STORE="tests.integration.stores.BrokenStore")
        backend = await Backend.open()
        with pytest.raises(StoreUnavailable, match="ZeroDivisionError"):
            await backend.documents.load(ROOM)
        await backend.aclose()

    async def test_a_store_that_hangs_is_given_up(self, valkey: Valkey, configure: Configure) -> None:
        configure(valkey, STORE_TIMEOUT_SECONDS=0.1)
        MemoryStore.seconds = 5
        backend = await Backend.open()
        with pytest.raises(StoreUnavailable):
            await backend.documents.load(ROOM)
        await backend.aclose()

    async def test_an_entry_that_can_not_be_read_closes_only_its_room(
        self, hub: Hub, seat: Seated, redis_of: "redis.Redis"
    ) -> None:
        other, peer = await seat(hub, "other"), await seat(hub, ROOM)
        redis_of.xadd(hub.backend.keys.room(ROOM), {"e": b"no entry"})
        redis_of.hset(hub.backend.keys.head(ROOM), "last", "9000000000000-0")
        hub.rooms[ROOM].catch_up()
        await eventually(lambda: peer.code == 1011)
        other.add("fine")
        await settled(other)
        assert other.code is None
