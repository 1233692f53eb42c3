"""One event loop's way to Redis: finding out what it is, running scripts, refusing another layout."""

import asyncio
import time

import pytest

from rooms.conf import Conf
from rooms.entries import Entry
from rooms.errors import LayoutMismatch, RedisUnavailable
from rooms.keys import Keys
from rooms.redis_client import Call, RedisClient, Script, script
from rooms.routing import with_rooms
from tests.integration.conftest import Configure, Redis, connected
from tests.support.processes import free_port
from tests.support.valkey import Valkey

ECHO = Script("return ARGV[1]", "0" * 40)


async def never(scope: object, receive: object, send: object) -> None:
    """Be the site's http application."""


class TestConnecting:
    """Done once for each loop."""

    async def test_a_redis_that_is_not_there_is_unavailable(self, configure: Configure, valkey: Valkey) -> None:
        settings = configure(valkey, REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
        with pytest.raises(RedisUnavailable):
            await RedisClient.connect(settings)

    async def test_a_redis_that_says_nothing_is_given_up(self, own_valkey: Valkey, configure: Configure) -> None:
        settings = configure(own_valkey, REDIS_TIMEOUT_SECONDS=0.3)
        own_valkey.freeze()
        started = time.monotonic()
        with pytest.raises(RedisUnavailable):
            await RedisClient.connect(settings)
        assert time.monotonic() - started < 2

    async def test_a_single_server_is_used_as_one(self, rooms_in: Redis) -> None:
        assert not rooms_in.client.is_cluster
        assert rooms_in.client.address_of("any") == ("", 0)

    async def test_how_durable_it_is_is_known(self, rooms_in: Redis) -> None:
        assert await rooms_in.client.durability() == {
            "appendonly": "no",
            "appendfsync": "everysec",
            "maxmemory_policy": "noeviction",
        }

    async def test_many_connections_wait_for_each_other(self, valkey: Valkey, configure: Configure) -> None:
        async with connected(configure(valkey, REDIS_CONNECTIONS=2)) as rooms:
            answers = await asyncio.gather(*(rooms.client.run(Call(ECHO, (), (number,))) for number in range(200)))
        assert answers == [str(number).encode() for number in range(200)]


class TestLayout:
    """Keys of another layout are never touched."""

    async def test_it_is_written_once(self, rooms_in: Redis) -> None:
        found = await rooms_in.client.redis.hgetall(rooms_in.keys.layout)
        assert found == {b"version": b"1", b"shards": b"16"}

    async def test_another_number_of_shards_is_refused(self, rooms_in: Redis, settings: object) -> None:
        other = Conf(redis_url=rooms_in.conf.redis_url, shards=4)
        with pytest.raises(LayoutMismatch, match="shards"):
            await RedisClient.connect(other)

    async def test_two_prefixes_share_a_redis(self, rooms_in: Redis) -> None:
        async with connected(Conf(redis_url=rooms_in.conf.redis_url, prefix="another", shards=4)) as others:
            await others.lane.append_and_wait("essay", Entry(b"theirs"))
        assert not (await rooms_in.streams.read("essay")).entries

    async def test_an_application_with_another_layout_does_not_start(self, rooms_in: Redis) -> None:
        await rooms_in.client.redis.hset(Keys.of(rooms_in.conf).layout, "version", "99")
        with pytest.raises(LayoutMismatch):
            with_rooms(never)

    async def test_one_without_redis_does(self, configure: Configure, valkey: Valkey) -> None:
        configure(valkey, REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
        assert callable(with_rooms(never))


class TestScripts:
    """A script is sent once, and again whenever Redis has forgotten it."""

    async def test_one_that_redis_does_not_know_is_sent(self, rooms_in: Redis) -> None:
        await rooms_in.client.redis.script_flush()
        assert await rooms_in.client.run(Call(ECHO, (), ("hello",))) == b"hello"

    async def test_several_go_in_one_round_trip_and_fail_alone(self, rooms_in: Redis) -> None:
        await rooms_in.client.redis.script_flush()
        fails = Script("return redis.error_reply('ERR no')", "1" * 40)
        first, second, third = await rooms_in.client.run_together(
            [Call(ECHO, (), (1,)), Call(fails, (), ()), Call(ECHO, (), (3,))]
        )
        assert (first, third) == (b"1", b"3")
        assert isinstance(second, RedisUnavailable)

    @pytest.mark.parametrize("name", ["append", "awareness", "heartbeat", "read"])
    async def test_each_of_ours_is_known_by_its_digest(self, rooms_in: Redis, name: str) -> None:
        loaded = await rooms_in.client.redis.script_load(script(name).source)
        assert loaded == script(name).digest

    async def test_one_whose_redis_died_is_an_error_for_all(self, own_valkey: Valkey, configure: Configure) -> None:
        async with connected(configure(own_valkey)) as rooms:
            own_valkey.kill()
            outcomes = await rooms.client.run_together([Call(ECHO, (), (1,)), Call(ECHO, (), (2,))])
        assert [type(outcome) for outcome in outcomes] == [RedisUnavailable] * 2


class TestClosing:
    """redis-py connects a closed client again, and nobody would close that connection."""

    async def test_a_closed_client_refuses_to_connect_again(self, either_redis: Valkey, configure: Configure) -> None:
        client = await RedisClient.connect(configure(either_redis))
        await client.aclose()
        with pytest.raises(RedisUnavailable, match="closed"):
            await client.run(Call(script("present"), ("a",), (1,)))

    async def test_commands_on_their_way_end_before_the_connections_close(
        self, own_valkey: Valkey, configure: Configure
    ) -> None:
        client = await RedisClient.connect(configure(own_valkey, REDIS_TIMEOUT_SECONDS=5))
        own_valkey.freeze()
        running = asyncio.create_task(client.durability())
        closing = asyncio.create_task(client.aclose())
        await asyncio.sleep(0.1)
        own_valkey.thaw()
        await closing
        assert (await running)["appendonly"] in {"yes", "no"}
