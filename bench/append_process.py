"""The process that types for `bench.hub`: `append <updates per second> <seconds>`, over all rooms in turn.

python -m bench.append_process <rooms>
"""

import asyncio
import itertools
import sys

import django

from bench.child import Answer, serve
from bench.hub_process import room_name
from bench.keystrokes import keystroke
from rooms.backend import backend
from rooms.entries import Entry

CLIENT = 7


async def main(rooms: int) -> None:
    """Answer until standard input is closed."""
    lane = (await backend()).lane
    clocks = [0] * rooms
    turn = itertools.cycle(range(rooms))

    async def append(per_second: str, seconds: str) -> Answer:
        """Append at an even pace; return the number of updates, all of them accepted."""
        loop, pause = asyncio.get_running_loop(), 1 / float(per_second)
        number = int(float(per_second) * float(seconds))
        began, accepted = loop.time(), []
        for step in range(number):
            await asyncio.sleep(began + step * pause - loop.time())
            room = next(turn)
            entry = Entry(keystroke(CLIENT, clocks[room]))
            accepted.append(asyncio.ensure_future(lane.append_and_wait(room_name(room), entry)))
            clocks[room] += 1
        await asyncio.gather(*accepted)
        return {"updates": number, "seconds": loop.time() - began}

    await serve({"append": append})


if __name__ == "__main__":
    django.setup()
    asyncio.run(main(int(sys.argv[1])))
