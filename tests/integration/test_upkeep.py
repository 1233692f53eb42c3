"""What a server does again and again: heartbeats, the sweep, keeping quiet connections alive."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import redis

from rooms import upkeep
from rooms.backend import Backend
from rooms.hub import Hub
from rooms.metrics import Count, counters
from rooms.protocol import Awareness
from tests.integration.conftest import Configure, Serve
from tests.integration.peers import READ, Peer, append_silently, eventually, settled, text_update
from tests.support.valkey import Valkey

Seated = Callable[..., Awaitable[Peer]]
ROOM = "essay"


class TestHeartbeat:
    """`{prefix}:servers` tells who lives, and how much sits there."""

    async def test_it_tells_the_beat_the_seats_the_rooms_and_the_rate(
        self, hub: Hub, seat: Seated, redis_of: "redis.Redis"
    ) -> None:
        await seat(hub, ROOM)
        await seat(hub, ROOM)
        await seat(hub, "other")
        await hub.upkeep.beat()
        beat, _, seats, rooms, rate = (redis_of.hget(hub.backend.keys.servers, hub.server_id) or b"").split()
        assert (beat, seats, rooms, float(rate)) == (b"2", b"3", b"2", 0.0)

    async def test_it_beats_by_itself(
        self, valkey: Valkey, configure: Configure, serve: Serve, redis_of: "redis.Redis"
    ) -> None:
        configure(valkey, HEARTBEAT_SECONDS=0.05)
        hub = await serve()
        keys = hub.backend.keys
        await eventually(lambda: (redis_of.hget(keys.servers, hub.server_id) or b"0").split()[0] > b"3")

    async def test_a_server_silent_for_very_long_is_forgotten(self, hub: Hub, redis_of: "redis.Redis") -> None:
        redis_of.hset(hub.backend.keys.servers, "long ago", "1 1000 1 1")
        await hub.upkeep.beat()
        assert not redis_of.hexists(hub.backend.keys.servers, "long ago")

    @pytest.mark.parametrize(("seconds", "forgotten"), [(9_000, False), (11_000, True)])
    async def test_none_is_forgotten_before_it_counts_as_dead(
        self, valkey: Valkey, configure: Configure, serve: Serve, redis_of: "redis.Redis", seconds: int, forgotten: bool
    ) -> None:
        """With a heartbeat of 1,000 seconds it is dead after 4,000."""
        configure(valkey, HEARTBEAT_SECONDS=1000)
        hub = await serve()
        silent_since = redis_of.time()[0] - seconds
        redis_of.hset(hub.backend.keys.servers, "silent", f"1 {silent_since}000 1 1")
        await hub.upkeep.beat()
        assert hub.upkeep.dead == {"silent"}
        assert redis_of.hexists(hub.backend.keys.servers, "silent") is not forgotten

    async def test_a_redis_that_forgot_our_beat_lost_data(self, hub: Hub, redis_of: "redis.Redis") -> None:
        """Then its layout is written again, and every room is looked at."""
        await hub.upkeep.beat()
        redis_of.flushall()
        await hub.upkeep.beat()
        assert redis_of.hget(hub.backend.keys.layout, "shards") == str(hub.backend.conf.shards).encode()

    async def test_a_full_redis_still_takes_it(self, own_valkey: Valkey, configure: Configure) -> None:
        configure(own_valkey)
        backend = await Backend.open()
        hub = Hub(backend)
        with own_valkey.client() as client:
            client.config_set("maxmemory", "1")
            await hub.upkeep.start()
            assert client.hlen(backend.keys.servers) == 1
        await hub.aclose()
        await backend.aclose()

    async def test_it_goes_on_after_redis_was_away(self, own_valkey: Valkey, configure: Configure) -> None:
        configure(own_valkey, HEARTBEAT_SECONDS=0.05)
        backend = await Backend.open()
        hub = Hub(backend)
        await hub.upkeep.start()
        own_valkey.kill()
        await asyncio.sleep(0.2)
        own_valkey.start()
        with own_valkey.client() as client:
            await eventually(lambda: client.hlen(backend.keys.servers) == 1)
        await hub.aclose()
        await backend.aclose()


class TestSweep:
    """A lost bell is found out, without one look at all rooms at once."""

    async def test_every_room_has_its_turn(self, hub: Hub, seat: Seated, redis_of: "redis.Redis") -> None:
        peers = {name: await seat(hub, name, READ) for name in map(str, range(25))}
        for name in peers:
            append_silently(hub, redis_of, name, text_update(name, 9))
        for _ in range(upkeep.SWEEP_SLICES):
            await hub.upkeep.sweep()
        await eventually(lambda: all(str(peer.text) == name for name, peer in peers.items()))

    async def test_it_runs_by_itself(
        self, valkey: Valkey, configure: Configure, serve: Serve, seat: Seated, redis_of: "redis.Redis"
    ) -> None:
        configure(valkey, SWEEP_SECONDS=0.2)
        hub = await serve()
        peer = await seat(hub, ROOM, READ)
        append_silently(hub, redis_of, ROOM, text_update("a", 9))
        await eventually(lambda: str(peer.text) == "a")

    async def test_where_nothing_was_lost_nothing_is_read(self, hub: Hub, seat: Seated) -> None:
        peer = await seat(hub, ROOM)
        peer.add("a")
        await settled(peer)
        before = counters[Count.STREAM_READS]
        for _ in range(upkeep.SWEEP_SLICES):
            await hub.upkeep.sweep()
        await settled(peer)
        assert counters[Count.STREAM_READS] == before

    @pytest.mark.parametrize("key", ["room", "head"])
    async def test_a_room_that_can_not_be_read_hides_no_other(
        self, hub: Hub, seat: Seated, redis_of: "redis.Redis", key: str
    ) -> None:
        await seat(hub, "bad", READ)
        good = await seat(hub, "good", READ)
        redis_of.set(getattr(hub.backend.keys, key)("bad"), "of another type")
        append_silently(hub, redis_of, "good", text_update("a", 9))
        for _ in range(upkeep.SWEEP_SLICES):
            await hub.upkeep.sweep()
        await eventually(lambda: str(good.text) == "a")


class TestKeepAlive:
    """y-websocket gives up a connection on which it received nothing for 30 seconds."""

    async def test_who_was_sent_nothing_for_long_gets_an_empty_message(self, hub: Hub, seat: Seated) -> None:
        peer = await seat(hub, ROOM)
        assert peer.seat is not None
        peer.seat.outbox.last_sent_at -= upkeep.QUIET_SECONDS + 1
        await hub.upkeep.keep_alive()
        await hub.upkeep.keep_alive()
        assert peer.got(Awareness) == [Awareness(b"\0")]

    async def test_a_reader_who_never_got_anything_is_not_forgotten(self, hub: Hub, seat: Seated) -> None:
        reader = await seat(hub, ROOM, READ)
        await hub.upkeep.keep_alive()
        assert reader.got(Awareness) == [Awareness(b"\0")]

    async def test_who_was_sent_something_is_left_alone(self, hub: Hub, seat: Seated) -> None:
        peer = await seat(hub, ROOM)
        await hub.upkeep.keep_alive()
        assert peer.count(Awareness) == 0

    async def test_it_adds_nothing_to_what_a_slow_client_has_to_read(self, hub: Hub, seat: Seated) -> None:
        peer = await seat(hub, ROOM)
        assert peer.seat is not None
        peer.writer.stall()
        peer.seat.outbox.last_sent_at -= upkeep.QUIET_SECONDS + 1
        await hub.upkeep.keep_alive()
        peer.writer.resume()
        assert peer.count(Awareness) == 0

    def test_the_pause_is_shorter_than_a_clients_patience(self) -> None:
        assert upkeep.QUIET_SECONDS + upkeep.KEEP_ALIVE_SECONDS < 30


class TestEnd:
    """A hub that is closed leaves nothing running."""

    async def test_it_can_be_stopped_at_any_moment(self, valkey: Valkey, configure: Configure) -> None:
        configure(valkey, HEARTBEAT_SECONDS=0.0005, SWEEP_SECONDS=0.005)
        backend = await Backend.open()
        for number in range(60):
            hub = Hub(backend)
            await hub.upkeep.start()
            await asyncio.sleep(0.0003 * (number % 20))
            await asyncio.wait_for(hub.aclose(), 5)
        await backend.aclose()
