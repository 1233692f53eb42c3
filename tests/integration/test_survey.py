"""A look at a whole site, and the samples of which the history is made."""

import logging
from collections.abc import Iterator

import pytest
import redis

from rooms import heartbeats, history, names
from rooms.entries import Entry
from rooms.history import Sample
from rooms.hub import Hub
from rooms.keys import Keys
from rooms.redis_client import Memory
from rooms.sampler import Sampler
from rooms.survey import LOOKED_INTO, SEATS, Backlog, Survey, survey
from tests.integration.conftest import Configure, Redis, connected
from tests.integration.persisting import append
from tests.support.valkey import Valkey

HOUR_MS = 3_600_000


async def look(site: Redis) -> Survey:
    """Look at it."""
    return await survey(site.client, site.keys, site.conf)


@pytest.fixture
def client(either_redis: Valkey, rooms_in: Redis) -> Iterator["redis.Redis"]:
    """A client that blocks, of the Redis of `rooms_in`."""
    with either_redis.client() as client:
        yield client


def put_back(client: "redis.Redis", keys: Keys, room: str, *, ago_ms: int) -> None:
    """Let a room have been due for so long, and its entry be as old."""
    now = client.time()[0] * 1000
    client.xadd(keys.room(room), {"e": b"x"}, id=f"{now - ago_ms}-0")
    client.zadd(keys.due_of(room), {names.key_part(room): now - ago_ms})


class TestBacklog:
    async def test_an_empty_site_has_none(self, rooms_in: Redis) -> None:
        found = await look(rooms_in)
        assert found.backlog == Backlog(0, 0, 0, None)
        assert (found.servers, found.workers, found.unanswered) == ([], [], 0)
        assert found.memory is not None
        assert found.memory.used_bytes > 0

    async def test_it_tells_what_waits_what_is_due_and_what_for_long(
        self, rooms_in: Redis, client: "redis.Redis"
    ) -> None:
        await rooms_in.lane.append_and_wait("fresh", Entry(b"x"))
        put_back(client, rooms_in.keys, "due", ago_ms=2_000)
        put_back(client, rooms_in.keys, "overdue", ago_ms=HOUR_MS)
        found = (await look(rooms_in)).backlog
        assert (found.waiting, found.due, found.overdue) == (3, 2, 1)
        assert found.oldest_seconds == pytest.approx(3600, abs=5)

    async def test_it_looks_into_a_few_rooms_of_each_shard(self, rooms_in: Redis, client: "redis.Redis") -> None:
        due = rooms_in.keys.due(0)
        client.zadd(due, {f"gone-{number}": number for number in range(LOOKED_INTO)})
        client.zadd(due, {"late": LOOKED_INTO})
        client.xadd(rooms_in.keys.room_prefix(0) + "late", {"e": b"x"}, id="1-0")
        assert (await look(rooms_in)).backlog.oldest_seconds is None
        client.zrem(due, "gone-0")
        assert ((await look(rooms_in)).backlog.oldest_seconds or 0) > HOUR_MS

    async def test_a_shard_that_can_not_be_read_hides_no_other(self, rooms_in: Redis, client: "redis.Redis") -> None:
        put_back(client, rooms_in.keys, "essay", ago_ms=1000)
        client.set(rooms_in.keys.due((names.shard_of("essay", 16) + 1) % 16), "of another type")
        found = await look(rooms_in)
        assert (found.backlog.waiting, found.unanswered) == (1, 1)

    async def test_a_stream_that_is_none_is_passed_over(self, rooms_in: Redis, client: "redis.Redis") -> None:
        put_back(client, rooms_in.keys, "essay", ago_ms=1000)
        client.set(rooms_in.keys.room("essay"), "of another type")
        assert (await look(rooms_in)).backlog == Backlog(1, 1, 0, None)


