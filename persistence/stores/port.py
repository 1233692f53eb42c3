"""What a worker needs of a store beyond rooms.store.Store, and what all stores have in common: reading."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

from django.core.files.storage import storages
from django.db import connections, router
from django.db.models import QuerySet

from persistence import chain, erasing
from persistence.models import Segment
from persistence.stores import owner
from persistence.stores.place import Place
from rooms import pool
from rooms.store import Chain

logger = logging.getLogger(__name__)

READ_ATTEMPTS = 3
"""A compaction may replace a chain between listing and reading it; then it is listed again."""


class SegmentStore(ABC):
    """A store of segments. What is no coroutine blocks, and runs in the pool."""

    @abstractmethod
    def keep(self, room: str, data: bytes) -> Place:
        """Write bytes under a key that nothing else has, and return where they can be read again.

        Raises:
            Exception: whatever the storage raises; some of the bytes may be there, for the sweep.
        """

    @abstractmethod
    def elsewhere(self) -> QuerySet[Segment]:
        """Return the segments whose bytes are not in this store."""

    def forget(self, segments: Iterable[Segment]) -> None:
        """Remove the files of segments whose rows are gone, whichever store wrote them; the sweep finds what stays.

        Another database's files stay: this one is a copy of it, which had their rows too.
        """
        for segment in segments:
            try:
                if segment.location and f"/{owner.name()}/" in segment.location:
                    storages[segment.storage].delete(segment.location)
            except Exception as error:
                extra = {"action": "file_not_removed", "location": segment.location, "reason": str(error)}
                logger.info("Could not remove %s, a sweep will: %s", segment.location, error, extra=extra)

    def unshared(self) -> str:
        """Return why other processes could not read what this store holds; "" if they can."""
        settings = connections[router.db_for_write(Segment)].settings_dict
        name = str(settings["NAME"])
        if settings["ENGINE"].endswith("sqlite3") and (":memory:" in name or "mode=memory" in name):
            return "the database is in memory"
        return ""

    def folders(self) -> Sequence[str]:
        """Return the parts of the store that a sweep goes through one after the other (persistence.orphans)."""
        return ()

    def orphans(self, folder: str, older_than_seconds: float) -> list[str]:
        """Return what is in a folder, was written so long ago, and belongs to no row."""
        return []

    def remove(self, locations: Iterable[str]) -> int:
        """Remove what `orphans` has found; return how many."""
        return 0

    async def sweep_orphans(self, older_than_seconds: float) -> int:
        """Remove bytes without a row, all that were written so long ago; return how many there were.

        Raises:
            StoreUnavailable: no answer; some may be removed.
        """
        found = 0
        for folder in await pool.run(self.folders):
            if orphans := await pool.run(self.orphans, folder, older_than_seconds):
                found += await pool.run(self.remove, orphans)
        return found

    async def erase(self, room: str) -> None:
        """Remove what is persisted of a room whose row says that it is being erased; the sweep finds files that stay.

        Raises:
            StoreUnavailable: it is unknown whether that was done.
        """
        await pool.run(self.forget, await pool.run(erasing.erase, room))

    async def has(self, room: str) -> bool:
        """Tell whether anything of a room is persisted, without its bytes."""
        return await pool.run(chain.exists, room)

    async def load(self, room: str) -> Chain | None:
        """Return what is persisted of a room, or None for a room never persisted; raise as `read`."""
        segments, several = await self.read(room)
        async with _damage_noted(room):
            return await pool.run(chain.joined, segments, several)

    async def read(self, room: str) -> tuple[list[Segment], list[bytes]]:
        """Return the segments of a room and their bytes, whichever store has written them.

        Raises:
            Damaged: bytes are lost, or not what was written; the room's row tells so from then on.
            StoreUnavailable: no answer now.
        """
        async with _damage_noted(room):
            segments, several = await _read(room)
        if segments and segments[0].room.damage:
            await pool.run(chain.note_damage, room, "")
        return segments, several


@asynccontextmanager
async def _damage_noted(room: str) -> AsyncIterator[None]:
    try:
        yield
    except chain.Damaged as error:
        await pool.run(chain.note_damage, room, str(error))
        raise


async def _read(room: str) -> tuple[list[Segment], list[bytes]]:
    segments = await pool.run(chain.listed, room)
    for _ in range(READ_ATTEMPTS):
        try:
            return segments, await _all(segments)
        except chain.Gone as error:
            missing, before = error, _places(segments)
            segments = await pool.run(chain.listed, room)
            if before == _places(segments):
                raise chain.Damaged(str(error)) from error
    raise missing


def _places(segments: Sequence[Segment]) -> list[tuple[int, str]]:
    return [(segment.pk, segment.location) for segment in segments]


async def _all(segments: Sequence[Segment]) -> list[bytes]:
    """Return the bytes of segments: those in rows at once, those in a storage several at a time."""
    if all(segment.payload is not None for segment in segments):
        return await pool.run(lambda: [chain.data(segment) for segment in segments])
    found = await asyncio.gather(*(pool.run(chain.data, segment) for segment in segments), return_exceptions=True)
    for one in found:
        if isinstance(one, BaseException):
            raise one
    return [one for one in found if isinstance(one, bytes)]
