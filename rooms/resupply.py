"""After Redis lost data: the connected writers still have it, so ask them (G5)."""

import asyncio
import logging
import random
from typing import TYPE_CHECKING

from rooms.errors import YRedisError

if TYPE_CHECKING:
    from rooms.room import LiveRoom

logger = logging.getLogger(__name__)

JITTER_SECONDS = 0.5
"""Servers ask at different moments: whoever comes later reads what the others brought back, and asks for less."""

ANSWER_SECONDS = 3.0
"""The first writer has so long to answer before the others are asked."""

RETRY_SECONDS = 1.0


async def ask_writers(room: "LiveRoom") -> None:
    """Ask one writer for everything that Redis and the store lack, then each of the others for what it lacks still."""
    await asyncio.sleep(random.random() * JITTER_SECONDS)  # noqa: S311
    while room.seats:
        try:
            writers = [seat for seat in room.seats if seat.grant.may_write and not seat.closed]
            for number, writer in enumerate(writers):
                answered = writer.ask(await (await room.baseline()).state_vector())
                if number == 0:
                    await asyncio.wait([answered], timeout=ANSWER_SECONDS)
        except YRedisError as error:
            logger.warning("Can't read room %s yet: %s", room.name, error, extra={"action": "resupply_waits"})
            await asyncio.sleep(RETRY_SECONDS)
        else:
            return
