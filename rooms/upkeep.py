"""What a hub does again and again: say that it lives, look for what it missed, keep quiet connections alive."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from rooms import heartbeats, protocol
from rooms.errors import YRedisError
from rooms.heartbeats import DEAD_AFTER_BEATS, Rate
from rooms.history import SAMPLE_SECONDS
from rooms.metrics import Count, count
from rooms.redis_client import Call
from rooms.rights import LOOKS
from rooms.sampler import Sampler
from rooms.writers import Frame

if TYPE_CHECKING:
    from rooms.hub import Hub
    from rooms.room import LiveRoom

logger = logging.getLogger(__name__)

SWEEP_SLICES = 10
"""The rooms are not swept all at once."""

QUIET_SECONDS = 18.0
"""A connection that was sent nothing for so long gets an empty message; y-websocket gives up after 30 s."""

KEEP_ALIVE_SECONDS = 5.0

SEATS_PER_TURN = 100
"""So many are begun with at a time; frames are served in between."""

NOTHING = Frame(protocol.awareness(b"\0"))
"""Awareness of nobody: received, and otherwise without effect."""


class Upkeep:
    """Five rhythms of one hub."""

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub
        self._conf = hub.backend.conf
        self._beats = 0
        self._appended = Rate(Count.UPDATES_ACCEPTED)
        self._sampler = Sampler(hub.backend.client, hub.backend.keys, hub.backend.conf)
        self._position = 0
        self._tasks: list[asyncio.Task[None]] = []
        self.dead: frozenset[str] = frozenset()

    async def start(self) -> None:
        """Beat once, so that `dead` is known, then go on in the background; RedisUnavailable if Redis is away."""
        await self.beat()
        rhythms: tuple[tuple[Callable[[], Awaitable[None]], float], ...] = (
            (self.beat, self._conf.heartbeat_seconds),
            (self.sweep, self._conf.sweep_seconds / SWEEP_SLICES),
            (self.keep_alive, KEEP_ALIVE_SECONDS),
            (self.recheck, self._conf.recheck_seconds / LOOKS),
            (self._sampler.sample, SAMPLE_SECONDS),
        )
        self._tasks = [asyncio.create_task(_repeat(action, seconds)) for action, seconds in rhythms]

    async def beat(self) -> None:
        """Say that this server lives; bury those that are dead; sweep at once if Redis has forgotten our last beat."""
        answer: list[Any] = await self._hub.backend.client.run(self._heartbeat())
        self._bury(dict(zip(answer[1::2], answer[2::2], strict=True)))
        known_beat, self._beats = int(answer[0] or 0), self._beats + 1
        if known_beat < self._beats - 1:
            logger.warning("Redis lost data: checking every room", extra={"action": "redis_lost_data"})
            await self._hub.backend.client.claim_layout()
            await self._check(list(self._hub.rooms.values()))

    def _bury(self, silences: dict[bytes, bytes]) -> None:
        """Take those for dead who were silent too long (milliseconds by server id); their clients' cursors go."""
        limit = DEAD_AFTER_BEATS * self._conf.heartbeat_seconds * 1000
        dead = frozenset(name.decode() for name, silent in silences.items() if int(silent) > limit)
        for server_id in dead - self.dead:
            logger.info("Server %s is gone", server_id, extra={"action": "server_lost", "server": server_id})
            count(Count.SERVERS_LOST)
            for room in list(self._hub.rooms.values()):
                room.presence.bury(server_id)
        self.dead = dead

    def _heartbeat(self) -> Call:
        hub, every = self._hub, self._conf.heartbeat_seconds
        told = (hub.seats, len(hub.rooms), self._appended.per_second())
        return heartbeats.beat(hub.backend.keys.servers, hub.server_id, self._beats + 1, told, heartbeat_seconds=every)

    async def sweep(self) -> None:
        """Compare the next slice of the rooms with Redis, in case a bell was lost."""
        rooms = self._hub.rooms
        size = -(-len(rooms) // SWEEP_SLICES)
        if self._position >= len(rooms):
            self._position = 0
        chosen = list(islice(rooms.values(), self._position, self._position + size))
        self._position += size
        await self._check(chosen)

    async def _check(self, rooms: Sequence["LiveRoom"]) -> None:
        if not rooms:
            return
        readings = await self._hub.backend.streams.heads([room.name for room in rooms])
        for room, reading in zip(rooms, readings, strict=True):
            if reading is not None:
                room.check(reading)

    async def keep_alive(self) -> None:
        """Send an empty message to who was sent nothing for a while."""
        quiet_since = asyncio.get_running_loop().time() - QUIET_SECONDS
        for room in list(self._hub.rooms.values()):
            for seat in room.seats:
                if seat.outbox.last_sent_at < quiet_since and seat.outbox.keeps_up:
                    count(Count.KEEP_ALIVES)
                    seat.outbox.send(NOTHING)

    async def recheck(self) -> None:
        """Decide anew about those for whom that is long ago."""
        now = time.monotonic()
        for number, seat in enumerate(self._hub.seats_of()):
            seat.rights.grow_old(now)
            if number % SEATS_PER_TURN == SEATS_PER_TURN - 1:
                await asyncio.sleep(0)

    async def aclose(self) -> None:
        """Stop; the heartbeat runs out, and the others remove the cursors that are left."""
        stopped, self._tasks = self._tasks, []
        for task in stopped:
            task.cancel()
        await asyncio.gather(*stopped, return_exceptions=True)


async def _repeat(action: Callable[[], Awaitable[None]], seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await action()
        except YRedisError as error:
            logger.warning("Upkeep failed: %s", error, extra={"action": "upkeep_failed"})
        except Exception:
            logger.exception("Upkeep failed", extra={"action": "upkeep_failed"})
