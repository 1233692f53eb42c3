"""A worker's day: it claims what is due until a signal asks it to stop, with what goes on beside it."""

import asyncio
import logging
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from persistence import orphans, shards
from persistence.health import Health
from persistence.pulse import Pulse
from persistence.readiness import NotReady
from persistence.rota import Rota
from persistence.services import Services, connected
from persistence.webhooks import Deliverer
from persistence.worker import BATCH_ROOMS, END_SECONDS, Worker
from rooms.conf import conf
from rooms.errors import RedisUnavailable, StoreUnavailable, YRedisError
from rooms.level import level_of
from rooms.queue import Claim
from rooms.sampler import Sampler

T = TypeVar("T")

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.5
"""An idle worker looks again after so long at most."""

REDIS_AWAY_SECONDS = 1.0
AGAIN_SECONDS = 5.0
ORPHANS_SECONDS = 3600.0

BREATH_SECONDS = 0.02
"""A sweep looks at some 25,000 keys a second, which Redis hardly feels."""

DRAIN_SECONDS = 20.0
"""What was begun may take so long after a signal; a lease that is still held then runs out by itself."""

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Supervisor:
    """Runs one worker in one event loop, until `stopped` is set."""

    def __init__(
        self,
        services: Services,
        shards: Sequence[int],
        *,
        concurrency: int,
        health: Health,
        stopped: asyncio.Event | None = None,
    ) -> None:
        self.services = services
        self.shards = shards
        self.health = health
        self.worker = Worker(services, concurrency=concurrency)
        self.rota = Rota(services.queue, shards)
        self.stopped = stopped or asyncio.Event()

    async def run(self) -> None:
        """Work until stop() is called or a signal comes; then finish what was begun and give the rest back."""
        with_us = [self.worker.leases.run, self.sweep, self.sweep_orphans, self.health.run]
        services = self.services
        with_us.append(Pulse(services, self.worker.leases).run)
        with_us.append(Sampler(services.client, services.keys, services.conf).run)
        if self.services.conf.webhook_url:
            with_us.append(Deliverer(self.services.conf).run)
        async with beside(with_us):
            logger.info("The worker looks after %d shards", len(self.shards), extra={"action": "worker_started"})
            while not self.stopped.is_set():
                self.health.beat()
                if claims := await self.claim():
                    self.worker.leases.take(claims)  # counted as in hand from now on
                    self.worker.start(self.worker.persist(claims))
            await self.worker.drain(within_seconds=DRAIN_SECONDS)
            logger.info("The worker ends", extra={"action": "worker_stopped"})

    async def run_once(self) -> int:
        """Persist what is due by now, debounce and back-off as ever; return how many rooms and shards could not be.

        Then the webhook is told of what is due: of what was persisted just now mostly the next time.

        Raises:
            RedisUnavailable: no answer.
        """
        self.worker.failures += await self._sweep_once()
        finished = self.worker.finished = set[str]()
        async with beside([self.worker.leases.run]):
            while not self.stopped.is_set():
                claims = await self.rota.claim(BATCH_ROOMS)
                self.worker.leases.take(claims)
                fresh = [claim for claim in claims if claim.room not in finished]
                await self.worker.give_back_all(claim for claim in claims if claim.room in finished)  # written to again
                if fresh:
                    await self.pause(None, [self.worker.start(self.worker.persist(fresh))])
                elif self.worker.tasks:  # a room that is being compacted may have more
                    await self.pause(None, self.worker.tasks)
                elif not self.services.queue.has_more:
                    break
            if self.services.conf.webhook_url and not self.stopped.is_set():
                await self.pause(None, [self.worker.start(Deliverer(self.services.conf).run_once())])
            await self.worker.drain(within_seconds=DRAIN_SECONDS)
        return self.worker.failures + self.services.queue.silent

    async def claim(self) -> list[Claim]:
        """Return what is due, or nothing after a pause."""
        free = self.worker.capacity - len(self.worker.leases)
        if free <= 0:
            await self.pause(POLL_SECONDS, self.worker.tasks)
            return []
        try:
            claims = await self.rota.claim(min(free, BATCH_ROOMS))
        except RedisUnavailable as error:
            extra = {"action": "redis_away", "reason": str(error)}
            logger.log(level_of(error), "Could not look for due rooms: %s", error, extra=extra)
            await self.pause(REDIS_AWAY_SECONDS)
            return []
        if not claims:
            await self.pause(POLL_SECONDS)
        return claims

    async def pause(self, seconds: float | None, tasks: Iterable["asyncio.Task[None]"] = ()) -> None:
        """Return after some time, if any is given, or when one of the tasks ends or a stop is asked for."""
        stopped = asyncio.ensure_future(self.stopped.wait())
        await asyncio.wait({stopped, *tasks}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()

    def stop(self) -> None:
        """Let run() end."""
        self.stopped.set()

    async def sweep(self) -> None:
        """Find what others have left undone, about every conf.sweep_seconds; of several workers one does."""
        every_seconds = self.services.conf.sweep_seconds
        while True:
            await asyncio.sleep(every_seconds * random.uniform(0.5, 1))  # noqa: S311  # no secret
            try:
                if await self.services.queue.is_my_turn_to_sweep(every_seconds):
                    await self._sweep_once()
            except YRedisError as error:
                logger.debug("Could not sweep: %s", error)

    async def _sweep_once(self) -> int:
        """Return how many rooms could not be settled; raise RedisUnavailable if the queue was not looked through."""
        try:
            if found := await self.services.queue.sweep(pause_seconds=BREATH_SECONDS):
                extra = {"action": "queue_healed", "rooms": found}
                logger.warning("%d rooms had entries and no task", found, extra=extra)
        finally:  # rooms of other shards may be settled all the same
            failed = await self._settle()
        return failed

    async def _settle(self) -> int:
        try:
            settled, failed = await self.services.policies.settle_all()
        except StoreUnavailable as error:
            logger.log(level_of(error), "Can't look for unsettled rooms: %s", error, extra={"action": "not_settled"})
            return 1
        if settled:
            extra = {"action": "policies_settled", "rooms": settled}
            logger.info("What was decided about %d rooms is carried out", settled, extra=extra)
        return failed

    async def sweep_orphans(self) -> None:
        """Remove stored bytes that no row points to, about every hour; of several workers not all at a time."""
        while True:
            await asyncio.sleep(ORPHANS_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311  # no secret
            try:
                grace_seconds = self.services.conf.orphan_grace_seconds
                removed = await orphans.sweep(grace_seconds)
            except StoreUnavailable as error:
                extra = {"action": "orphans_not_swept", "reason": str(error)}
                logger.warning("Could not look for orphaned files: %s", error, extra=extra)
            else:
                logger.info("Removed %d orphaned files", removed, extra={"action": "orphans_swept", "files": removed})


def at_signals(stop: Callable[[], object]) -> None:
    """Call `stop` at the first SIGTERM or SIGINT; the second one ends the process as it would any other."""
    loop = asyncio.get_running_loop()

    def asked() -> None:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        stop()

    for number in SIGNALS:
        loop.add_signal_handler(number, asked)


@asynccontextmanager
async def beside(functions: Sequence[Callable[[], Awaitable[None]]]) -> AsyncIterator[None]:
    """Run endless functions for the length of a block; one that fails begins anew a little later."""
    tasks = [asyncio.create_task(_again_and_again(function)) for function in functions]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=END_SECONDS)


async def _again_and_again(function: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await function()
        except Exception as error:
            extra = {"action": "worker_error", "reason": f"{type(error).__name__}: {error}"}
            logger.exception("Something beside the worker failed", extra=extra)
        else:
            return
        await asyncio.sleep(AGAIN_SECONDS)


@dataclass(frozen=True, slots=True)
class Options:
    """What `runpersistence` is told; `shards` as on the command line."""

    shards: str = ""
    concurrency: int = 2
    once: bool = False
    health_file: Path | None = None
    health_port: int | None = None

    def __post_init__(self) -> None:
        """Raise NotReady for what can't be."""
        if self.concurrency < 1:
            raise NotReady("--concurrency must be at least 1")
        if self.health_port is not None and not 1 <= self.health_port <= 65535:
            raise NotReady(f"--health-port {self.health_port} is not between 1 and 65535")

    @property
    def chosen_shards(self) -> list[int]:
        """The shards to look after; raises NotReady if they can't be read."""
        try:
            return shards.parse(self.shards, shards=conf().shards)
        except ValueError as error:
            raise NotReady(f"--shards: {error}") from error


async def work(options: Options) -> int:
    """Run a worker until a signal stops it, or once; return how many rooms could not be persisted by `once`.

    Raises:
        NotReady: an option can't be, or the port or file for probes can't be had.
        RedisUnavailable, LayoutMismatch: at the start; later a worker waits until Redis is back.
    """
    chosen, health = options.chosen_shards, Health(file=options.health_file, port=options.health_port)
    stopped = asyncio.Event()
    at_signals(stopped.set)
    async with AsyncExitStack() as stack:
        services = await _unless(stopped, stack.enter_async_context(connected()))
        if services is None:
            return 0
        supervisor = Supervisor(services, chosen, concurrency=options.concurrency, health=health, stopped=stopped)
        if options.once:
            return await supervisor.run_once()
        try:
            await health.start()
            await supervisor.run()
        except OSError as error:
            raise NotReady(f"--health-file or --health-port: {error}") from error
        finally:
            await health.aclose()
    return 0


async def _unless(stopped: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """Return what some work returns, or None if a stop was asked for before it was done."""
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stopped.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not stopping.cancel():
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        return None
    return await working
