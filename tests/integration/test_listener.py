"""Hearing bells: whatever breaks the connection, every room is reported as subscribed anew, and read."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import msgpack
import pytest
import redis

from rooms import listener as listening
from rooms.bells import Bell, Kind
from rooms.entries import Entry, encode
from rooms.listener import Listener
from rooms.metrics import Count, counters
from tests.integration.conftest import Configure, Redis, connected
from tests.integration.peers import eventually
from tests.support.valkey import Valkey


class Ears:
    """A listener, and what it reported."""

    def __init__(self, rooms: Redis) -> None:
        self.rooms = rooms
        self.bells: list[tuple[str, Bell]] = []
        self.subscribed: Counter[str] = Counter()
        self.listener = Listener(
            rooms.client,
            rooms.keys,
            lambda room, bell: self.bells.append((room, bell)),
            lambda room: self.subscribed.update([room]),
        )

    async def open(self, *rooms: str) -> None:
        """Subscribe and wait until it is so."""
        for room in rooms:
            self.listener.subscribe(room)
        await self.again(1, *rooms)

    async def again(self, times: int, *rooms: str, seconds: float = 10.0) -> None:
        """Return when each room was reported so many times."""
        await eventually(lambda: all(self.subscribed[room] >= times for room in rooms), seconds)

    async def hears(self, room: str) -> None:
        """Append to a room and return when its bell is heard."""
        before = len(self.bells)
        await self.rooms.lane.append_and_wait(room, Entry(b"news"))
        await eventually(lambda: room in [name for name, _ in self.bells[before:]])


@pytest.fixture
async def ears(valkey: Valkey, configure: Configure) -> AsyncIterator[Ears]:
    async with connected(configure(valkey)) as rooms:
        found = Ears(rooms)
        yield found
        await found.listener.aclose()


def listening_clients(client: "redis.Redis") -> list[str]:
    return [found["id"] for found in client.client_list() if int(found.get("ssub", 0)) > 0]


class TestBells:
    """Every append rings."""

    async def test_a_bell_carries_what_was_appended(self, ears: Ears) -> None:
        await ears.open("essay")
        entry = Entry(b"news", user_id="ada", connection_id="c1")
        await ears.rooms.lane.append_and_wait("essay", entry)
        await eventually(lambda: ears.bells)
        [(room, bell)] = ears.bells
        assert (room, bell.kind, bell.body) == ("essay", Kind.ENTRIES, [encode(entry)])
        assert bell.head == await ears.rooms.streams.head("essay")

    async def test_each_bell_names_the_one_before(self, ears: Ears) -> None:
        await ears.open("essay")
        for _ in range(3):
            await ears.rooms.lane.append_and_wait("essay", Entry(b"news"))
        await eventually(lambda: len(ears.bells) == 3)
        first, second, third = (bell for _, bell in ears.bells)
        assert (second.previous, third.previous) == (first.head.last, second.head.last)

    async def test_what_is_large_does_not_travel_with_it(self, ears: Ears) -> None:
        await ears.open("essay")
        await ears.rooms.lane.append_and_wait("essay", Entry(b"x" * ears.rooms.conf.inline_bell_bytes))
        await eventually(lambda: ears.bells)
        assert ears.bells[0][1].body is False

    async def test_only_rooms_subscribed_to_are_heard(self, ears: Ears) -> None:
        await ears.open("essay", "other")
        ears.listener.unsubscribe("other")
        await asyncio.sleep(0.05)
        await ears.rooms.lane.append_and_wait("other", Entry(b"news"))
        await ears.hears("essay")
        assert [room for room, _ in ears.bells] == ["essay"]

    @pytest.mark.parametrize("name", ["ünï/cödé", "ünï%2Fcödé", "a b", "a{b}", "a*", "a:b", "%25"])
    async def test_any_name_can_be_heard(self, ears: Ears, name: str) -> None:
        await ears.open(name)
        await ears.hears(name)

    async def test_two_thousand_rooms_are_heard(self, ears: Ears) -> None:
        rooms = [f"room {number}" for number in range(2000)]
        await ears.open(*rooms)
        await asyncio.gather(*(ears.rooms.lane.append_and_wait(room, Entry(b"news")) for room in rooms))
        await eventually(lambda: len(ears.bells) == 2000)


class TestBadBells:
    """G7: one room's bell that makes no sense stops no other room."""

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"nonsense",
            msgpack.packb([2, "entries", "e", "0", "0-0", "0-0", "1-0", []]),
            msgpack.packb([1, "entries", "e", "0", "0-0", "x", "1-0", []]),
        ],
    )
    async def test_it_is_counted_and_the_line_stays(self, ears: Ears, data: bytes) -> None:
        await ears.open("essay", "other")
        before = counters[Count.BELLS_UNREADABLE]
        await ears.rooms.client.redis.execute_command("SPUBLISH", ears.rooms.keys.bell("other"), data)
        await ears.hears("essay")
        assert counters[Count.BELLS_UNREADABLE] == before + 1
        assert ears.subscribed["essay"] == 1

    async def test_a_listener_survives_whoever_it_reports_to(self, valkey: Valkey, configure: Configure) -> None:
        async with connected(configure(valkey)) as rooms:
            ears = Ears(rooms)

            def fails_for_one(room: str, bell: Bell) -> None:
                if room == "bad":
                    raise ValueError("a bug")
                ears.bells.append((room, bell))

            ears.listener = Listener(
                rooms.client, rooms.keys, fails_for_one, lambda room: ears.subscribed.update([room])
            )
            await ears.open("essay", "bad")
            await rooms.lane.append_and_wait("bad", Entry(b"news"))
            await ears.hears("essay")
            await ears.listener.aclose()


