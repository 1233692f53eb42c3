"""A store that is older than Redis: what was trimmed, because it was persisted, is not in it any more.

So it is after a database was put back to an earlier state. Such a room can't be loaded (G6), and takes nothing more:
the hole would be in the middle of its chain then, where nobody could find it.
"""

from uuid import uuid4

from persistence import chain
from rooms import pool
from rooms.backend import Backend
from rooms.entries import EntryId
from rooms.redis_client import Call, script


def described(floor: EntryId, covered: EntryId) -> str:
    """Return what is wrong where a stream was trimmed above what the store covers."""
    return f"its stream was trimmed up to {floor}, its segments end at {covered}"


async def accept(backend: Backend, room: str) -> EntryId | None:
    """Let a room go on with what its segments hold; return the id where they end, or None where nothing is missing.

    Servers that have it open take it for a loss of Redis, and ask the writers for what is missing (G5).

    Raises:
        RedisUnavailable, StoreUnavailable: no answer; nothing was done, as far as anybody knows.
    """
    covered = await pool.run(lambda: chain.covered(chain.listed(room)))
    keys = (backend.keys.room(room), backend.keys.head(room))
    done = await backend.client.run(Call(script("accept"), keys, (str(covered), uuid4().hex)))
    return covered if done else None
