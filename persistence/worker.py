"""The worker: room streams become segments of the store, and only then are trimmed. `Worker.persist` is the order."""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

from persistence import hooks
from persistence.backoff import delay_seconds
from persistence.bunches import Bunches
from persistence.checking import sift_many
from persistence.commit import Delta, Outcome, Refused, commit
from persistence.compactor import Compactor
from persistence.failures import Failure, record
from persistence.lanes import Lanes
from persistence.leases import Leases
from persistence.reading import read
from persistence.services import Services
from persistence.works import Work, delta_of
from rooms import pool
from rooms.compute import Compute
from rooms.errors import LaterRelease, RedisUnavailable, StoreUnavailable, YRedisError
from rooms.failpoints import failpoint
from rooms.metrics import Count, count
from rooms.queue import Claim

logger = logging.getLogger(__name__)

BATCH_ROOMS = 100
"""A transaction takes no more."""

END_SECONDS = 3.0
"""So long the end of a worker waits for what only others would be glad of."""


class Worker:
    """Persists rooms of one process. Any number of processes may, also the same rooms: the fence decides.

    Args:
        concurrency: transactions at a time; at most a hundred times as many rooms are in hand, waiting ones too.
    """

    def __init__(self, services: Services, *, concurrency: int = 2) -> None:
        self.services = services
        self.conf = services.conf
        self.queue = services.queue
        self.store = services.store
        self.leases = Leases(services.queue, lease_seconds=self.conf.lease_seconds)
        self.compactor = Compactor(services, self.leases)
        self.capacity = concurrency * BATCH_ROOMS
        self.stopping = False
        self.failures = 0
        self.finished: set[str] | None = None  # rooms that were read to their end or failed, if anybody asks
        self.works: dict[Claim, Work] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self._transactions = asyncio.Semaphore(concurrency)
        self._writers = asyncio.Semaphore(self.conf.store_threads)

    async def persist(self, claims: Sequence[Claim]) -> None:
        """Move the claimed rooms' stream entries into segments; safe to repeat after a crash anywhere.

        Whatever happens to one room, the others go on, and each claim is given back or lost in the end (G7).
        """
        self.leases.take(claims)
        waiting = deque(claims)
        try:
            failpoint("worker.claimed")
            while waiting and not self.stopping:
                works = await self.read(waiting)
                async with Bunches(self.sifted(works), most=BATCH_ROOMS) as bunches:
                    async for deltas in bunches:
                        async with self._transactions:
                            written = await self.write(deltas)  # unique keys: what no row will point to is swept
                            kept = await self.commit(written)  # one transaction, each room under its fence
                        await self.tell(kept)
                        await self.trim(kept)  # only now forgotten
        except Exception as error:
            await self.fail([(work, error) for work in self.left_of(claims)], alone=False)
            for claim in claims:
                self.works.pop(claim, None)
        await self.give_back_all(waiting)

    def left_of(self, claims: Sequence[Claim]) -> list[Work]:
        """Return what is still to be done of claims; what was not read yet too."""
        ours = [claim for claim in claims if claim in self.leases and claim not in self.compactor.claims]
        return [self.works.get(claim) or Work.unread(claim, time.monotonic()) for claim in ours]

    async def read(self, waiting: deque[Claim]) -> list[Work]:
        """Take claims out of `waiting` and read their streams."""
        batch = await read(self.services.streams, waiting)
        self.works.update({work.claim: work for work in batch.works})
        await self.give_back_all(batch.empty)
        await self.fail(batch.failed, alone=bool(batch.works))
        failpoint("worker.read")
        return batch.works

    async def sifted(self, works: Sequence[Work]) -> AsyncIterator[Delta]:
        """Yield a delta of each room as soon as it is known which of its entries are poison."""
        by_room = {work.claim.room: work for work in works}
        raw = {room: work.entries for room, work in by_room.items()}
        lanes = cast("Compute", Lanes(self.services.quick, self.services.compute))
        async for room, good, poison in sift_many(lanes, raw):
            yield await delta_of(by_room[room], good, poison)

    async def write(self, deltas: Sequence[Delta]) -> list[Delta]:
        """Return the deltas with their bytes kept where they can be read again."""
        ours = [delta for delta in deltas if delta.claim in self.leases]
        for delta in deltas:
            if delta.claim not in self.leases:  # lost meanwhile
                self.works.pop(delta.claim, None)
        places = await asyncio.gather(*map(self._keep, ours), return_exceptions=True)
        written, failed = list[Delta](), list[tuple[Work, Exception]]()
        for delta, place in zip(ours, places, strict=True):
            if isinstance(place, Exception):
                failed.append((self.works[delta.claim], place))
            elif isinstance(place, BaseException):
                raise place
            else:
                written.append(replace(delta, place=place))
        await self.fail(failed, alone=bool(written))
        failpoint("worker.written")
        return written

    async def _keep(self, delta: Delta) -> Any:
        async with self._writers:  # the deadline begins when a thread is free
            return await pool.run(self.store.keep, delta.claim.room, delta.data)

    async def commit(self, deltas: Sequence[Delta]) -> list[Outcome]:
        """Return what was committed: all together, or on an error room by room."""
        if not deltas:
            return []
        try:
            outcomes = await pool.run(commit, deltas)
        except StoreUnavailable as error:
            if len(deltas) == 1 and not isinstance(error, Refused):
                await self.fail([(self.works[deltas[0].claim], error)], alone=False)
                return []
            outcomes = await self._commit_one_by_one(deltas)
        failpoint("worker.committed")
        for outcome in outcomes:
            if outcome.erased:
                await self.drop(outcome.delta.claim)
            elif not outcome.kept:
                await self.yield_to(outcome.delta.claim, outcome.seen_fence)
        return [outcome for outcome in outcomes if outcome.kept]

    async def _commit_one_by_one(self, deltas: Sequence[Delta]) -> list[Outcome]:
        """Take as long as the store has for one answer: where it hangs, a hundred rooms would wait for it in turn."""
        outcomes, failed = list[Outcome](), list[tuple[Work, Exception]]()
        deadline = time.monotonic() + self.conf.store_timeout_seconds
        todo = deque(random.sample(deltas, len(deltas)))  # another order each time: none is always behind a slow one
        refused = set[Claim]()
        while todo:
            delta = todo.popleft()
            try:
                if time.monotonic() > deadline:
                    raise StoreUnavailable("the store was too slow for the rooms before")  # noqa: TRY301
                if delta.claim in refused:  # nobody else may ever look whether its segments can be read again
                    await self.store.load(delta.claim.room)
                outcomes += await pool.run(commit, [delta])
            except StoreUnavailable as error:
                if isinstance(error, Refused) and delta.claim not in refused:
                    refused.add(delta.claim)
                    todo.append(delta)  # after the others, for it may take long
                else:
                    failed.append((self.works[delta.claim], error))
        await self.fail(failed, alone=bool(outcomes))
        return outcomes

    async def tell(self, kept: Sequence[Outcome]) -> None:
        """Let the site know. Before the trim: after a crash here the room is persisted, and told of, once more."""
        news = [hooks.Persisted(one.delta.claim.room, len(one.delta.entries), len(one.delta.data)) for one in kept]
        for one in news:
            self.services.events.tell("room.persisted", one.room, entries=one.entries, bytes=one.size_bytes)
        await hooks.tell(news)

    async def trim(self, kept: Sequence[Outcome]) -> None:
        """Forget what is in the store, give the rooms back, and compact later those that have become long."""
        await asyncio.gather(*map(self._trim, kept))
        failpoint("worker.trimmed")

    async def _trim(self, outcome: Outcome) -> None:
        delta, claim = outcome.delta, outcome.delta.claim
        work = self.works.pop(claim)
        try:
            head = work.head
            if not await self.queue.done(claim, work.entries, epoch=head.epoch, generation=head.generation):
                self.leases.lose(claim, where="trimming")
        except RedisUnavailable as error:  # when the lease has run out it is persisted again: twice is harmless
            extra = {"action": "not_trimmed", "room": claim.room, "reason": str(error)}
            logger.warning("Could not trim room %s: %s", claim.room, error, extra=extra)
        self.leases.put_down(claim)
        work.log_persisted(delta)
        if self.finished is not None and work.reading and not work.reading.more:
            self.finished.add(claim.room)
        if not self.stopping and self.compactor.line_up(outcome):
            self.start(self.compactor.compact())

    async def yield_to(self, claim: Claim, seen_fence: int) -> None:
        """Drop a room of which the store has seen a higher fence, and make sure that the next claim is above it."""
        self.works.pop(claim, None)
        count(Count.FENCES_REJECTED)
        extra = {"action": "fence_rejected", "room": claim.room, "fence": claim.fence, "seen": seen_fence}
        logger.warning("Too late for room %s: fence %d, seen %d", claim.room, claim.fence, seen_fence, extra=extra)
        self.leases.lose(claim, where="committing", seen_fence=seen_fence)
        try:
            await self.queue.raise_fence(claim.shard, seen_fence)
            await self.queue.release(claim)
        except RedisUnavailable as error:
            logger.info("Could not raise the fence: %s", error, extra={"action": "fence_not_raised"})

    async def drop(self, claim: Claim) -> None:
        """Let Redis forget entries of a document that was erased: it was put back to before that."""
        extra = {"action": "erased_entries_dropped", "room": claim.room}
        logger.warning("Redis has entries of room %s that were erased", claim.room, extra=extra)
        try:
            await self.services.policies.of(claim.room)
        except YRedisError as error:
            await self.fail([(self.works[claim], error)], alone=False)
        else:
            self.works.pop(claim, None)
            await self.give_back(claim)

    async def fail(self, failed: Iterable[tuple[Work, Exception]], *, alone: bool) -> None:
        """Let rooms wait, each longer after each failure, and show why in their rows.

        Args:
            alone: others of the batch went well: it is mostly the room's own fault.
        """
        failures = [Failure(work, error) for work, error in failed]
        self.failures += len(failures)
        for failure in failures:
            self.works.pop(failure.work.claim, None)
            failure.log()
            if self.finished is not None:
                self.finished.add(failure.work.claim.room)
        if failures:
            await record(failures)
        await asyncio.gather(*(self._let_wait(failure, alone=alone) for failure in failures))

    async def _let_wait(self, failure: Failure, *, alone: bool) -> None:
        claim, others_can = failure.work.claim, isinstance(failure.error, LaterRelease)  # soon, if there are any
        await self.give_back(claim, delay_seconds=delay_seconds(claim.attempt, alone=alone and not others_can))

    async def give_back_all(self, claims: Iterable[Claim]) -> None:
        """Put claims down, together: without Redis it takes no longer than for one."""
        await asyncio.gather(*(self.give_back(claim) for claim in claims if claim in self.leases))

    async def give_back(self, claim: Claim, *, delay_seconds: float = 0.0) -> None:
        """Put a claim down, for whoever claims it next; without Redis its lease will run out."""
        self.leases.put_down(claim)
        try:
            await self.queue.release(claim, delay_seconds=delay_seconds)
        except RedisUnavailable as error:
            extra = {"action": "not_released", "room": claim.room, "reason": str(error)}
            logger.info("Could not give room %s back: %s", claim.room, error, extra=extra)

    def start(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run something beside the rest; drain() waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self.failures += 1
            extra = {"action": "worker_error", "reason": f"{type(error).__name__}: {error}"}
            logger.error("A batch failed", exc_info=error, extra=extra)

    async def drain(self, *, within_seconds: float) -> None:
        """Finish what is being persisted, take up nothing else, and give every claim back.

        It takes END_SECONDS longer at most, twice: leases that Redis does not take back run out by themselves.
        """
        self.stopping = True
        self.compactor.forget_waiting()
        if self.tasks:
            _, late = await asyncio.wait(self.tasks, timeout=within_seconds)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=END_SECONDS)
        with suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                await self.give_back_all(self.leases.held)
