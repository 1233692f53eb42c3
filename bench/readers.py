"""Connections that read: what each of them has by now, and how late it came."""

import asyncio
import time
from collections.abc import Mapping

from bench.sockets import SYNC_STEP_1, Socket
from rooms import protocol
from rooms.ranges import Ranges, covers, union
from rooms.scan import scan

OPENED_TOGETHER = 20


class Audience:
    """What all readers of one room have in common: the messages that they get are the same bytes."""

    def __init__(self) -> None:
        self.sent_at: dict[tuple[int, int], float] = {}
        self.delays: list[float] = []
        self.frames = 0
        self._brings: dict[bytes, Ranges] = {}

    def brings(self, message: bytes) -> Ranges:
        """Return the clocks that a message brings; each distinct message is looked into once."""
        found = self._brings.get(message)
        if found is None:
            parsed = protocol.parse(message)
            update = parsed.update if isinstance(parsed, protocol.Update | protocol.SyncStep2) else b"\0\0"
            found = self._brings[message] = scan(update).structs
        return found

    def note_delay(self, brings: Ranges) -> None:
        """Note how long the newest of what came was on its way, if it was typed here."""
        now = time.perf_counter()
        for client, ranges in brings.items():
            if (sent := self.sent_at.get((client, ranges[-1][1] - 1))) is not None:
                self.delays.append(now - sent)


class Reader:
    """One connection, and the clocks that it has."""

    def __init__(self, audience: Audience) -> None:
        self.has: Ranges = {}
        self.synced = asyncio.Event()
        self._audience = audience
        self.socket: Socket

    async def open(self, url: str) -> None:
        """Connect and wait until the document is here."""
        self.socket = await Socket.open(url, self._hear)
        self.socket.send(SYNC_STEP_1)
        async with asyncio.timeout(30):
            await self.synced.wait()

    def _hear(self, message: bytes) -> None:
        if message.startswith(protocol.SYNC_STEP_2):
            self.synced.set()
        if brings := self._audience.brings(message):
            self._audience.frames += 1
            self._audience.note_delay(brings)
            self.has = union(self.has, brings)


async def open_readers(url: str, number: int, audience: Audience) -> list[Reader]:
    """Connect many readers, some at a time."""
    readers = [Reader(audience) for _ in range(number)]
    for first in range(0, number, OPENED_TOGETHER):
        await asyncio.gather(*(reader.open(url) for reader in readers[first : first + OPENED_TOGETHER]))
    return readers


async def all_have(readers: list[Reader], wanted: Mapping[int, int], seconds: float) -> None:
    """Return when each reader has the clocks up to those `wanted` of each client; raise TimeoutError if not in time."""
    ranges: Ranges = {client: [(0, clock)] for client, clock in wanted.items()}
    async with asyncio.timeout(seconds):
        for reader in readers:
            while not covers(reader.has, ranges):
                if reader.socket.lost.done():
                    raise ConnectionError(f"a reader was closed with {reader.socket.close_code}")
                await asyncio.sleep(0.002)


async def close_all(readers: list[Reader]) -> None:
    """Close every connection."""
    await asyncio.gather(*(reader.socket.close() for reader in readers))
