"""The queue: each room that has entries is persisted in time, by one worker at a time, whatever Redis loses."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

import pytest
import redis

from rooms import names
from rooms.entries import START, Entry, EntryId
from rooms.errors import RedisUnavailable
from rooms.queue import Claim, Queue
from tests.integration.conftest import Configure, Redis, connected
from tests.support.valkey import Valkey

ROOM = "über/essay"
SHARD = names.shard_of(ROOM, 16)
ALL = range(16)


class Site(Redis):
    """One Redis with a queue, and what a server appends to it."""

    def __init__(self, found: Redis) -> None:
        self.conf, self.client, self.keys = found.conf, found.client, found.keys
        self.streams, self.lane = found.streams, found.lane
        self.queue = Queue(found.client, found.keys, found.conf)

    async def write(self, room: str = ROOM, update: bytes = b"\0\0") -> EntryId:
        """Append an entry as a server does; return its id."""
        return (await self.lane.append_and_wait(room, Entry(update))).entry_id

    async def claimed(self, limit: int = 100) -> list[Claim]:
        """Claim of all shards."""
        return [claim for few in await self.queue.claim(ALL, limit) for claim in few]

    async def claim(self) -> Claim:
        """Claim the only room that is due."""
        [claim] = await self.claimed()
        return claim

    async def persisted(self, claim: Claim) -> bool:
        """Do as a worker that has all of a room in the store."""
        return await self.done(claim, await self.read(claim.room))

    async def read(self, room: str = ROOM) -> Sequence[tuple[EntryId, bytes]]:
        """Return a room's entries as a worker reads them."""
        return (await self.streams.raw(room, limit_bytes=1 << 20)).entries

    async def done(self, claim: Claim, entries: Sequence[tuple[EntryId, bytes]]) -> bool:
        """Trim entries, under the head of now."""
        head = await self.streams.head(claim.room)
        return await self.queue.done(claim, entries, epoch=head.epoch, generation=head.generation)


@pytest.fixture
async def site(either_redis: Valkey, configure: Configure) -> AsyncIterator[Site]:
    """A queue in which a room is due as soon as it is written to."""
    settings = configure(either_redis, DEBOUNCE_SECONDS=0, MAX_DELAY_SECONDS=60, LEASE_SECONDS=1)
    async with connected(settings) as found:
        yield Site(found)


@pytest.fixture
def redis_of(either_redis: Valkey) -> "redis.Redis":
    """A client of that Redis."""
    return either_redis.client()


def due_in(client: "redis.Redis", site: Site, room: str = ROOM) -> float | None:
    """Return in how many seconds a room is due; None if it has no task."""
    at = client.zscore(site.keys.due_of(room), names.key_part(room))
    seconds, microseconds = client.time()
    return None if at is None else at / 1000 - seconds - microseconds / 1e6