class TestProcesses:
    async def test_servers_are_heard_of_also_those_of_another_release(
        self, rooms_in: Redis, client: "redis.Redis"
    ) -> None:
        now = client.time()[0] * 1000
        client.hset(rooms_in.keys.servers, mapping={"old": f"7 {now} 3 2", "new": f"7 {now} 4 2 0.5 later"})
        client.hset(rooms_in.keys.servers, mapping={"none": "of ours", "dead": f"7 {now - HOUR_MS} 90 90 90"})
        found = await look(rooms_in)
        assert [each.name for each in found.servers] == ["dead", "new", "old"]
        assert found.of_servers(SEATS) == 7

    async def test_a_beat_is_heard_as_it_was_told(self, rooms_in: Redis) -> None:
        call = heartbeats.beat(rooms_in.keys.workers, "worker", 1, (3, 1_234_567, 0.25), heartbeat_seconds=3)
        await rooms_in.client.run(call)
        [found] = (await look(rooms_in)).workers
        assert (found.name, found.told) == ("worker", (3.0, 1_234_567.0, 0.25))


class TestSampler:
    async def test_of_two_processes_one_takes_the_sample(self, rooms_in: Redis) -> None:
        for _process in range(2):
            await Sampler(rooms_in.client, rooms_in.keys, rooms_in.conf).sample()
        found = (await look(rooms_in)).history
        [(at, sample)] = found.samples
        assert (sample.connections, sample.backlog) == (0.0, 0.0)
        assert sample.memory_bytes > 0
        assert abs(found.now - at) < 5

    async def test_the_oldest_samples_go(self, rooms_in: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(history, "MOST_SAMPLES", 3)
        for number in range(5):
            await rooms_in.client.run(history.add(rooms_in.keys, Sample(number, 0.5, 0, 0, 0)))
        assert [sample.connections for _at, sample in (await look(rooms_in)).history.samples] == [2, 3, 4]

    async def test_without_redis_it_only_says_so_to_who_debugs(
        self, own_valkey: Valkey, configure: Configure, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with connected(configure(own_valkey)) as rooms:
            own_valkey.kill()
            with caplog.at_level(logging.DEBUG, logger="rooms.sampler"):
                await Sampler(rooms.client, rooms.keys, rooms.conf).sample()
        assert [record.levelname for record in caplog.records if record.name == "rooms.sampler"] == ["DEBUG"]

    async def test_a_redis_that_does_not_tell_its_memory_has_no_sample_and_is_looked_at(
        self, own_valkey: Valkey, configure: Configure
    ) -> None:
        async with connected(configure(own_valkey)) as rooms:
            with own_valkey.client() as client:
                client.acl_setuser(
                    "default", enabled=True, nopass=True, keys="*", channels="*", commands=["+@all", "-info"]
                )
                await Sampler(rooms.client, rooms.keys, rooms.conf).sample()
                found = await look(rooms)
        assert (found.memory, found.unanswered, found.history.samples) == (None, 1, ())

    async def test_a_full_redis_still_keeps_it(self, own_valkey: Valkey, configure: Configure) -> None:
        async with connected(configure(own_valkey)) as rooms:
            with own_valkey.client() as client:
                client.config_set("maxmemory", "1")
                await Sampler(rooms.client, rooms.keys, rooms.conf).sample()
                assert client.llen(rooms.keys.history) == 1
                assert (await rooms.client.memory()).most_bytes == 1


async def test_a_server_tells_how_many_updates_it_appends(hub: Hub, redis_of: "redis.Redis") -> None:
    append(redis_of, "other", b"by another process")
    await hub.upkeep.beat()
    for _ in range(5):
        await hub.backend.lane.append_and_wait("essay", Entry(b"x"))
    hub.upkeep._appended._from = (hub.upkeep._appended._from[0] - 10, hub.upkeep._appended._from[1])
    await hub.upkeep.beat()
    rate = float((redis_of.hget(hub.backend.keys.servers, hub.server_id) or b"").split()[-1])
    assert 0.3 < rate <= 0.5


async def test_memory_without_a_limit_is_0(rooms_in: Redis) -> None:
    found = await rooms_in.client.memory()
    assert isinstance(found, Memory)
    assert found.most_bytes == 0
