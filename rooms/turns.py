"""Turns: so much is done at a time, and one room that hangs leaves the others theirs."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """At most `most` turns at a time.

    A room gets half of those that the others leave: there is always one for the next room. Whoever waits gets a turn
    in the order of coming, within a room; rooms take turns.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = Counter[str]()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def turn(self, room: str) -> AsyncIterator[None]:
        """Hold a turn of a room, from when there is one."""
        await self._take(room)
        try:
            yield
        finally:
            self._give_back(room)

    async def _take(self, room: str) -> None:
        if room not in self._waiting and self._is_free(room):
            self._held[room] += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(room, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it was given in this very moment
                self._give_back(room)
            elif turn in self._waiting.get(room, ()):
                self._leave(room, turn)
            raise

    def _is_free(self, room: str) -> bool:
        left_by_others = self._most - (self._held.total() - self._held[room])
        return self._held[room] < (left_by_others + 1) // 2

    def _give_back(self, room: str) -> None:
        self._held[room] -= 1
        if not self._held[room]:
            del self._held[room]
        for other in list(self._waiting):
            if self._is_free(other):
                self._give(other)

    def _give(self, room: str) -> None:
        """Give a turn to who is first in a room's line, if somebody there still wants it."""
        while (line := self._waiting.get(room)) is not None:
            turn = line[0]
            self._leave(room, turn)
            if not turn.done():
                self._held[room] += 1
                turn.set_result(None)
                return

    def _leave(self, room: str, turn: "asyncio.Future[None]") -> None:
        """Take somebody out of the line, which then is behind those of other rooms."""
        line = self._waiting.pop(room)
        line.remove(turn)
        if line:
            self._waiting[room] = line
