"""One connection's place in a room: what it may do, how much, and in which order."""

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from rooms import awareness, protocol, ranges
from rooms.calmly import calmly
from rooms.entries import Entry
from rooms.errors import AccessDenied, CloseCode, TooBig, TooMuch, YRedisError
from rooms.grants import Grant
from rooms.lane import Receipt
from rooms.level import level_of
from rooms.limits import Rate, exceeded
from rooms.metrics import Count, count, count_close
from rooms.outbox import Outbox
from rooms.presence import OUTRAGEOUS, Speaker
from rooms.rights import Rights
from rooms.scan import Scan
from rooms.writers import Frame, Writer

if TYPE_CHECKING:
    from rooms.room import LiveRoom

logger = logging.getLogger(__name__)

REQUESTS_PER_SECOND = 20
"""SyncStep1 and queries for awareness: a few bytes each, answered with everything."""

STATE_VECTOR_BYTES = 1024 * 1024
"""A larger state vector would name more than a hundred thousand clients."""

FRAMES_PER_TURN = 100
"""Verbatim updates are sent one by one; others get their turn in between."""

STATES_PER_MESSAGE = 100
"""An awareness message with more counts as several."""

UNACCEPTED_BYTES = 4 * 1024 * 1024
"""A connection whose updates are not accepted as fast as they come is read no further."""


