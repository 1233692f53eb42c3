"""Reading a room's stream: in pages, its head alone, and what tells that something was lost."""

import asyncio
from typing import Any

import pytest

from rooms.bells import Head
from rooms.entries import START, Entry, EntryId, encode
from rooms.errors import RedisUnavailable, Undecodable
from rooms.redis_client import Call, RedisClient
from rooms.streams import PAGE_BYTES, Streams
from tests.integration.conftest import Redis

ROOM = "essay"


async def append(rooms: Redis, *updates: bytes, room: str = ROOM) -> None:
    await asyncio.gather(*(rooms.lane.append_and_wait(room, Entry(update)) for update in updates))


class TestPages:
    """One read brings everything, however many script calls that takes."""

    async def test_thousands_of_entries_come_in_order(self, rooms_in: Redis) -> None:
        updates = [b"%d" % number for number in range(5000)]
        await append(rooms_in, *updates)
        assert [entry.update for _, entry in (await rooms_in.streams.read(ROOM)).entries] == updates

    async def test_entries_of_many_megabytes_come_whole(self, rooms_in: Redis) -> None:
        updates = [bytes((number,)) * 700_000 for number in range(40)]
        await append(rooms_in, *updates)
        reading = await rooms_in.streams.read(ROOM)
        assert [entry.update for _, entry in reading.entries] == updates
        assert reading.entries[-1][0] == reading.head.last

    async def test_only_what_follows_an_id_is_read(self, rooms_in: Redis) -> None:
        await append(rooms_in, b"one", b"two", b"three")
        entries = (await rooms_in.streams.read(ROOM)).entries
        later = await rooms_in.streams.read(ROOM, after=entries[0][0])
        assert [entry.update for _, entry in later.entries] == [b"two", b"three"]

    async def test_a_room_that_nobody_wrote_to_is_empty(self, rooms_in: Redis) -> None:
        reading = await rooms_in.streams.read("unseen")
        assert (reading.head, reading.lost, list(reading.entries)) == (Head("", 0, START, START), False, [])

    async def test_what_is_trimmed_between_two_pages_is_told_of_by_the_floor(self, rooms_in: Redis) -> None:
        """Else a server would skip those entries and never know."""
        await append(rooms_in, *(bytes((number,)) * 1_000_000 for number in range(48)))
        streams = Streams(TrimsAfterAPage(rooms_in), rooms_in.keys)
        reading = await streams.read(ROOM)
        assert len(reading.entries) < 48
        assert reading.head.floor > START


class TrimsAfterAPage(RedisClient):
    """A client behind whose back a worker persists and trims, as soon as the first page is read."""

    def __init__(self, rooms: Redis) -> None:
        super().__init__(rooms.client.redis, rooms.conf)
        self.keys = rooms.keys
        self.trimmed = False

    async def run(self, call: Call) -> Any:
        answer = await super().run(call)
        if not self.trimmed:
            self.trimmed = True
            ids = [EntryId.parse(key) for key, _ in await self.redis.xrange(self.keys.room(ROOM))]
            await self.redis.hset(self.keys.head(ROOM), "floor", str(ids[40]))
            await self.redis.xtrim(self.keys.room(ROOM), minid=str(ids[41]), approximate=False)
        return answer


