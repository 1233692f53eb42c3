"""Decoding that may kill the process which does it, done in child processes: `python -m rooms.compute`.

A crash, a panic, too much memory or too much time costs the one request that caused it. Children are started when
needed, a few at most, and end after a while without work, with this process, or when `Compute.aclose` is called.
"""

if __name__ == "__main__":
    from rooms.compute_child import main

    main()
    raise SystemExit  # a child needs nothing of what follows; importing asyncio alone would double its start

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from rooms.compute_operations import OPERATIONS
from rooms.compute_process import Child
from rooms.errors import ComputeUnavailable, Undecodable

logger = logging.getLogger(__name__)

START_SECONDS = 20.0
"""A child is ready within 30 ms; this much is granted on a machine that is very busy."""


class Compute:
    """At most `processes` children, for one event loop. Requests beyond that wait in their order.

    Args:
        processes: children alive at a time.
        memory_bytes: address space of one child.
        timeout_seconds: time for one request, without its wait for a child.
        recycle_after: requests served by one child.
        idle_seconds: after this long without work a child ends.
        on_crash: called once for each request that killed its child or took too long.
    """

    def __init__(
        self,
        *,
        processes: int,
        memory_bytes: int,
        timeout_seconds: float,
        recycle_after: int = 1000,
        idle_seconds: float = 60.0,
        on_crash: Callable[[], None] | None = None,
    ) -> None:
        self.memory_bytes = memory_bytes
        self.timeout_seconds = timeout_seconds
        self.recycle_after = recycle_after
        self.idle_seconds = idle_seconds
        self.on_crash = on_crash
        self.slots = asyncio.Semaphore(processes)
        self.children: set[Child] = set()
        self.idle: list[Child] = []
        self.burials: set[asyncio.Task[None]] = set()
        self.closed = False

    async def run(self, operation: str, parts: Sequence[bytes]) -> list[bytes]:
        """Return what `compute_operations.OPERATIONS[operation]` makes of `parts`, computed in a child.

        Raises:
            Undecodable: the bytes were refused, killed the child, or took too much memory or time.
            ComputeUnavailable: no child could be had; nothing is known about the bytes.
        """
        if operation not in OPERATIONS:
            raise ValueError(f"no operation {operation!r}")
        async with self.slots:
            child = await self.borrow()
            try:
                refusal, *results = await self.ask(child, operation, parts)
            except BaseException:  # a cancelled caller's reply must not reach the next one
                self.discard(child)
                raise
            self.give_back(child)
        if refusal:
            raise Undecodable(refusal.decode())
        return results

    async def aclose(self) -> None:
        """Kill all children and wait until they are gone; requests under way raise ComputeUnavailable."""
        self.closed = True
        for child in tuple(self.children):
            self.discard(child)
        await asyncio.gather(*self.burials)

    async def borrow(self) -> Child:
        """Return an idle child, the one that worked last, or a new one."""
        while self.idle:
            child = self.idle.pop()
            if child.alive:
                if child.retirement:
                    child.retirement.cancel()
                return child
            self.discard(child)
        return await self.start()

    async def start(self) -> Child:
        """Start a child and wait until it is ready."""
        if self.closed:
            raise ComputeUnavailable("compute is closed")
        try:
            child = await Child.start(memory_bytes=self.memory_bytes, timeout_seconds=self.timeout_seconds)
        except OSError as error:
            raise self.not_started(str(error)) from error
        self.children.add(child)
        try:
            async with asyncio.timeout(START_SECONDS):
                await child.reply()
        except (OSError, EOFError) as error:
            reason = await child.cause_of_death()
            self.discard(child)
            raise self.not_started(reason) from error
        except BaseException:
            self.discard(child)
            raise
        return child

    def not_started(self, reason: str) -> ComputeUnavailable:
        """Log that a child could not be started and return the error to raise."""
        if not self.closed:
            extra = {"action": "compute_not_started", "reason": reason}
            logger.error("A compute child did not start: it %s", reason, extra=extra)
        return ComputeUnavailable(f"a compute child did not start: it {reason}")

    async def ask(self, child: Child, operation: str, parts: Sequence[bytes]) -> list[bytes]:
        """Return the child's reply; raise Undecodable, logged and counted, if it gives none."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(self.timeout_seconds):
                return await child.ask([operation.encode(), *parts])
        except (OSError, EOFError) as error:
            late = isinstance(error, TimeoutError)
            reason = f"took over {self.timeout_seconds:g} s" if late else await child.cause_of_death()
            if self.closed:
                raise ComputeUnavailable("compute is closed") from error
            self.crashed(operation, reason, size=sum(map(len, parts)), seconds=time.monotonic() - started)
            raise Undecodable(f"{operation}: the compute child {reason}") from error

    def crashed(self, operation: str, reason: str, *, size: int, seconds: float) -> None:
        """Log and count a request that cost a child."""
        extra = {"action": "compute_crashed", "operation": operation, "reason": reason, "bytes": size}
        logger.warning("A compute child %s at %s", reason, operation, extra=extra | {"seconds": round(seconds, 3)})
        if self.on_crash:
            self.on_crash()

    def give_back(self, child: Child) -> None:
        """Keep the child for the next request, unless it has served its time."""
        child.served += 1
        if self.closed or child.served >= self.recycle_after:
            self.discard(child)
        else:
            self.idle.append(child)
            child.retirement = asyncio.get_running_loop().call_later(self.idle_seconds, self.discard, child)

    def discard(self, child: Child) -> None:
        """Kill the child, which `children` and `idle` then no longer hold."""
        if child not in self.children:
            return
        self.children.discard(child)
        if child in self.idle:
            self.idle.remove(child)
        child.kill()
        burial = asyncio.get_running_loop().create_task(child.buried())
        self.burials.add(burial)
        burial.add_done_callback(self.burials.discard)
