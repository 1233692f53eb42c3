"""One room on one or two servers: everything accepted reaches every seat, and a load brings everything (G1)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import redis
from pycrdt import Doc

from rooms import merge, names, protocol
from rooms.entries import Entry
from rooms.hub import Hub
from rooms.metrics import Count, counters
from rooms.protocol import SyncStep1, SyncStep2, Update
from tests.integration.peers import READ, Peer, agree, append_silently, eventually, settled, text_update

Seated = Callable[..., Awaitable[Peer]]
ROOM = "essay"

BIG_INT = bytes.fromhex("010107002801016d016b017a7fffffffffffffff00")
CONTENT_JSON = bytes.fromhex("0101070002010161040131032273220a7b2261223a6e756c6c7d035b325d00")


async def entries(hub: Hub, room: str = ROOM) -> int:
    return len((await hub.backend.streams.read(room)).entries)


class TestSync:
    """y-protocols, "Sync Protocol v1", as a client sees it."""

    async def test_a_writer_is_asked_for_what_it_has(self, hub: Hub, seat: Seated) -> None:
        peer = await seat(hub, ROOM)
        assert [message for message in peer.messages if isinstance(message, SyncStep1)] == [SyncStep1(b"\0")]

    async def test_a_reader_is_asked_nothing(self, hub: Hub, seat: Seated) -> None:
        peer = await (await seat(hub, ROOM, READ)).sync()
        assert peer.count(SyncStep1) == 0
        assert peer.count(SyncStep2) == 1

    async def test_what_a_writer_brings_along_is_kept(self, hub: Hub, seat: Seated) -> None:
        doc: Doc[Any] = Doc()
        doc.apply_update(text_update("offline", 9))
        first = await seat(hub, ROOM, doc=doc)
        await settled(first)
        assert str((await (await seat(hub, ROOM, READ)).sync()).text) == "offline"

    async def test_a_late_joiner_has_everything_when_its_question_is_answered(self, hub: Hub, seat: Seated) -> None:
        first = await seat(hub, ROOM)
        first.add("hello ")
        first.add("world")
        await settled(first)
        assert str((await (await seat(hub, ROOM)).sync()).text) == "hello world"

    async def test_what_was_typed_reaches_the_others_but_not_who_typed(self, hub: Hub, seat: Seated) -> None:
        first, second = await seat(hub, ROOM), await seat(hub, ROOM)
        first.add("a")
        await eventually(lambda: str(second.text) == "a")
        assert first.count(Update) == 0

    async def test_another_server_hears_of_it(self, hub: Hub, other_hub: Hub, seat: Seated) -> None:
        here, there = await seat(hub, ROOM), await seat(other_hub, ROOM)
        here.add("a")
        await eventually(lambda: str(there.text) == "a")
        there.add("b")
        await eventually(lambda: str(here.text) == "ab")

    async def test_an_answer_has_only_what_the_client_lacks(self, hub: Hub, seat: Seated) -> None:
        peer = await seat(hub, ROOM)
        peer.add("x" * 1000)
        await settled(peer)
        await peer.sync()
        assert peer.got(SyncStep2)[-1].update == merge.EMPTY_UPDATE

    async def test_a_question_is_answered_at_any_time_while_others_type(
        self, hub: Hub, other_hub: Hub, seat: Seated
    ) -> None:
        typists = [await seat(where, ROOM) for where in (hub, other_hub, hub)]
        curious = await seat(other_hub, ROOM)
        for number in range(30):
            for typist in typists:
                typist.add(f"{number} ")
            curious.send(protocol.sync_step_1(curious.doc.get_state()))
            await asyncio.sleep(0.003)
        await settled(*typists, curious)
        await eventually(lambda: agree(*typists, curious))
        assert len(str(curious.text).split()) == 90
        assert curious.count(SyncStep2) >= 30

    async def test_what_was_typed_before_its_cause_arrives_waits_for_it(self, hub: Hub, seat: Seated) -> None:
        """An open gap is kept as it is, in the stream and in every load."""
        peer = await seat(hub, ROOM, answers=False)
        peer.send(protocol.update(text_update("b", 9, clock=1)))
        await settled(peer)
        late = await (await seat(hub, ROOM, READ)).sync()
        assert str(late.text) == ""
        peer.send(protocol.update(text_update("a", 9)))
        await eventually(lambda: str(late.text) == "ab")


class TestNothingNew:
    """Opening a room writes nothing."""

    async def test_an_answer_without_news_is_not_appended(self, hub: Hub, seat: Seated) -> None:
        first = await seat(hub, ROOM)
        first.add("hello")
        await settled(first)
        before = await entries(hub)
        for where in [hub] * 5:
            doc: Doc[Any] = Doc()
            doc.apply_update(first.doc.get_update())
            await settled(await seat(where, ROOM, doc=doc))
        assert await entries(hub) == before

    async def test_not_even_where_much_was_deleted(
        self, hub: Hub, other_hub: Hub, seat: Seated, redis_of: "redis.Redis"
    ) -> None:
        """A SyncStep2 repeats every deletion ever made."""
        first = await seat(hub, ROOM)
        first.add("x" * 400)
        for at in range(150):
            first.edit(lambda _, at=at: first.text.__delitem__(slice(at, at + 1)))
        await settled(first)
        before = await entries(hub)
        redis_of.zrem(hub.backend.keys.due_of(ROOM), names.key_part(ROOM))
        for where in (hub, other_hub):
            doc: Doc[Any] = Doc()
            doc.apply_update(first.doc.get_update())
            visitor = await (await seat(where, ROOM, doc=doc)).sync()
            visitor.show(7, 1, '{"x": 1}')
            await settled(visitor)
        assert await entries(hub) == before
        assert redis_of.zscore(hub.backend.keys.due_of(ROOM), names.key_part(ROOM)) is None

    async def test_a_deletion_that_is_news_is_appended(self, hub: Hub, seat: Seated) -> None:
        first = await seat(hub, ROOM)
        first.add("hello")
        await settled(first)
        doc: Doc[Any] = Doc()
        doc.apply_update(first.doc.get_update())
        text = doc.get("text", type=type(first.text))
        del text[0:2]
        await settled(await seat(hub, ROOM, doc=doc))
        await eventually(lambda: str(first.text) == "llo")
        assert str((await (await seat(hub, ROOM, READ)).sync()).text) == "llo"


class TestVerbatim:
    """What pycrdt can't re-encode goes through byte for byte."""

    @pytest.mark.parametrize("update", [BIG_INT, CONTENT_JSON])
    async def test_it_comes_as_it_went_and_before_the_answer(self, hub: Hub, seat: Seated, update: bytes) -> None:
        writer = await seat(hub, ROOM, answers=False)
        witness = await seat(hub, ROOM, answers=False)
        writer.add("text around it")
        writer.send(protocol.update(update))
        await eventually(lambda: Update(update) in witness.messages)
        late = await (await seat(hub, ROOM, READ)).sync()
        kinds = [type(message) for message in late.messages]
        assert Update(update) in late.messages
        assert kinds.index(Update) < kinds.index(SyncStep2)
        assert str(late.text) == "text around it"

    async def test_it_is_not_appended_again_by_who_has_it(self, hub: Hub, seat: Seated) -> None:
        writer = await seat(hub, ROOM, answers=False)
        writer.send(protocol.update(BIG_INT))
        await settled(writer)
        writer.send(protocol.sync_step_2(BIG_INT))
        await settled(writer)
        assert await entries(hub) == 1

    async def test_it_survives_a_seat_that_falls_behind(self, hub: Hub, seat: Seated) -> None:
        writer, slow = await seat(hub, ROOM), await seat(hub, ROOM, answers=False)
        slow.writer.stall()
        writer.add("one ")
        writer.send(protocol.update(BIG_INT))
        writer.add("two")
        await settled(writer)
        slow.writer.resume()
        await eventually(lambda: str(slow.text) == "one two")
        assert Update(BIG_INT) in slow.messages