class TestClaims:
    async def test_a_room_that_was_written_to_is_claimed_once(self, site: Site) -> None:
        await site.write()
        claim = await site.claim()
        assert (claim.room, claim.shard, claim.attempt) == (ROOM, SHARD, 0)
        assert await site.claimed() == []

    async def test_of_many_workers_each_room_has_one(self, site: Site) -> None:
        rooms = {f"room-{number}" for number in range(60)}
        for room in rooms:
            await site.write(room)
        claims = [claim for few in await asyncio.gather(*(site.claimed(5) for _ in range(10))) for claim in few]
        assert sorted(claim.room for claim in claims) == sorted(rooms)

    async def test_no_more_than_asked_for_of_each_shard(self, site: Site) -> None:
        for number in range(40):
            await site.write(f"room-{number}")
        for few in await site.queue.claim(ALL, 1):
            assert len(few) <= 1

    async def test_only_rooms_of_the_shards_that_were_asked_for(self, site: Site) -> None:
        await site.write()
        assert await site.queue.claim([shard for shard in ALL if shard != SHARD], 10) == [[]] * 15

    async def test_each_claim_has_a_higher_fence(self, site: Site) -> None:
        fences = []
        for _ in range(3):
            await site.write()
            fences.append((await site.claim()).fence)
            await asyncio.sleep(1.1)
        assert fences == sorted(set(fences))

    async def test_a_task_without_entries_is_dropped(self, site: Site, redis_of: "redis.Redis") -> None:
        redis_of.zadd(site.keys.due_of(ROOM), {names.key_part(ROOM): 1})
        assert await site.claimed() == []
        assert due_in(redis_of, site) is None

    async def test_a_key_that_is_no_stream_is_claimed_for_its_error_to_be_seen(
        self, site: Site, redis_of: "redis.Redis"
    ) -> None:
        redis_of.set(site.keys.room(ROOM), "no stream")
        redis_of.zadd(site.keys.due_of(ROOM), {names.key_part(ROOM): 1})
        assert (await site.claim()).room == ROOM

    async def test_many_rooms_that_are_not_ready_hide_no_room_that_is(
        self, either_redis: Valkey, configure: Configure, redis_of: "redis.Redis"
    ) -> None:
        settings = configure(either_redis, DEBOUNCE_SECONDS=60, MAX_DELAY_SECONDS=60, SHARDS=1)
        async with connected(settings) as found:
            site = Site(found)
            for number in range(500):
                await site.write(f"busy-{number}")
                redis_of.zadd(site.keys.due(0), {f"busy-{number}": 1})
            redis_of.set(site.keys.room("ready"), "no stream, so it is claimed at once")
            redis_of.zadd(site.keys.due(0), {"ready": 2})
            claims = [claim.room for few in await site.queue.claim([0], 10) for claim in few]
            while site.queue.has_more:
                claims += [claim.room for few in await site.queue.claim([0], 10) for claim in few]
            assert claims == ["ready"]

    async def test_a_shard_that_answers_no_more_is_not_waited_for(
        self, either_redis: Valkey, configure: Configure
    ) -> None:
        async with connected(configure(either_redis, SHARDS=2)) as found:
            site, client = Site(found), found.client.redis
            await client.zadd(site.keys.due(0), {f"empty-{number}": 1 for number in range(1200)})
            await site.queue.claim([0, 1], 100)
            assert (site.queue.has_more, site.queue.silent) == (True, 0)
            await client.set(site.keys.leases(0), "no hash")
            await site.queue.claim([0, 1], 100)
            assert (site.queue.has_more, site.queue.silent) == (False, 1)


class TestDelays:
    async def test_a_room_that_is_quiet_is_due_after_the_debounce(
        self, either_redis: Valkey, configure: Configure, redis_of: "redis.Redis"
    ) -> None:
        settings = configure(either_redis, DEBOUNCE_SECONDS=0.4, MAX_DELAY_SECONDS=60)
        async with connected(settings) as found:
            site = Site(found)
            await site.write()
            assert await site.claimed() == []
            await asyncio.sleep(0.25)
            await site.write()
            await asyncio.sleep(0.25)
            assert await site.claimed() == []  # due by the first entry, put off for the last
            await asyncio.sleep(0.3)
            assert (await site.claim()).room == ROOM

    async def test_a_room_that_is_typed_in_without_pause_is_due_after_the_maximum_delay(
        self, either_redis: Valkey, configure: Configure
    ) -> None:
        settings = configure(either_redis, DEBOUNCE_SECONDS=0.3, MAX_DELAY_SECONDS=1)
        async with connected(settings) as found:
            site, claims, loop = Site(found), list[Claim](), asyncio.get_running_loop()
            began = loop.time()
            while not claims:
                await site.write()
                claims = await site.claimed()
                await asyncio.sleep(0.05)
                assert loop.time() < began + 5
            assert loop.time() - began > 0.9

    async def test_what_came_while_a_room_was_persisted_waits_its_own_time(
        self, either_redis: Valkey, configure: Configure, redis_of: "redis.Redis"
    ) -> None:
        settings = configure(either_redis, DEBOUNCE_SECONDS=0.2, MAX_DELAY_SECONDS=60)
        async with connected(settings) as found:
            site = Site(found)
            await site.write()
            await asyncio.sleep(0.3)
            claim = await site.claim()
            entries = await site.read()
            await site.write()
            assert await site.done(claim, entries)
            assert 0 < due_in(redis_of, site) <= 0.2

    async def test_entries_from_the_future_do_not_make_a_room_wait(self, site: Site, redis_of: "redis.Redis") -> None:
        future = "99999999999999-0"
        redis_of.hset(site.keys.head(ROOM), mapping={"epoch": "e", "last": future, "floor": future})
        await site.write()
        assert (await site.claim()).room == ROOM


