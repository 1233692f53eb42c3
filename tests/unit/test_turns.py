"""Turns: bounded, fair between rooms, and never lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from rooms.turns import Turns


class Line:
    """People who hold turns until they are let go."""

    def __init__(self, most: int) -> None:
        self.turns = Turns(most)
        self.inside: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.doors: dict[str, asyncio.Event] = {}

    def come(self, *names: str) -> None:
        """Let people come; the first letter is their room."""
        for name in names:
            self.doors[name] = asyncio.Event()
            self.tasks.append(asyncio.create_task(self._stay(name), name=name))

    async def _stay(self, name: str) -> None:
        async with self.turns.turn(name[0]):
            self.inside.append(name)
            await self.doors[name].wait()
        self.inside.remove(name)

    async def go(self, *names: str) -> list[str]:
        """Let people go; return who is inside then."""
        for name in names:
            self.doors[name].set()
        return await self.now()

    async def now(self) -> list[str]:
        """Return who is inside when all have moved."""
        for _ in range(10):
            await asyncio.sleep(0)
        return self.inside


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    """Eight turns."""
    line = Line(8)
    yield line
    for task in line.tasks:
        task.cancel()
    await asyncio.gather(*line.tasks, return_exceptions=True)
    assert not line.turns._held
    assert not line.turns._waiting


async def test_a_room_gets_half_and_each_other_half_of_what_is_left(line: Line) -> None:
    line.come(*(f"{room}{number}" for room in "abcdef" for number in range(9)))
    inside = "".join(name[0] for name in await line.now())
    assert [inside.count(room) for room in "abcdef"] == [4, 2, 1, 1, 0, 0]


async def test_who_came_first_is_first_and_rooms_take_turns(line: Line) -> None:
    line.come(*(f"a{number}" for number in range(8)))
    line.come("b1", "b2", "c1", "d1", "e1", "f1")
    assert await line.now() == ["a0", "a1", "a2", "a3", "b1", "b2", "c1", "d1"]
    assert await line.go("b1") == ["a0", "a1", "a2", "a3", "b2", "c1", "d1", "e1"]
    assert await line.go("a0", "a1") == ["a2", "a3", "b2", "c1", "d1", "e1", "f1"]  # of three, two


async def test_who_stops_waiting_takes_no_turn(line: Line) -> None:
    line.come(*(f"a{number}" for number in range(6)))
    await line.now()
    line.tasks[4].cancel()
    assert await line.go("a0", "a1") == ["a2", "a3", "a5"]


async def test_a_turn_that_is_given_in_the_moment_of_a_cancellation_goes_to_the_next(line: Line) -> None:
    line.come(*(f"a{number}" for number in range(6)))
    await line.now()
    line.doors["a0"].set()
    await asyncio.sleep(0)  # a0 has given its turn to a4, which does not know yet
    line.tasks[4].cancel()
    assert await line.now() == ["a1", "a2", "a3", "a5"]


async def test_one_turn_is_enough_for_everybody_in_the_end() -> None:
    turns, done = Turns(1), list[int]()

    async def come(number: int) -> None:
        async with turns.turn(f"room-{number % 7}"):
            await asyncio.sleep(0)
            done.append(number)

    await asyncio.gather(*map(come, range(100)))
    assert sorted(done) == list(range(100))


async def test_an_error_within_gives_the_turn_back() -> None:
    turns = Turns(1)
    async with AsyncExitStack() as stack:
        with pytest.raises(ValueError, match="within"):
            async with turns.turn("a"):
                raise ValueError("within")
        await asyncio.wait_for(stack.enter_async_context(turns.turn("b")), 1)
