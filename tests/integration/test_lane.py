"""The append lane and its script: what is accepted, in which order, and what happens when it is not."""

import asyncio
import itertools
import time
from typing import Any

import pytest

from rooms import names
from rooms.entries import START, Entry, EntryId
from rooms.errors import RedisUnavailable, RoomDeleted, YRedisError
from rooms.lane import Receipt
from rooms.metrics import Count, counters
from rooms.policy import Policy
from tests.integration.conftest import Configure, Redis, connected
from tests.support.valkey import Valkey

ROOM = "essay"


def entry(text: str | int) -> Entry:
    return Entry(f"update {text}".encode(), user_id="ada", connection_id="c1")


async def updates_in(rooms: Redis, room: str = ROOM) -> list[bytes]:
    return [entry.update for _, entry in (await rooms.streams.read(room)).entries]


async def test_an_entry_comes_back_as_it_was_appended(rooms_in: Redis) -> None:
    written = Entry(b"\0\0", verbatim=True, user_id="ünï", connection_id="c7")
    await rooms_in.lane.append_and_wait(ROOM, written)
    assert [found for _, found in (await rooms_in.streams.read(ROOM)).entries] == [written]


class TestDue:
    """DESIGN 3: no entry ever exists without a task."""

    async def test_an_entry_makes_its_room_due_after_the_debounce(self, rooms_in: Redis) -> None:
        await rooms_in.lane.append_and_wait(ROOM, entry(1))
        due = await rooms_in.client.redis.zscore(rooms_in.keys.due_of(ROOM), names.key_part(ROOM))
        assert due is not None
        assert 0 < due / 1000 - time.time() <= rooms_in.conf.debounce_seconds

    async def test_a_later_entry_does_not_put_it_off(self, rooms_in: Redis) -> None:
        await rooms_in.client.redis.zadd(rooms_in.keys.due_of(ROOM), {names.key_part(ROOM): 7})
        await rooms_in.lane.append_and_wait(ROOM, entry(1))
        assert await rooms_in.client.redis.zscore(rooms_in.keys.due_of(ROOM), names.key_part(ROOM)) == 7

    async def test_where_the_due_set_can_not_be_written_no_entry_is(self, rooms_in: Redis) -> None:
        await rooms_in.client.redis.set(rooms_in.keys.due_of(ROOM), "no sorted set")
        with pytest.raises(RedisUnavailable, match="WRONGTYPE"):
            await rooms_in.lane.append_and_wait(ROOM, entry(1))
        assert not await rooms_in.client.redis.exists(rooms_in.keys.room(ROOM))


class TestOrder:
    """Ids only grow, and entries keep the order in which they were handed over."""

    async def test_the_entries_of_one_tick_are_one_script_call(self, rooms_in: Redis) -> None:
        before = counters[Count.APPEND_BATCHES]
        await asyncio.gather(*(rooms_in.lane.append_and_wait(ROOM, entry(number)) for number in range(50)))
        assert counters[Count.APPEND_BATCHES] == before + 1
        assert await updates_in(rooms_in) == [entry(number).update for number in range(50)]

    async def test_more_than_a_batch_keeps_its_order_too(self, rooms_in: Redis) -> None:
        await asyncio.gather(*(rooms_in.lane.append_and_wait(ROOM, entry(number)) for number in range(2500)))
        assert await updates_in(rooms_in) == [entry(number).update for number in range(2500)]

    async def test_large_entries_go_in_several_calls(self, rooms_in: Redis) -> None:
        large = [Entry(bytes((number,)) * 3 * 1024 * 1024) for number in range(4)]
        before = counters[Count.APPEND_BATCHES]
        await asyncio.gather(*(rooms_in.lane.append_and_wait(ROOM, each) for each in large))
        assert counters[Count.APPEND_BATCHES] == before + 2
        assert await updates_in(rooms_in) == [each.update for each in large]

    async def test_ids_grow_when_the_clock_is_behind_the_last_one(self, rooms_in: Redis) -> None:
        far = EntryId(4_000_000_000_000, 5)
        await rooms_in.lane.append_and_wait(ROOM, entry(0))
        await rooms_in.client.redis.hset(rooms_in.keys.head(ROOM), "last", str(far))
        await asyncio.gather(*(rooms_in.lane.append_and_wait(ROOM, entry(number)) for number in (1, 2)))
        reading = await rooms_in.streams.read(ROOM)
        assert [entry_id for entry_id, _ in reading.entries[1:]] == [far._replace(sequence=6), far._replace(sequence=7)]
        assert reading.head.last == far._replace(sequence=7)

    async def test_a_head_that_is_gone_is_made_anew_behind_the_newest_entry(self, rooms_in: Redis) -> None:
        await rooms_in.client.redis.xadd(rooms_in.keys.room(ROOM), {"e": b"\1\0\0\0old"}, id="4000000000000-0")
        await rooms_in.lane.append_and_wait(ROOM, entry(1))
        assert await updates_in(rooms_in) == [b"old", entry(1).update]