class TestLeases:
    async def test_a_lease_that_is_renewed_is_kept(self, site: Site) -> None:
        await site.write()
        claim = await site.claim()
        for _ in range(4):
            await asyncio.sleep(0.4)
            assert await site.queue.renew([claim]) == set()
            assert await site.claimed() == []

    async def test_a_lease_that_is_not_renewed_is_another_workers(self, site: Site) -> None:
        await site.write()
        first = await site.claim()
        await asyncio.sleep(1.1)
        second = await site.claim()
        assert second.fence > first.fence
        assert await site.queue.renew([first, second]) == {first}
        assert not await site.persisted(first)
        assert not await site.queue.release(first)
        assert len((await site.streams.read(ROOM)).entries) == 1
        assert await site.persisted(second)

    async def test_a_lease_that_ran_out_and_nobody_took_is_still_ours(self, site: Site) -> None:
        await site.write()
        claim = await site.claim()
        await asyncio.sleep(1.1)
        assert await site.persisted(claim)


class TestDone:
    async def test_a_stream_that_is_persisted_is_gone(self, site: Site, redis_of: "redis.Redis") -> None:
        last = await site.write()
        assert await site.persisted(await site.claim())
        assert not redis_of.exists(site.keys.room(ROOM), site.keys.due_of(ROOM), site.keys.leases(SHARD))
        head = await site.streams.head(ROOM)
        assert (head.last, head.floor) == (last, last)

    async def test_exactly_what_is_persisted_is_trimmed(self, site: Site, redis_of: "redis.Redis") -> None:
        ids = [await site.write(update=bytes((0, number))) for number in range(250)]
        claim = await site.claim()
        assert await site.done(claim, (await site.read())[:124])
        assert [entry_id for entry_id, _ in (await site.streams.read(ROOM)).entries] == ids[124:]
        assert (await site.streams.head(ROOM)).floor == ids[123]
        assert due_in(redis_of, site) <= 0

    async def test_under_another_epoch_nothing_is_trimmed(self, site: Site, redis_of: "redis.Redis") -> None:
        await site.write()
        claim = await site.claim()
        assert await site.queue.done(claim, await site.read(), epoch="another", generation=0)
        assert len((await site.streams.read(ROOM)).entries) == 1
        assert due_in(redis_of, site) <= 0

    async def test_in_another_generation_nothing_is_trimmed(self, site: Site, redis_of: "redis.Redis") -> None:
        await site.write()
        claim = await site.claim()
        head = await site.streams.head(ROOM)
        redis_of.hset(site.keys.head(ROOM), "generation", 1)
        assert await site.queue.done(claim, await site.read(), epoch=head.epoch, generation=0)
        assert len((await site.streams.read(ROOM)).entries) == 1

    @pytest.mark.parametrize("before", [0, 1, 40])
    async def test_of_an_older_stream_that_was_restored_nothing_is_trimmed_that_has_our_ids(
        self, site: Site, redis_of: "redis.Redis", before: int
    ) -> None:
        """Redis' clock was ahead for a while, so ids follow one another since; then a replica was promoted."""
        await site.write()
        redis_of.hset(site.keys.head(ROOM), "last", f"{int(time.time() * 1000) + 3_600_000}-0")
        for _ in range(before):
            await site.write(update=b"before")
        keys = (site.keys.room(ROOM), site.keys.head(ROOM))
        dumps = {key: redis_of.dump(key) for key in keys}
        lost = await site.write(update=b"lost by Redis")
        claim, entries = await site.claim(), await site.read()
        for key, dump in dumps.items():
            redis_of.restore(key, 0, dump, replace=True)
        assert await site.write(update=b"accepted anew") == lost
        assert await site.done(claim, entries)
        assert len(await site.read()) == before + 2
        assert (await site.streams.head(ROOM)).floor == START
        assert due_in(redis_of, site) <= 0
        assert await site.persisted(await site.claim())
        assert not redis_of.exists(site.keys.room(ROOM))


