"""kill -9 of workers, at random and at every failpoint, under writers and servers that lag: nothing is lost."""

import asyncio
import itertools
import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.clients import NodeClients, converge
from tests.support.notes import note
from tests.support.servers import Asgi
from tests.support.stack import Stack, room
from tests.support.workers import QUICK, Worker

KILLS = int(os.environ.get("YREDIS_KILLS", "20"))
WORKERS = 4
WRITERS = 3
ROOMS = 3

FAILPOINTS = [
    f"worker.{name}" for name in ("claimed", "read", "written", "committed", "trimmed", "compacting", "compacted")
]

ENV = {
    **QUICK,
    "YREDIS_LEASE_SECONDS": "1",
    "YREDIS_COMPACT_DELTAS": "2",
    "YREDIS_SWEEP_SECONDS": "2",
}


class Killer:
    """Kills workers, most of them at a failpoint in turn, and starts them again."""

    def __init__(self, stack: Stack, chance: random.Random) -> None:
        self.stack = stack
        self.chance = chance
        self.kills: Counter[str] = Counter()
        self.points = itertools.cycle(FAILPOINTS)
        self.armed: dict[Worker, str] = {}

    def arm(self, worker: Worker) -> None:
        """Start a worker that will die at the next failpoint, at the first or second time that it comes there."""
        self.armed[worker] = next(self.points)
        worker.fail_at(f"{self.armed[worker]}=kill@{self.chance.randint(1, 2)}")
        worker.launch()

    def reap(self) -> None:
        """Count those that have died, and start them again."""
        for worker in self.stack.workers:
            if not worker.running:
                assert worker.exit_code == -9, worker.log_tail()
                self.kills[self.armed[worker]] += 1
                self.arm(worker)

    async def run(self, kills: int) -> None:
        """Go on until there were so many kills, some at each failpoint and some at random; freeze servers meanwhile."""
        for worker in self.stack.workers:
            worker.kill()
            self.arm(worker)
        random_kills = max(2, kills // 5)
        async with asyncio.timeout(60 + 6 * kills):
            while self.kills.total() < kills or set(self.kills) < {*FAILPOINTS, "random"}:
                await asyncio.sleep(self.chance.uniform(0.1, 0.5))
                self.reap()
                if self.kills["random"] < random_kills and self.chance.random() < 0.1:
                    worker = self.chance.choice(self.stack.workers)
                    worker.kill()
                    self.kills["random"] += 1
                    self.arm(worker)
                if self.chance.random() < 0.05:
                    await self.lag(self.chance.choice(self.stack.servers))

    async def lag(self, server: object) -> None:
        """Let a server stand still while its rooms are trimmed."""
        server.freeze()  # type: ignore[attr-defined]
        await asyncio.sleep(self.chance.uniform(1, 2.5))
        server.thaw()  # type: ignore[attr-defined]


async def kill_loop(stack: Stack, node: NodeClients, seed: int, kills: int) -> None:
    """Type into rooms while workers die; then judge all rooms."""
    chance, shared = random.Random(seed), [room(f"killed{number}") for number in range(ROOMS)]
    clients = [await node.open(f"{name}-{n}", stack.urls[n % 2], name) for name in shared for n in range(WRITERS)]
    await asyncio.gather(*(client.synced() for client in clients))
    await asyncio.gather(*(client.do("type", seed=seed + n, rate=3) for n, client in enumerate(clients)))
    killer = Killer(stack, chance)
    await killer.run(kills)
    typed = [await client.do("stopTyping") for client in clients]
    for worker in stack.workers:
        worker.kill()
        worker.fail_at("")
        worker.launch()
    await asyncio.gather(*(stack.accepted_from(client, seconds=20) for client in clients))
    await stack.drained(*shared, seconds=60)
    note(f"worker kills: {dict(killer.kills)}, {sum(one['typed'] for one in typed)} tokens typed, seed {seed}")
    for name in shared:
        ours = [client for client in clients if client.room == name]
        fresh = await (await node.open(f"fresh-{name}", stack.urls[0], name)).synced()
        await converge([*ours, fresh])
        assert await stack.judge(ours, fresh=fresh, seed=seed) == []
        assert stack.database.stale_writes(name) == []
    text = {name: await node.clients[f"fresh-{name}"].text() for name in shared}
    lost = [
        token for one, by in zip(typed, clients, strict=True) for token in one["kept"] if token not in text[by.room]
    ]
    assert lost == []


CASES = [("sqlite", "daphne"), ("postgres", "uvicorn")]


@pytest.mark.parametrize(("database", "asgi"), CASES)
async def test_killed_workers_lose_nothing(
    tmp_path: Path,
    node: NodeClients,
    seed: int,
    database: str,
    asgi: Asgi,
    request: pytest.FixtureRequest,
) -> None:
    url = ""
    if database == "postgres":
        made: Callable[[str], str] = request.getfixturevalue("postgres_databases")
        url = made("kills")
    with Stack(tmp_path / "stack", asgi, workers=WORKERS, database=url, env=ENV) as stack:
        await kill_loop(stack, node, seed, KILLS)