class Seat:
    """One connection in a room. Frames come in through `receive`, one after the other; they leave through `outbox`."""

    def __init__(self, room: "LiveRoom", grant: Grant, writer: Writer, speaker: Speaker, address: str) -> None:
        conf = room.backend.conf
        self.room = room
        self.rights = Rights(self, grant, recheck_seconds=conf.recheck_seconds)
        self.speaker = speaker
        self.address = address
        self.since = time.time()
        self.closed = False
        self.outbox = Outbox(writer, conf.outbox_bytes, self._fell_behind)
        self._writer = writer
        self._conf = conf
        self._byte_rate = Rate(conf.max_bytes_per_second)
        self._request_rate = Rate(REQUESTS_PER_SECOND)
        self._awareness_rate = Rate(conf.max_awareness_per_second)
        self._unaccepted_bytes = 0
        self._settled = asyncio.Event()
        self._settled.set()
        self._answered: asyncio.Future[None] | None = None
        self._closing: asyncio.Task[None] | None = None

    @property
    def grant(self) -> Grant:
        """What this connection may do now."""
        return self.rights.grant

    # -- in

    async def receive(self, frame: bytes) -> None:
        """Take one frame; whatever is wrong with it closes this socket, and no later frame is looked at (G2)."""
        if self.closed:
            return
        try:
            self._check_size(frame)
            await self._take(protocol.parse(frame))
        except YRedisError as error:
            self.fail(error)
        except Exception:
            logger.exception("A frame could not be handled", extra={"action": "frame_failed", **self._labels()})
            self.close(CloseCode.INTERNAL_ERROR, "internal error")

    def _check_size(self, frame: bytes) -> None:
        count(Count.FRAMES_RECEIVED)
        count(Count.BYTES_RECEIVED, len(frame))
        if len(frame) > self._conf.max_frame_bytes and not self._is_awaited(frame):
            raise exceeded(Count.LIMIT_FRAME, TooBig, f"a frame of {len(frame)} bytes")
        if self._byte_rate.spend(len(frame)) > 1:
            raise exceeded(Count.LIMIT_BYTES, TooMuch, "too many bytes in too short a time")

    def _is_awaited(self, frame: bytes) -> bool:
        """Tell whether a large frame answers what we asked: after a loss it may be all that is left of a document."""
        asked = self._answered is not None and not self._answered.done()
        return asked and frame.startswith(protocol.SYNC_STEP_2)

    async def _take(self, message: protocol.Message) -> None:
        match message:
            case protocol.Update(update):
                await self._write(update)
            case protocol.Awareness(states):
                self._hear(states)
            case protocol.SyncStep1(state_vector):
                self._check_requests(len(state_vector))
                await self._answer(state_vector)
            case protocol.SyncStep2(update):
                await self._supply(update)
            case protocol.QueryAwareness():
                self._check_requests(0)
                self.send_states()
            case protocol.Token(token):
                self._check_requests(0)
                self.rights.decide_again(since=time.monotonic(), token=token, urgent=True)

    def _check_requests(self, size_bytes: int) -> None:
        if size_bytes > STATE_VECTOR_BYTES:
            raise exceeded(Count.LIMIT_REQUESTS, TooBig, f"a state vector of {size_bytes} bytes")
        if self._request_rate.spend() > 1:
            raise exceeded(Count.LIMIT_REQUESTS, TooMuch, "too many requests for the whole room")

    async def _answer(self, state_vector: bytes) -> None:
        """Send what the client lacks. Nothing is computed for a client that doesn't take what it has been sent."""
        await calmly(len(state_vector), ranges.parse_state_vector, state_vector)
        await self.outbox.drained()
        baseline = await self.room.baseline()
        before, difference = await baseline.answer(self.room.backend.documents, state_vector)
        for number, update in enumerate(before):
            self.outbox.send(Frame(protocol.update(update)))
            if number % FRAMES_PER_TURN == FRAMES_PER_TURN - 1:
                await asyncio.sleep(0)
        self.outbox.send(Frame(protocol.sync_step_2(difference)))

    async def _supply(self, update: bytes) -> None:
        """Take an answer to our own SyncStep1. It always repeats all deletions: append it only if it brings news."""
        scanned = await self.room.backend.documents.look_into(update)
        baseline = await self.room.baseline()
        if await baseline.has(scanned, len(update)):
            count(Count.UPDATES_WITHOUT_NEWS)
        else:
            self._append(update, scanned)
            await self._settled.wait()
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(None)

    async def _write(self, update: bytes) -> None:
        scanned = await self.room.backend.documents.look_into(update)
        if not scanned.structs and not scanned.deletes:
            count(Count.UPDATES_WITHOUT_NEWS)
            return
        self._append(update, scanned)
        if self._unaccepted_bytes > UNACCEPTED_BYTES:
            await self._settled.wait()

    def _append(self, update: bytes, scanned: Scan) -> None:
        if self.closed:  # while this frame was looked into: an earlier one was not accepted
            return
        if not self.grant.may_write:
            raise AccessDenied("a reader sent an update")
        limit = self._conf.max_document_bytes
        if limit and self.room.size_bytes + len(update) > limit:
            raise exceeded(Count.LIMIT_DOCUMENT, TooBig, f"the room would grow over {limit} bytes")
        entry = Entry(update, scanned.verbatim, self.grant.user_id or "", self.speaker.connection_id)
        if scanned.verbatim:
            count(Count.UPDATES_VERBATIM)
        self._unaccepted_bytes += len(update)
        self._settled.clear()

        def settled(outcome: Receipt | YRedisError) -> None:
            self._unaccepted_bytes -= len(update)
            if isinstance(outcome, YRedisError):
                self.fail(outcome)
            else:
                self.room.accepted(outcome)
            if not self._unaccepted_bytes or self.closed:
                self._settled.set()

        self.room.backend.lane.append(self.room.name, entry, settled, policy=self.room.policy)

    def _hear(self, states: bytes) -> None:
        parsed = awareness.parse(states)
        spent = self._awareness_rate.spend(1 + len(parsed) // STATES_PER_MESSAGE)
        if spent > 1:
            count(Count.AWARENESS_COALESCED)
            if spent > OUTRAGEOUS:
                raise exceeded(Count.LIMIT_AWARENESS, TooMuch, "too many awareness messages in too short a time")
        if self.grant.may_share_awareness and (stale := self.room.presence.hear(self.speaker, parsed)):
            self.outbox.send_states(Frame(protocol.awareness(awareness.encode(stale))), stale)

    # -- out

    def ask(self, state_vector: bytes) -> "asyncio.Future[None]":
        """Send a SyncStep1; the future is done when the client's answer is in Redis, or brought nothing new."""
        self._answered = asyncio.get_running_loop().create_future()
        self.outbox.send(Frame(protocol.sync_step_1(state_vector)))
        return self._answered

    def send_states(self) -> None:
        """Send who is here."""
        if states := self.room.presence.states():
            self.outbox.send_states(Frame(protocol.awareness(awareness.encode(states))), states)

    # -- the end

    def fail(self, error: YRedisError) -> None:
        """Close because of an error; log it without any content of the frame."""
        if not self.closed:
            logger.log(
                level_of(error),
                "Closing a connection to room %s: %s",
                self.room.name,
                error,
                extra={"action": "seat_failed", "code": int(error.close_code), **self._labels()},
            )
        self.close(error.close_code, type(error).__name__)

    def _fell_behind(self) -> None:
        logger.info("A client reads too slowly", extra={"action": "seat_fell_behind", **self._labels()})
        self.close(CloseCode.TRY_AGAIN_LATER, "too slow")

    def close(self, code: CloseCode, reason: str) -> None:
        """Close the socket soon; from now on nothing is taken from it and nothing sent."""
        if self.closed:
            return
        self.closed = True
        count_close(code)
        self.outbox.close()
        self.rights.end()
        self.room.presence.leave(self.speaker)  # at once: that the socket is gone may be heard much later
        self._closing = asyncio.create_task(self._writer.close(code, reason))
        self._settled.set()

    async def leave(self) -> None:
        """Give up the place: the connection is gone. Returns when the last append is known to have arrived or not."""
        self.closed = True
        self.outbox.close()
        self.rights.end()
        self.room.leave(self)
        await self._settled.wait()

    def _labels(self) -> dict[str, str]:
        return {"room": self.room.name, "connection": self.speaker.connection_id}