class TestTaking:
    """One room by its name, for somebody who does not want to wait."""

    async def test_it_is_claimed_before_it_is_due_and_above_all_fences(
        self, either_redis: Valkey, configure: Configure
    ) -> None:
        async with connected(configure(either_redis, DEBOUNCE_SECONDS=60, MAX_DELAY_SECONDS=60)) as found:
            site = Site(found)
            await site.write()
            assert await site.claimed() == []
            claim = await site.queue.take(ROOM)
            assert claim == Claim(ROOM, 1, SHARD)
            assert await site.persisted(claim)
            assert (await site.queue.take(ROOM)) == Claim(ROOM, 2, SHARD)

    async def test_not_if_somebody_has_it_and_nobody_else_has_it_then(self, site: Site) -> None:
        await site.write()
        claim = await site.claim()
        assert await site.queue.take(ROOM) is None
        await site.queue.release(claim)
        assert await site.queue.take(ROOM) is not None
        assert await site.claimed() == []

    async def test_not_even_a_room_without_entries_stays_in_the_queue(
        self, site: Site, redis_of: "redis.Redis"
    ) -> None:
        claim = await site.queue.take(ROOM)
        assert claim is not None
        assert await site.queue.release(claim)
        assert not redis_of.exists(site.keys.due(SHARD), site.keys.leases(SHARD))

    async def test_a_room_that_waits_after_failures_is_not_forgotten_to_have_failed(self, site: Site) -> None:
        await site.write()
        await site.queue.release(await site.claim(), delay_seconds=60)
        claim = await site.queue.take(ROOM)
        assert claim is not None
        assert claim.attempt == 1


class TestResuming:
    """A room that was given back is leased once more under its fence, to be compacted."""

    async def test_it_is_nobody_elses_meanwhile(self, site: Site) -> None:
        await site.write()
        claim = await site.claim()
        assert await site.persisted(claim)
        assert await site.queue.resume(claim)
        await site.write()
        assert await site.claimed() == []
        assert await site.queue.renew([claim]) == set()
        assert await site.queue.release(claim)
        assert (await site.claim()).fence > claim.fence

    async def test_without_entries_it_has_no_task_afterwards(self, site: Site, redis_of: "redis.Redis") -> None:
        await site.write()
        claim = await site.claim()
        assert await site.persisted(claim)
        assert await site.queue.resume(claim)
        assert await site.queue.release(claim)
        assert not redis_of.exists(site.keys.due_of(ROOM), site.keys.leases(SHARD))

    async def test_after_a_crash_it_has_no_task_either(self, site: Site, redis_of: "redis.Redis") -> None:
        await site.write()
        claim = await site.claim()
        assert await site.persisted(claim)
        assert await site.queue.resume(claim)
        await asyncio.sleep(1.1)
        assert await site.claimed() == []
        assert not redis_of.exists(site.keys.due_of(ROOM), site.keys.leases(SHARD))

    async def test_not_if_somebody_has_it(self, site: Site) -> None:
        await site.write()
        claim = await site.claim()
        assert await site.persisted(claim)
        await site.write()
        other = await site.claim()
        assert not await site.queue.resume(claim)
        assert await site.persisted(other)

    async def test_not_while_it_waits_after_a_failure(self, site: Site, redis_of: "redis.Redis") -> None:
        await site.write()
        claim = await site.claim()
        await site.queue.release(claim, delay_seconds=50)
        assert not await site.queue.resume(claim)
        assert due_in(redis_of, site) > 40


