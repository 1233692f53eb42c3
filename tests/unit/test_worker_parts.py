"""The small parts of a worker: its shards, its back-off, its bunches, its rota."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import cast

import pytest

from persistence.backoff import LONGEST_OUTAGE_SECONDS, LONGEST_SECONDS, delay_seconds
from persistence.bunches import Bunches
from persistence.rota import Rota
from persistence.shards import parse
from rooms.errors import RedisUnavailable
from rooms.queue import Claim, Queue


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


class Due:
    """A queue: how many rooms are due in each shard."""

    def __init__(self, *rooms: int, dead: Sequence[int] = ()) -> None:
        self.rooms = list(rooms)
        self.dead = dead

    async def claim(self, shards: Sequence[int], limit: int) -> list[list[Claim]]:
        """Give some of them away."""
        if not set(shards) - set(self.dead):
            raise RedisUnavailable("no answer")
        taken = [0 if shard in self.dead else min(limit, self.rooms[shard]) for shard in shards]
        for shard, number in zip(shards, taken, strict=True):
            self.rooms[shard] -= number
        return [[Claim("essay", 1, shard)] * number for shard, number in zip(shards, taken, strict=True)]


def rota(due: Due) -> Rota:
    """Return the rota of a worker that looks after all of its shards."""
    return Rota(cast("Queue", due), range(len(due.rooms)))


class TestRota:
    @pytest.mark.parametrize("limit", [1, 7, 100])
    @pytest.mark.parametrize("shard", range(16))
    async def test_every_shard_is_asked_before_nothing_is_due(self, shard, limit):
        due = Due(*(1 if shard == one else 0 for one in range(16)))
        assert [claim.shard for claim in await rota(due).claim(limit)] == [shard]

    @pytest.mark.parametrize("limit", [1, 5, 99, 100, 101, 500])
    async def test_fewer_than_asked_for_are_all_there_are(self, limit):
        due = Due(300, *[0] * 14, 3)
        assert len(await rota(due).claim(limit)) == min(limit, 303)

    async def test_what_was_claimed_is_ours_although_a_shard_gives_no_answer(self):
        due = Due(*[1] * 16, dead=[15])
        assert len(await rota(due).claim(100)) == 15

    async def test_no_answer_at_all_is_an_error(self):
        with pytest.raises(RedisUnavailable):
            await rota(Due(*[1] * 4, dead=range(4))).claim(100)