class TestGenerations:
    """An entry comes to the document that it belongs to, or to none."""

    async def policy(self, rooms: Redis, **what: Any) -> None:
        await rooms.streams.govern(ROOM, Policy(**what))

    async def test_a_deleted_room_takes_none(self, rooms_in: Redis) -> None:
        await rooms_in.lane.append_and_wait(ROOM, entry(1))
        await self.policy(rooms_in, version=1, is_deleted=True)
        with pytest.raises(RoomDeleted):
            await rooms_in.lane.append_and_wait(ROOM, entry(2))
        assert await updates_in(rooms_in) == [entry(1).update]

    async def test_what_waits_behind_one_that_is_refused_is_too(self, rooms_in: Redis) -> None:
        await self.policy(rooms_in, version=1, is_deleted=True)
        large = [Entry(bytes((number,)) * 3 * 1024 * 1024) for number in range(4)]
        waiting = [rooms_in.lane.append_and_wait(ROOM, each) for each in large]
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [RoomDeleted] * 4

    async def test_one_of_an_erased_document_is_refused(self, rooms_in: Redis) -> None:
        await rooms_in.lane.append_and_wait(ROOM, entry(1))
        await self.policy(rooms_in, version=1, generation=1)
        with pytest.raises(RoomDeleted):
            await rooms_in.lane.append_and_wait(ROOM, entry(2))
        await rooms_in.lane.append_and_wait(ROOM, entry(3), policy=Policy(generation=1))
        assert await updates_in(rooms_in) == [entry(3).update]

    async def test_one_of_a_later_document_takes_the_place_of_what_was_erased(self, rooms_in: Redis) -> None:
        """Redis was put back to before the erase, and only this server knows."""
        await rooms_in.lane.append_and_wait(ROOM, entry(1))
        before = await rooms_in.streams.head(ROOM)
        await rooms_in.lane.append_and_wait(ROOM, entry(2), policy=Policy(generation=1))
        after = await rooms_in.streams.head(ROOM)
        assert await updates_in(rooms_in) == [entry(2).update]
        assert (after.generation, after.floor, after.epoch != before.epoch) == (1, START, True)

    async def test_where_redis_has_lost_the_head_it_is_the_entrys(self, rooms_in: Redis) -> None:
        await rooms_in.lane.append_and_wait(ROOM, entry(1), policy=Policy(generation=1))
        await rooms_in.client.redis.delete(rooms_in.keys.head(ROOM))
        await rooms_in.lane.append_and_wait(ROOM, entry(2), policy=Policy(generation=1))
        assert await updates_in(rooms_in) == [entry(1).update, entry(2).update]
        assert (await rooms_in.streams.head(ROOM)).generation == 1

    async def test_entries_of_two_documents_are_two_calls(self, rooms_in: Redis) -> None:
        old = rooms_in.lane.append_and_wait(ROOM, entry(1))
        new = rooms_in.lane.append_and_wait(ROOM, entry(2), policy=Policy(generation=1))
        await asyncio.gather(old, new)
        assert await updates_in(rooms_in) == [entry(2).update]

    async def test_an_earlier_policy_does_not_undo_a_later_one(self, rooms_in: Redis) -> None:
        await self.policy(rooms_in, version=2, is_deleted=True)
        await self.policy(rooms_in, version=1)
        assert (await rooms_in.streams.look(ROOM)).marks == "2 d"