class TestHead:
    """The head outlives the stream, and tells when the stream ended against its will."""

    async def test_the_head_alone_brings_no_entries(self, rooms_in: Redis) -> None:
        await append(rooms_in, b"one" * PAGE_BYTES)
        [reading] = await rooms_in.streams.heads([ROOM])
        assert reading is not None
        assert not reading.entries
        assert reading.head == (await rooms_in.streams.read(ROOM)).head == await rooms_in.streams.head(ROOM)

    async def test_the_head_has_the_last_id(self, rooms_in: Redis) -> None:
        await append(rooms_in, b"one", b"two")
        reading = await rooms_in.streams.read(ROOM)
        assert reading.head.last == reading.entries[-1][0]

    async def test_a_stream_that_vanished_was_lost(self, rooms_in: Redis) -> None:
        await append(rooms_in, b"one")
        await rooms_in.client.redis.delete(rooms_in.keys.room(ROOM))
        assert (await rooms_in.streams.read(ROOM)).lost

    async def test_a_stream_that_was_trimmed_to_its_end_was_not(self, rooms_in: Redis) -> None:
        await append(rooms_in, b"one")
        last = (await rooms_in.streams.head(ROOM)).last
        await rooms_in.client.redis.hset(rooms_in.keys.head(ROOM), "floor", str(last))
        await rooms_in.client.redis.xtrim(rooms_in.keys.room(ROOM), maxlen=0, approximate=False)
        assert not (await rooms_in.streams.read(ROOM)).lost
        await rooms_in.client.redis.delete(rooms_in.keys.room(ROOM))
        assert not (await rooms_in.streams.read(ROOM)).lost

    async def test_appending_after_a_loss_begins_another_epoch(self, rooms_in: Redis) -> None:
        await append(rooms_in, b"one")
        before = await rooms_in.streams.head(ROOM)
        await rooms_in.client.redis.delete(rooms_in.keys.room(ROOM))
        await append(rooms_in, b"two")
        after = await rooms_in.streams.head(ROOM)
        assert after.epoch != before.epoch
        assert after.last > before.last

    async def test_an_id_that_the_stream_never_had_was_lost(self, rooms_in: Redis) -> None:
        """A dump was restored, others wrote on, and the ids have already passed what we were given."""
        await append(rooms_in, b"one")
        dump = {key: await rooms_in.client.redis.dump(key) for key in _of(rooms_in)}
        await append(rooms_in, b"two")
        cursor = (await rooms_in.streams.head(ROOM)).last
        for key, value in dump.items():
            await rooms_in.client.redis.restore(key, 0, value, replace=True)
        await asyncio.sleep(0.002)  # a restore that gives an id a second time within its millisecond is not seen
        await append(rooms_in, b"three")
        assert (await rooms_in.streams.read(ROOM, after=cursor)).lost


def _of(rooms: Redis) -> tuple[str, str]:
    return rooms.keys.room(ROOM), rooms.keys.head(ROOM)


class TestBadRooms:
    """G7: what is wrong with one room is nobody else's trouble."""

    async def test_a_key_of_another_type_refuses_only_its_own_room(self, rooms_in: Redis) -> None:
        await append(rooms_in, b"one", room="good")
        await rooms_in.client.redis.set(rooms_in.keys.room("bad"), "no stream")
        await rooms_in.client.redis.set(rooms_in.keys.head("bad"), "no hash")
        bad, good = await rooms_in.streams.heads(["bad", "good"])
        assert bad is None
        assert good is not None
        with pytest.raises(RedisUnavailable):
            await rooms_in.streams.read("bad")
        assert (await rooms_in.streams.read("good")).entries

    @pytest.mark.parametrize("field", ["generation", "last", "floor"])
    async def test_a_head_that_makes_no_sense_refuses_only_its_own_room(self, rooms_in: Redis, field: str) -> None:
        await append(rooms_in, b"one", room="good")
        await append(rooms_in, b"one", room="bad")
        await rooms_in.client.redis.hset(rooms_in.keys.head("bad"), field, "nonsense")
        bad, good = await rooms_in.streams.heads(["bad", "good"])
        assert bad is None
        assert good is not None
        with pytest.raises(Undecodable):
            await rooms_in.streams.read("bad")

    @pytest.mark.parametrize("data", [b"", b"\x02\0\0\0", b"\1", b"\1\0\xff"])
    async def test_bytes_that_are_no_entry_are_undecodable(self, rooms_in: Redis, data: bytes) -> None:
        await rooms_in.client.redis.xadd(rooms_in.keys.room(ROOM), {"e": data})
        with pytest.raises(Undecodable):
            await rooms_in.streams.read(ROOM)

    async def test_an_entry_with_flags_of_a_later_release_is_read(self, rooms_in: Redis) -> None:
        later = b"\1\x05" + encode(Entry(b"news", verbatim=True))[2:]
        await rooms_in.client.redis.xadd(rooms_in.keys.room(ROOM), {"e": later})
        [(_, entry)] = (await rooms_in.streams.read(ROOM)).entries
        assert (entry.update, entry.verbatim) == (b"news", True)
