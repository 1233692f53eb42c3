"""The small parts of a worker: its shards, its back-off, its bunches."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from persistence.backoff import LONGEST_OUTAGE_SECONDS, LONGEST_SECONDS, delay_seconds
from persistence.bunches import Bunches
from persistence.shards import parse


class TestShards:
    @pytest.mark.parametrize(
        ("text", "chosen"),
        [("", [0, 1, 2, 3, 4, 5, 6, 7]), ("0-3,7", [0, 1, 2, 3, 7]), ("5", [5]), (" 2 , 1-2 ", [1, 2])],
    )
    def test_a_text_names_shards(self, text, chosen):
        assert parse(text, shards=8) == chosen

    @pytest.mark.parametrize("text", ["8", "0-8", "3-1", "a", "1-", "-1", "1,,2", "0-3 7", "99999999999999999999"])
    def test_a_text_that_names_none_is_refused(self, text):
        with pytest.raises(ValueError):
            parse(text, shards=8)


class TestBackOff:
    def test_it_doubles(self):
        assert [0.75 * 2**attempt <= delay_seconds(attempt, alone=True) <= 1.25 * 2**attempt for attempt in range(8)]

    @pytest.mark.parametrize(("alone", "longest"), [(True, LONGEST_SECONDS), (False, LONGEST_OUTAGE_SECONDS)])
    def test_it_ends_somewhere(self, alone, longest):
        assert 0.75 * longest <= delay_seconds(10_000, alone=alone) <= 1.25 * longest

    def test_rooms_do_not_come_back_together(self):
        assert len({delay_seconds(3, alone=True) for _ in range(10)}) > 1


class TestBunches:
    async def of(self, source: AsyncIterator[int], *, most: int = 10, pause: float = 0.0) -> list[list[int]]:
        found = []
        async with Bunches(source, most=most) as bunches:
            async for bunch in bunches:
                found.append(bunch)
                await asyncio.sleep(pause)
        return found

    async def test_what_is_there_at_once_is_one_bunch(self):
        async def source() -> AsyncIterator[int]:
            for number in range(5):
                yield number

        assert await self.of(source()) == [[0, 1, 2, 3, 4]]
        assert await self.of(source(), most=2) == [[0, 1], [2, 3], [4]]

    async def test_what_comes_while_a_bunch_is_worked_on_is_the_next(self):
        async def source() -> AsyncIterator[int]:
            yield 0
            await asyncio.sleep(0.01)
            yield 1
            yield 2

        assert await self.of(source(), pause=0.05) == [[0], [1, 2]]

    async def test_nothing_is_no_bunch(self):
        async def source() -> AsyncIterator[int]:
            return
            yield

        assert await self.of(source()) == []

    async def test_an_error_comes_after_what_was_given_before_it(self):
        async def source() -> AsyncIterator[int]:
            yield 0
            raise ZeroDivisionError

        async with Bunches(source(), most=10) as bunches:
            assert await anext(bunches) == [0]
            with pytest.raises(ZeroDivisionError):
                await anext(bunches)

    async def test_leaving_early_ends_the_source(self):
        ended = asyncio.Event()

        async def source() -> AsyncIterator[int]:
            try:
                yield 0
                await asyncio.sleep(60)
            finally:
                ended.set()

        async with Bunches(source(), most=10) as bunches:
            await anext(bunches)
        assert ended.is_set()
