"""The plain ASGI writer, towards a `send` that suspends and fails as servers do."""

import asyncio

import pytest

from rooms.writers import AsgiWriter, Frame, sniff, writer_for
from rooms.writers.port import HIGH_WATER_BYTES

ONE, TWO = Frame(b"one"), Frame(b"two")


class Peer:
    """Takes messages while `open` is set; `failure` is raised instead of taking one of `failing` type."""

    def __init__(self):
        self.taken = []
        self.open = asyncio.Event()
        self.open.set()
        self.failing = None
        self.failure = None

    async def send(self, message):
        await self.open.wait()
        if message["type"] == self.failing:
            raise self.failure
        self.taken.append(message.get("bytes") or message.get("code"))


@pytest.fixture
async def peer():
    return Peer()


@pytest.fixture
async def writer(peer):
    return AsgiWriter(peer.send)


async def turns(number=5):
    for _ in range(number):
        await asyncio.sleep(0)


class TestWriting:
    async def test_frames_leave_in_order(self, peer, writer):
        writer.write(ONE)
        writer.write(TWO)
        await writer.drained()
        assert peer.taken == [b"one", b"two"]

    async def test_is_busy_while_a_send_is_suspended(self, peer, writer):
        peer.open.clear()
        writer.write(ONE)
        await turns()
        assert writer.busy
        peer.open.set()
        await writer.drained()
        assert not writer.busy

    async def test_is_busy_with_more_than_its_high_water_mark(self, writer):
        writer.write(Frame(bytes(HIGH_WATER_BYTES)))
        assert not writer.busy
        writer.write(ONE)
        assert writer.busy
        await writer.drained()

    async def test_counts_what_has_not_been_taken(self, peer, writer):
        peer.open.clear()
        writer.write(ONE)
        writer.write(TWO)
        assert writer.buffered_bytes == 6
        peer.open.set()
        await writer.drained()
        assert writer.buffered_bytes == 0

    async def test_holds_no_task_at_rest(self, writer):
        before = asyncio.all_tasks()
        writer.write(ONE)
        await writer.drained()
        assert asyncio.all_tasks() == before


class TestClosing:
    async def test_the_close_comes_last_and_later_frames_are_dropped(self, peer, writer):
        writer.write(ONE)
        closing = asyncio.create_task(writer.close(4403))
        await asyncio.sleep(0)
        writer.write(TWO)
        await closing
        assert peer.taken == [b"one", 4403]

    async def test_a_suspended_send_is_given_up_after_the_patience(self, peer, writer):
        peer.open.clear()
        writer.write(ONE)
        writer.write(TWO)
        closing = asyncio.create_task(writer.close(1013, patience_seconds=0.02))
        await asyncio.sleep(0.1)
        peer.open.set()
        await closing
        assert peer.taken == [1013]

    async def test_closes_once(self, peer, writer):
        await writer.close(4403)
        await writer.close(1013)
        assert peer.taken == [4403]

    async def test_a_code_that_the_server_refuses_goes_as_its_private_twin(self, peer, writer):
        refused = []

        async def send(message):
            if message["code"] < 3000:
                refused.append(message["code"])
                raise Exception("invalid close code")  # noqa: TRY002 - as autobahn does
            await peer.send(message)

        await AsgiWriter(send).close(1012)
        assert (refused, peer.taken) == ([1012], [4012])

    async def test_abandoning_wakes_who_waits(self, peer, writer):
        peer.open.clear()
        writer.write(ONE)
        waiting = asyncio.create_task(writer.drained())
        await turns()
        writer.abandon()
        await asyncio.wait_for(waiting, 1)
        assert (writer.closed, writer.buffered_bytes, peer.taken) == (True, 0, [])


class TestFailing:
    async def test_a_client_that_is_gone_is_not_an_error(self, peer, writer, caplog):
        peer.failing, peer.failure = "websocket.send", OSError()
        writer.write(ONE)
        writer.write(TWO)
        await writer.drained()
        assert (writer.closed, writer.busy, writer.buffered_bytes) == (True, False, 0)
        assert not caplog.records

    async def test_a_client_that_cannot_be_sent_to_does_not_stay(self, peer, writer, caplog):
        peer.failing, peer.failure = "websocket.send", ValueError()
        writer.write(ONE)
        await writer.drained()
        assert (writer.closed, peer.taken) == (True, [1011])
        assert [record.action for record in caplog.records] == ["send_failed"]

    async def test_closing_what_the_server_closed_before_is_not_an_error(self, peer, writer):
        peer.failing, peer.failure = "websocket.close", RuntimeError()
        await writer.close(1013)
        assert peer.taken == []


class TestChoosing:
    async def test_an_unknown_server_is_not_remembered(self, peer):
        assert sniff({"type": "websocket"}, peer.send) == {"type": "websocket"}

    async def test_an_unknown_server_gets_the_plain_writer(self, peer):
        assert type(writer_for({"type": "websocket"}, peer.send)) is AsgiWriter
