"""A look at a whole site from outside, in two round trips: who lives, what waits, how much Redis holds."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rooms import heartbeats, history
from rooms.conf import Conf
from rooms.errors import RedisUnavailable
from rooms.heartbeats import Beat
from rooms.history import NO_HISTORY, History, Sample
from rooms.keys import Keys
from rooms.redis_client import Call, Memory, RedisClient, script

OVERDUE_SECONDS = 10.0
"""An idle worker claims what is due within a second: what waits for so long waits for workers."""

LOOKED_INTO = 20
"""Rooms of each shard whose oldest entry is looked at."""

SEATS, ROOMS, APPENDS_PER_SECOND = range(3)
"""Positions of what a server tells with its heartbeat."""

IN_HAND, PERSISTED, PERSISTED_PER_SECOND = range(3)
"""Positions of what a worker tells."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """The queue.

    Args:
        waiting: rooms with entries that are not persisted, those that a worker has in hand too.
        due: those of them that a worker may claim now.
        overdue: those of them that were due OVERDUE_SECONDS ago.
        oldest_seconds: age of the oldest entry found; None if none was.
    """

    waiting: int
    due: int
    overdue: int
    oldest_seconds: float | None


@dataclass(frozen=True, slots=True)
class Survey:
    """A site at one instant.

    Args:
        servers, workers: also those that are silent for long.
        memory: None if one master of a cluster, or this Redis, does not tell.
        unanswered: questions without an answer, as when a node of a cluster is away: numbers are too low.
        heartbeat_seconds: who was silent for several times that is dead.
    """

    servers: Sequence[Beat]
    workers: Sequence[Beat]
    backlog: Backlog
    memory: Memory | None
    history: History
    unanswered: int
    heartbeat_seconds: float

    def of_servers(self, position: int) -> float:
        """Return the sum of a number that servers tell, over those that live."""
        living = [each for each in self.servers if each.is_alive(self.heartbeat_seconds)]
        return sum(each.number(position) or 0 for each in living)

    @property
    def sample(self) -> Sample | None:
        """What the history keeps of it; None if Redis does not tell enough."""
        if self.memory is None:
            return None
        return Sample(
            self.of_servers(SEATS),
            self.of_servers(APPENDS_PER_SECOND),
            self.backlog.waiting,
            self.backlog.oldest_seconds or 0.0,
            self.memory.used_bytes,
        )


async def survey(client: RedisClient, keys: Keys, conf: Conf) -> Survey:
    """Look at a site: one round trip for all scripts, another for the memory, both at a time.

    The oldest entry is looked for in the first LOOKED_INTO rooms of each shard's queue, in the order in which they are
    due. It may be missed when it is in a room behind so many others: one that is being persisted, that was put off, or
    that waits after a failure is due later than its entries are old. An entry without a task is never seen here.

    Raises:
        RedisUnavailable: no answer at all.
    """
    calls = [heartbeats.look(keys.servers), heartbeats.look(keys.workers), history.look(keys)]
    calls += [_backlog_call(keys, shard) for shard in range(conf.shards)]
    answers, memory = await asyncio.gather(client.run_together(calls), _memory(client))
    silent = [answer for answer in answers if isinstance(answer, RedisUnavailable)]
    if len(silent) == len(answers):
        raise silent[0]
    servers, workers, past, *shards = (None if isinstance(each, RedisUnavailable) else each for each in answers)
    return Survey(
        servers=heartbeats.heard(servers or ()),
        workers=heartbeats.heard(workers or ()),
        backlog=_backlog([each for each in shards if each is not None]),
        memory=memory,
        history=history.read(past) if past else NO_HISTORY,
        unanswered=len(silent) + (memory is None),
        heartbeat_seconds=conf.heartbeat_seconds,
    )


async def _memory(client: RedisClient) -> Memory | None:
    try:
        return await client.memory()
    except RedisUnavailable:
        return None


def _backlog_call(keys: Keys, shard: int) -> Call:
    arguments = (keys.room_prefix(shard), int(OVERDUE_SECONDS * 1000), LOOKED_INTO)
    return Call(script("backlog"), (keys.due(shard),), arguments)


def _backlog(shards: Sequence[Sequence[Any]]) -> Backlog:
    """Return the sums over shards, and the oldest entry of all."""
    waiting, due, overdue = (sum(shard[position] for shard in shards) for position in range(3))
    oldest = max((shard[3] for shard in shards), default=-1)
    return Backlog(waiting, due, overdue, oldest / 1000 if oldest >= 0 else None)
