"""Seats: what one connection may do and how much, in which order, and what it costs the others."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import redis
from pycrdt import Doc, Map

from rooms import hub as hubs
from rooms import protocol
from rooms.errors import CloseCode, LayoutMismatch, RedisUnavailable, TooMuch
from rooms.hub import Hub
from rooms.metrics import Count, counters
from rooms.protocol import SyncStep1
from tests.integration.conftest import Configure, Serve
from tests.integration.peers import READ, Peer, eventually, settled, text_update
from tests.support.valkey import Valkey

Seated = Callable[..., Awaitable[Peer]]
ROOM = "essay"

POISON = [
    bytes.fromhex("01020a002801016d0163017c7c4f0000000000"),
    b"\1\1\5\0\x08\1\1t\1" + b"\x75\1" * 60_000 + b"\x7e\0",
    b"\1\1\1\1",
    b"\xff" * 400_000,
    b"",
]


async def entries(hub: Hub, room: str = ROOM) -> int:
    """Return the number of entries in the stream."""
    return len((await hub.backend.streams.read(room)).entries)


class TestRights:
    """A reader changes nothing."""

    async def test_a_readers_update_closes_it(self, hub: Hub, seat: Seated) -> None:
        reader = await seat(hub, ROOM, READ)
        reader.send(protocol.update(text_update("a", 9)))
        await eventually(lambda: reader.code == CloseCode.NO_RIGHT)
        assert await entries(hub) == 0

    async def test_a_readers_answer_with_news_closes_it(self, hub: Hub, seat: Seated) -> None:
        reader = await seat(hub, ROOM, READ)
        reader.send(protocol.sync_step_2(text_update("a", 9)))
        await eventually(lambda: reader.code == CloseCode.NO_RIGHT)
        assert await entries(hub) == 0

    async def test_a_readers_answer_without_news_is_nothing_bad(self, hub: Hub, seat: Seated) -> None:
        writer, reader = await seat(hub, ROOM), await seat(hub, ROOM, READ)
        writer.add("a")
        await eventually(lambda: str(reader.text) == "a")
        reader.send(protocol.sync_step_2(reader.doc.get_update()))
        await settled(reader)
        assert reader.code is None


class TestBadFrames:
    """G2: whatever is wrong closes that one socket, and nothing that it sent later is looked at."""

    @pytest.mark.parametrize(
        "frame", [b"", b"\2", b"\4\0", b"\0\3\0", b"\0\2\5a", b"\0\2\1\0\0", b"\xff" * 9, b"\1\1\5"]
    )
    async def test_what_is_no_message_closes_the_socket(self, hub: Hub, seat: Seated, frame: bytes) -> None:
        peer = await seat(hub, ROOM)
        peer.send(frame)
        await eventually(lambda: peer.code == CloseCode.MALFORMED)

    @pytest.mark.parametrize("update", POISON, ids=range(len(POISON)))
    @pytest.mark.parametrize("wrap", [protocol.update, protocol.sync_step_2])
    async def test_bytes_that_kill_or_mean_nothing_close_the_socket(
        self, hub: Hub, seat: Seated, update: bytes, wrap: Callable[[bytes], bytes]
    ) -> None:
        bad, good = await seat(hub, ROOM), await seat(hub, ROOM)
        bad.send(wrap(update))
        await eventually(lambda: bad.code == CloseCode.MALFORMED)
        good.add("fine")
        await settled(good)
        assert (good.code, await entries(hub)) == (None, 1)

    @pytest.mark.parametrize("state_vector", [b"", b"\xff\xff\xff\xff\x01\0", b"\1\1"])
    async def test_a_state_vector_that_is_none_closes_the_socket(
        self, hub: Hub, seat: Seated, state_vector: bytes
    ) -> None:
        peer = await seat(hub, ROOM)
        peer.send(protocol.sync_step_1(state_vector))
        await eventually(lambda: peer.code == CloseCode.MALFORMED)

    async def test_no_later_frame_is_taken(self, hub: Hub, seat: Seated) -> None:
        peer = await seat(hub, ROOM)
        peer.send(b"nonsense")
        peer.send(protocol.update(text_update("a", 9)))
        await settled(peer)
        assert await entries(hub) == 0

    async def test_no_later_frame_is_taken_after_an_append_that_failed(
        self, hub: Hub, seat: Seated, redis_of: "redis.Redis"
    ) -> None:
        peer = await seat(hub, ROOM)
        await settled(peer)
        redis_of.set(hub.backend.keys.room(ROOM), "no stream")
        peer.send(protocol.update(text_update("a", 9)))
        await eventually(lambda: peer.code == CloseCode.TRY_AGAIN_LATER)
        redis_of.delete(hub.backend.keys.room(ROOM))
        peer.send(protocol.update(text_update("b", 9, clock=1)))
        await settled(peer)
        assert await entries(hub) == 0

    async def test_nor_one_that_was_looked_into_meanwhile(
        self, hub: Hub, seat: Seated, redis_of: "redis.Redis"
    ) -> None:
        """The first update fails while the second, a large one, is with a compute child."""
        peer = await seat(hub, ROOM)
        await settled(peer)
        doc: Doc[Any] = Doc(client_id=8)
        doc["map"] = Map({str(number): bytes(10) for number in range(20_000)})
        redis_of.set(hub.backend.keys.room(ROOM), "no stream")
        peer.send(protocol.update(text_update("a", 9)))
        peer.send(protocol.update(doc.get_update()))
        await eventually(lambda: peer.code == CloseCode.TRY_AGAIN_LATER)
        redis_of.delete(hub.backend.keys.room(ROOM))
        await settled(peer)
        assert await entries(hub) == 0

    async def test_another_room_goes_on_where_one_can_not_be_written(
        self, hub: Hub, seat: Seated, redis_of: "redis.Redis"
    ) -> None:
        bad, good, witness = await seat(hub, "bad"), await seat(hub, "good"), await seat(hub, "good")
        redis_of.set(hub.backend.keys.room("bad"), "no stream")
        bad.add("a")
        good.add("b")
        await eventually(lambda: str(witness.text) == "b")
        await eventually(lambda: bad.code == CloseCode.TRY_AGAIN_LATER)
        assert good.code is None


class TestLimits:
    """Each has its close code."""

    @pytest.fixture
    def limited(self, valkey: Valkey, serve: Serve, configure: Configure) -> Callable[..., Awaitable[Hub]]:
        async def opened(**limits: int) -> Hub:
            configure(valkey, **limits)
            return await serve()

        return opened

    async def test_seats_of_a_room(self, limited: Callable[..., Awaitable[Hub]], seat: Seated) -> None:
        hub = await limited(MAX_SEATS_PER_ROOM=2)
        first, _ = await seat(hub, ROOM), await seat(hub, ROOM)
        with pytest.raises(TooMuch):
            await seat(hub, ROOM)
        await seat(hub, "other")
        await first.leave()
        await seat(hub, ROOM)

    async def test_seats_of_a_user(self, limited: Callable[..., Awaitable[Hub]], seat: Seated) -> None:
        hub = await limited(MAX_SEATS_PER_USER=1)
        await seat(hub, ROOM, user_id="ada")
        with pytest.raises(TooMuch):
            await seat(hub, "other", user_id="ada")
        for _ in range(3):
            await seat(hub, ROOM, user_id=None)

    async def test_seats_of_an_address(self, limited: Callable[..., Awaitable[Hub]], seat: Seated) -> None:
        hub = await limited(MAX_SEATS_PER_ADDRESS=1)
        await seat(hub, ROOM, address="10.0.0.1")
        with pytest.raises(TooMuch):
            await seat(hub, "other", address="10.0.0.1")
        await seat(hub, ROOM, address="10.0.0.2")

    async def test_a_room_nobody_could_enter_is_closed_again(
        self, limited: Callable[..., Awaitable[Hub]], seat: Seated, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hubs, "LINGER_SECONDS", -1.9)
        hub = await limited(MAX_SEATS_PER_ADDRESS=1)
        await seat(hub, ROOM)
        with pytest.raises(TooMuch):
            await seat(hub, "other")
        await eventually(lambda: set(hub.rooms) == {ROOM})

    async def test_a_frame(self, limited: Callable[..., Awaitable[Hub]], seat: Seated) -> None:
        hub = await limited(MAX_FRAME_BYTES=1000)
        peer = await seat(hub, ROOM)
        peer.send(protocol.update(bytes(1000)))
        await eventually(lambda: peer.code == CloseCode.TOO_BIG)

    async def test_bytes_a_second(self, limited: Callable[..., Awaitable[Hub]], seat: Seated) -> None:
        hub = await limited(MAX_BYTES_PER_SECOND=100)
        peer = await seat(hub, ROOM)
        for _ in range(2):
            peer.add("x" * 600)
        await eventually(lambda: peer.code == CloseCode.TOO_MUCH)
        assert await entries(hub) == 1

    async def test_a_document(self, limited: Callable[..., Awaitable[Hub]], seat: Seated) -> None:
        hub = await limited(MAX_DOCUMENT_BYTES=2000)
        peer, late = await seat(hub, ROOM), await seat(hub, ROOM)
        peer.add("x" * 1500)
        await settled(peer)
        peer.add("y" * 1500)
        await eventually(lambda: peer.code == CloseCode.TOO_BIG)
        late.add("z")
        await settled(late)
        assert (late.code, await entries(hub)) == (None, 2)

    async def test_messages_about_cursors(self, limited: Callable[..., Awaitable[Hub]], seat: Seated) -> None:
        hub = await limited(MAX_AWARENESS_PER_SECOND=1)
        peer = await seat(hub, ROOM)
        for clock in range(1, 103):
            peer.show(7, clock, "{}")
        await eventually(lambda: peer.code == CloseCode.TOO_MUCH)

    async def test_the_size_of_a_cursor(self, limited: Callable[..., Awaitable[Hub]], seat: Seated) -> None:
        hub = await limited(MAX_AWARENESS_BYTES=100)
        peer, witness = await seat(hub, ROOM), await seat(hub, ROOM)
        peer.show(7, 1, '"' + "x" * 200 + '"')
        peer.show(7, 2, '"small"')
        await eventually(lambda: witness.sees(7) == b'"small"')
        peer.show(7, 3, '"' + "x" * 1001 + '"')
        await eventually(lambda: peer.code == CloseCode.TOO_MUCH)


class TestOpening:
    """Redis away, or holding something else."""

    async def test_another_number_of_shards_is_refused(self, valkey: Valkey, settings: Any, hub: Hub) -> None:
        settings.YREDIS = {**settings.YREDIS, "SHARDS": hub.backend.conf.shards + 1}
        with pytest.raises(LayoutMismatch):
            await hubs.Backend.open()

    async def test_another_version_of_the_layout_is_refused(self, hub: Hub, redis_of: "redis.Redis") -> None:
        redis_of.hset(hub.backend.keys.layout, "version", 99)
        with pytest.raises(LayoutMismatch):
            await hubs.Backend.open()

    async def test_a_join_without_redis_is_refused_in_time(
        self, own_valkey: Valkey, configure: Configure, seat: Seated
    ) -> None:
        configure(own_valkey)
        backend = await hubs.Backend.open()
        hub = Hub(backend)
        await hub.upkeep.start()
        own_valkey.kill()
        with pytest.raises(RedisUnavailable):
            await seat(hub, ROOM)
        own_valkey.start()
        await (await seat(hub, ROOM)).sync()
        await hub.aclose()
        await backend.aclose()

    async def test_one_that_can_not_start_leaves_nothing_running(
        self, valkey: Valkey, configure: Configure, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        configure(valkey)
        backend = await hubs.Backend.open()

        def no_node(channel: str) -> None:
            raise RedisUnavailable("a slot without a node")

        monkeypatch.setattr(backend.client, "address_of", no_node)
        before = asyncio.all_tasks()
        with pytest.raises(RedisUnavailable, match="without a node"):
            await Hub(backend).start()
        assert asyncio.all_tasks() == before
        await backend.aclose()

    async def test_many_who_join_a_room_at_once_open_it_once(self, hub: Hub, seat: Seated) -> None:
        before = counters[Count.STREAM_READS]
        peers = await asyncio.gather(*(seat(hub, ROOM) for _ in range(50)))
        assert len({peer.seat.room for peer in peers if peer.seat}) == 1
        assert counters[Count.STREAM_READS] <= before + 3
        assert all(peer.count(SyncStep1) == 1 for peer in peers)

    async def test_a_room_that_everybody_left_is_closed_after_a_while(
        self, hub: Hub, seat: Seated, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hubs, "LINGER_SECONDS", 0.05)
        peer = await seat(hub, ROOM)
        peer.show(7, 1, "{}")
        await settled(peer)
        await peer.leave()
        await eventually(lambda: not hub.rooms)
        again = await (await seat(hub, ROOM)).sync()
        again.add("a")
        await settled(again)
        assert again.code is None
