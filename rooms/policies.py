"""Reading and changing rooms' policies: the row first, then Redis, then whoever has the room open.

A change that did not reach Redis, because the process died or Redis was away, leaves its row unsettled; a worker ends
it. All of it may be done twice, and by several at a time.
"""

import logging
from types import ModuleType
from typing import Any

from rooms import pool
from rooms.bells import Head
from rooms.errors import RedisUnavailable, StoreUnavailable, Unfinished, YRedisError
from rooms.failpoints import failpoint
from rooms.policy import Policy, version_of
from rooms.store import Store, erase
from rooms.streams import Streams

logger = logging.getLogger(__name__)

ATTEMPTS = 5
"""Somebody may change it between our looking at the row and at Redis; then both are looked at again."""


class Policies:
    """The policies of all rooms, for one event loop."""

    def __init__(self, streams: Streams, store: Store) -> None:
        self._streams = streams
        self._store = store

    async def of(self, room: str) -> Policy:
        """Return what holds for a room; Redis has it too from then on.

        Raises:
            StoreUnavailable, RedisUnavailable: it can't be told now, so nobody may enter.
        """
        return (await self.with_head(room))[0]

    async def with_head(self, room: str) -> tuple[Policy, Head]:
        """Return what holds for a room, and its head after Redis has it too; raise as `of`."""
        for _ in range(ATTEMPTS):
            policy: Policy = await pool.run(_rows().stored, room)
            reading = await self._streams.look(room)
            if reading.marks == policy.marks and reading.head.generation == policy.generation:
                return policy, reading.head
            if (known := version_of(reading.marks)) >= policy.version and reading.marks != policy.marks:
                await pool.run(_rows().outdo, room, max(known, policy.version + 1))
            elif reading.head.generation > policy.generation:
                await pool.run(_rows().outlive, room, reading.head.generation)
            else:
                await self._streams.govern(room, policy)
        raise StoreUnavailable(f"the policy of room {room} is not the same in Redis")

    async def open(self, room: str) -> Policy:
        """Return the policy of a room that is not deleted; raise RoomDeleted for any other, else as `of`."""
        policy = await self.of(room)
        policy.check()
        return policy

    async def change(self, room: str, change: Any) -> bool:
        """Change a room's policy; return whether it was another one before. What was not finished earlier is now.

        Args:
            change: one of those in rooms.policy_rows; whatever it raises is raised.

        Raises:
            StoreUnavailable: it is unknown whether that was done.
            Unfinished: it is done, but who has the room open may hear of it later; a worker ends it.
        """
        changed: bool = await pool.run(_rows().change, room, change)
        try:
            await self.settle(room)
        except (RedisUnavailable, StoreUnavailable) as error:
            raise Unfinished(str(error)) from error
        return changed

    async def settle(self, room: str) -> None:
        """Bring Redis and the store in line with what a room's row says.

        Raises:
            RedisUnavailable, StoreUnavailable: not now; it is still to be done.
        """
        failpoint("settle.row")
        policy: Policy = await pool.run(_rows().stored, room)
        if policy.is_erasing:
            await self._streams.govern(room, policy)  # nothing comes to the old document any more
            failpoint("settle.redis")
            await erase(self._store, room)
            failpoint("settle.store")
            await pool.run(_rows().end_erasing, room, policy.generation)
        policy = await self.of(room)
        await pool.run(_rows().settled, room, policy.version)

    async def settle_all(self) -> tuple[int, int]:
        """Settle what others have left unsettled; return how many rooms were, and how many could not be.

        Raises:
            StoreUnavailable: it can't be told which.
        """
        rooms, failed = await pool.run(_rows().unsettled), 0
        for room in rooms:
            try:
                await self.settle(room)
            except YRedisError as error:  # one room's trouble is its own (G7)
                failed += 1
                extra = {"action": "policy_not_settled", "room": room, "reason": str(error)}
                logger.warning("What was decided about room %s can't be carried out yet: %s", room, error, extra=extra)
        return len(rooms) - failed, failed


def _rows() -> ModuleType:
    from rooms import policy_rows  # an asgi.py imports this module before the apps are loaded

    return policy_rows
