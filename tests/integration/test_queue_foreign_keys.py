"""What somebody else put into our keys is in the way of one room or shard at most, never of the others (G7)."""

import logging
from collections.abc import AsyncIterator

import pytest
import redis

from rooms import names
from rooms.errors import RedisUnavailable
from tests.integration.conftest import Configure, connected
from tests.integration.test_queue import ALL, ROOM, SHARD, Site
from tests.support.valkey import Valkey

OTHERS = [f"room-{number}" for number in range(60)]
MEMBER = names.key_part(ROOM)


@pytest.fixture
async def site(either_redis: Valkey, configure: Configure) -> AsyncIterator[Site]:
    """A queue with one room to be disturbed, and others in all shards."""
    settings = configure(either_redis, DEBOUNCE_SECONDS=0, MAX_DELAY_SECONDS=60, LEASE_SECONDS=1)
    async with connected(settings) as found:
        site = Site(found)
        for room in (ROOM, *OTHERS):
            await site.write(room)
        yield site


@pytest.fixture
def redis_of(either_redis: Valkey) -> "redis.Redis":
    """A client of that Redis."""
    return either_redis.client()


async def rooms_of(site: Site) -> set[str]:
    """Return the rooms that can be claimed."""
    return {claim.room for claim in await site.claimed()}


def elsewhere() -> set[str]:
    """Return the rooms of other shards."""
    return {room for room in OTHERS if names.shard_of(room, 16) != SHARD}


@pytest.mark.parametrize("kind", ["due", "leases", "fence"])
async def test_a_shard_whose_keys_are_of_another_type_stops_alone(
    site: Site, redis_of: "redis.Redis", kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    key = getattr(site.keys, kind)(SHARD)
    redis_of.delete(key)
    redis_of.rpush(key, "a list")
    with caplog.at_level(logging.WARNING):
        assert await rooms_of(site) == elsewhere()
        await site.claimed()
    assert [record.shard for record in caplog.records if record.action == "shard_not_claimed"] == [SHARD]
    redis_of.delete(key)
    await site.queue.sweep()
    assert ROOM in await rooms_of(site)


@pytest.mark.parametrize("lease", ["", "garbage", "1 2", "-1 0 0", "1 0 99999999999999 more", b"\xff\0"])
async def test_a_lease_that_can_not_be_read_is_nobodys(site: Site, redis_of: "redis.Redis", lease: str) -> None:
    redis_of.hset(site.keys.leases(SHARD), MEMBER, lease)
    claims = {claim.room: claim for claim in await site.claimed()}
    assert set(claims) == {ROOM, *OTHERS}
    assert await site.persisted(claims[ROOM])
    assert not redis_of.exists(site.keys.room(ROOM))


async def test_a_lease_that_can_not_be_read_any_more_is_lost(site: Site, redis_of: "redis.Redis") -> None:
    [claim] = [claim for claim in await site.claimed() if claim.room == ROOM]
    redis_of.hset(site.keys.leases(SHARD), MEMBER, "garbage")
    assert await site.queue.renew([claim]) == {claim}
    assert not await site.persisted(claim)
    assert not await site.queue.release(claim)
    assert redis_of.xlen(site.keys.room(ROOM)) == 1


@pytest.mark.parametrize("member", ["a b", "a%zz", "%e4", b"\xff\xfe", "a/b", ""])
async def test_a_task_that_names_no_room_is_left_alone(
    site: Site, redis_of: "redis.Redis", member: str | bytes, caplog: pytest.LogCaptureFixture
) -> None:
    stream = site.keys.room_prefix(SHARD).encode() + (member if isinstance(member, bytes) else member.encode())
    redis_of.xadd(stream, {"e": "theirs"})
    redis_of.zadd(site.keys.due(SHARD), {member: 1})
    with caplog.at_level(logging.ERROR):
        assert await rooms_of(site) == {ROOM, *OTHERS}
    assert "names no room" in caplog.text
    assert await site.queue.sweep() == 0
    assert redis_of.xlen(stream) == 1


async def test_a_sweep_passes_streams_of_no_room_and_of_no_shard(site: Site, redis_of: "redis.Redis") -> None:
    for stream in (b"yredis:{x}:room:a", b"yredis:{99}:room:a", b"yredis:{0}:room:\xff", b"yredis:{}:room:"):
        redis_of.xadd(stream, {"e": "theirs"})
    for shard in ALL:
        redis_of.delete(site.keys.due(shard))
    assert await site.queue.sweep() == 1 + len(OTHERS)
    assert await rooms_of(site) == {ROOM, *OTHERS}


async def test_a_shard_that_refuses_does_not_keep_a_sweep_from_the_others(site: Site, redis_of: "redis.Redis") -> None:
    for shard in ALL:
        redis_of.delete(site.keys.due(shard))
    redis_of.set(site.keys.due(SHARD), "no set")
    with pytest.raises(RedisUnavailable, match="WRONGTYPE"):
        await site.queue.sweep()
    assert await rooms_of(site) == elsewhere()


@pytest.mark.parametrize("floor", ["", "garbage", "7", "1-2-3"])
async def test_a_floor_that_can_not_be_read_is_mended_by_the_next_trim(
    site: Site, redis_of: "redis.Redis", floor: str
) -> None:
    claims = {claim.room: claim for claim in await site.claimed()}
    head, entries = await site.streams.head(ROOM), await site.read()
    redis_of.hset(site.keys.head(ROOM), "floor", floor)
    assert await site.queue.done(claims[ROOM], entries, epoch=head.epoch, generation=head.generation)
    assert not redis_of.exists(site.keys.room(ROOM))
    assert (await site.streams.head(ROOM)).floor == entries[-1][0]
