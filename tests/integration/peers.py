"""Clients without a network: a seat's frames go to a y-websocket client in miniature, in the test's own process."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Self
from uuid import uuid4

import redis
from pycrdt import Doc, Text, TransactionEvent

from rooms import merge, names, protocol, wire
from rooms.awareness import State
from rooms.awareness import encode as encode_states
from rooms.awareness import parse as parse_states
from rooms.entries import Entry, EntryId
from rooms.entries import encode as encode_entry
from rooms.errors import RedisUnavailable
from rooms.grants import Access, Grant
from rooms.hub import Hub
from rooms.protocol import Awareness, Message, SyncStep1, SyncStep2, Update
from rooms.ranges import encode_state_vector, parse_state_vector
from rooms.redis_client import script
from rooms.scan import scan
from rooms.seat import Seat
from rooms.writers import AsgiWriter, Frame

READ, WRITE = Access.READ, Access.WRITE


class MemoryWriter:
    """Implements rooms.writers.Writer: a socket whose client stops reading when the test says so."""

    def __init__(self, deliver: Callable[[bytes], None]) -> None:
        self.code: int | None = None
        self.reason = ""
        self.abandoned = False
        self.frames: list[bytes] = []
        self._deliver = deliver
        self._reading = asyncio.Event()
        self._reading.set()

    def stall(self) -> None:
        """Let the client read no more."""
        self._reading.clear()

    def resume(self) -> None:
        """Let the client read on."""
        self._reading.set()

    @property
    def busy(self) -> bool:
        return not self._reading.is_set()

    @property
    def closed(self) -> bool:
        return self.code is not None or self.abandoned

    @property
    def buffered_bytes(self) -> int:
        return 0

    def write(self, frame: Frame) -> None:
        if not self.closed:
            self.frames.append(frame.payload)
            self._deliver(frame.payload)

    async def drained(self) -> None:
        await self._reading.wait()

    async def close(self, code: int, reason: str = "", *, patience_seconds: float = 0.0) -> None:
        if not self.closed:
            self.code, self.reason = int(code), reason
            self._reading.set()

    def abandon(self) -> None:
        self.abandoned = True
        self._reading.set()

    def pause_reading(self) -> None:
        """Do nothing: a peer's frames are taken one by one anyway."""

    def resume_reading(self) -> None:
        """Do nothing."""


class PausedWriter(AsgiWriter):
    """The plain writer, on a server that can pause."""

    paused = False
    pauses = 0

    def pause_reading(self) -> None:
        self.paused = True
        self.pauses += 1

    def resume_reading(self) -> None:
        self.paused = False