class TestLateBells:
    """A bell is only a hint: whoever misses one finds out."""

    async def test_a_lost_bell_is_found_out_by_the_next(self, hub: Hub, seat: Seated, redis_of: "redis.Redis") -> None:
        peer = await seat(hub, ROOM, READ)
        append_silently(hub, redis_of, ROOM, text_update("a", 9))
        await hub.backend.lane.append_and_wait(ROOM, Entry(text_update("b", 9, clock=1)))
        await eventually(lambda: str(peer.text) == "ab")

    async def test_a_lost_bell_is_found_out_by_the_sweep(self, hub: Hub, seat: Seated, redis_of: "redis.Redis") -> None:
        peer = await seat(hub, ROOM, READ)
        append_silently(hub, redis_of, ROOM, text_update("a", 9))
        for _ in range(10):
            await hub.upkeep.sweep()
        await eventually(lambda: str(peer.text) == "a")

    async def test_a_lost_bell_is_found_out_by_subscribing_anew(
        self, hub: Hub, seat: Seated, redis_of: "redis.Redis"
    ) -> None:
        peer = await seat(hub, ROOM, READ)
        append_silently(hub, redis_of, ROOM, text_update("a", 9))
        redis_of.client_kill_filter(_type="pubsub")
        await eventually(lambda: str(peer.text) == "a")

    async def test_who_joins_has_what_rang_unheard(self, hub: Hub, seat: Seated, redis_of: "redis.Redis") -> None:
        await seat(hub, ROOM, READ)
        append_silently(hub, redis_of, ROOM, text_update("a", 9))
        assert str((await (await seat(hub, ROOM)).sync()).text) == "a"

    async def test_bells_in_order_are_not_read_for(self, hub: Hub, seat: Seated) -> None:
        writer, reader = await seat(hub, ROOM), await seat(hub, ROOM, READ)
        await settled(writer)
        before = counters[Count.STREAM_READS]
        for _ in range(10):
            writer.add("x")
            await settled(writer)
        assert str(reader.text) == "x" * 10
        assert counters[Count.STREAM_READS] == before

    async def test_what_is_too_large_for_a_bell_is_read(self, hub: Hub, other_hub: Hub, seat: Seated) -> None:
        writer, reader = await seat(hub, ROOM), await seat(other_hub, ROOM, READ)
        writer.add("x" * 2 * hub.backend.conf.inline_bell_bytes)
        writer.add("y")
        await eventually(lambda: str(reader.text).endswith("xy"))

    async def test_typing_goes_on_while_bells_are_lost_again_and_again(
        self, hub: Hub, other_hub: Hub, seat: Seated, redis_of: "redis.Redis"
    ) -> None:
        here, there = await seat(hub, ROOM), await seat(other_hub, ROOM)
        for number in range(60):
            here.add(f"{number} ")
            there.add(f"{number} ")
            if number % 15 == 7:
                redis_of.client_kill_filter(_type="pubsub")
            await asyncio.sleep(0.01)
        await eventually(lambda: len(str(here.text).split()) == len(str(there.text).split()) == 120)
        assert agree(here, there)
