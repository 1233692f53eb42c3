"""Everything at once, by chance: clients type, come and go, while bells are lost, workers trim, and Redis forgets.

At the end everybody has everything, and so has a load (G1, G5). A failure prints its seed.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest
import redis

from rooms import resupply
from rooms.hub import Hub
from tests.integration.conftest import Configure, Serve
from tests.integration.peers import READ, Peer, agree, append_silently, settled, text_update
from tests.integration.stores import MemoryStore
from tests.support.folder_store import persist
from tests.support.valkey import Valkey

Seated = Callable[..., Awaitable[Peer]]
ROOM = "essay"


class Storm:
    """Two servers, some clients, and what can happen to them."""

    def __init__(self, hubs: list[Hub], seat: Seated, client: "redis.Redis", seed: int) -> None:
        self.hubs = hubs
        self.seat = seat
        self.client = client
        self.chance = random.Random(seed)
        self.writers: list[Peer] = []
        self.readers: list[Peer] = []
        self.silent = 0

    async def type(self) -> None:
        """Somebody types, or deletes a little."""
        peer = self.chance.choice(self.writers)
        if len(peer.text) > 20 and self.chance.random() < 0.3:
            peer.edit(lambda _: peer.text.__delitem__(slice(3, 5)))
        else:
            peer.add(f"{self.chance.randrange(1000)} ")

    async def type_unheard(self) -> None:
        """A third server appends, and its bell is lost."""
        append_silently(self.hubs[0], self.client, ROOM, text_update("u", 100 + self.silent))
        self.silent += 1

    async def come(self) -> None:
        """A reader comes."""
        self.readers.append(await (await self.seat(self.chance.choice(self.hubs), ROOM, READ)).sync())

    async def ask(self) -> None:
        """Somebody asks again."""
        peer = self.chance.choice(self.writers)
        await peer.sync()

    async def break_lines(self) -> None:
        """Every subscription breaks."""
        self.client.client_kill_filter(_type="pubsub")

    async def work(self) -> None:
        """A worker persists and trims."""
        if self.client.xlen(self.hubs[0].backend.keys.room(ROOM)):
            await persist(self.client, self.hubs[0].backend.keys, MemoryStore(), ROOM)  # type: ignore[arg-type]

    async def forget(self) -> None:
        """Redis loses the room, or all; what only it had must be with some client by then."""
        await self.calm()
        keys = self.hubs[0].backend.keys
        self.chance.choice(
            [
                self.client.flushall,
                lambda: self.client.delete(keys.room(ROOM)),
                lambda: self.client.delete(keys.head(ROOM)),
            ]
        )()

    async def calm(self) -> None:
        """Let every server look, and wait until all clients agree."""
        everybody = [*self.writers, *self.readers]
        await settled(*everybody)

        async def looked() -> None:
            for hub in self.hubs:
                await hub.upkeep.beat()
                for _ in range(10):
                    await hub.upkeep.sweep()
            await settled(*everybody)

        async with asyncio.timeout(15):
            await looked()
            while not agree(*everybody):
                await asyncio.sleep(0.1)
                await looked()


@pytest.mark.parametrize("seed", range(6))
async def test_everybody_has_everything_in_the_end(
    valkey: Valkey,
    configure: Configure,
    serve: Serve,
    seat: Seated,
    redis_of: "redis.Redis",
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    monkeypatch.setattr(resupply, "JITTER_SECONDS", 0.05)
    configure(valkey, INLINE_BELL_BYTES=200, SWEEP_SECONDS=3)
    storm = Storm([await serve(), await serve()], seat, redis_of, seed)
    storm.writers = [await seat(storm.hubs[number % 2], ROOM) for number in range(4)]
    print(f"seed {seed}")
    happenings = [storm.type] * 30 + [storm.type_unheard] * 3 + [storm.come, storm.ask, storm.break_lines, storm.work]
    for _ in range(120):
        await storm.chance.choice(happenings)()
        await asyncio.sleep(storm.chance.choice([0, 0, 0, 0.005]))
        if seed % 2 and storm.chance.random() < 0.03:
            await storm.forget()
    await storm.calm()
    if seed % 2:
        await asyncio.sleep(0.3)
        await storm.calm()
    for hub in storm.hubs:
        hub.rooms[ROOM]._base = None
        late = await (await seat(hub, ROOM, READ)).sync()
        assert agree(storm.writers[0], late)
    assert not {peer.code for peer in (*storm.writers, *storm.readers)} - {None}
