"""The append lane: everything that a process appends to a room within one tick becomes one script call."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import uuid4

from rooms import acceptlog, names
from rooms.conf import Conf
from rooms.entries import Entry, EntryId, encode
from rooms.errors import RedisUnavailable, RoomDeleted, YRedisError
from rooms.failpoints import failpoint
from rooms.keys import Keys
from rooms.metrics import Count, count
from rooms.policy import NEW, Policy
from rooms.redis_client import Call, RedisClient, script

BATCH_ENTRIES = 1000
"""A script call takes no more: Lua unpacks its arguments, and Redis does nothing else meanwhile."""

BATCH_BYTES = 8 * 1024 * 1024
"""A script call takes no more, unless a single entry is larger."""

REFUSED = b"deleted"
"""What append.lua answers for a room that is deleted, or was erased."""


class Receipt(NamedTuple):
    """Where an accepted entry stands: its id, and the id of the entry before it in the stream."""

    entry_id: EntryId
    previous: EntryId


Settled = Callable[[Receipt | YRedisError], None]
"""Called once per entry: with its receipt when it was accepted, else with the reason why it is not known to be."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An entry on its way, and what its sender knows of the room."""

    entry: Entry
    settled: Settled
    policy: Policy


class Lane:
    """The only way into a stream. Owns its entries: they are appended even if the caller is cancelled."""

    def __init__(
        self,
        client: RedisClient,
        keys: Keys,
        conf: Conf,
        accepted: Callable[[str, EntryId], None] = lambda room, previous: None,
    ) -> None:
        """Open it; `accepted` is called with a room that has taken entries, and the id of the entry before them."""
        self._accepted = accepted
        self._client = client
        self._keys = keys
        self._conf = conf
        self._waiting: dict[str, deque[Waiting]] = {}
        self._in_flight: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._scheduled = False

    def append(self, room: str, entry: Entry, settled: Settled, *, policy: Policy = NEW) -> None:
        """Append soon; `settled` is called when it is known whether the entry was accepted.

        Entries of a room keep their order. When a batch fails, everything that waits behind it fails too: an
        entry must not be accepted after one that the same client sent before it was not (G2).

        Args:
            policy: of the room, as the caller knows it. If the room was erased or deleted since, the entry is settled
                with RoomDeleted.
        """
        self._waiting.setdefault(room, deque()).append(Waiting(entry, settled, policy))
        self._schedule()

    def append_and_wait(self, room: str, entry: Entry, *, policy: Policy = NEW) -> "asyncio.Future[Receipt]":
        """Append soon; the future has the outcome."""
        done: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()

        def settled(outcome: Receipt | YRedisError) -> None:
            if done.cancelled():
                return
            if isinstance(outcome, YRedisError):
                done.set_exception(outcome)
            else:
                done.set_result(outcome)

        self.append(room, entry, settled, policy=policy)
        return done

    async def append_first(self, room: str, entries: Sequence[Entry], *, epoch: str, policy: Policy = NEW) -> bool:
        """Append, all or nothing, to a room that is as new as when `Streams.begin` gave its epoch; tell whether it was.

        Raises:
            RedisUnavailable: it is unknown whether they were accepted.
            RoomDeleted: as `append`.
        """
        batch = [Waiting(entry, lambda outcome: None, policy) for entry in entries]
        answer = await self._client.run(self._call(room, batch, new_since=epoch))
        if answer == REFUSED:
            raise _deleted(room)
        if answer is not None:
            self._accept(room, batch, EntryId.parse(answer[0]), EntryId.parse(answer[1]))
        return answer is not None

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        batches = {room: self._take(room) for room in self._waiting.keys() - self._in_flight}
        if batches:
            self._in_flight |= batches.keys()
            task = asyncio.get_running_loop().create_task(self._send(batches))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _take(self, room: str) -> list[Waiting]:
        queue, batch, size = self._waiting[room], list[Waiting](), 0
        while queue and len(batch) < BATCH_ENTRIES and (not batch or size + len(queue[0].entry.update) <= BATCH_BYTES):
            if batch and queue[0].policy is not batch[0].policy:
                break
            batch.append(queue.popleft())
            size += len(batch[-1].entry.update)
        if not queue:
            del self._waiting[room]
        return batch

    def _take_older(self, room: str, generation: int) -> list[Waiting]:
        """Take out what waits for no later document than that of a generation, which is no more."""
        queue = self._waiting.pop(room, deque())
        if later := deque(one for one in queue if one.policy.generation > generation):
            self._waiting[room] = later
        return [one for one in queue if one.policy.generation <= generation]

    async def _send(self, batches: dict[str, list[Waiting]]) -> None:
        try:
            failpoint("append.before")
            answers = await self._client.run_together([self._call(room, batch) for room, batch in batches.items()])
            failpoint("append.after")
        except Exception as error:  # whatever it is, nobody may wait for ever
            answers = [RedisUnavailable(f"{type(error).__name__}: {error}")] * len(batches)
        self._in_flight -= batches.keys()
        for (room, batch), answer in zip(batches.items(), answers, strict=True):
            if isinstance(answer, RedisUnavailable):
                self._fail(batch + list(self._waiting.pop(room, ())), answer)
            elif answer == REFUSED:
                self._fail(batch + self._take_older(room, batch[-1].policy.generation), _deleted(room))
            else:
                self._accept(room, batch, EntryId.parse(answer[0]), EntryId.parse(answer[1]))
        if self._waiting:
            self._schedule()

    def _call(self, room: str, batch: list[Waiting], *, new_since: str = "") -> Call:
        count(Count.APPEND_BATCHES)
        conf = self._conf
        delay = int(conf.debounce_seconds * 1000)
        return Call(
            script("append"),
            (self._keys.room(room), self._keys.head(room), self._keys.due_of(room)),
            (
                self._keys.bell(room),
                uuid4().hex,
                delay,
                names.key_part(room),
                conf.inline_bell_bytes,
                new_since,
                batch[0].policy.generation,
                batch[0].policy.version,
                *(encode(waiting.entry) for waiting in batch),
            ),
        )

    def _accept(self, room: str, batch: list[Waiting], previous: EntryId, first: EntryId) -> None:
        count(Count.UPDATES_ACCEPTED, len(batch))
        self._accepted(room, previous)
        for number, waiting in enumerate(batch):
            entry_id = EntryId(first.milliseconds, first.sequence + number)
            acceptlog.note(room, entry_id, waiting.entry)
            waiting.settled(Receipt(entry_id, previous))
            previous = entry_id

    @staticmethod
    def _fail(batch: Iterable[Waiting], error: YRedisError) -> None:
        for waiting in batch:
            count(Count.UPDATES_FAILED)
            waiting.settled(error)

    async def drain(self) -> None:
        """Return when nothing is on its way any more."""
        while self._tasks or self._scheduled:
            if self._tasks:
                await asyncio.wait(self._tasks)
            else:
                await asyncio.sleep(0)


def _deleted(room: str) -> RoomDeleted:
    return RoomDeleted(f"room {room} was deleted")
