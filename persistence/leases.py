"""The claims that a worker has in hand. Each is renewed every third of a lease until it is put down."""

import asyncio
import logging
from collections.abc import Iterable

from rooms.errors import RedisUnavailable
from rooms.level import level_of
from rooms.metrics import Count, count
from rooms.queue import Claim, Queue

logger = logging.getLogger(__name__)


class Leases:
    """What this worker may persist now, as far as it knows: the fence decides."""

    def __init__(self, queue: Queue, *, lease_seconds: float) -> None:
        self._queue = queue
        self._interval_seconds = lease_seconds / 3
        self._held: set[Claim] = set()

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, claim: Claim) -> bool:
        return claim in self._held

    @property
    def held(self) -> list[Claim]:
        """The claims in hand."""
        return list(self._held)

    def take(self, claims: Iterable[Claim]) -> None:
        """Begin to renew claims."""
        self._held.update(claims)

    def put_down(self, claim: Claim) -> None:
        """Renew a claim no more: it was given back, or is another worker's."""
        self._held.discard(claim)

    def lose(self, claim: Claim, *, where: str, seen_fence: int | None = None) -> None:
        """Note that another worker has the room: its work is dropped and not tried again by this one."""
        if claim not in self._held:  # noted before
            return
        self._held.discard(claim)
        count(Count.LEASES_LOST)
        extra = {"action": "lease_lost", "room": claim.room, "fence": claim.fence, "seen": seen_fence, "where": where}
        logger.warning("Lost the lease of room %s (%s)", claim.room, where, extra=extra)

    async def run(self) -> None:
        """Renew for ever."""
        while True:
            await asyncio.sleep(self._interval_seconds)
            await self.renew()

    async def renew(self) -> None:
        """Renew all; one that was not ours any more is lost. Without Redis they are tried again at the next turn."""
        if not self._held:
            return
        try:
            lost = await self._queue.renew(self.held)
        except RedisUnavailable as error:
            extra = {"action": "leases_not_renewed", "rooms": len(self._held), "reason": str(error)}
            logger.log(level_of(error), "Could not renew %d leases: %s", len(self._held), error, extra=extra)
            return
        for claim in lost & self._held:  # what was put down meanwhile is no loss
            self.lose(claim, where="renewing")
