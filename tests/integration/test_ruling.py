"""What a site decides about a room acts at once everywhere, survives what Redis loses, and loses nothing else."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import redis
from pycrdt import Text

from persistence.models import Clocks, Delivery, Quarantined, Segment
from persistence.services import Services, connected
from rooms import api, policy_rows, pool, upkeep
from rooms.backend import backend
from rooms.entries import Entry, encode
from rooms.errors import CloseCode, RedisUnavailable, RoomDeleted, StoreUnavailable
from rooms.hub import Hub
from rooms.metrics import Count, counters
from rooms.models import Room
from rooms.streams import Streams
from tests.integration.conftest import Configure, Serve
from tests.integration.peers import READ, WRITE, Peer, append_silently, eventually, settled, text_update
from tests.integration.persisting import KEYS, append, work_once
from tests.integration.stores import BrokenStore
from tests.support.valkey import Valkey

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("registering")]

Seated = Callable[..., Awaitable[Peer]]
Typed = Callable[..., Awaitable[Peer]]
ROOM = "essay"
POISON = bytes.fromhex("01010100020101748080808010013100")


@pytest.fixture
async def services(valkey: Valkey, configure: Configure, serve: Serve) -> AsyncIterator[Services]:
    """What a worker has; a store in the test's database."""
    configure(valkey, STORE="persistence.stores.database.DatabaseStore", DEBOUNCE_SECONDS=0, MAX_DELAY_SECONDS=1)
    async with connected() as services:
        yield services
    await (await backend()).aclose()


@pytest.fixture
async def hub(services: Services, serve: Serve) -> Hub:
    """One server, with that store."""
    return await serve()


@pytest.fixture
def typed(seat: Seated) -> Typed:
    """Seat a writer who types a text, and return it when that is accepted."""

    async def typed(hub: Hub, text: str, room: str = ROOM) -> Peer:
        peer = await seat(hub, room)
        peer.add(text)
        await settled(peer)
        return peer

    return typed


async def row(room: str = ROOM) -> Room:
    return await pool.run(Room.objects.get, name=room)


async def counted(*models: Any) -> list[int]:
    return await pool.run(lambda: [model.objects.count() for model in models])


async def froze(hub: Hub, *, it: bool = True) -> None:
    """Make the room read-only, or writable, and return when a server has heard of it."""
    assert await (api.freeze(ROOM) if it else api.thaw(ROOM))
    await eventually(lambda: ROOM not in hub.rooms or hub.rooms[ROOM].policy.is_read_only == it)


async def forget(redis_of: "redis.Redis", hub: Hub) -> None:
    """Let Redis lose everything, and the server find out."""
    redis_of.flushall()
    await hub.upkeep.beat()


