"""How does a room take a burst? Ten writers send five hundred updates each at once, a hundred connections read."""

import asyncio
import time
from pathlib import Path

from bench.keystrokes import keystroke
from bench.readers import Audience, all_have, close_all, open_readers
from bench.results import Result, Row, medians
from bench.site import Site, fresh_room, sites
from rooms import protocol

CONNECTIONS = 100
WRITERS = 10
UPDATES = 500
COMPLETE_SECONDS = 60.0
SETTLE_SECONDS = 0.5


async def measure(site: Site) -> Row:
    """Send the burst in a room of its own; return what it cost and when everybody but its writer had each update."""
    audience = Audience()
    readers = await open_readers(site.url(fresh_room("burst")), CONNECTIONS, audience)
    frames = {
        client: [protocol.update(keystroke(client, clock)) for clock in range(UPDATES)]
        for client in range(1, WRITERS + 1)
    }
    await asyncio.sleep(SETTLE_SECONDS)
    before, began = site.cost(), time.perf_counter()
    for writer, (client, own) in zip(readers, frames.items(), strict=False):
        writer.has = {client: [(0, UPDATES)]}  # nobody is sent what came from himself
        writer.socket.send_all(own)
    await all_have(readers, dict.fromkeys(frames, UPDATES), COMPLETE_SECONDS)
    complete = time.perf_counter() - began
    used = site.cost().since(before)
    await close_all(readers)
    return {
        "server": site.asgi,
        "CPU s": used.server,
        "Redis CPU s": used.redis,
        "complete in s": complete,
        "frames": audience.frames,
    }


def run(folder: Path, rounds: int, seconds: float) -> Result:
    """Send a burst to each kind of server in turn; `seconds` is not used: a burst takes as long as it takes."""

    async def all_rounds(running: list[Site]) -> list[Row]:
        for site in running:
            await measure(site)
        return [await measure(site) for _ in range(rounds) for site in running]

    with sites(folder) as running:
        details = asyncio.run(all_rounds(running))
    shown = ("CPU s", "Redis CPU s", "complete in s", "frames")
    rows = medians(details, shown)
    question = f"a burst: {WRITERS} writers x {UPDATES} updates at once, {CONNECTIONS} connections"
    return Result("burst", question, rows, [], details)
