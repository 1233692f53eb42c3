"""What a worker needs of the world, connected within its event loop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

from persistence.stores.port import SegmentStore
from rooms.backend import Backend
from rooms.compute import Compute
from rooms.conf import Conf
from rooms.events import Events
from rooms.keys import Keys
from rooms.metrics import Count, count
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
    client: RedisClient
    keys: Keys


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
        queue = Queue(backend.client, backend.keys, backend.conf)
        chosen = cast("SegmentStore", store())
        yield Services(
            backend.conf,
            backend.streams,
            backend.compute,
            quick,
            queue,
            chosen,
            backend.events,
            backend.client,
            backend.keys,
        )
    finally:
        await quick.aclose()
        await backend.aclose()
