"""Rows for rooms as soon as they begin, so that the admin and object permissions know them before a worker has come."""

import asyncio
import logging
from contextlib import suppress

from rooms import pool
from rooms.errors import YRedisError
from rooms.level import level_of

logger = logging.getLogger(__name__)

SOON_SECONDS = 0.5
"""Many rooms that begin together are one question to the database."""

FAREWELL_SECONDS = 1.0


class Register:
    """The rooms that began in one event loop. What can't be noted is left to the worker that persists them first."""

    def __init__(self) -> None:
        self._new: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def began(self, room: str) -> None:
        """Make a row for a room soon, if it has none."""
        self._new.add(room)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._note_all())

    async def _note_all(self) -> None:
        try:
            while self._new:
                await asyncio.sleep(SOON_SECONDS)
                await self._note()
        finally:
            self._task = None

    async def _note(self) -> None:
        names, self._new = sorted(self._new), set()
        try:
            await pool.run(_insert, names)
        except YRedisError as error:
            extra = {"action": "rooms_not_noted", "rooms": len(names), "reason": str(error)}
            logger.log(level_of(error), "New rooms have no rows yet: %s", error, extra=extra)

    async def aclose(self) -> None:
        """Note what is left, if that is quick."""
        if self._task is not None:
            self._task.cancel()
        if self._new:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._note(), FAREWELL_SECONDS)


def _insert(names: list[str]) -> None:
    from rooms.models import Room  # an asgi.py imports this module before the apps are loaded

    Room.objects.bulk_create([Room(name=name) for name in names], ignore_conflicts=True)
