"""What waits for one connection: nothing while it keeps up, and never more than a bounded amount."""

import asyncio
from collections.abc import Callable
from functools import lru_cache

from rooms import awareness, merge, protocol
from rooms.awareness import State
from rooms.metrics import Count, count
from rooms.writers import Frame, Writer

CHUNK_BYTES = 32 * 1024
"""Waiting updates are merged when they are about so many: that halves keystrokes, and takes some milliseconds."""

CHUNKS_PER_LIMIT = 8

FULL = 0.9
"""Share of the limit that what is merged must stay below."""

CUT = 0x1FF
"""A chunk also ends behind one update in 512, whichever its hash picks: so outboxes that fell behind at different
moments soon cut at the same places, and what was merged for one of them serves them all."""

STATE_BYTES = 100
"""What an awareness state takes besides its JSON, about."""


class Outbox:
    """Frames on their way to one client.

    While the client keeps up, frames go straight to the writer. When it does not, updates wait and are merged,
    awareness keeps the newest state of each client, and everything else waits in its order.

    Args:
        limit_bytes: of waiting updates and states; beyond it they become one update, and if that does not help
            `overflow` is called. Answers to the client's own requests don't count: it gets the next one when it
            took the last.
    """

    def __init__(self, writer: Writer, limit_bytes: int, overflow: Callable[[], None]) -> None:
        self._writer = writer
        self._limit_bytes = limit_bytes
        self._chunk_bytes = min(CHUNK_BYTES, limit_bytes // CHUNKS_PER_LIMIT)
        self._overflow = overflow
        self._frames: list[Frame] = []
        self._chunks: list[bytes] = []  # merged
        self._updates: list[bytes] = []  # not merged yet
        self._updates_bytes = 0
        self._states: dict[int, State] = {}
        self._waiting_bytes = 0
        self._draining: asyncio.Task[None] | None = None
        self._closed = False
        self.last_sent_at = 0.0

    @property
    def keeps_up(self) -> bool:
        """Whether nothing waits."""
        return self._closed or (self._draining is None and not self._writer.busy)

    async def drained(self) -> None:
        """Return when nothing waits any more."""
        while self._draining is not None and not self._closed and not self._writer.closed:
            await asyncio.wait([self._draining])  # which close() cancels, but not who waits for it

    def send(self, frame: Frame) -> None:
        """Send a frame of the sync protocol's opening, which can't be merged with others."""
        if self.keeps_up:
            return self._write(frame)
        self._frames.append(frame)
        return self._wait(0)

    def send_update(self, frame: Frame, update: bytes, *, verbatim: bool) -> None:
        """Send the frame of an update; keep only the update if the client is behind."""
        if self.keeps_up:
            return self._write(frame)
        if verbatim:
            self._frames.append(frame)
        else:
            self._updates.append(update)
            self._updates_bytes += len(update)
        self._waiting_bytes += len(update)
        if hash(update) & CUT == 0 or self._updates_bytes >= self._chunk_bytes:
            self._merge()
        return self._wait(0)

    def send_states(self, frame: Frame, states: list[State]) -> None:
        """Send the frame of awareness states; keep only the newest of each client if this one is behind."""
        if self.keeps_up:
            return self._write(frame)
        before = sum(len(self._states[state.client].value) for state in states if state.client in self._states)
        self._states.update((state.client, state) for state in states)
        return self._wait(sum(len(state.value) + STATE_BYTES for state in states) - before)

    def _write(self, frame: Frame) -> None:
        if self._closed:
            return
        count(Count.FRAMES_SENT)
        count(Count.BYTES_SENT, len(frame.payload))
        self.last_sent_at = asyncio.get_running_loop().time()
        self._writer.write(frame)

    def _merge(self) -> None:
        """Make a chunk of the updates that wait."""
        if not self._updates:
            return
        count(Count.OUTBOX_COLLAPSES)
        chunk = merged_once(tuple(self._updates))
        self._chunks += chunk
        self._waiting_bytes += sum(map(len, chunk)) - self._updates_bytes
        self._updates, self._updates_bytes = [], 0

    def _collapse(self) -> None:
        """Make one of all chunks, which may say the same again and again; give up if that does not help."""
        self._merge()
        chunks = merged_once(tuple(self._chunks))
        self._waiting_bytes += sum(map(len, chunks)) - sum(map(len, self._chunks))
        self._chunks = [*chunks]
        if self._waiting_bytes > FULL * self._limit_bytes:  # else the next few updates would only merge it all again
            self.close()
            self._overflow()

    def _wait(self, more_bytes: int) -> None:
        self._waiting_bytes += more_bytes
        if self._waiting_bytes > self._limit_bytes:
            self._collapse()
        if self._draining is None and not self._closed and not self._writer.closed:
            self._draining = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        try:
            while self._frames or self._chunks or self._updates or self._states:
                await self._writer.drained()
                if self._writer.closed:
                    return
                self._flush()
        finally:
            self._draining = None

    def _flush(self) -> None:
        """Write what waits: the frames in their order, the updates, one frame of awareness."""
        self._merge()
        small = sum(map(len, self._chunks)) <= CHUNK_BYTES
        updates = merge.as_few(self._chunks) if small else self._chunks
        frames = self._frames + [Frame(protocol.update(update)) for update in updates]
        if self._states:
            frames.append(Frame(protocol.awareness(awareness.encode(self._states.values()))))
        self._forget()
        for frame in frames:
            self._write(frame)

    def _forget(self) -> None:
        self._frames, self._chunks, self._updates, self._states = [], [], [], {}
        self._updates_bytes = self._waiting_bytes = 0

    def close(self) -> None:
        """Drop what waits and whatever comes: the connection is gone, or is being closed."""
        self._closed = True
        self._forget()
        if self._draining is not None:
            self._draining.cancel()


@lru_cache(maxsize=64)
def merged_once(updates: tuple[bytes, ...]) -> list[bytes]:
    """Return updates merged; kept for the other connections that wait for the same."""
    return merge.as_few(updates)
