"""One of a kind for each event loop: connections belong to the loop in which they were opened."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Generic, Protocol, TypeVar
from weakref import WeakKeyDictionary


class Closable(Protocol):
    """What is closed when its loop ends."""

    async def aclose(self) -> None:
        """Close it."""


T = TypeVar("T", bound=Closable)


class PerLoop(Generic[T]):
    """Makes the thing when a loop first asks for it, once for many who ask together; tries again after a failure.

    It is held by an asynchronous generator, because asyncio.run and the servers end those before they close a loop:
    so a script that only awaits one call leaves no connection open.
    """

    def __init__(self, make: Callable[[], Awaitable[T]]) -> None:
        self._make = make
        self._holders: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[T]] = WeakKeyDictionary()
        self._generators: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncGenerator[T, None]] = WeakKeyDictionary()

    async def get(self) -> T:
        """Return the running loop's own; raise what making it raises."""
        loop = asyncio.get_running_loop()
        task = self._holders.get(loop)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = self._holders[loop] = loop.create_task(self._hold())
        return await asyncio.shield(task)

    async def _hold(self) -> T:
        generator = self._lifetime()
        made = await anext(generator)
        self._generators[asyncio.get_running_loop()] = generator
        return made

    async def _lifetime(self) -> AsyncGenerator[T, None]:
        made = await self._make()
        try:
            yield made
        finally:
            self._holders.pop(asyncio.get_running_loop(), None)
            self._generators.pop(asyncio.get_running_loop(), None)
            await made.aclose()