class Peer:
    """A client of one room: applies what it gets, answers what it is asked, as y-websocket does."""

    def __init__(
        self,
        hub: Hub,
        room: str,
        access: Access = WRITE,
        *,
        user_id: str | None = None,
        address: str = "127.0.0.1",
        doc: "Doc[Any] | None" = None,
        answers: bool = True,
        **grant: Any,
    ) -> None:
        self.hub = hub
        self.grant = Grant(room=room, access=access, user_id=user_id, **grant)
        self.address = address
        self.answers = answers
        self.doc: Doc[Any] = Doc() if doc is None else doc
        self.text: Text = self.doc.get("text", type=Text)
        self.writer = MemoryWriter(self._take)
        self.messages: list[Message] = []
        self.states: dict[int, State] = {}
        self._updates: list[bytes] = []
        self.seat: Seat | None = None
        self._outgoing: asyncio.Queue[bytes] = asyncio.Queue()
        self._pump: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self.seat = await self.hub.join(self.grant, self.writer, self.address)
        self._pump = asyncio.create_task(self._send_queued())
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.leave()

    async def leave(self) -> None:
        """Lose the connection."""
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)
        if self.seat is not None:
            await self.hub.leave(self.seat)

    async def _send_queued(self) -> None:
        assert self.seat is not None
        while True:
            await self.seat.receive(await self._outgoing.get())
            self._outgoing.task_done()

    def _take(self, frame: bytes) -> None:
        message = protocol.parse(frame)
        self.messages.append(message)
        match message:
            case SyncStep1(state_vector) if self.answers:
                self.send(protocol.sync_step_2(self.doc.get_update(state_vector)))
            case SyncStep2(update) | Update(update) if not scan(update).verbatim:  # those are beyond pycrdt
                self._updates.append(update)
                self.doc.apply_update(update)
            case Awareness(states):
                self.states |= {state.client: state for state in parse_states(states)}

    # -- what the test makes it do

    def send(self, frame: bytes) -> None:
        """Send a frame; frames are taken in this order."""
        self._outgoing.put_nowait(frame)

    def edit(self, change: Callable[["Doc[Any]"], object]) -> None:
        """Change the document and send what changed."""
        updates: list[bytes] = []

        def changed(event: TransactionEvent) -> None:
            updates.append(event.update)

        subscription = self.doc.observe(changed)
        change(self.doc)
        self.doc.unobserve(subscription)
        self._updates += updates
        for update in updates:
            self.send(protocol.update(update))

    def add(self, text: str) -> None:
        """Type at the end of the text."""
        self.edit(lambda _: self.text.insert(len(self.text), text))

    def show(self, client: int, clock: int, value: str) -> None:
        """Send an awareness state of JSON `value`; "null" says goodbye."""
        self.send(protocol.awareness(encode_states([State(client, clock, value.encode())])))

    async def sync(self) -> Self:
        """Ask for what is missing; return when the answer is here."""
        before = self.count(SyncStep2)
        self.send(protocol.sync_step_1(self.doc.get_state()))
        await eventually(lambda: self.count(SyncStep2) > before or self.code is not None)
        return self

    # -- what the test sees

    @property
    def code(self) -> int | None:
        """The close code, once the server closed."""
        return self.writer.code

    def view(self) -> tuple[str, bytes]:
        """Return the text and state vector of all that this client was given, and typed itself.

        Out of a new document: `doc` may keep on waiting for what came out of order, where Yjs would have gone on.
        """
        doc: Doc[Any] = Doc()
        doc.apply_update(merge.tree_merge([*self._updates, self.doc.get_update()]))
        clocks = parse_state_vector(doc.get_state())
        return str(doc.get("text", type=Text)), encode_state_vector(clocks)

    @property
    def cursor(self) -> EntryId | None:
        """The newest entry that this client's server has given out."""
        room = self.hub.rooms.get(self.grant.room)
        return None if room is None else room._cursor

    def count(self, kind: type[Message]) -> int:
        """Return how many messages of a kind came."""
        return len(self.got(kind))

    def got(self, kind: type[Message]) -> list[Any]:
        """Return the messages of a kind that came."""
        return [message for message in self.messages if isinstance(message, kind)]

    def sees(self, client: int) -> bytes | None:
        """Return a client's state if it is here, as JSON."""
        state = self.states.get(client)
        return None if state is None or state.is_gone else state.value


async def eventually(condition: Callable[[], object], seconds: float = 5.0) -> None:
    """Return once the condition holds; raise TimeoutError if it doesn't in time."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


async def settled(*peers: Peer) -> None:
    """Return when all that the clients sent was taken, and what was accepted has reached everybody on their servers."""
    for peer in peers:
        await peer._outgoing.join()
        await peer.hub.backend.lane.drain()
    for peer in peers:
        with contextlib.suppress(RedisUnavailable, TimeoutError):
            last = (await peer.hub.backend.streams.head(peer.grant.room)).last
            await eventually(lambda peer=peer, last=last: peer.cursor in (None, last), 1)
    await asyncio.sleep(0.02)


def agree(*peers: Peer) -> bool:
    """Tell whether all have the same text and have seen the same of everybody."""
    return len({peer.view() for peer in peers}) == 1


def append_silently(hub: Hub, client: "redis.Redis", room: str, *updates: bytes) -> None:
    """Append through the script as another server does, at one go, but ring where nobody listens."""
    keys, conf = hub.backend.keys, hub.backend.conf
    delay, inline = int(conf.debounce_seconds * 1000), conf.inline_bell_bytes
    client.eval(
        script("append").source,
        3,
        *(keys.room(room), keys.head(room), keys.due_of(room)),
        *("nowhere:{0}", uuid4().hex, delay, names.key_part(room), inline, "", 0, 0),
        *(encode_entry(Entry(update, scan(update).verbatim)) for update in updates),
    )


def text_update(text: str, client: int, clock: int = 0) -> bytes:
    """Return the update by which a client types at the beginning of "text", or after what it typed before."""
    who, when = wire.var_uint(client), wire.var_uint(clock)
    place = b"\x04\x01\x04text" if clock == 0 else b"\x84" + who + wire.var_uint(clock - 1)
    return b"\1\1" + who + when + place + wire.var_string(text) + b"\0"
