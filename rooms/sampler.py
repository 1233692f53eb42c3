"""Who keeps the history: of all servers and workers the one that comes first when a sample is due."""

import asyncio
import logging

from rooms import history
from rooms.conf import Conf
from rooms.errors import YRedisError
from rooms.history import SAMPLE_SECONDS
from rooms.keys import Keys
from rooms.redis_client import Call, RedisClient, script
from rooms.survey import survey

logger = logging.getLogger(__name__)

TURN_SECONDS = SAMPLE_SECONDS - 0.5
"""A little shorter than the time between two tries of a process: alone it never finds its own last turn."""


class Sampler:
    """One process's part in the history."""

    def __init__(self, client: RedisClient, keys: Keys, conf: Conf) -> None:
        self._client = client
        self._keys = keys
        self._conf = conf

    async def sample(self) -> None:
        """Add a sample if nobody has done so lately. A history with holes hurts nobody, so a failure is no warning."""
        try:
            if await self._client.run(Call(script("turn"), (self._keys.sampling,), (int(TURN_SECONDS * 1000),))):
                found = await survey(self._client, self._keys, self._conf)
                if found.sample is not None:
                    await self._client.run(history.add(self._keys, found.sample))
        except YRedisError as error:
            logger.debug("Could not take a sample: %s", error)

    async def run(self) -> None:
        """Sample for ever."""
        while True:
            await asyncio.sleep(SAMPLE_SECONDS)
            await self.sample()
