"""What a worker needs of the world, connected within its event loop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

from persistence.stores.port import SegmentStore
from rooms.backend import Backend, backend
from rooms.compute import Compute
from rooms.conf import Conf
from rooms.errors import StoreUnavailable
from rooms.events import Events
from rooms.metrics import Count, count
from rooms.policies import Policies
from rooms.queue import Queue
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
        ours = (backend.conf, backend.streams, backend.compute, quick, queue, chosen)
        yield Services(*ours, events=backend.events, policies=backend.policies)
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
    queue = Queue(ours.client, ours.keys, ours.conf)
    connections = (ours.conf, ours.streams, ours.compute, ours.compute, queue, chosen)
    return Services(*connections, events=ours.events, policies=ours.policies)
