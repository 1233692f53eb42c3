"""What does it cost to join a large document? By one when the room was closed, one after the other, fifty at once."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean

from pycrdt import Doc, Text

from bench import cpu
from bench.documents import History, histories
from bench.keystrokes import TEXT, keystroke
from bench.results import Result, Row
from bench.site import Site, fresh_room, sites
from bench.sockets import SYNC_STEP_1, Socket
from rooms import protocol
from rooms.conf import Conf
from rooms.entries import Entry
from rooms.hub import LINGER_SECONDS
from rooms.keys import Keys
from rooms.lane import Lane
from rooms.redis_client import RedisClient

STORM = 50
ONE_BY_ONE = 30
TAIL = 3000
"""Single keystrokes that came after the document was written as one update."""
TAIL_CLIENT = 7

JOIN_SECONDS = 60.0
FORGOTTEN_SECONDS = LINGER_SECONDS + 1.5
"""After so long without anybody in it a room is closed, and the next to come causes a new load."""
MIB = 1 << 20


@dataclass
class Joiner:
    """One client with an empty document."""

    synced: asyncio.Event = field(default_factory=asyncio.Event)
    update: bytes = b""

    def _hear(self, message: bytes) -> None:
        if message.startswith(protocol.SYNC_STEP_2):
            parsed = protocol.parse(message)
            assert isinstance(parsed, protocol.SyncStep2)
            self.update = parsed.update
            self.synced.set()

    async def join(self, url: str) -> bytes:
        """Connect, receive the whole document, disconnect; return the document as an update."""
        socket = await Socket.open(url, self._hear)
        socket.send(SYNC_STEP_1)
        async with asyncio.timeout(JOIN_SECONDS):
            await self.synced.wait()
        await socket.close()
        return self.update


@dataclass
class Case:
    """One document in one form, in a room of one server; its measurements, in ms of CPU per join."""

    site: Site
    form: str
    updates: list[bytes]
    letters: int
    room: str = field(default_factory=lambda: fresh_room("join"))
    cold: list[float] = field(default_factory=list)
    one_by_one: list[float] = field(default_factory=list)
    storm: list[float] = field(default_factory=list)
    peak_bytes: int = 0

    async def fill(self) -> None:
        """Append the updates to the room's stream."""
        conf = Conf(redis_url=self.site.valkey.url)
        client = await RedisClient.connect(conf)
        lane = Lane(client, Keys.of(conf), conf)
        await asyncio.gather(*(lane.append_and_wait(self.room, Entry(update)) for update in self.updates))
        await client.aclose()

    async def join(self, at_once: int) -> float:
        """Let some clients join; return the server's CPU for each in ms, when all of them got the right text."""
        before = cpu.seconds(self.site.server.pid)
        url = self.site.url(self.room)
        got = await asyncio.gather(*(Joiner().join(url) for _ in range(at_once)))
        used = cpu.seconds(self.site.server.pid) - before
        for update in set(got):
            document = Doc[Text]()
            document.apply_update(update)
            if len(document.get(TEXT, type=Text)) != self.letters:
                raise RuntimeError(f"{self.form}: somebody joined and got another text")
        return 1e3 * used / at_once

    async def measure_cold(self) -> None:
        """Join a closed room, then many times the open one."""
        self.cold.append(await self.join(1))
        self.one_by_one.append(mean([await self.join(1) for _ in range(ONE_BY_ONE)]))

    async def measure_storm(self) -> None:
        """Join a closed room many times at once."""
        cpu.forget_peak(self.site.server.pid)
        self.storm.append(await self.join(STORM))
        self.peak_bytes = max(self.peak_bytes, cpu.peak_bytes(self.site.server.pid))

    def row(self) -> Row:
        """Return the means."""
        return {
            "document": self.form,
            "server": self.site.asgi,
            "kB": sum(map(len, self.updates)) // 1000,
            "closed room, ms": mean(self.cold),
            "one by one, ms": mean(self.one_by_one),
            f"storm of {STORM}, ms": mean(self.storm),
            "peak MiB": self.peak_bytes / MIB,
        }


def forms(history: History) -> dict[str, tuple[list[bytes], int]]:
    """Return how a document may lie in a stream: updates and length of the text, by a name."""
    tail = [keystroke(TAIL_CLIENT, clock) for clock in range(TAIL)]
    return {
        f"{history.name}, one update": ([history.whole], history.letters),
        f"{history.name}, {len(history.updates)} updates": (history.updates, history.letters),
        f"{history.name}, one update + {TAIL} keystrokes": ([history.whole, *tail], history.letters + TAIL),
    }


async def measure(cases: list[Case], rounds: int) -> None:
    """Measure the cases in turn, several times; before each time all rooms are left to close."""
    for case in cases:
        await case.fill()
        await case.join(1)
    for _ in range(rounds):
        for phase in (Case.measure_cold, Case.measure_storm):
            await asyncio.sleep(FORGOTTEN_SECONDS)
            for case in cases:
                await phase(case)


def run(folder: Path, rounds: int, seconds: float) -> Result:
    """Join each document in each form; `seconds` is not used: a join takes as long as it takes."""
    found = [each for history in histories() for each in forms(history).items()]
    with sites(folder) as running:
        cases = [Case(site, form, *document) for form, document in found for site in running]
        asyncio.run(measure(cases, rounds))
        rows = [case.row() for case in cases]
    return Result("join", "server CPU per join of a large document, by a client that has nothing", rows)