class TestDelete:
    async def test_everybody_is_out_on_all_servers_for_good(self, hub: Hub, serve: Serve, typed: Typed) -> None:
        peers = [await typed(hub, "here"), await typed(await serve(), "there")]
        assert await api.delete(ROOM)
        for peer in peers:
            await eventually(lambda peer=peer: peer.code == CloseCode.DELETED)

    async def test_nobody_enters_whether_a_server_has_it_open_or_not(
        self, hub: Hub, serve: Serve, typed: Typed, seat: Seated
    ) -> None:
        await typed(hub, "a")
        await api.delete(ROOM)
        for server in (hub, await serve()):
            with pytest.raises(RoomDeleted):
                await seat(server, ROOM)

    async def test_nothing_is_accepted_after_it_whoever_missed_the_bell(
        self, hub: Hub, typed: Typed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        peer = await typed(hub, "kept")
        monkeypatch.setattr(hub.rooms[ROOM], "hear", lambda bell: None)
        await api.delete(ROOM)
        assert peer.code is None
        peer.add("late")
        await eventually(lambda: peer.code == CloseCode.DELETED)
        await api.restore(ROOM)
        assert await api.text(ROOM, "text") == "kept"

    async def test_who_missed_the_bell_is_found_by_the_sweep(
        self, hub: Hub, typed: Typed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        peer = await typed(hub, "kept")
        monkeypatch.setattr(hub.rooms[ROOM], "hear", lambda bell: None)
        await api.delete(ROOM)
        for _ in range(upkeep.SWEEP_SLICES):
            await hub.upkeep.sweep()
        await eventually(lambda: peer.code == CloseCode.DELETED)

    async def test_it_outlives_what_redis_loses(
        self, hub: Hub, typed: Typed, seat: Seated, redis_of: "redis.Redis"
    ) -> None:
        peer = await typed(hub, "a")
        await api.delete(ROOM)
        await forget(redis_of, hub)
        await eventually(lambda: peer.code == CloseCode.DELETED)
        with pytest.raises(RoomDeleted):
            await seat(hub, ROOM)
        assert redis_of.hget(KEYS.head(ROOM), "policy") == b"1 d"

    async def test_it_is_heard_of_by_a_server_from_which_redis_has_lost_it_before(
        self, hub: Hub, typed: Typed, redis_of: "redis.Redis", monkeypatch: pytest.MonkeyPatch
    ) -> None:
        peer = await typed(hub, "a")
        monkeypatch.setattr(hub.rooms[ROOM], "hear", lambda bell: None)
        await api.delete(ROOM)
        await forget(redis_of, hub)
        await eventually(lambda: peer.code == CloseCode.DELETED)

    async def test_a_room_that_is_not_there_is_deleted_too_and_can_not_be_seeded(self, hub: Hub) -> None:
        await api.delete("never")
        with pytest.raises(RoomDeleted):
            await api.seed("never", lambda document: None)

    @pytest.mark.parametrize("call", [api.read, lambda room: api.copy(room, "other"), lambda room: api.text(room, "t")])
    async def test_the_site_can_not_read_it(self, hub: Hub, typed: Typed, call: Any) -> None:
        await typed(hub, "a")
        await api.delete(ROOM)
        with pytest.raises(RoomDeleted):
            await call(ROOM)

    async def test_an_edit_that_began_before_changes_nothing(self, hub: Hub, typed: Typed) -> None:
        await typed(hub, "a")
        editing = api.edit(ROOM)
        document = await editing.__aenter__()
        document.get("text", type=Text).insert(0, "b")
        await api.delete(ROOM)
        with pytest.raises(RoomDeleted):
            await editing.__aexit__(None, None, None)

    async def test_it_does_not_exist_then_and_is_deleted_once(self, hub: Hub, typed: Typed) -> None:
        await typed(hub, "a")
        assert (await api.delete(ROOM), await api.delete(ROOM), await api.exists(ROOM)) == (True, False, False)
        assert (await row()).state == Room.State.DELETED

    async def test_what_is_only_in_redis_is_still_persisted(self, hub: Hub, typed: Typed, services: Services) -> None:
        await typed(hub, "a")
        await api.delete(ROOM)
        await work_once(services)
        assert await counted(Segment) == [1]

    async def test_other_rooms_go_on(self, hub: Hub, typed: Typed) -> None:
        await typed(hub, "a")
        other = await typed(hub, "b", "other")
        await api.delete(ROOM)
        other.add("c")
        await settled(other)
        assert other.code is None


class TestRestore:
    async def test_it_holds_what_it_held(self, hub: Hub, typed: Typed, services: Services, seat: Seated) -> None:
        await typed(hub, "stored ")
        await work_once(services)
        await typed(hub, "waiting")
        await api.delete(ROOM)
        assert await api.restore(ROOM)
        peer = await seat(hub, ROOM)
        await peer.sync()
        assert sorted(str(peer.text)) == sorted("stored waiting")
        peer.add("!")
        await settled(peer)
        assert peer.code is None

    async def test_a_room_that_is_not_deleted_is_left_alone(self, hub: Hub, typed: Typed) -> None:
        peer = await typed(hub, "a")
        assert not await api.restore(ROOM)
        assert peer.code is None


class TestErase:
    async def test_nothing_of_it_is_left(
        self, hub: Hub, typed: Typed, services: Services, redis_of: "redis.Redis"
    ) -> None:
        peer = await typed(hub, "a")
        append(redis_of, ROOM, encode(Entry(POISON)))
        await work_once(services)
        await pool.run(lambda: Delivery.objects.create(room=Room.objects.get(), due_at="2026-01-01T00:00:00Z"))
        peer.add("b")
        await settled(peer)
        assert await counted(Segment, Quarantined, Delivery, Clocks) == [1, 1, 1, 1]
        await api.erase(ROOM)
        await eventually(lambda: peer.code == CloseCode.DELETED)
        assert await counted(Segment, Quarantined, Delivery, Clocks) == [0, 0, 0, 0]
        assert not redis_of.exists(KEYS.room(ROOM))
        assert ((await row()).state, (await row()).delta_bytes, (await row()).last_persisted_at) == ("ok", 0, None)

    async def test_its_name_is_that_of_a_new_room(self, hub: Hub, typed: Typed, services: Services) -> None:
        await typed(hub, "old")
        await work_once(services)
        await api.erase(ROOM)
        assert not await api.exists(ROOM)
        assert await api.seed(ROOM, lambda document: document.get("text", type=Text).insert(0, "new"))
        await work_once(services)
        assert await api.text(ROOM, "text") == "new"
        assert await counted(Segment) == [1]

    async def test_nothing_that_was_decided_about_it_is_left(self, hub: Hub, typed: Typed) -> None:
        await typed(hub, "old")
        await api.freeze(ROOM)
        await api.erase(ROOM)
        peer = await typed(hub, "new")
        assert (peer.code, (await row()).is_read_only) == (None, False)

    async def test_who_missed_the_bell_can_not_bring_the_old_document_back(
        self, hub: Hub, typed: Typed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        peer = await typed(hub, "old")
        monkeypatch.setattr(hub.rooms[ROOM], "hear", lambda bell: None)
        await api.erase(ROOM)
        peer.add("late")
        await eventually(lambda: peer.code == CloseCode.DELETED)
        assert await api.text(ROOM, "text") == ""

    async def test_it_outlives_what_redis_loses(
        self, hub: Hub, typed: Typed, services: Services, redis_of: "redis.Redis"
    ) -> None:
        await typed(hub, "old")
        await api.erase(ROOM)
        await forget(redis_of, hub)
        peer = await typed(hub, "new")
        await work_once(services)
        assert (str(peer.text), await api.text(ROOM, "text"), (await row()).generation) == ("new", "new", 1)

    async def test_a_redis_that_is_put_back_does_not_bring_it_back(
        self, hub: Hub, typed: Typed, services: Services, redis_of: "redis.Redis"
    ) -> None:
        await typed(hub, "old")
        dump, head = redis_of.dump(KEYS.room(ROOM)), redis_of.hgetall(KEYS.head(ROOM))
        await api.erase(ROOM)
        redis_of.delete(KEYS.head(ROOM))
        redis_of.hset(KEYS.head(ROOM), mapping=head)
        redis_of.restore(KEYS.room(ROOM), 0, dump)
        redis_of.zadd(KEYS.due_of(ROOM), {ROOM: 1})
        await work_once(services)
        assert (await counted(Segment), redis_of.exists(KEYS.room(ROOM))) == ([0], 0)
        assert await api.text(ROOM, "text") == ""

    async def test_writers_are_asked_again_after_a_loss_in_a_room_that_was_erased_before(
        self, hub: Hub, typed: Typed, redis_of: "redis.Redis"
    ) -> None:
        await api.erase(ROOM)
        peer = await typed(hub, "new")
        await forget(redis_of, hub)
        await eventually(lambda: redis_of.exists(KEYS.room(ROOM)))
        await settled(peer)
        assert (peer.code, await api.text(ROOM, "text")) == (None, "new")

    async def test_a_worker_that_read_before_can_not_keep_it(
        self, hub: Hub, typed: Typed, services: Services, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The room is erased between the worker's reading the stream and its commit."""
        await typed(hub, "old")
        raw = Streams.raw

        async def read_then_erased(streams: Streams, room: str, *, limit_bytes: int) -> Any:
            reading = await raw(streams, room, limit_bytes=limit_bytes)
            monkeypatch.setattr(Streams, "raw", raw)
            await api.erase(ROOM)
            return reading

        monkeypatch.setattr(Streams, "raw", read_then_erased)
        await work_once(services)
        assert await counted(Segment) == [0]
        assert await api.text(ROOM, "text") == ""

    async def test_a_store_that_can_not_erase_is_told_first(self, hub: Hub, typed: Typed, settings: Any) -> None:
        await typed(hub, "a")
        settings.YREDIS = {**settings.YREDIS, "STORE": f"{BrokenStore.__module__}.BrokenStore"}
        with pytest.raises(StoreUnavailable, match="has no erase"):
            await api.erase(ROOM)
        assert not await pool.run(Room.objects.filter(deleted_at__isnull=False).exists)


class TestUnfinished:
    """The process dies, or Redis goes away, after the row was changed."""

    @pytest.fixture
    def cut(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
        """Let Redis give no answer to what is decided; what is called here ends that."""

        async def away(*_: Any) -> None:
            raise RedisUnavailable("away")

        monkeypatch.setattr(Streams, "govern", away)
        return monkeypatch.undo

    async def test_a_worker_ends_a_deletion(
        self, hub: Hub, typed: Typed, services: Services, cut: Callable[[], None]
    ) -> None:
        peer = await typed(hub, "a")
        with pytest.raises(RedisUnavailable):
            await api.delete(ROOM)
        assert (peer.code, (await row()).is_settled) == (None, False)
        cut()
        await work_once(services)
        await eventually(lambda: peer.code == CloseCode.DELETED)
        assert (await row()).is_settled

    async def test_a_worker_ends_an_erasure_and_until_then_nobody_enters(
        self, hub: Hub, typed: Typed, services: Services, serve: Serve, seat: Seated, cut: Callable[[], None]
    ) -> None:
        await typed(hub, "a")
        await work_once(services)
        with pytest.raises(RedisUnavailable):
            await api.erase(ROOM)
        assert (await row()).state == Room.State.ERASING
        with pytest.raises(RoomDeleted, match="being erased"):
            await api.restore(ROOM)
        cut()
        with pytest.raises(RoomDeleted):
            await seat(await serve(), ROOM)
        await work_once(services)
        assert ((await row()).state, await counted(Segment), await api.exists(ROOM)) == ("ok", [0], False)

    async def test_an_erasure_that_ends_late_leaves_what_came_after_it(
        self, hub: Hub, typed: Typed, services: Services
    ) -> None:
        await typed(hub, "old")
        await api.erase(ROOM)
        await typed(hub, "new")
        await work_once(services)
        await services.store.erase(ROOM)  # type: ignore[attr-defined]
        await pool.run(policy_rows.end_erasing, ROOM, 1)
        assert (await counted(Segment), await api.text(ROOM, "text")) == ([1], "new")

    async def test_a_database_that_was_put_back_counts(self, hub: Hub, typed: Typed, redis_of: "redis.Redis") -> None:
        await typed(hub, "a")
        await api.delete(ROOM)
        await pool.run(lambda: Room.objects.update(deleted_at=None, policy_version=0))
        assert await api.exists(ROOM)
        assert redis_of.hget(KEYS.head(ROOM), "policy") == b"2"


class TestReadOnly:
    async def test_writers_come_back_as_readers(self, hub: Hub, typed: Typed, seat: Seated) -> None:
        writer, reader = await typed(hub, "a"), await seat(hub, ROOM, READ)
        await froze(hub)
        await eventually(lambda: writer.code == CloseCode.RIGHTS_CHANGED)
        again = await seat(hub, ROOM, WRITE)
        again.add("b")
        await eventually(lambda: again.code == CloseCode.NO_RIGHT)
        assert (reader.code, await api.text(ROOM, "text")) == (None, "a")

    async def test_they_write_again_when_it_is_over(self, hub: Hub, typed: Typed, seat: Seated) -> None:
        await typed(hub, "a")
        await froze(hub)
        limited, reader = await seat(hub, ROOM, WRITE), await seat(hub, ROOM, READ)
        await froze(hub, it=False)
        await eventually(lambda: limited.code == CloseCode.RIGHTS_CHANGED)
        writer = await typed(hub, "b")
        assert (writer.code, reader.code) == (None, None)

    async def test_the_site_may_still_edit(self, hub: Hub, typed: Typed) -> None:
        await typed(hub, "a")
        await froze(hub)
        async with api.edit(ROOM) as document:
            document.get("text", type=Text).insert(0, "b")
        assert await api.text(ROOM, "text") == "ba"

    async def test_a_grant_that_is_decided_anew_is_limited_too(self, hub: Hub, typed: Typed, seat: Seated) -> None:
        async def renew(token: str | None, since: float) -> Any:
            return peer.grant

        await typed(hub, "a")
        await froze(hub)
        peer = await seat(hub, ROOM, WRITE, renew=renew)
        before = counters[Count.RECHECKS]
        await api.recheck(ROOM)
        await eventually(lambda: counters[Count.RECHECKS] > before)
        await asyncio.sleep(0.05)
        peer.add("b")
        await eventually(lambda: peer.code == CloseCode.NO_RIGHT)

    async def test_it_outlives_what_redis_loses(
        self, hub: Hub, typed: Typed, seat: Seated, redis_of: "redis.Redis"
    ) -> None:
        await typed(hub, "a")
        await froze(hub)
        reader = await seat(hub, ROOM, READ)
        await forget(redis_of, hub)
        await eventually(lambda: redis_of.hget(KEYS.head(ROOM), "policy") == b"1 r")
        assert (reader.code, hub.rooms[ROOM].policy.is_read_only) == (None, True)

    async def test_what_came_from_elsewhere_is_still_delivered(
        self, hub: Hub, typed: Typed, seat: Seated, redis_of: "redis.Redis"
    ) -> None:
        await froze(hub)
        reader = await seat(hub, ROOM, READ)
        append_silently(hub, redis_of, ROOM, text_update("x", 9))
        hub.rooms[ROOM].catch_up()
        await eventually(lambda: str(reader.text) == "x")


async def test_the_list_of_all_rooms_tells(hub: Hub, typed: Typed) -> None:
    for room in ("deleted", "fixed", "other"):
        await typed(hub, "a", room)
    await api.delete("deleted")
    await api.freeze("fixed")
    told = {one.name: (one.is_deleted, one.is_read_only) async for one in api.rooms()}
    assert told == {"deleted": (True, False), "fixed": (False, True), "other": (False, False)}
