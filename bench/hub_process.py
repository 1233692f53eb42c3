"""The process whose CPU is measured by `bench.hub`: a real hub whose connections are only counted.

python -m bench.hub_process <rooms>
"""

import asyncio
import resource
import sys

import django

from bench.child import Answer, serve
from rooms import protocol
from rooms.grants import Access, Grant
from rooms.hub import Hub, hub
from rooms.writers import Frame

OPENED_TOGETHER = 50


class Counter:
    """A writer (rooms.writers.Writer) whose client takes everything at once."""

    busy = False
    closed = False
    buffered_bytes = 0
    updates = 0
    others = 0

    def write(self, frame: Frame) -> None:
        """Count the frame for all connections together."""
        if frame.payload.startswith(protocol.UPDATE):
            Counter.updates += 1
        else:
            Counter.others += 1

    async def drained(self) -> None:
        """Return: there is nothing to wait for."""

    async def close(self, code: int, reason: str = "", *, patience_seconds: float = 0.0) -> None:
        """Say what must not happen within a measurement."""
        raise RuntimeError(f"a connection was closed: {code} {reason}")

    def abandon(self) -> None:
        """Do nothing."""

    def pause_reading(self) -> None:
        """Do nothing: no client sends."""

    def resume_reading(self) -> None:
        """Do nothing."""


def room_name(number: int) -> str:
    """Return the name of a room, counted from 0."""
    return f"bench-{number}"


async def open_rooms(process: Hub, rooms: int) -> None:
    """Seat one reader in each room."""
    for first in range(0, rooms, OPENED_TOGETHER):
        names = [room_name(number) for number in range(first, min(first + OPENED_TOGETHER, rooms))]
        grants = [Grant(room=name, access=Access.READ) for name in names]
        await asyncio.gather(*(process.join(grant, Counter(), "127.0.0.1") for grant in grants))


async def read() -> Answer:
    """Return CPU seconds of this process and what its connections were sent so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {"cpu": used.ru_utime + used.ru_stime, "updates": Counter.updates, "others": Counter.others}


async def main(rooms: int) -> None:
    """Open the rooms, then answer."""
    process = await hub()
    await open_rooms(process, rooms)
    await serve({"read": read})


if __name__ == "__main__":
    django.setup()
    asyncio.run(main(int(sys.argv[1])))
