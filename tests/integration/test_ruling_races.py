"""Decisions about rooms when more goes wrong: bells are lost, Redis or the database is put back, many come at once."""

import asyncio
from typing import Any

import pytest
import redis
from pycrdt import Text

from persistence import quarantine
from persistence.models import Quarantined, Segment
from persistence.services import Services
from rooms import api, pool
from rooms.entries import Entry, encode
from rooms.errors import CloseCode, RedisUnavailable, RoomDeleted
from rooms.hub import Hub
from rooms.models import Room
from rooms.streams import Streams
from tests.integration.conftest import Serve
from tests.integration.peers import READ, eventually, settled, text_update
from tests.integration.persisting import KEYS, append, work_once
from tests.integration.test_ruling import POISON, ROOM, Seated, Typed, counted, froze, row
from tests.integration.test_ruling import hub as hub
from tests.integration.test_ruling import services as services
from tests.integration.test_ruling import typed as typed

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("registering")]


def deaf(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a server miss all bells of the room from now on."""
    monkeypatch.setattr(hub.rooms[ROOM], "hear", lambda bell: None)


class TestNewcomers:
    """Who enters a room that a server has open, before that has heard what was decided."""

    async def test_all_stay_who_come_at_once_after_an_erase(
        self, hub: Hub, typed: Typed, seat: Seated, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await typed(hub, "a")
        await api.delete(ROOM)
        await eventually(lambda: hub.rooms[ROOM].policy.is_deleted)
        deaf(hub, monkeypatch)
        await api.erase(ROOM)
        peers = await asyncio.gather(*(seat(hub, ROOM) for _ in range(4)))
        await asyncio.sleep(0.2)
        assert [peer.code for peer in peers] == [None] * 4

    async def test_nobody_is_shown_what_was_erased(
        self, hub: Hub, typed: Typed, seat: Seated, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await typed(hub, "old")
        deaf(hub, monkeypatch)
        await api.erase(ROOM)
        peer = await (await seat(hub, ROOM)).sync()
        assert str(peer.text) == ""
        peer.add("new")
        await settled(peer)
        assert (peer.code, await api.text(ROOM, "text")) == (None, "new")

    async def test_an_earlier_answer_that_comes_late_counts_no_more(
        self, hub: Hub, typed: Typed, seat: Seated, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await typed(hub, "a")
        policies, with_head = type(hub.backend.policies), hub.backend.policies.with_head
        await api.delete(ROOM)
        earlier = await with_head(ROOM)
        await eventually(lambda: hub.rooms[ROOM].policy.is_deleted)
        held, answered = asyncio.Event(), hub.rooms[ROOM]

        async def late(_: Any, room: str) -> Any:
            await held.wait()
            return earlier

        with monkeypatch.context() as patched:
            patched.setattr(policies, "with_head", late)
            asked = asyncio.create_task(answered.heed_policy())
            await asyncio.sleep(0)
        await api.restore(ROOM)
        peer = await seat(hub, ROOM)
        held.set()
        await asked
        assert (peer.code, answered.policy.is_deleted) == (None, False)

    async def test_a_bell_is_not_forgotten_when_nothing_could_be_asked(
        self, hub: Hub, typed: Typed, redis_of: "redis.Redis", monkeypatch: pytest.MonkeyPatch
    ) -> None:
        peer, policies = await typed(hub, "a"), hub.backend.policies
        with_head, asked, lost = policies.with_head, asyncio.Event(), asyncio.Event()

        async def fails_once(room: str) -> Any:
            if asked.is_set():
                return await with_head(room)
            asked.set()
            await lost.wait()
            raise RedisUnavailable("away")

        monkeypatch.setattr(policies, "with_head", fails_once)
        await api.delete(ROOM)
        await asked.wait()
        redis_of.hdel(KEYS.head(ROOM), "policy")  # nor is the mark there any more
        lost.set()
        await eventually(lambda: peer.code == CloseCode.DELETED)


class TestPutBack:
    """Redis or the database is as it was some time ago."""

    async def test_a_mark_that_is_back_in_redis_closes_nobody(
        self, hub: Hub, typed: Typed, redis_of: "redis.Redis"
    ) -> None:
        await typed(hub, "a")
        await api.delete(ROOM)
        await eventually(lambda: hub.rooms[ROOM].policy.is_deleted)
        await api.restore(ROOM)
        peer = await typed(hub, "b")
        redis_of.hset(KEYS.head(ROOM), "policy", "1 d")
        peer.add("c")
        await settled(peer)
        assert (peer.code, sorted(await api.text(ROOM, "text"))) == (None, ["a", "b", "c"])

    async def test_a_room_without_a_row_can_be_used(self, hub: Hub, typed: Typed, serve: Serve, seat: Seated) -> None:
        await typed(hub, "a")
        await froze(hub)
        await froze(hub, it=False)
        await pool.run(lambda: Room.objects.all().delete())
        peer = await (await seat(await serve(), ROOM)).sync()
        assert str(peer.text) == "a"

    async def test_of_two_decisions_of_one_version_that_in_the_row_counts(
        self, hub: Hub, typed: Typed, serve: Serve, seat: Seated, redis_of: "redis.Redis"
    ) -> None:
        await typed(hub, "a")
        await api.delete(ROOM)
        await pool.run(lambda: Room.objects.update(deleted_at=None, policy_version=0))
        await api.freeze(ROOM)
        peer = await seat(await serve(), ROOM)
        assert peer.seat is not None
        assert not peer.seat.grant.may_write
        assert redis_of.hget(KEYS.head(ROOM), "policy") == b"2 r"
        assert (await row()).is_settled

    async def test_a_decision_is_carried_out_although_redis_knows_a_later_one(
        self, hub: Hub, typed: Typed, redis_of: "redis.Redis"
    ) -> None:
        await typed(hub, "a")
        await froze(hub)
        await froze(hub, it=False)
        peer = await typed(hub, "b")
        await pool.run(lambda: Room.objects.update(policy_version=0))
        assert await api.delete(ROOM)
        await eventually(lambda: peer.code == CloseCode.DELETED)

    async def test_nobody_asks_again_and_again(
        self, hub: Hub, typed: Typed, seat: Seated, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await typed(hub, "a")
        await froze(hub)
        reader = await seat(hub, ROOM, READ)
        await pool.run(lambda: Room.objects.update(is_read_only=False, policy_version=0))
        calls, govern = list[str](), Streams.govern

        async def counted(streams: Streams, room: str, policy: Any) -> None:
            calls.append(room)
            await govern(streams, room, policy)

        monkeypatch.setattr(Streams, "govern", counted)
        await api.delete(ROOM)
        await eventually(lambda: reader.code == CloseCode.DELETED)
        await asyncio.sleep(0.5)
        assert len(calls) <= 5

    async def test_putting_the_database_back_does_not_undo_an_erase(
        self, hub: Hub, typed: Typed, services: Services
    ) -> None:
        await typed(hub, "old")
        await work_once(services)
        segments = await pool.run(lambda: list(Segment.objects.all()))
        before = await pool.run(lambda: Room.objects.values("generation", "policy_version", "last_entry_id").get())
        await api.erase(ROOM)
        await eventually(lambda: hub.rooms[ROOM].policy.generation == 1)
        await typed(hub, "new")
        await pool.run(lambda: (Room.objects.update(**before), Segment.objects.bulk_create(segments)))
        assert (await api.text(ROOM, "text"), (await row()).generation) == ("new", 1)

    async def test_an_erase_takes_a_stream_whose_head_is_lost(
        self, hub: Hub, typed: Typed, redis_of: "redis.Redis"
    ) -> None:
        await (await typed(hub, "old")).leave()
        redis_of.delete(KEYS.head(ROOM))
        await api.erase(ROOM)
        assert (redis_of.exists(KEYS.room(ROOM)), await api.text(ROOM, "text")) == (0, "")


class TestOthers:
    """One room's trouble is its own (G7), and what belongs to an erased document does not come into the next."""

    async def test_a_room_that_can_not_be_settled_holds_up_neither_settling_nor_persisting(
        self, hub: Hub, typed: Typed, services: Services, redis_of: "redis.Redis", monkeypatch: pytest.MonkeyPatch
    ) -> None:
        redis_of.set(KEYS.head("bad"), "no hash")
        with pytest.raises(RedisUnavailable):
            await api.delete("bad")
        peer, _ = await typed(hub, "a"), await typed(hub, "b", "other")
        with monkeypatch.context() as patched:
            patched.setattr(Streams, "look", Streams.raw)  # no answer that could be understood
            with pytest.raises(TypeError):
                await api.delete(ROOM)
        assert await work_once(services) == 1
        await eventually(lambda: peer.code == CloseCode.DELETED)
        assert await counted(Segment) == [2]

    async def test_an_entry_in_quarantine_is_not_released_into_the_next_document(
        self, hub: Hub, typed: Typed, services: Services, redis_of: "redis.Redis"
    ) -> None:
        await typed(hub, "a")
        append(redis_of, ROOM, encode(Entry(POISON)))
        await work_once(services)
        found = await pool.run(lambda: Quarantined.objects.select_related("room").get())
        found.data = encode(Entry(text_update("old", 9)))  # can be decoded by now
        await api.erase(ROOM)
        with pytest.raises(RoomDeleted):
            await asyncio.to_thread(quarantine.replay, found)
        assert await api.text(ROOM, "text") == ""

    async def test_what_waits_for_the_next_document_is_not_refused_with_the_last(self, hub: Hub, typed: Typed) -> None:
        await typed(hub, "old")
        old = hub.rooms[ROOM].policy
        await api.erase(ROOM)
        new = await hub.backend.policies.of(ROOM)
        lane = hub.backend.lane
        late = lane.append_and_wait(ROOM, Entry(text_update("late", 8)), policy=old)
        fresh = lane.append_and_wait(ROOM, Entry(text_update("fresh", 9)), policy=new)
        await fresh
        with pytest.raises(RoomDeleted):
            await late
        assert await api.text(ROOM, "text") == "fresh"


async def test_a_room_can_be_seeded_that_was_erased_before_its_row_was_lost(hub: Hub, typed: Typed) -> None:
    await typed(hub, "old")
    await api.erase(ROOM)
    await pool.run(lambda: Room.objects.all().delete())
    assert await api.seed(ROOM, lambda doc: doc.get("text", type=Text).insert(0, "new"))
    assert await api.text(ROOM, "text") == "new"
