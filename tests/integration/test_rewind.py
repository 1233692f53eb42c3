"""Redis lost data: servers notice, give everybody what is left, and get the rest back from the writers (G5)."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import redis

from rooms import resupply
from rooms.hub import Hub
from rooms.metrics import Count, counters
from rooms.protocol import SyncStep1
from rooms.streams import Reading
from tests.integration.peers import READ, Peer, agree, append_silently, eventually, settled, text_update
from tests.integration.stores import MemoryStore
from tests.support.folder_store import persist

Seated = Callable[..., Awaitable[Peer]]
ROOM = "essay"


@pytest.fixture(autouse=True)
def no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every server ask at once, and not wait long for a client that says nothing."""
    monkeypatch.setattr(resupply, "JITTER_SECONDS", 0.05)
    monkeypatch.setattr(resupply, "ANSWER_SECONDS", 0.3)


async def look(*hubs: Hub) -> None:
    """Let each server compare its rooms with Redis, as it does on its own every few seconds."""
    for hub in hubs:
        await hub.upkeep.beat()
        for _ in range(10):
            await hub.upkeep.sweep()


async def text_in_redis(hub: Hub, seat: Seated) -> str:
    """Return what a client gets that knows nothing, through a load of its own."""
    hub.rooms[ROOM]._baseline = None
    return str((await (await seat(hub, ROOM, READ)).sync()).text)


def flush(hub: Hub, client: "redis.Redis") -> None:
    client.flushall()


def delete_stream(hub: Hub, client: "redis.Redis") -> None:
    client.delete(hub.backend.keys.room(ROOM))


def delete_head(hub: Hub, client: "redis.Redis") -> None:
    client.delete(hub.backend.keys.head(ROOM))


class Dump:
    """What Redis holds of the room, to be restored later: a stale replica is promoted."""

    def __init__(self, hub: Hub, client: "redis.Redis") -> None:
        self.client = client
        keys = (hub.backend.keys.room(ROOM), hub.backend.keys.head(ROOM))
        self.values = {key: client.dump(key) for key in keys}

    def restore(self) -> None:
        for key, value in self.values.items():
            assert value is not None
            self.client.restore(key, 0, value, replace=True)


class TestLoss:
    """Whatever Redis forgot, the connected writers bring back."""

    @pytest.mark.parametrize("lose", [flush, delete_stream, delete_head])
    async def test_writers_bring_back_what_was_lost(
        self, hub: Hub, other_hub: Hub, seat: Seated, redis_of: "redis.Redis", lose: Callable[[Hub, object], None]
    ) -> None:
        here, there = await seat(hub, ROOM), await seat(other_hub, ROOM)
        here.add("here ")
        await settled(here)
        there.add("there")
        await settled(there)
        lose(hub, redis_of)
        await look(hub, other_hub)
        await asyncio.sleep(0.3)
        await settled(here, there)
        assert await text_in_redis(other_hub, seat) == "here there"

    @pytest.mark.parametrize("lose", [flush, delete_stream, delete_head])
    async def test_it_is_noticed_when_somebody_types(
        self, hub: Hub, other_hub: Hub, seat: Seated, redis_of: "redis.Redis", lose: Callable[[Hub, object], None]
    ) -> None:
        here, there = await seat(hub, ROOM), await seat(other_hub, ROOM)
        here.add("a")
        await settled(here)
        lose(hub, redis_of)
        there.add("b")
        await settled(there)
        await asyncio.sleep(0.3)
        await settled(here, there)
        assert await text_in_redis(hub, seat) == "ab"
        assert agree(here, there)

    async def test_it_is_noticed_a_second_time(self, hub: Hub, seat: Seated, redis_of: "redis.Redis") -> None:
        peer = await seat(hub, ROOM)
        peer.add("a")
        await settled(peer)
        for _ in range(3):
            redis_of.flushall()
            await look(hub)
            await asyncio.sleep(0.2)
            await settled(peer)
            assert await text_in_redis(hub, seat) == "a"

    async def test_an_older_dump_is_noticed(
        self, hub: Hub, other_hub: Hub, seat: Seated, redis_of: "redis.Redis"
    ) -> None:
        here, there = await seat(hub, ROOM), await seat(other_hub, ROOM)
        here.add("old ")
        await settled(here)
        dump = Dump(hub, redis_of)
        here.add("new")
        await settled(here)
        for _ in range(2):
            dump.restore()
            await look(hub, other_hub)
            await asyncio.sleep(0.3)
            await settled(here, there)
            assert await text_in_redis(hub, seat) == "old new"

    async def test_an_older_dump_is_noticed_though_others_wrote_on(
        self, hub: Hub, seat: Seated, redis_of: "redis.Redis"
    ) -> None:
        """The ids have passed ours again by the time we look, and the epoch is the same."""
        peer = await seat(hub, ROOM)
        peer.add("old ")
        await settled(peer)
        dump = Dump(hub, redis_of)
        peer.add("new")
        await settled(peer)
        dump.restore()
        await asyncio.sleep(0.002)  # else ids may be given a second time, and nobody can tell
        append_silently(hub, redis_of, ROOM, text_update("!", 9))
        await look(hub)
        await asyncio.sleep(0.3)
        await settled(peer)
        assert sorted(await text_in_redis(hub, seat)) == sorted("old new!")

    @pytest.mark.parametrize("goes_on", [False, True])
    async def test_an_older_dump_is_noticed_by_who_appended_and_heard_no_bell(
        self, hub: Hub, seat: Seated, redis_of: "redis.Redis", monkeypatch: pytest.MonkeyPatch, goes_on: bool
    ) -> None:
        typist = await seat(hub, ROOM)
        typist.add("a")
        await settled(typist)
        older, before = Dump(hub, redis_of), counters[Count.REWINDS]
        with monkeypatch.context() as deaf:
            deaf.setattr(hub.rooms[ROOM], "hear", lambda bell: None)
            typist.add("b")
            await settled(typist)
        await asyncio.sleep(0.002)
        older.restore()
        if goes_on:
            typist.add("c")
        await look(hub)
        await eventually(lambda: counters[Count.REWINDS] > before)
        async with asyncio.timeout(5):
            while await text_in_redis(hub, seat) != str(typist.text):
                await asyncio.sleep(0.05)
        assert str(typist.text) == ("abc" if goes_on else "ab")

    async def test_what_came_and_was_trimmed_since_the_loss_reaches_those_who_sat_here(
        self, hub: Hub, seat: Seated, redis_of: "redis.Redis"
    ) -> None:
        peer = await seat(hub, ROOM)
        peer.add("a")
        await settled(peer)
        redis_of.flushall()
        append_silently(hub, redis_of, ROOM, text_update("b", 8))
        await persist(redis_of, hub.backend.keys, MemoryStore(), ROOM)  # type: ignore[arg-type]
        await look(hub)
        await eventually(lambda: "b" in str(peer.text))


