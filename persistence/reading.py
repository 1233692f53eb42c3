"""Reading claimed rooms' streams, as much at a time as a batch may have."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field, replace

from persistence.works import Work
from rooms import entries
from rooms.errors import LaterRelease
from rooms.queue import Claim
from rooms.streams import RawReading, Streams

BATCH_BYTES = 16 * 1024 * 1024
"""About so much of a batch is read at a time; what is left waits, its lease renewed."""

ROOM_BYTES = 4 * 1024 * 1024
"""About so much of one room is a delta; a longer stream becomes several."""

READERS = 8


@dataclass(slots=True)
class Batch:
    """What was read: rooms with entries, those that could not be read and why, and those that have nothing."""

    works: list[Work] = field(default_factory=list)
    failed: list[tuple[Work, Exception]] = field(default_factory=list)
    empty: list[Claim] = field(default_factory=list)


async def read(streams: Streams, waiting: deque[Claim]) -> Batch:
    """Take claims out of `waiting` and read their streams, until it is enough for one batch or something failed."""
    batch, size = Batch(), 0
    while waiting and size < BATCH_BYTES and not batch.failed:
        claims = [waiting.popleft() for _ in range(min(READERS, len(waiting)))]
        started = time.monotonic()
        readings = await asyncio.gather(
            *(streams.raw(claim.room, limit_bytes=ROOM_BYTES) for claim in claims), return_exceptions=True
        )
        for claim, reading in zip(claims, readings, strict=True):
            if isinstance(reading, Exception):
                batch.failed.append((Work.unread(claim, started), reading))
            elif isinstance(reading, BaseException):
                raise reading
            elif not reading.entries:
                batch.empty.append(claim)
            elif ours := readable(reading):
                batch.works.append(Work(claim, ours, started))
                size += batch.works[-1].size_bytes
            else:
                error = LaterRelease("the oldest entry is of a later release: a worker of that has to persist it")
                batch.failed.append((Work(claim, reading, started), error))
    return batch


def readable(reading: RawReading) -> RawReading | None:
    """Return what comes before the first entry of a later release, which this one must neither persist nor judge.

    It could not tell which of its updates are verbatim, and in quarantine the entry would be in no load (G1).
    """
    for number, (_, data) in enumerate(reading.entries):
        if entries.is_later(data):
            return replace(reading, entries=reading.entries[:number], more=True) if number else None
    return reading