class TestFailure:
    """G2: what is not known to be accepted is reported, with everything behind it."""

    async def test_a_batch_that_fails_takes_along_what_waits_behind_it(self, rooms_in: Redis) -> None:
        await rooms_in.client.redis.set(rooms_in.keys.room(ROOM), "no stream")
        first = [rooms_in.lane.append_and_wait(ROOM, entry(number)) for number in range(3)]
        await asyncio.sleep(0)  # the batch is on its way
        behind = [rooms_in.lane.append_and_wait(ROOM, entry(number)) for number in range(3)]
        outcomes = await asyncio.gather(*first, *behind, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [RedisUnavailable] * 6

    async def test_another_room_in_the_same_tick_is_not_hurt(self, rooms_in: Redis) -> None:
        await rooms_in.client.redis.set(rooms_in.keys.room(ROOM), "no stream")
        bad, good = (rooms_in.lane.append_and_wait(room, entry(1)) for room in (ROOM, "other"))
        await good
        with pytest.raises(RedisUnavailable):
            await bad

    async def test_a_room_is_written_again_after_a_failure(self, rooms_in: Redis) -> None:
        await rooms_in.client.redis.set(rooms_in.keys.room(ROOM), "no stream")
        with pytest.raises(RedisUnavailable):
            await rooms_in.lane.append_and_wait(ROOM, entry(1))
        await rooms_in.client.redis.delete(rooms_in.keys.room(ROOM))
        await rooms_in.lane.append_and_wait(ROOM, entry(2))
        assert await updates_in(rooms_in) == [entry(2).update]

    async def test_the_append_arrives_though_its_caller_is_cancelled(self, rooms_in: Redis) -> None:
        async def caller() -> None:
            await rooms_in.lane.append_and_wait(ROOM, entry(1))

        task = asyncio.create_task(caller())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await rooms_in.lane.drain()
        assert await updates_in(rooms_in) == [entry(1).update]

    async def test_each_entry_is_settled_exactly_once(self, rooms_in: Redis) -> None:
        settled: list[Receipt | YRedisError] = []
        for number in range(3):
            rooms_in.lane.append(ROOM, entry(number), settled.append)
        await rooms_in.lane.drain()
        ids = [entry_id for entry_id, _ in (await rooms_in.streams.read(ROOM)).entries]
        assert settled == [Receipt(entry_id, previous) for previous, entry_id in itertools.pairwise([START, *ids])]


class TestRedisInTrouble:
    """A Redis that was restarted, is full, or says nothing."""

    async def test_a_restarted_redis_is_given_the_scripts_again(self, own_valkey: Valkey, configure: Configure) -> None:
        async with connected(configure(own_valkey)) as rooms:
            await rooms.lane.append_and_wait(ROOM, entry(1))
            own_valkey.restart_empty()
            await asyncio.gather(*(rooms.lane.append_and_wait(room, entry(2)) for room in (ROOM, "other")))
            assert await updates_in(rooms) == [entry(2).update]

    async def test_a_full_redis_refuses_and_writes_no_half(self, own_valkey: Valkey, configure: Configure) -> None:
        async with connected(configure(own_valkey)) as rooms:
            await rooms.lane.append_and_wait(ROOM, entry(1))
            with own_valkey.client() as client:
                client.config_set("maxmemory", "1")
                before = client.hgetall(rooms.keys.head(ROOM)), client.zcard(rooms.keys.due_of("new"))
                outcomes = await asyncio.gather(
                    *(rooms.lane.append_and_wait(room, entry(2)) for room in (ROOM, "new")), return_exceptions=True
                )
                assert [type(outcome) for outcome in outcomes] == [RedisUnavailable] * 2
                assert (client.hgetall(rooms.keys.head(ROOM)), client.zcard(rooms.keys.due_of("new"))) == before
            assert await updates_in(rooms) == [entry(1).update]

    async def test_a_full_redis_is_read_even_by_who_comes_only_now(
        self, own_valkey: Valkey, configure: Configure
    ) -> None:
        settings = configure(own_valkey)
        async with connected(settings) as rooms:
            await rooms.lane.append_and_wait(ROOM, entry(1))
        with own_valkey.client() as client:
            client.config_set("maxmemory", "1")
            client.script_flush()
        async with connected(settings) as rooms:
            assert await updates_in(rooms) == [entry(1).update]

    async def test_a_redis_that_says_nothing_is_given_up_in_time(
        self, own_valkey: Valkey, configure: Configure
    ) -> None:
        async with connected(configure(own_valkey, REDIS_TIMEOUT_SECONDS=0.5)) as rooms:
            own_valkey.freeze()
            try:
                started = time.monotonic()
                with pytest.raises(RedisUnavailable):
                    await rooms.lane.append_and_wait(ROOM, entry(1))
                assert time.monotonic() - started < 2
            finally:
                own_valkey.thaw()
            await rooms.lane.append_and_wait(ROOM, entry(2))
            assert entry(2).update in await updates_in(rooms)

    async def test_a_redis_that_is_gone_is_given_up_in_time(self, own_valkey: Valkey, configure: Configure) -> None:
        async with connected(configure(own_valkey)) as rooms:
            await rooms.lane.append_and_wait(ROOM, entry(1))
            own_valkey.kill()
            started = time.monotonic()
            with pytest.raises(RedisUnavailable):
                await rooms.lane.append_and_wait(ROOM, entry(2))
            assert time.monotonic() - started < rooms.conf.redis_timeout_seconds + 1
