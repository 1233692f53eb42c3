"""Who reads slowly: frames wait, bounded and merged, and what comes in one tick goes out as one frame."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from pycrdt import Doc

from rooms import fanout, merge, protocol
from rooms.entries import Entry
from rooms.errors import CloseCode
from rooms.hub import Hub
from rooms.protocol import SyncStep2, Update
from tests.integration.conftest import Configure, Serve
from tests.integration.peers import READ, Peer, eventually, settled, text_update
from tests.support.valkey import Valkey

Seated = Callable[..., Awaitable[Peer]]
ROOM = "essay"


class TestSlowClients:
    """One that does not read costs a bounded amount of memory, and its room nothing."""

    async def test_what_waited_comes_as_one_update(self, hub: Hub, seat: Seated) -> None:
        typist, slow = await seat(hub, ROOM), await seat(hub, ROOM, READ)
        slow.writer.stall()
        for number in range(50):
            typist.add(f"{number} ")
            await asyncio.sleep(0.003)
        await settled(typist)
        assert slow.count(Update) == 0
        slow.writer.resume()
        await eventually(lambda: len(str(slow.text).split()) == 50)
        assert slow.count(Update) == 1

    async def test_the_order_of_answers_is_kept(self, hub: Hub, seat: Seated) -> None:
        typist, slow = await seat(hub, ROOM), await seat(hub, ROOM)
        slow.writer.stall()
        typist.add("a")
        await settled(typist)
        slow.send(protocol.sync_step_1(b"\0"))
        await asyncio.sleep(0.05)
        assert slow.count(SyncStep2) == 0
        slow.writer.resume()
        await eventually(lambda: slow.count(SyncStep2) == 1)
        assert str(slow.text) == "a"

    async def test_much_that_is_typed_again_and_again_collapses(
        self, valkey: Valkey, serve: Serve, configure: Configure, seat: Seated
    ) -> None:
        configure(valkey, OUTBOX_BYTES=20_000)
        hub = await serve()
        typist, slow = await seat(hub, ROOM), await seat(hub, ROOM, READ)
        typist.add("x" * 5_000)
        await settled(typist)
        slow.writer.stall()
        for _ in range(10):
            typist.send(protocol.update(typist.doc.get_update()))
            await settled(typist)
        assert slow.code is None
        slow.writer.resume()
        await settled(typist)
        assert str(slow.text) == "x" * 5_000

    async def test_one_that_is_too_far_behind_is_closed_and_the_others_are_not(
        self, valkey: Valkey, serve: Serve, configure: Configure, seat: Seated
    ) -> None:
        configure(valkey, OUTBOX_BYTES=20_000)
        hub = await serve()
        typist, slow, quick = await seat(hub, ROOM), await seat(hub, ROOM, READ), await seat(hub, ROOM, READ)
        slow.writer.stall()
        for _ in range(10):
            typist.add("x" * 4_000)
            await settled(typist)
        assert slow.code == CloseCode.TRY_AGAIN_LATER
        assert (quick.code, len(str(quick.text))) == (None, 40_000)

    async def test_after_it_was_closed_nothing_is_kept_for_it(
        self, valkey: Valkey, serve: Serve, configure: Configure, seat: Seated
    ) -> None:
        configure(valkey, OUTBOX_BYTES=20_000)
        hub = await serve()
        typist, slow = await seat(hub, ROOM), await seat(hub, ROOM, READ)
        slow.writer.stall()
        for _ in range(20):
            typist.add("x" * 4_000)
            await settled(typist)
        assert slow.seat is not None
        assert not slow.seat.outbox._updates
        assert not slow.seat.outbox._frames

    async def test_cursors_wait_as_their_newest(self, hub: Hub, seat: Seated) -> None:
        mover, slow = await seat(hub, ROOM), await seat(hub, ROOM, READ)
        slow.writer.stall()
        for clock in range(1, 20):
            mover.show(7, clock, str(clock))
            await asyncio.sleep(0.005)
        await settled(mover)
        before = len(slow.messages)
        slow.writer.resume()
        await eventually(lambda: slow.sees(7) == b"19")
        assert len(slow.messages) == before + 1


class TestFanOut:
    """Under load what arrives in one tick is one frame; when quiet, each comes at once."""

    async def test_what_is_typed_in_one_tick_is_one_frame(self, hub: Hub, other_hub: Hub, seat: Seated) -> None:
        typist, reader = await seat(hub, ROOM), await seat(other_hub, ROOM, READ)
        await settled(typist)
        for number in range(100):
            typist.add(f"{number} ")
        await eventually(lambda: len(str(reader.text).split()) == 100)
        assert reader.count(Update) < 10

    def test_several_small_updates_become_one(self) -> None:
        entries = [Entry(text_update("a", 9)), Entry(text_update("b", 9, clock=1), connection_id="c1")]
        [(update, verbatim, sender)] = fanout.merged(entries, 1000)
        doc: Doc[Any] = Doc()
        doc.apply_update(update)
        assert (verbatim, sender, merge.state_vector_of(update)) == (False, "", b"\1\x09\2")
