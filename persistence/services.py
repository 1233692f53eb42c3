"""What a worker needs of the world, connected within its event loop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self, cast

from persistence.stores.port import SegmentStore
from rooms.backend import Backend, backend
from rooms.compute import Compute
from rooms.conf import Conf
from rooms.errors import StoreUnavailable
from rooms.events import Events
from rooms.keys import Keys
from rooms.metrics import Count, count
from rooms.policies import Policies
from rooms.queue import Queue
from rooms.redis_client import RedisClient
from rooms.store import store
from rooms.streams import Streams


@dataclass(frozen=True, slots=True)
class Services:
    """Redis, the store, and children that decode: `quick` ones for batches that none has died of."""

    conf: Conf
    streams: Streams
    compute: Compute
    quick: Compute
    queue: Queue
    store: SegmentStore
    events: Events
    policies: Policies
    client: RedisClient
    keys: Keys

    @classmethod
    def over(cls, backend: Backend, chosen: SegmentStore, quick: Compute) -> Self:
        """Return the services of a process whose event loop has a backend."""
        return cls(
            conf=backend.conf,
            streams=backend.streams,
            compute=backend.compute,
            quick=quick,
            queue=Queue(backend.client, backend.keys, backend.conf),
            store=chosen,
            events=backend.events,
            policies=backend.policies,
            client=backend.client,
            keys=backend.keys,
        )


@asynccontextmanager
async def connected() -> AsyncIterator[Services]:
    """Connect as settings.YREDIS says, for the length of a block; raise RedisUnavailable or LayoutMismatch."""
    backend = await Backend.open()
    quick = Compute(
        processes=1,
        memory_bytes=backend.conf.compute_memory_bytes,
        timeout_seconds=backend.conf.compute_timeout_seconds,
        on_crash=lambda: count(Count.COMPUTE_CRASHES),
    )
    try:
        yield Services.over(backend, cast("SegmentStore", store()), quick)
    finally:
        await quick.aclose()
        await backend.aclose()


async def shared() -> Services:
    """Return the services of a process that is no worker, over the connections that its event loop has for rooms.

    Raises:
        RedisUnavailable, LayoutMismatch: Redis can't be used.
        StoreUnavailable: the site's store has no segments: nothing can be persisted in it.
    """
    ours, chosen = await backend(), store()
    if not isinstance(chosen, SegmentStore):
        raise StoreUnavailable(f"{type(chosen).__name__} is no store that rooms can be persisted in")
    return Services.over(ours, chosen, ours.compute)
