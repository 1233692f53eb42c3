"""What waits for one connection: nothing while it keeps up, and never more than a bounded amount."""

import asyncio

import pytest
from pycrdt import Doc, Text

from rooms import awareness, protocol
from rooms.awareness import GONE, State
from rooms.outbox import Outbox
from rooms.writers import Frame

NOT_AN_UPDATE = b"\xff\xff\xff"


class MemoryWriter:
    """A connection that keeps what it was given, and takes nothing while `busy`."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False
        self.free = asyncio.Event()
        self.free.set()

    @property
    def busy(self) -> bool:
        return not self.free.is_set()

    @property
    def buffered_bytes(self) -> int:
        return 0

    def write(self, frame: Frame) -> None:
        self.written.append(frame.payload)

    async def drained(self) -> None:
        await self.free.wait()

    async def close(self, code: int, reason: str = "", *, patience_seconds: float = 5.0) -> None:
        self.abandon()

    def abandon(self) -> None:
        self.closed = True
        self.free.set()

    def pause_reading(self) -> None:
        """Do nothing: nothing is read here."""

    def resume_reading(self) -> None:
        """Do nothing."""


class Client:
    """An outbox on a writer in memory."""

    def __init__(self, limit_bytes: int = 10_000) -> None:
        self.writer = MemoryWriter()
        self.overflows = 0
        self.outbox = Outbox(self.writer, limit_bytes, self._overflow)

    def _overflow(self) -> None:
        self.overflows += 1

    def stall(self) -> None:
        self.writer.free.clear()

    async def catch_up(self) -> list[bytes]:
        """Let the client read on; return everything that it got."""
        self.writer.free.set()
        await asyncio.wait_for(self.outbox.drained(), 1)
        return self.writer.written

    def update(self, update: bytes, *, verbatim: bool = False) -> None:
        self.outbox.send_update(Frame(protocol.update(update)), update, verbatim=verbatim)

    def states(self, *states: State) -> None:
        self.outbox.send_states(Frame(protocol.awareness(awareness.encode(states))), list(states))


@pytest.fixture
async def client() -> Client:
    return Client()


def keystrokes(text: str) -> list[bytes]:
    """Return an update for each character typed at the end of the root text "t"."""
    document: Doc[Text] = Doc(client_id=7)
    shared, updates = document.get("t", type=Text), list[bytes]()
    subscription = document.observe(lambda event: updates.append(event.update))
    for character in text:
        shared += character
    document.unobserve(subscription)
    return updates


def text_of(*frames: bytes) -> str:
    """Return the root text "t" that a client has after update frames."""
    document: Doc[Text] = Doc()
    for frame in frames:
        document.apply_update(protocol.parse(frame).update)
    return str(document.get("t", type=Text))


class TestAClientThatKeepsUp:
    """Everything goes to the writer at once."""

    async def test_frames_are_written_within_the_call(self, client):
        client.outbox.send(Frame(b"one"))
        client.update(b"\x00\x00")
        client.states(State(1, 1, b"{}"))
        assert client.writer.written == [b"one", b"\x00\x02\x02\x00\x00", b"\x01\x06\x01\x01\x01\x02{}"]

    async def test_an_update_is_not_looked_into(self, client):
        client.update(NOT_AN_UPDATE)
        assert client.writer.written == [protocol.update(NOT_AN_UPDATE)]

    async def test_it_is_known_when_something_was_sent_last(self, client):
        before = asyncio.get_running_loop().time()
        client.outbox.send(Frame(b"one"))
        assert client.outbox.last_sent_at >= before

    async def test_nothing_waits(self, client):
        client.outbox.send(Frame(b"one"))
        assert client.outbox.keeps_up
        await asyncio.wait_for(client.outbox.drained(), 1)


class TestAClientThatIsBehind:
    """Updates become one, awareness the newest of each client, all else keeps its order."""

    async def test_nothing_is_written_while_it_does_not_read(self, client):
        client.stall()
        client.outbox.send(Frame(b"one"))
        client.update(b"\x00\x00")
        await asyncio.sleep(0)
        assert client.writer.written == []
        assert not client.outbox.keeps_up

    async def test_updates_become_one(self, client):
        client.stall()
        for update in keystrokes("hello"):
            client.update(update)
        frames = await client.catch_up()
        assert len(frames) == 1
        assert text_of(*frames) == "hello"

    async def test_of_awareness_the_newest_of_each_client_remains(self, client):
        client.stall()
        client.states(State(1, 1, b"{}"), State(2, 1, b"{}"))
        client.states(State(1, 2, b'{"a":1}'))
        client.states(State(2, 2, GONE))
        assert await client.catch_up() == [
            protocol.awareness(awareness.encode([State(1, 2, b'{"a":1}'), State(2, 2, GONE)]))
        ]

    async def test_other_frames_keep_their_order(self, client):
        client.stall()
        for number in range(5):
            client.outbox.send(Frame(b"%d" % number))
        assert await client.catch_up() == [b"0", b"1", b"2", b"3", b"4"]

    async def test_verbatim_updates_are_never_merged(self, client):
        client.stall()
        for update in keystrokes("abc"):
            client.update(update, verbatim=True)
        assert await client.catch_up() == [protocol.update(update) for update in keystrokes("abc")]

    async def test_a_verbatim_update_passes_byte_for_byte_among_others(self, client):
        client.stall()
        client.update(keystrokes("ab")[0])
        client.update(NOT_AN_UPDATE, verbatim=True)
        client.update(keystrokes("ab")[1])
        frames = await client.catch_up()
        assert protocol.update(NOT_AN_UPDATE) in frames
        assert len(frames) == 2

    async def test_nothing_is_sent_that_nobody_sent(self, client):
        client.stall()
        client.outbox.send(Frame(b"one"))
        client.states(State(1, 1, b"{}"))
        assert await client.catch_up() == [b"one", b"\x01\x06\x01\x01\x01\x02{}"]

    async def test_updates_that_cannot_be_merged_are_sent_as_they_are(self, client):
        client.stall()
        client.update(NOT_AN_UPDATE)
        client.update(b"\x00\x00")
        assert await client.catch_up() == [protocol.update(NOT_AN_UPDATE), protocol.update(b"\x00\x00")]

    async def test_what_comes_while_it_catches_up_is_not_lost(self, client):
        client.stall()
        first, second, *others = keystrokes("abcd")
        client.update(first)
        await asyncio.sleep(0)
        client.update(second)
        client.writer.free.set()
        for update in others:
            client.update(update)
            await asyncio.sleep(0)
        assert text_of(*await client.catch_up()) == "abcd"

    async def test_once_it_caught_up_frames_are_written_at_once_again(self, client):
        client.stall()
        client.outbox.send(Frame(b"one"))
        await client.catch_up()
        client.outbox.send(Frame(b"two"))
        assert client.writer.written == [b"one", b"two"]


class TestTheLimit:
    """Over it what waits is merged; if that doesn't help, the connection is given up."""

    async def test_what_says_the_same_again_collapses_below_the_limit(self):
        client = Client(limit_bytes=1_000)
        client.stall()
        for update in keystrokes("hello") * 100:
            client.update(update)
        assert client.overflows == 0
        assert text_of(*await client.catch_up()) == "hello"

    async def test_what_does_not_collapse_overflows(self):
        client = Client(limit_bytes=1_000)
        client.stall()
        client.update(keystrokes("a" * 2)[0])
        client.update(Doc({"t": Text("b" * 2_000)}).get_update())
        assert client.overflows == 1

    async def test_verbatim_updates_overflow_too(self):
        client = Client(limit_bytes=1_000)
        client.stall()
        for _ in range(11):
            client.update(b"v" * 100, verbatim=True)
        assert client.overflows >= 1

    async def test_updates_that_cannot_be_merged_overflow_too(self):
        client = Client(limit_bytes=1_000)
        client.stall()
        for _ in range(11):
            client.update(b"\xff" * 100)
        assert client.overflows >= 1

    async def test_after_an_overflow_nothing_of_it_is_sent(self):
        client = Client(limit_bytes=1_000)
        client.stall()
        client.outbox.send(Frame(b"one"))
        client.update(b"v" * 1_001, verbatim=True)
        assert await client.catch_up() == []

    async def test_a_client_that_keeps_up_has_no_limit(self):
        client = Client(limit_bytes=10)
        client.update(b"v" * 1_000)
        assert client.overflows == 0


