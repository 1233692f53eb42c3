"""Threads for what blocks: the database and storages. Bounded, with a deadline, apart from Django's own thread.

Django's async ORM shares one thread per process, so one slow query would hold up everybody. A job that hangs is given
up at its deadline and another thread takes its place, up to a limit; it can't be stopped, and may still do its work.
The threads are daemons: a process ends although a database does not answer. Each keeps its connections between jobs.
"""

import asyncio
import os
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple, ParamSpec, TypeVar

from django.db import connections

from rooms.conf import conf
from rooms.errors import StoreUnavailable, YRedisError

P = ParamSpec("P")
T = TypeVar("T")

IDLE_SECONDS = 30.0
"""A thread without work for so long closes its connections and ends."""

TRUSTED_SECONDS = 1.0
"""A connection that was idle for longer is tried before it is used: the database may have been restarted."""

MOST_STUCK = 4
"""So many times conf.store_threads at most, when all hang that wait for the store."""


class Job(NamedTuple):
    """A call, and where its result goes."""

    future: "Future[Any]"
    call: Callable[[], Any]


class Pool:
    """As many threads as there is work for, up to conf.store_threads that do not hang. Pools last as long as a process.

    Args:
        name: of the threads.
        most_stuck: so many times conf.store_threads at most, when all hang.
    """

    def __init__(self, name: str, *, most_stuck: int = 1) -> None:
        self._name = name
        self._most_stuck = most_stuck
        self._begin()
        _pools.append(self)

    def _begin(self) -> None:
        """Have no threads, as at first: those of the process that this one was forked from are not in it."""
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._busy = 0
        self._stuck = 0

    @property
    def is_full(self) -> bool:
        """Whether there are as many threads as there may be, and all hang: a job would only wait for them."""
        return self._stuck >= self._most_stuck * conf().store_threads

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what a blocking function returns, called in a thread.

        Raises:
            StoreUnavailable: no result within conf.store_timeout_seconds, and then it may still happen; or any error
                that the function raised and that is not ours.
            YRedisError: an error of ours that the function raised.
        """
        settings = conf()
        future = self.submit(lambda: function(*args, **kwargs), threads=settings.store_threads)
        deadline = asyncio.timeout(settings.store_timeout_seconds)
        try:
            async with deadline:
                return await asyncio.wrap_future(future)
        except YRedisError:
            raise
        except Exception as error:
            late = f"no answer within {settings.store_timeout_seconds:g} s" if deadline.expired() else ""
            raise StoreUnavailable(late or f"{type(error).__name__}: {error}") from error
        finally:
            if not future.done():
                self.give_up(future)

    def submit(self, call: Callable[[], T], *, threads: int) -> "Future[T]":
        """Run a call in a thread, at most `threads` of them at a time."""
        future: Future[T] = Future()
        with self._lock:
            self._busy += 1
            most = min(threads + self._stuck, self._most_stuck * threads)
            if len(self._threads) < min(self._busy, most):
                thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._threads.add(thread)
                thread.start()
        self._jobs.put(Job(future, call))
        return future

    def give_up(self, future: "Future[Any]") -> None:
        """Let another thread take the place of one whose job is late; a job that never began is dropped."""
        if future.cancel() or future.done():
            return
        with self._lock:
            self._stuck += 1
        future.add_done_callback(self._came_back)

    def _came_back(self, future: "Future[Any]") -> None:
        with self._lock:
            self._stuck -= 1

    def _work(self) -> None:
        used_at = time.monotonic()
        try:
            while job := self._next():
                if job.future.set_running_or_notify_cancel():
                    _check_connections(time.monotonic() - used_at)
                    _run(job)
                    used_at = time.monotonic()
                with self._lock:
                    self._busy -= 1
        finally:
            connections.close_all()

    def _next(self) -> Job | None:
        """Return the next job, or None when this thread is to end."""
        while True:
            try:
                if job := self._jobs.get(timeout=IDLE_SECONDS):
                    return job
                asked = True
            except queue.Empty:
                asked = False
            with self._lock:
                if asked or self._jobs.empty():  # else submitted just now, and nobody else may be there to do it
                    self._threads.discard(threading.current_thread())
                    return None

    def close(self, *, within_seconds: float) -> None:
        """End the threads that have nothing to do, and wait for them to close their connections."""
        with self._lock:
            threads = list(self._threads)
        for _ in threads:
            self._jobs.put(None)
        deadline = time.monotonic() + within_seconds
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))


def _run(job: Job) -> None:
    try:
        job.future.set_result(job.call())
    except BaseException as error:  # whatever it is, it belongs to the caller
        job.future.set_exception(error)


def _check_connections(idle_seconds: float) -> None:
    """Close connections of this thread that can't be used any more."""
    for connection in connections.all(initialized_only=True):
        idle = idle_seconds > TRUSTED_SECONDS and connection.connection is not None
        if connection.errors_occurred or (idle and not connection.is_usable()):
            connection.close()


_pools: list[Pool] = []
_store = Pool("yredis-store", most_stuck=MOST_STUCK)


def _begin_anew() -> None:
    for pool in _pools:
        pool._begin()  # noqa: SLF001  # nobody else's


os.register_at_fork(after_in_child=_begin_anew)


async def run(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do as Pool.run, with the threads of the store."""
    return await _store.run(function, *args, **kwargs)


def close(*, within_seconds: float = 5.0) -> None:
    """End all threads that are not at work, and their connections with them."""
    for pool in _pools:
        pool.close(within_seconds=within_seconds)
