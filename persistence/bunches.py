"""One by one into many at a time: what came while the last bunch was worked on is the next."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class Bunches(Generic[T]):
    """`async with Bunches(source, most=100) as bunches: async for bunch in bunches: ...`

    The source goes on while a bunch is worked on. What it raises is raised after its last item was given.
    """

    def __init__(self, source: AsyncIterator[T], *, most: int) -> None:
        self._source = source
        self._most = most
        self._ready: asyncio.Queue[T | None] = asyncio.Queue()
        self._ended = False

    async def __aenter__(self) -> "Bunches[T]":
        self._pump = asyncio.create_task(self._fill())
        return self

    async def __aexit__(self, *error: object) -> None:
        self._pump.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await self._pump

    def __aiter__(self) -> "Bunches[T]":
        return self

    async def __anext__(self) -> list[T]:
        if not self._ended:
            bunch = [await self._ready.get()]
            while len(bunch) < self._most and not self._ready.empty():
                bunch.append(self._ready.get_nowait())
            self._ended = None in bunch
            if items := [item for item in bunch if item is not None]:
                return items
        await self._pump
        raise StopAsyncIteration

    async def _fill(self) -> None:
        try:
            async for item in self._source:
                self._ready.put_nowait(item)
        finally:
            self._ready.put_nowait(None)
