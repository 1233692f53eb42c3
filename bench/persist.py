"""What does it cost a worker to move many rooms into the store?"""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import cpu
from bench.keystrokes import keystroke
from bench.results import Result, Row
from rooms.conf import Conf
from rooms.entries import Entry
from rooms.keys import Keys
from rooms.lane import Lane
from rooms.redis_client import RedisClient
from tests.integration.services import migrate
from tests.support import postgres
from tests.support.databases import migrated
from tests.support.s3 import S3
from tests.support.servers import environment
from tests.support.valkey import Valkey
from tests.support.workers import Worker

ROOMS = 500
UPDATES = 20
DEBOUNCE_SECONDS = 1.0
PATIENCE_SECONDS = 120.0
WARM_UP_ROOMS = 20


@dataclass
class Place:
    """One place where segments are kept, with a worker that does; nobody else uses its Redis."""

    name: str
    valkey: Valkey
    worker: Worker

    async def write(self, label: str, rooms: int) -> None:
        """Let somebody type in rooms, all at once."""
        conf = Conf(redis_url=self.valkey.url, debounce_seconds=DEBOUNCE_SECONDS)
        client = await RedisClient.connect(conf)
        lane = Lane(client, Keys.of(conf), conf)
        for number in range(UPDATES):
            entry = Entry(keystroke(1, number), user_id="ann", connection_id="c" * 32)
            await asyncio.gather(*(lane.append_and_wait(f"{label}-{room}", entry) for room in range(rooms)))
        await client.aclose()

    def drain(self) -> float:
        """Return when all streams are gone, and how many seconds that took."""
        began = time.monotonic()
        with self.valkey.client() as client:
            while list(client.scan_iter(match="yredis:{*}:room:*", count=10_000)):
                if time.monotonic() - began > PATIENCE_SECONDS:
                    raise RuntimeError(f"{self.name}: not persisted:\n{self.worker.log_tail()}")
                time.sleep(0.05)
        return time.monotonic() - began

    def measure(self, label: str, rooms: int) -> Row:
        """Return what it cost the worker to persist rooms."""
        before = cpu.seconds(self.worker.pid)
        asyncio.run(self.write(label, rooms))
        seconds = self.drain()
        used = cpu.seconds(self.worker.pid) - before
        return {
            "store": self.name,
            "rooms per CPU second": rooms / used,
            "CPU per update, us": 1e6 * used / (rooms * UPDATES),
            "all persisted after, s": seconds,
        }


@contextmanager
def place(folder: Path, name: str, given: Mapping[str, str]) -> Iterator[Place]:
    """Run a worker for the length of a block."""
    valkey = Valkey(folder / name)
    valkey.start()
    quiet = {"YREDIS_DEBOUNCE_SECONDS": str(DEBOUNCE_SECONDS), "YREDIS_ACCEPT_LOG": "", "LOG_LEVEL": "WARNING"}
    worker = Worker(folder, name=f"worker-{name}", env=environment(folder, valkey.url, {**quiet, **given}))
    try:
        worker.start()
        yield Place(name, valkey, worker)
    finally:
        worker.kill()
        valkey.kill()


@contextmanager
def places(folder: Path) -> Iterator[list[Place]]:
    """Run a worker for each place where segments can be."""
    with ExitStack() as running:
        server = running.enter_context(postgres.server())
        url = server.create("yredis_bench")
        running.callback(server.drop, "yredis_bench")
        migrate(url, folder)
        s3 = S3()
        running.callback(s3.remove)
        s3.start()
        files = {**s3.site_env, "YREDIS_STORE": "persistence.stores.files.FileStore"}
        kinds = {
            "sqlite": {"DATABASE_URL": migrated(folder / "bench.sqlite3")},
            "postgres": {"DATABASE_URL": url},
            "s3": {"DATABASE_URL": migrated(folder / "bench-s3.sqlite3"), **files},
        }
        yield [running.enter_context(place(folder, name, given)) for name, given in kinds.items()]


def run(folder: Path, rounds: int, seconds: float) -> Result:
    """Persist many small rooms; `seconds` is not used: it takes as long as it takes."""
    details = []
    with places(folder) as several:
        for one in several:
            one.measure("warm-up", WARM_UP_ROOMS)
        for number in range(rounds):
            details += [one.measure(f"round-{number}", ROOMS) for one in several]
    names = [one.name for one in several]
    rows = [max((row for row in details if row["store"] == name), key=_speed) for name in names]
    question = f"worker CPU to persist {ROOMS} rooms x {UPDATES} updates, the best of {rounds} rounds"
    return Result("persist", question, rows, details=details)


def _speed(row: Row) -> float:
    return float(row["rooms per CPU second"])
