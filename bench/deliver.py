"""What does it cost to bring a keystroke to a reader? One writer, a hundred readers, an even pace."""

import asyncio
import time
from itertools import count
from pathlib import Path
from statistics import quantiles

from bench.keystrokes import keystroke
from bench.readers import Audience, all_have, close_all, open_readers
from bench.results import Result, Row, medians
from bench.site import Site, fresh_room, sites
from rooms import protocol

READERS = 100
PER_SECOND = 50
SETTLE_SECONDS = 0.5

NOTES = [
    "delays include what the load generator itself needs",
    "less than 1 frame per delivery: the server lagged behind and merged, which makes a delivery look cheaper",
]

_clients = count(1000)


async def measure(site: Site, seconds: float) -> Row:
    """Type for some seconds in a room of its own; return what that cost for each update and reader."""
    url, audience, client = site.url(fresh_room("deliver")), Audience(), next(_clients)
    readers = await open_readers(url, READERS, audience)
    [writer] = await open_readers(url, 1, Audience())
    await asyncio.sleep(SETTLE_SECONDS)
    before, loop, number = site.cost(), asyncio.get_running_loop(), int(PER_SECOND * seconds)
    began = loop.time()
    for clock in range(number):
        await asyncio.sleep(began + clock / PER_SECOND - loop.time())
        audience.sent_at[client, clock] = time.perf_counter()
        writer.socket.send(protocol.update(keystroke(client, clock)))
    await all_have(readers, {client: number}, 10)
    used = site.cost().since(before)
    await close_all([*readers, writer])
    deliveries = number * READERS
    delays = quantiles(audience.delays, n=100)
    return {
        "server": site.asgi,
        "us per delivery": 1e6 * used.server / deliveries,
        "Redis, us": 1e6 * used.redis / deliveries,
        "p50 ms": 1e3 * delays[49],
        "p99 ms": 1e3 * delays[98],
        "frames per delivery": audience.frames / deliveries,
    }


def run(folder: Path, rounds: int, seconds: float) -> Result:
    """Measure each kind of server in turn."""

    async def all_rounds(running: list[Site]) -> list[Row]:
        for site in running:
            await measure(site, 1.0)
        return [await measure(site, seconds) for _ in range(rounds) for site in running]

    with sites(folder) as running:
        details = asyncio.run(all_rounds(running))
    shown = ("us per delivery", "Redis, us", "p50 ms", "p99 ms", "frames per delivery")
    rows = medians(details, shown)
    question = f"CPU per delivery: 1 writer, {PER_SECOND} updates/s, {READERS} readers"
    return Result("deliver", question, rows, NOTES, details)
