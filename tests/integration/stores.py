"""A store in memory: the test plays the worker, with `save` or tests.support.folder_store.persist."""

import asyncio
from typing import ClassVar

from rooms.entries import Entry, EntryId
from rooms.errors import StoreUnavailable
from rooms.store import Chain


class MemoryStore:
    """Implements rooms.store.Store; all instances share what they hold."""

    rooms: ClassVar[dict[str, Chain]] = {}
    failing: ClassVar[set[str]] = set()
    """Rooms that can't be read now."""
    seconds: ClassVar[float] = 0.0
    """How long a load takes."""

    @classmethod
    def reset(cls) -> None:
        """Forget everything."""
        cls.rooms.clear()
        cls.failing.clear()
        cls.seconds = 0.0

    async def load(self, room: str) -> Chain | None:
        """Return what was saved, or None."""
        if self.seconds:
            await asyncio.sleep(self.seconds)
        if room in self.failing:
            raise StoreUnavailable("out of order")
        return self.rooms.get(room)

    def save(self, room: str, entries: list[Entry], last: EntryId) -> None:
        """Keep a room's state."""
        self.rooms[room] = Chain(tuple(entries), last)


class BrokenStore:
    """Raises what no store should."""

    async def load(self, room: str) -> Chain | None:
        """Fail."""
        raise ZeroDivisionError
