"""One of a kind for each event loop: connections belong to the loop in which they were opened."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Generic, Optional, Protocol, TypeVar
from weakref import WeakKeyDictionary

from rooms.conf import conf


class Closable(Protocol):
    """What is closed when its loop ends."""

    async def aclose(self) -> None:
        """Close it."""


T = TypeVar("T", bound=Closable)


class _Held(Generic[T]):
    """The thing of one loop, as the settings say that are in force when it is made.

    It is held by an asynchronous generator, because asyncio.run and the servers end those before they close a loop:
    so a script that only awaits one call leaves no connection open.
    """

    def __init__(self, owner: "PerLoop[T]", before: Optional["_Held[T]"]) -> None:
        self._owner = owner
        self._settings = conf()
        self._lifetime = self._live()
        self.made = asyncio.get_running_loop().create_task(self._begin(before))

    @property
    def is_good(self) -> bool:
        """Whether it may still be used: it did not fail, and no test overrides the settings since."""
        failed = self.made.done() and (self.made.cancelled() or self.made.exception() is not None)
        return not failed and (self._settings is conf() or self._settings == conf())

    async def _begin(self, before: Optional["_Held[T]"]) -> T:
        if before is not None:
            await before.end()
        return await anext(self._lifetime)

    async def _live(self) -> AsyncGenerator[T, None]:
        made = await self._owner.make()
        try:
            yield made
        finally:
            self._owner.forget(self)
            await made.aclose()

    async def end(self) -> None:
        """Close it, if it was ever made."""
        await asyncio.wait([self.made])
        await self._lifetime.aclose()


class PerLoop(Generic[T]):
    """Makes the thing when a loop first asks for it, once for many who ask together; tries again after a failure."""

    def __init__(self, make: Callable[[], Awaitable[T]]) -> None:
        self.make = make
        self._held: WeakKeyDictionary[asyncio.AbstractEventLoop, _Held[T]] = WeakKeyDictionary()

    async def get(self) -> T:
        """Return the running loop's own; raise what making it raises."""
        loop = asyncio.get_running_loop()
        held = self._held.get(loop)
        if held is None or not held.is_good:
            held = self._held[loop] = _Held(self, held)
        return await asyncio.shield(held.made)

    def forget(self, held: _Held[T]) -> None:
        """Drop what is over: it would keep its loop alive."""
        loop = asyncio.get_running_loop()
        if self._held.get(loop) is held:
            del self._held[loop]
