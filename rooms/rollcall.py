"""A roll call: whoever looks at a room asks every server who is connected to it.

Nobody keeps a list of that. It would be written at every join, and be wrong after every kill.
"""

import asyncio
import json
import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from rooms import heartbeats
from rooms.bells import Kind
from rooms.errors import Undecodable
from rooms.keys import Keys
from rooms.orders import EVERYWHERE
from rooms.redis_client import Call, RedisClient, script

if TYPE_CHECKING:
    from rooms.seat import Seat

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 1.0
"""A server that is alive and has not answered by then is left out."""

LOOK_SECONDS = 0.02
KEEP_SECONDS = 10.0

MOST_TOLD = 1000
"""Connections that one server tells of."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One open websocket.

    Args:
        user_id: of the grant; None for somebody unknown.
        access: "read" or "write".
        address: where the client is, as the server sees it.
        server_id: host, process and more.
    """

    connection_id: str
    user_id: str | None
    access: str
    address: str
    since: datetime
    server_id: str


async def call(client: RedisClient, keys: Keys, room: str, *, heartbeat_seconds: float) -> list[Connection]:
    """Return who is connected to a room, on all servers that answer in time, by the time of their coming.

    Raises:
        RedisUnavailable: no answer from Redis.
    """
    beats = heartbeats.heard(await client.run(heartbeats.look(keys.servers)))
    missing = {beat.name for beat in beats if beat.is_alive(heartbeat_seconds)}
    number = uuid4().hex
    ask = (keys.bell(EVERYWHERE), Kind.ROLL_CALL.value, json.dumps([number, room]))
    await client.run(Call(script("order"), (keys.head(EVERYWHERE),), ask))
    deadline, found = time.monotonic() + PATIENCE_SECONDS, list[Connection]()
    while missing and time.monotonic() < deadline:
        await asyncio.sleep(LOOK_SECONDS)
        answers = [json.loads(one) for one in await client.run(Call(script("answers"), (keys.roll_call(number),), ()))]
        found = [_connection(server, told) for server, several in answers for told in several]
        missing -= {server for server, _ in answers}
    for server in missing:
        logger.info("Server %s did not say who is there", server, extra={"action": "roll_call_missed", "room": room})
    return sorted(found, key=lambda one: one.since)


def asked(body: object) -> tuple[str, str]:
    """Read a bell's body: the number of the call, and the room; raise Undecodable if it is none."""
    try:
        number, room = json.loads(body)  # type: ignore[arg-type]
        return str(number), str(room)
    except (ValueError, TypeError) as error:
        raise Undecodable("a roll call that is none") from error


async def answer(client: RedisClient, keys: Keys, number: str, server_id: str, seats: "Iterable[Seat]") -> None:
    """Tell who is connected here; raise RedisUnavailable."""
    told = [
        (seat.speaker.connection_id, seat.grant.user_id, seat.grant.access.value, seat.address, seat.since)
        for seat in list(seats)[:MOST_TOLD]
    ]
    what = (json.dumps([server_id, told]), int(KEEP_SECONDS * 1000))
    await client.run(Call(script("answer"), (keys.roll_call(number),), what))


def _connection(server_id: str, told: Sequence[Any]) -> Connection:
    connection_id, user_id, access, address, since = told
    return Connection(connection_id, user_id, access, address, datetime.fromtimestamp(since, UTC), server_id)
