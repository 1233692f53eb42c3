"""What one event loop needs to reach Redis, the store and the compute children."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from rooms.compute import Compute
from rooms.conf import Conf, conf
from rooms.documents import Documents
from rooms.entries import START, EntryId
from rooms.events import Events
from rooms.keys import Keys
from rooms.lane import Lane
from rooms.metrics import Count, count
from rooms.perloop import PerLoop
from rooms.policies import Policies
from rooms.redis_client import RedisClient
from rooms.register import Register
from rooms.store import store
from rooms.streams import Streams
from rooms.turns import Turns


@dataclass(frozen=True, slots=True)
class Backend:
    """The services behind rooms; connections belong to the event loop that opened them."""

    conf: Conf
    keys: Keys
    client: RedisClient
    streams: Streams
    lane: Lane
    compute: Compute
    documents: Documents
    policies: Policies
    events: Events
    register: Register
    deciding: Turns
    """Held by who decides in turn: half of what a callback may be asked at a time is left for who is in a hurry."""

    @classmethod
    async def open(cls) -> "Backend":
        """Connect as settings.YREDIS says; raise RedisUnavailable or LayoutMismatch."""
        settings = conf()
        keys = Keys.of(settings)
        client = await RedisClient.connect(settings)
        streams = Streams(client, keys)
        compute = Compute(
            processes=settings.compute_processes,
            memory_bytes=settings.compute_memory_bytes,
            timeout_seconds=settings.compute_timeout_seconds,
            on_crash=lambda: count(Count.COMPUTE_CRASHES),
        )
        events, register = Events(settings.channel_layer), Register()
        return cls(
            settings,
            keys,
            client,
            streams,
            Lane(client, keys, settings, _noted_by(events, register)),
            compute,
            Documents(streams, store(), compute, settings),
            Policies(streams, store()),
            events,
            register,
            Turns(max(1, settings.callback_connections // 2)),
        )

    async def aclose(self) -> None:
        """Let appends on their way arrive, then end the compute children and close the connections."""
        with suppress(TimeoutError):
            async with asyncio.timeout(2 * self.conf.redis_timeout_seconds):
                await self.lane.drain()
        await self.register.aclose()
        await self.events.aclose()
        await self.compute.aclose()
        await self.client.aclose()


def _noted_by(events: Events, register: Register) -> Callable[[str, EntryId], None]:
    def accepted(room: str, previous: EntryId) -> None:
        events.changed(room)
        if previous == START:
            register.began(room)

    return accepted


_backends = PerLoop(Backend.open)


async def backend() -> Backend:
    """Return the running event loop's backend; the first caller connects it.

    Raises:
        RedisUnavailable: Redis is away; the next caller tries again.
        LayoutMismatch: Redis holds another layout.
    """
    return await _backends.get()
