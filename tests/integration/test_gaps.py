"""A room that waits for a missing update says so until it comes; others cost what their change costs."""

from typing import Any

import pytest
import redis

from persistence.compactor import Compactor
from persistence.models import Clocks, Segment
from persistence.services import Services
from rooms import clocks
from rooms.entries import Entry, encode
from rooms.models import Room
from rooms.pool import run as in_pool
from rooms.queue import Claim
from tests.integration.peers import text_update
from tests.integration.persisting import append
from tests.integration.test_worker import Once, entry, once, row, services

__all__ = ["once", "services"]

pytestmark = pytest.mark.django_db(transaction=True)

ROOM = "essay"
FIRST, SECOND = bytes.fromhex("0101010008010161017c3f80000000"), bytes.fromhex("01010101880100017c4000000000")


async def state(once: Once, client: "redis.Redis", *updates: bytes) -> str:
    """Return the room's state when more updates are persisted."""
    append(client, ROOM, *(encode(Entry(update)) for update in updates))
    assert await once() == 0
    return (await row(ROOM)).state


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The rooms whose whole chain was looked at."""
    found, rewrite = list[str](), Compactor.rewrite

    async def noted(self: Compactor, claim: Claim, *args: Any, **options: Any) -> bool:
        found.append(claim.room)
        return await rewrite(self, claim, *args, **options)

    monkeypatch.setattr(Compactor, "rewrite", noted)
    return found


async def test_a_gap_shows_and_shows_no_more_when_it_is_closed(
    services: Services, once: Once, redis_of: "redis.Redis", looks: list[str]
) -> None:
    assert await state(once, redis_of, SECOND) == Room.State.GAP
    assert await state(once, redis_of, text_update("other", 7)) == Room.State.GAP
    assert await state(once, redis_of, FIRST) == Room.State.OK
    looks.clear()
    assert await state(once, redis_of, text_update(" text", 7, 5)) == Room.State.OK
    assert looks == []
    assert await in_pool(Segment.objects.count) == 4


async def test_a_gap_of_a_room_that_was_whole(services: Services, once: Once, redis_of: "redis.Redis") -> None:
    assert await state(once, redis_of, text_update("hello", 7)) == Room.State.OK
    assert await state(once, redis_of, text_update("!", 7, 11)) == Room.State.GAP
    assert await state(once, redis_of, text_update(" world", 7, 5)) == Room.State.OK


async def test_what_is_missing_may_be_another_clients(services: Services, once: Once, redis_of: "redis.Redis") -> None:
    behind_nine = b"\1\1\3\0\x84\x09\0\1x\0"
    assert await state(once, redis_of, behind_nine) == Room.State.GAP
    assert await state(once, redis_of, text_update("a", 9)) == Room.State.OK


async def test_a_room_without_a_gap_is_never_looked_at_as_a_whole(
    services: Services, once: Once, redis_of: "redis.Redis", looks: list[str]
) -> None:
    for number in range(30):
        for client in (5, 6, 2**40):
            append(redis_of, ROOM, encode(Entry(text_update("abc", client, 3 * number))))
        assert await once() == 0
    assert looks == []
    packed = await in_pool(lambda: bytes(Clocks.objects.get().clocks))
    assert clocks.unpack(packed) == {5: 90, 6: 90, 2**40: 90}


async def test_a_room_from_before_this_was_known_is_looked_at_once(
    services: Services, once: Once, redis_of: "redis.Redis", looks: list[str]
) -> None:
    append(redis_of, ROOM, entry("a"))
    await once()
    await in_pool(Clocks.objects.all().delete)
    for clock in (1, 2, 3):
        assert await state(once, redis_of, text_update("b", 1, clock)) == Room.State.OK
    assert looks == [ROOM]


async def test_what_brings_nothing_is_no_gap(
    services: Services, once: Once, redis_of: "redis.Redis", looks: list[str]
) -> None:
    append(redis_of, ROOM, b"no entry at all")
    assert await once() == 0
    assert not (await row(ROOM)).has_gap
    assert await state(once, redis_of, text_update("a", 1)) == Room.State.QUARANTINED
    assert not (await row(ROOM)).has_gap
    assert looks == []


async def test_a_compaction_keeps_what_is_known(services: Services, once: Once, redis_of: "redis.Redis") -> None:
    for clock in range(services.conf.compact_deltas + 2):
        assert await state(once, redis_of, text_update("b", 1, clock)) == Room.State.OK
    packed = await in_pool(lambda: bytes(Clocks.objects.get().clocks))
    assert clocks.unpack(packed) == {1: services.conf.compact_deltas + 2}
