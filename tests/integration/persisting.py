"""A worker in the test's own process, and rooms for it."""

import redis

from persistence.health import Health
from persistence.services import Services
from persistence.supervisor import Supervisor
from rooms import names
from rooms.keys import Keys
from rooms.redis_client import script

KEYS = Keys("yredis", 16)


def append(client: "redis.Redis", room: str, *payloads: bytes) -> None:
    """Append entries as they are, whatever they hold."""
    keys = (KEYS.room(room), KEYS.head(room), KEYS.due_of(room))
    options = (KEYS.bell(room), "epoch", 0, names.key_part(room), 65536, "", 0, 0)
    client.eval(script("append").source, 3, *keys, *options, *payloads)


async def work_once(services: Services) -> int:
    """Let a worker do what is due; return how many times it could not persist a room."""
    return await Supervisor(services, range(16), concurrency=2, health=Health()).run_once()
