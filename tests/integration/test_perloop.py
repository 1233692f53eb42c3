"""What belongs to an event loop: made once, closed with it, and made anew when a test overrides the settings."""

import asyncio
import gc
import weakref
from typing import Any

import pytest

from rooms import background
from rooms.perloop import PerLoop


class Thing:
    """Something that is open."""

    def __init__(self) -> None:
        self.is_open = True

    async def aclose(self) -> None:
        self.is_open = False


@pytest.fixture
def made() -> list[Thing]:
    """Each that was made."""
    return []


@pytest.fixture
def things(made: list[Thing]) -> PerLoop[Thing]:
    """One for each loop."""

    async def make() -> Thing:
        await asyncio.sleep(0)
        made.append(Thing())
        return made[-1]

    return PerLoop(make)


def test_it_is_made_once_for_many_who_ask_together_and_closed_with_the_loop(
    things: PerLoop[Thing], made: list[Thing]
) -> None:
    async def ask() -> list[Thing]:
        found = await asyncio.gather(*(things.get() for _ in range(50)))
        assert all(thing.is_open for thing in found)
        return found

    assert len(set(asyncio.run(ask()))) == 1
    assert [thing.is_open for thing in made] == [False]


def test_loops_that_ended_are_not_kept(things: PerLoop[Thing]) -> None:
    async def ask() -> Any:
        await things.get()
        return weakref.ref(asyncio.get_running_loop())

    loops = [asyncio.run(ask()) for _ in range(3)]
    gc.collect()
    assert [loop() for loop in loops] == [None] * 3


def test_when_a_test_overrides_the_settings_the_old_one_is_closed_and_another_made(
    things: PerLoop[Thing], made: list[Thing], settings: Any
) -> None:
    before = background.run(things.get())
    settings.YREDIS = {**settings.YREDIS, "REDIS_TIMEOUT_SECONDS": 3.0}
    after = background.run(things.get())
    assert (before.is_open, after.is_open) == (False, True)
    settings.YREDIS = {**settings.YREDIS}
    assert background.run(things.get()) is after
    assert len(made) == 2


def test_after_a_failure_it_is_tried_again() -> None:
    answers: list[Any] = [ValueError("not now"), Thing()]

    async def make() -> Thing:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]

    async def ask() -> bool:
        things = PerLoop(make)
        with pytest.raises(ValueError, match="not now"):
            await things.get()
        return (await things.get()).is_open

    assert asyncio.run(ask())