class TestFailures:
    async def test_a_room_that_failed_waits_and_its_failures_are_counted(
        self, site: Site, redis_of: "redis.Redis"
    ) -> None:
        await site.write()
        for attempt in range(3):
            claim = await site.claim()
            assert claim.attempt == attempt
            assert await site.queue.release(claim, delay_seconds=0.2)
            assert await site.claimed() == []
            assert 0 < due_in(redis_of, site) <= 0.2
            await site.write()
            assert await site.claimed() == []  # not sooner for being written to
            await asyncio.sleep(0.25)

    async def test_once_it_was_persisted_it_begins_at_none(self, site: Site) -> None:
        await site.write()
        await site.queue.release(await site.claim(), delay_seconds=0.05)
        await asyncio.sleep(0.1)
        assert await site.persisted(await site.claim())
        await site.write()
        assert (await site.claim()).attempt == 0

    async def test_a_worker_that_gives_back_untouched_is_no_failure(self, site: Site) -> None:
        await site.write()
        await site.queue.release(await site.claim())
        assert (await site.claim()).attempt == 0


class TestLoss:
    """Redis lost everything, or some of it."""

    async def test_after_flushall_the_lease_is_lost_and_nothing_is_trimmed(
        self, site: Site, either_redis: Valkey
    ) -> None:
        await site.write()
        claim, head, entries = await site.claim(), await site.streams.head(ROOM), await site.read()
        either_redis.flushall()
        await site.write()
        assert await site.queue.renew([claim]) == {claim}
        assert not await site.queue.done(claim, entries, epoch=head.epoch, generation=0)
        assert len((await site.streams.read(ROOM)).entries) == 1

    async def test_after_flushall_what_comes_is_due(self, site: Site, either_redis: Valkey) -> None:
        await site.write()
        either_redis.flushall()
        await site.write()
        assert (await site.claim()).room == ROOM

    async def test_a_fence_that_the_store_has_seen_is_passed(self, site: Site) -> None:
        await site.queue.raise_fence(SHARD, 1000)
        await site.queue.raise_fence(SHARD, 7)
        await site.write()
        assert (await site.claim()).fence == 1001

    async def test_a_sweep_finds_entries_without_a_task(self, site: Site, redis_of: "redis.Redis") -> None:
        rooms = [ROOM, *(f"room {number}:{{x}}*" for number in range(700))]
        for room in rooms:
            await site.write(room)
        for shard in ALL:
            redis_of.delete(site.keys.due(shard))
        assert await site.claimed() == []
        assert await site.queue.sweep() == len(rooms)
        assert await site.queue.sweep() == 0
        assert {claim.room for claim in await site.claimed(1000)} == set(rooms)

    async def test_a_sweep_leaves_alone_what_has_a_task(self, site: Site, redis_of: "redis.Redis") -> None:
        await site.write()
        await site.queue.release(await site.claim(), delay_seconds=50)
        assert await site.queue.sweep() == 0
        assert due_in(redis_of, site) > 40

    async def test_one_of_many_workers_sweeps(self, site: Site) -> None:
        turns = [await site.queue.is_my_turn_to_sweep(0.3) for _ in range(3)]
        await asyncio.sleep(0.4)
        assert [*turns, await site.queue.is_my_turn_to_sweep(0.3)] == [True, False, False, True]


class TestRedisInTrouble:
    async def test_a_full_redis_can_be_drained(self, own_valkey: Valkey, configure: Configure) -> None:
        settings = configure(own_valkey, DEBOUNCE_SECONDS=0, REDIS_URL=own_valkey.url)
        with own_valkey.client() as client:
            async with connected(settings) as found:
                site = Site(found)
                await site.write(update=b"\0" * 100_000)
                client.config_set("maxmemory", 1)
                with pytest.raises(RedisUnavailable):
                    await site.write()
                claim = await site.claim()
                assert await site.queue.renew([claim]) == set()
                assert await site.persisted(claim)
                assert not client.exists(site.keys.room(ROOM))

    async def test_without_an_answer_a_claim_fails(self, own_valkey: Valkey, configure: Configure) -> None:
        settings = configure(own_valkey, REDIS_TIMEOUT_SECONDS=0.3)
        async with connected(settings) as found:
            own_valkey.freeze()
            try:
                with pytest.raises(RedisUnavailable):
                    await Site(found).claimed()
            finally:
                own_valkey.thaw()
