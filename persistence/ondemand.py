"""Persisting or compacting one room now, in the process that asks: it acts as a worker of that room.

Leases and fences keep it and the running workers apart, as they keep workers apart from each other.
"""

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from persistence.compactor import Compactor
from persistence.leases import Leases
from persistence.models import Segment
from persistence.replacement import adopt
from persistence.services import Services, shared
from persistence.transactions import rows
from persistence.worker import Worker
from persistence.works import Work
from rooms import background, names, pool
from rooms.entries import START, EntryId
from rooms.errors import RedisUnavailable, YRedisError
from rooms.models import Room
from rooms.queue import Claim

PATIENCE_SECONDS = 5.0
"""So long a room may be in a worker's hands before we give up."""

AGAIN_SECONDS = 0.1


class RoomBusy(YRedisError):
    """A worker has the room, and keeps it: try again later."""


class Sizes(NamedTuple):
    """Bytes of a room's segments, before and after."""

    before: int
    after: int


async def persist(room: str) -> None:
    """Move what is in a room's stream at this moment into the store, whatever DEBOUNCE_SECONDS says.

    Entries that nothing can decode go into quarantine, as ever, and that is no error.

    Raises:
        NoSuchRoom: the name can't name a room.
        RoomBusy: a worker has it for too long; what it was given is persisted when it is done.
        RedisUnavailable, StoreUnavailable, ComputeUnavailable: not now; workers will go on trying.
        LaterRelease: the oldest entry is of a later release, whose workers have to do it.
    """
    name, services = names.canonical(room), await shared()
    oldest = await _oldest(services, name)
    upto = max((await services.streams.head(name)).last, oldest or START)
    patience = Patience(name)
    while oldest is not None and oldest <= upto:
        if claim := await services.queue.take(name):
            await _persist(services, claim)
        before, oldest = oldest, await _oldest(services, name)
        if oldest == before:
            await patience.wait()
        else:
            patience = Patience(name)


async def compact(room: str) -> Sizes:
    """Make a room's segments one snapshot, however few they are; return their bytes before and after.

    What is only in Redis yet stays there. Of a room that is kept as it was sent, nothing is written anew that would not
    become smaller.

    Raises:
        NoSuchRoom, RoomBusy, RedisUnavailable, StoreUnavailable, ComputeUnavailable: as `persist`; all is as it was.
        Undecodable: a child process died of looking at the room.
    """
    name, services = names.canonical(room), await shared()
    patience = Patience(name)
    while True:
        claim = await services.queue.take(name)
        if claim and (sizes := await _compact(services, claim)):
            return sizes
        await patience.wait()


def persist_sync(room: str) -> None:
    """Do as `persist`, in code without an event loop."""
    background.run(persist(room))


def compact_sync(room: str) -> Sizes:
    """Do as `compact`, in code without an event loop."""
    return background.run(compact(room))


class Patience:
    """Waits for a worker to give a room back, not for ever."""

    def __init__(self, room: str) -> None:
        self._room = room
        self._deadline = time.monotonic() + PATIENCE_SECONDS

    async def wait(self) -> None:
        """Return after a moment; raise RoomBusy if that was the last."""
        if time.monotonic() > self._deadline:
            raise RoomBusy(f"a worker has room {self._room} at this moment")
        await asyncio.sleep(AGAIN_SECONDS)


class OneRoomWorker(Worker):
    """A worker that also keeps why it could not."""

    def __init__(self, services: Services) -> None:
        super().__init__(services, concurrency=1)
        self.errors: list[Exception] = []

    async def fail(self, failed: Iterable[tuple[Work, Exception]], *, alone: bool) -> None:
        """Do as any worker, and keep the errors."""
        failures = list(failed)
        self.errors += [error for _, error in failures]
        await super().fail(failures, alone=alone)


async def _oldest(services: Services, room: str) -> EntryId | None:
    """Return the id of the first entry of a room's stream; None if it has none."""
    [glance] = await services.streams.glance([room])
    return glance.oldest


async def _persist(services: Services, claim: Claim) -> None:
    """Persist a claimed room's oldest entries, as many as a worker takes at a time, and compact it if that is due."""
    worker = OneRoomWorker(services)
    renewing = asyncio.create_task(worker.leases.run())
    try:
        await worker.persist([claim])
        while worker.tasks:
            await asyncio.wait(worker.tasks)
    finally:
        renewing.cancel()
        await worker.drain(within_seconds=0)
    if worker.errors:
        raise worker.errors[0]


async def _compact(services: Services, claim: Claim) -> Sizes | None:
    """Compact a claimed room and give it back; None if it is somebody else's after all."""
    leases = Leases(services.queue, lease_seconds=services.conf.lease_seconds)
    leases.take([claim])
    renewing = asyncio.create_task(leases.run())
    try:
        if (seen := await pool.run(adopt, claim)) >= claim.fence:  # Redis lost its counter
            await services.queue.raise_fence(claim.shard, seen)
            return None
        before, is_compact = await pool.run(_state, claim.room)
        if not is_compact and not await Compactor(services, leases).rewrite(claim, before, is_due=True):
            return None
        return Sizes(before, (await pool.run(_state, claim.room))[0])
    finally:
        renewing.cancel()
        with suppress(RedisUnavailable):  # then the lease runs out
            await services.queue.release(claim)


def _state(room: str) -> tuple[int, bool]:
    """Return the bytes of a room's segments, and whether nothing is to be compacted. Blocks."""
    row = rows(Room).filter(name=room).first()
    if row is None:
        return 0, True
    kinds = list(rows(Segment).filter(room=row, generation__gte=row.generation).values_list("kind", flat=True)[:2])
    return row.snapshot_bytes + row.delta_bytes, not kinds or kinds == [Segment.Kind.SNAPSHOT]