class TestBreaks:
    """FAULTS: pub/sub killed, cut by its buffer's limit, or silent."""

    async def test_a_killed_connection_is_opened_anew_for_every_room(self, ears: Ears, redis_of: "redis.Redis") -> None:
        rooms = [f"room {number}" for number in range(200)]
        await ears.open(*rooms)
        redis_of.client_kill_filter(_type="pubsub")
        await ears.again(2, *rooms)
        await ears.hears("room 7")

    async def test_it_is_opened_anew_as_often_as_it_is_killed(self, ears: Ears, redis_of: "redis.Redis") -> None:
        await ears.open("essay")
        for times in (2, 3, 4):
            redis_of.client_kill_filter(_type="pubsub")
            await ears.again(times, "essay")
        assert len(listening_clients(redis_of)) == 1

    async def test_a_room_subscribed_to_while_it_is_down_is_heard(self, ears: Ears, redis_of: "redis.Redis") -> None:
        await ears.open("essay")
        redis_of.client_kill_filter(_type="pubsub")
        await asyncio.sleep(0)
        await ears.open("other")
        await ears.hears("other")

    async def test_a_listener_too_slow_for_its_buffer_comes_back(
        self, own_valkey: Valkey, configure: Configure
    ) -> None:
        async with connected(configure(own_valkey)) as rooms:
            ears = Ears(rooms)
            await ears.open("essay")
            bell = msgpack.packb([1, "awareness", "", "0", "0-0", "0-0", "0-0", b"x" * 10_000])
            with own_valkey.client() as client:
                client.config_set("client-output-buffer-limit", "pubsub 1mb 1mb 1")
                burst = "for _ = 1, 1000 do redis.call('SPUBLISH', ARGV[1], ARGV[2]) end"  # sends nothing meanwhile
                client.eval(burst, 0, rooms.keys.bell("essay"), bell)
            await ears.again(2, "essay")
            await ears.hears("essay")
            await ears.listener.aclose()

    async def test_a_silent_redis_is_noticed(
        self, own_valkey: Valkey, configure: Configure, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(listening, "PING_SECONDS", 0.2)
        async with connected(configure(own_valkey, REDIS_TIMEOUT_SECONDS=0.5)) as rooms:
            ears = Ears(rooms)
            await ears.open("essay")
            before = counters[Count.RESUBSCRIPTIONS]
            own_valkey.freeze()
            await eventually(lambda: counters[Count.RESUBSCRIPTIONS] > before)
            own_valkey.thaw()
            await ears.again(2, "essay")
            await ears.hears("essay")
            await ears.listener.aclose()

    async def test_a_quiet_redis_is_left_alone(self, ears: Ears, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(listening, "PING_SECONDS", 0.05)
        await ears.open("essay")
        await asyncio.sleep(0.5)
        assert ears.subscribed["essay"] == 1

    async def test_a_restarted_redis_is_found_again(self, own_valkey: Valkey, configure: Configure) -> None:
        async with connected(configure(own_valkey)) as rooms:
            ears = Ears(rooms)
            await ears.open("essay", "other")
            own_valkey.restart_empty()
            await ears.again(2, "essay", "other")
            await ears.hears("essay")
            await ears.listener.aclose()
