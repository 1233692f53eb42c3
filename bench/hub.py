"""Does an update cost more in a process that has many rooms open? CPU per update with few and with many rooms."""

import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from bench.child import Child
from bench.results import Result, Row
from tests.support.servers import environment
from tests.support.valkey import Valkey

FEW, MANY = 20, 2000
PER_SECOND = 100
IDLE_SECONDS = 20.0
MOST_RATIO = 1.5
ARRIVAL_SECONDS = 10.0


class Installation:
    """One hub with its rooms, and who types in them, under a prefix of their own."""

    def __init__(self, rooms: int, valkey: Valkey, folder: Path, stack: ExitStack) -> None:
        given = {"YREDIS_PREFIX": f"rooms-{rooms}", "YREDIS_ACCEPT_LOG": "", "LOG_LEVEL": "WARNING"}
        env = environment(folder, valkey.url, given)
        self.rooms = rooms
        self.hub = stack.enter_context(Child("hub_process", rooms, env=env))
        self.typist = stack.enter_context(Child("append_process", rooms, env=env))
        self.hub.ask("read")

    def measure(self, seconds: float) -> Row:
        """Type for some seconds; return the hub's CPU per update, when each update has reached its connection."""
        before = self.hub.ask("read")
        typed = self.typist.ask("append", PER_SECOND, seconds)
        wanted = before["updates"] + typed["updates"]
        deadline = time.monotonic() + ARRIVAL_SECONDS
        while (after := self.hub.ask("read"))["updates"] < wanted and time.monotonic() < deadline:
            time.sleep(0.05)
        if after["updates"] != wanted:
            raise RuntimeError(f"{typed['updates']} updates were accepted, {after['updates']} of {wanted} sent on")
        return {
            "rooms": self.rooms,
            "updates": typed["updates"],
            "us per update": 1e6 * (after["cpu"] - before["cpu"]) / typed["updates"],
            "empty messages": after["others"] - before["others"],
        }


def idle_shares(installations: list[Installation]) -> list[float]:
    """Return the share of a core that each hub needs while nobody types, in percent."""
    before = [each.hub.ask("read")["cpu"] for each in installations]
    time.sleep(IDLE_SECONDS)
    after = [each.hub.ask("read")["cpu"] for each in installations]
    return [100 * (late - early) / IDLE_SECONDS for early, late in zip(before, after, strict=True)]


def run(folder: Path, rounds: int, seconds: float) -> Result:
    """Measure few and many rooms in turn."""
    with ExitStack() as stack:
        valkey = Valkey(folder / "redis")
        stack.callback(valkey.kill)
        valkey.start()
        both = [Installation(rooms, valkey, folder, stack) for rooms in (FEW, MANY)]
        for each in both:
            each.measure(1.0)
        details = [each.measure(seconds) for _ in range(rounds) for each in both]
        idle = idle_shares(both)
    costs = {
        rooms: median(float(row["us per update"]) for row in details if row["rooms"] == rooms) for rooms in (FEW, MANY)
    }
    ratio = costs[MANY] / costs[FEW]
    rows: list[Row] = [
        {"rooms": rooms, "us per update": costs[rooms], "idle, % of a core": share}
        for rooms, share in zip((FEW, MANY), idle, strict=True)
    ]
    finding = f"ratio {ratio:.2f}: {'holds' if ratio <= MOST_RATIO else 'MISSED'} (goal: at most {MOST_RATIO})"
    return Result("hub", f"CPU of the hub per update, {PER_SECOND} updates/s over all rooms", rows, [finding], details)
