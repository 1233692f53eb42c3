"""A room that a worker has claimed and read, and the delta that it becomes."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from persistence import framing
from persistence.commit import Delta, Poison
from persistence.gaps import brought
from rooms.bells import Head
from rooms.calmly import calmly
from rooms.entries import START, Entry, EntryId
from rooms.metrics import Count, count
from rooms.queue import Claim
from rooms.streams import RawReading

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Work:
    """One claimed room.

    Args:
        reading: None for a room that could not be read.
        started: time.monotonic() when reading it began.
    """

    claim: Claim
    reading: RawReading | None
    started: float

    @classmethod
    def unread(cls, claim: Claim, started: float) -> Self:
        """Return the work of a room that could not be read."""
        return cls(claim, None, started)

    @property
    def entries(self) -> Sequence[tuple[EntryId, bytes]]:
        """What was read, oldest first."""
        return self.reading.entries if self.reading else ()

    @property
    def head(self) -> Head:
        """The room's head when it was read."""
        return self.reading.head if self.reading else Head("", 0, START, START)

    @property
    def size_bytes(self) -> int:
        """Bytes of the entries."""
        return sum(len(data) for _, data in self.entries)

    @property
    def lag_seconds(self) -> float:
        """Age of the oldest entry, whose id is the time at which Redis took it; 0 when nothing was read."""
        return max(0.0, time.time() - self.entries[0][0].milliseconds / 1000) if self.entries else 0.0

    def log_persisted(self, delta: Delta) -> None:
        """Write the one line of a persisted room, and count it."""
        count(Count.ROOMS_PERSISTED)
        count(Count.ENTRIES_PERSISTED, len(delta.entries))
        count(Count.BYTES_PERSISTED, len(delta.data))
        extra = {
            "action": "room_persisted",
            "room": self.claim.room,
            "entries": len(delta.entries),
            "bytes": len(delta.data),
            "seconds": round(time.monotonic() - self.started, 3),
            "lag_seconds": round(delta.lag_seconds, 3),
            "quarantined": len(delta.quarantined),
        }
        text = (
            "Persisted room %(room)s in %(seconds).3f s: %(entries)d entries, %(bytes)d bytes, lag %(lag_seconds).1f s"
        )
        logger.info(text, extra, extra=extra)


async def delta_of(work: Work, good: Sequence[tuple[EntryId, Entry]], poison: Sequence[Poison]) -> Delta:
    """Return the delta of a room; it covers the ids of its poison too, so that they are trimmed with the rest."""
    return Delta(
        claim=work.claim,
        generation=work.head.generation if work.head.epoch else None,
        entries=good,
        first=work.entries[0][0],
        last=work.entries[-1][0],
        data=await calmly(work.size_bytes, framing.pack, good),
        place=None,
        quarantined=poison,
        lag_seconds=work.lag_seconds,
        floor=work.head.floor,
        brought=await calmly(work.size_bytes, brought, good),
    )
