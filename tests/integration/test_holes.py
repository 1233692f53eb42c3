"""A database that was put back to an earlier state: what Redis trimmed since is missing, which is never hidden."""

from collections.abc import Awaitable, Callable

import pytest
import redis

from persistence import holes, verifying
from persistence.models import Segment
from persistence.services import Services
from rooms.backend import Backend
from rooms.errors import StoreUnavailable
from rooms.models import Room
from rooms.pool import run as in_pool
from tests.integration.conftest import Serve
from tests.integration.peers import READ, Peer, eventually, settled
from tests.integration.persisting import KEYS, append
from tests.integration.test_worker import Once, entry, length, once, row, services, stored, text_update

__all__ = ["once", "services"]

pytestmark = pytest.mark.django_db(transaction=True)

Seated = Callable[..., Awaitable[Peer]]
ROOM = "essay"


async def restored() -> None:
    """Put the database back to where it was before the last delta."""

    def restore() -> None:
        first, last = Segment.objects.order_by("pk")
        last.delete()
        sums = {"delta_count": 1, "delta_bytes": first.byte_size}
        Room.objects.update(fence=first.fence, last_entry_id=first.last_entry_id, **sums)

    await in_pool(restore)


def due(client: "redis.Redis") -> None:
    """Let a room that waits be tried at once."""
    client.zadd(KEYS.due_of(ROOM), {ROOM: 1})


async def with_a_hole(once: Once, client: "redis.Redis") -> None:
    """Persist twice, and put the database back to the first time."""
    for number in (1, 2):
        append(client, ROOM, entry(str(number), number))
        assert await once() == 0
    await restored()


async def test_nothing_is_persisted_behind_a_hole(services: Services, once: Once, redis_of: "redis.Redis") -> None:
    await with_a_hole(once, redis_of)
    backend = await Backend.open()
    for number in (3, 4):
        append(redis_of, ROOM, entry(str(number), number))
        due(redis_of)
        assert await once() == 1
        with pytest.raises(StoreUnavailable, match="trimmed up to"):
            await backend.documents.load(ROOM)
        found = (await verifying.verify(backend, ROOM)).findings
        assert any("its stream was trimmed up to" in finding for finding in found)
    assert length(redis_of, ROOM) == 2
    room = await row(ROOM)
    assert (room.state, room.failures) == (Room.State.FAILING, 2)
    assert "the store is older than Redis: its stream was trimmed up to" in room.last_error
    await backend.aclose()


async def test_an_accepted_hole_lets_the_room_go_on(services: Services, once: Once, redis_of: "redis.Redis") -> None:
    await with_a_hole(once, redis_of)
    append(redis_of, ROOM, entry("3", 3))
    backend = await Backend.open()
    assert str(await holes.accept(backend, ROOM)) == (await row(ROOM)).last_entry_id
    assert await holes.accept(backend, ROOM) is None
    assert (await verifying.verify(backend, ROOM)).findings == []
    assert await once() == 0
    assert await stored(services, ROOM) == [text_update("1", 1), text_update("3", 3)]
    assert (await verifying.verify(backend, ROOM)).findings == []
    await backend.aclose()


async def test_of_a_room_without_entries_too(services: Services, once: Once, redis_of: "redis.Redis") -> None:
    await with_a_hole(once, redis_of)
    backend = await Backend.open()
    assert await holes.accept(backend, ROOM)
    assert (await verifying.verify(backend, ROOM)).findings == []
    assert (await backend.documents.load(ROOM)).size_bytes > 0
    await backend.aclose()


async def test_writers_who_have_the_room_open_bring_what_was_missing(
    services: Services, once: Once, serve: Serve, seat: Seated, redis_of: "redis.Redis"
) -> None:
    writer = await seat(await serve(), ROOM)
    for text in ("one ", "two "):
        writer.add(text)
        await settled(writer)
        assert await once() == 0
    await restored()
    backend = await Backend.open()
    assert await holes.accept(backend, ROOM)
    writer.add("three")
    await eventually(lambda: length(redis_of, ROOM) >= 2, 10)
    due(redis_of)
    assert await once() == 0
    reader = await (await seat(await serve(), ROOM, READ)).sync()
    assert reader.view()[0] == "one two three"
    await backend.aclose()


async def test_another_life_of_redis_is_no_hole(services: Services, once: Once, redis_of: "redis.Redis") -> None:
    await with_a_hole(once, redis_of)
    redis_of.flushall()
    append(redis_of, ROOM, entry("3", 3))
    assert await once() == 0
    assert await stored(services, ROOM) == [text_update("1", 1), text_update("3", 3)]


async def test_a_room_of_which_only_redis_knows_is_told_of(
    services: Services, once: Once, redis_of: "redis.Redis"
) -> None:
    append(redis_of, ROOM, entry("1"))
    assert await once() == 0
    await in_pool(Room.objects.all().delete)
    backend = await Backend.open()
    assert [room async for room in verifying.all_rooms(backend)] == [ROOM]
    assert any("trimmed" in finding for finding in (await verifying.verify(backend, ROOM)).findings)
    await backend.aclose()
