"""How soon does an edit of the site's own code reach an open page? From a sync view, and from a plain script."""

import asyncio
import re
import subprocess
import sys
import time
from pathlib import Path
from statistics import quantiles

import httpx

from bench.edit_process import PAUSE_SECONDS
from bench.results import Result, Row, medians
from bench.site import Site, fresh_room, sites
from bench.sockets import SYNC_STEP_1, Socket

EDITS = 200
GOAL_MS = 50.0
STAMP = re.compile(rb"<(\d+\.\d{6})>")
SETTINGS = {"DJANGO_SETTINGS_MODULE": "bench.edit_settings"}
TIMEOUT_SECONDS = 120.0


async def measure(site: Site, by: str) -> Row:
    """Let a room be edited, and return how long it took until a page that has it open heard of each edit."""
    room, waits = fresh_room("edit"), list[float]()
    done = asyncio.Event()

    def hear(message: bytes) -> None:
        now = time.time()
        waits.extend(now - float(stamp) for stamp in STAMP.findall(message))
        if len(waits) >= EDITS:
            done.set()

    socket = await Socket.open(site.url(room), hear)
    socket.send(SYNC_STEP_1)
    async with asyncio.timeout(TIMEOUT_SECONDS):
        await (by_view(site, room) if by == "view" else by_script(site, room))
        await done.wait()
    await socket.close()
    percentiles = quantiles(waits, n=100)
    return {"server": f"{by}, {site.asgi}", "p50 ms": 1e3 * percentiles[49], "p95 ms": 1e3 * percentiles[94]}


async def by_view(site: Site, room: str) -> None:
    """Ask for the view, one request after the other."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{site.server.port}", timeout=TIMEOUT_SECONDS) as browser:
        for _ in range(EDITS):
            (await browser.get(f"/edit/{room}")).raise_for_status()
            await asyncio.sleep(PAUSE_SECONDS)


async def by_script(site: Site, room: str) -> None:
    """Run the script."""
    command = [sys.executable, "-m", "bench.edit_process", room, str(EDITS)]
    await asyncio.to_thread(subprocess.run, command, env=site.server.env, check=True)


def run(folder: Path, rounds: int, seconds: float) -> Result:
    """Edit a room by each way, several times; `seconds` is not used: there are so many edits."""
    details = asyncio.run(_all_rounds(folder, rounds))
    rows = medians(details, ("p50 ms", "p95 ms"))
    worst = max(float(row["p95 ms"]) for row in rows)
    verdict = "as it should" if worst <= GOAL_MS else "MISSED"
    finding = f"95 of 100 edits are there after {worst:.0f} ms at most, goal {GOAL_MS:.0f}: {verdict}"
    return Result("edit", f"{EDITS} edits of a room by rooms.api, heard by a page", rows, [finding], details)


async def _all_rounds(folder: Path, rounds: int) -> list[Row]:
    with sites(folder, settings=SETTINGS) as running:
        return [await measure(site, by) for _ in range(rounds) for site in running for by in ("view", "script")]