class TestAsking:
    """Writers are asked with SyncStep1 of what is left; readers have nothing to say."""

    async def test_readers_are_not_asked(self, hub: Hub, seat: Seated, redis_of: "redis.Redis") -> None:
        writer, reader = await seat(hub, ROOM), await seat(hub, ROOM, READ)
        writer.add("a")
        await settled(writer)
        redis_of.flushall()
        await look(hub)
        await eventually(lambda: writer.count(SyncStep1) >= 2)
        assert writer.got(SyncStep1)[1] == SyncStep1(b"\0")
        assert reader.count(SyncStep1) == 0

    async def test_they_are_asked_once_if_they_have_nothing(
        self, hub: Hub, seat: Seated, redis_of: "redis.Redis"
    ) -> None:
        writer = await seat(hub, ROOM)
        append_silently(hub, redis_of, ROOM, text_update("a", 9))
        await look(hub)
        before = counters[Count.REWINDS]
        redis_of.delete(hub.backend.keys.head(ROOM))
        for _ in range(5):
            await look(hub)
            await asyncio.sleep(0.1)
        assert counters[Count.REWINDS] == before + 1
        assert writer.count(SyncStep1) == 2

    async def test_a_writer_that_says_nothing_does_not_keep_the_others_from_answering(
        self, hub: Hub, seat: Seated, redis_of: "redis.Redis"
    ) -> None:
        silent = [await seat(hub, ROOM, answers=False) for _ in range(3)]
        writer = await seat(hub, ROOM)
        writer.add("a")
        await settled(writer)
        redis_of.flushall()
        await look(hub)
        await asyncio.sleep(0.6)
        await settled(writer, *silent)
        assert await text_in_redis(hub, seat) == "a"

    async def test_what_two_writers_have_each_alone_comes_back(
        self, hub: Hub, seat: Seated, redis_of: "redis.Redis"
    ) -> None:
        one, two = await seat(hub, ROOM), await seat(hub, ROOM)
        one.add("both")
        await settled(one)
        one.doc.apply_update(text_update("one", 8))
        two.doc.apply_update(text_update("two", 9))
        redis_of.flushall()
        await look(hub)
        await asyncio.sleep(0.4)
        await settled(one, two)
        assert sorted(await text_in_redis(hub, seat)) == sorted("bothonetwo")

    async def test_a_redis_away_while_rewinding_is_waited_for(
        self, hub: Hub, seat: Seated, redis_of: "redis.Redis"
    ) -> None:
        """The loss must not be forgotten because the first reading after it failed."""
        peer = await seat(hub, ROOM)
        peer.add("a")
        await settled(peer)
        room = hub.rooms[ROOM]
        reading = await hub.backend.streams.read(ROOM)
        redis_of.flushall()
        redis_of.set(hub.backend.keys.room(ROOM), "no stream")
        room.check(Reading(reading.head, lost=True, entries=[]))
        await asyncio.sleep(0.2)
        redis_of.delete(hub.backend.keys.room(ROOM))
        await asyncio.sleep(1.0)
        await settled(peer)
        assert await text_in_redis(hub, seat) == "a"