class TestClosing:
    """The connection is gone, or is being closed: what waits is dropped, and nothing more is taken."""

    async def test_what_waits_is_dropped(self, client):
        client.stall()
        client.outbox.send(Frame(b"one"))
        client.update(b"\x00\x00")
        client.outbox.close()
        assert await client.catch_up() == []

    async def test_nothing_is_sent_any_more(self, client):
        client.outbox.close()
        client.outbox.send(Frame(b"one"))
        client.update(b"\x00\x00")
        client.states(State(1, 1, b"{}"))
        assert client.writer.written == []

    async def test_nothing_waits_any_more_either(self, client):
        client.stall()
        client.outbox.close()
        client.update(b"\x00\x00")
        assert await client.catch_up() == []

    async def test_who_waits_for_the_client_is_woken_and_not_cancelled(self, client):
        client.stall()
        client.outbox.send(Frame(b"one"))
        waiting = asyncio.create_task(client.outbox.drained())
        await asyncio.sleep(0)
        client.outbox.close()
        await asyncio.wait_for(waiting, 1)

    async def test_a_connection_that_went_away_wakes_who_waits(self, client):
        client.stall()
        client.outbox.send(Frame(b"one"))
        waiting = asyncio.create_task(client.outbox.drained())
        await asyncio.sleep(0)
        client.writer.abandon()
        await asyncio.wait_for(waiting, 1)
        assert client.writer.written == []

    async def test_closing_twice_does_nothing(self, client):
        client.outbox.close()
        client.outbox.close()
        client.update(b"\x00\x00")
        assert client.writer.written == []
