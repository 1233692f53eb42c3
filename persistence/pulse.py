"""A worker's heartbeat: that it lives, what it has in hand, how fast it persists."""

import asyncio
import logging

from persistence.leases import Leases
from persistence.services import Services
from rooms import heartbeats
from rooms.errors import RedisUnavailable
from rooms.heartbeats import Rate, process_id
from rooms.metrics import Count, counters

logger = logging.getLogger(__name__)


class Pulse:
    """The heartbeats of one worker; people look at them, and nothing depends on them."""

    def __init__(self, services: Services, leases: Leases) -> None:
        self.worker_id = process_id()
        self._services = services
        self._leases = leases
        self._beats = 0
        self._persisted = Rate(Count.ROOMS_PERSISTED)

    async def beat(self) -> None:
        """Tell the rooms in hand, those persisted since the process began, and those in a second."""
        told = (len(self._leases), counters[Count.ROOMS_PERSISTED], self._persisted.per_second())
        every_seconds = self._services.conf.heartbeat_seconds
        key, number = self._services.keys.workers, self._beats + 1
        call = heartbeats.beat(key, self.worker_id, number, told, heartbeat_seconds=every_seconds)
        try:
            await self._services.client.run(call)
        except RedisUnavailable as error:
            logger.debug("Could not tell that this worker lives: %s", error)
        else:
            self._beats = number

    async def run(self) -> None:
        """Beat for ever."""
        while True:
            await self.beat()
            await asyncio.sleep(self._services.conf.heartbeat_seconds)
