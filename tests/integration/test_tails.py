"""What can only be kept as it was sent is appended to, and hardly ever written again."""

from collections.abc import AsyncIterator

import pytest
import redis

from persistence import verifying
from persistence.models import Segment
from persistence.services import Services, connected
from persistence.stores.database import DatabaseStore
from persistence.stores.place import Place
from persistence.tails import tail
from rooms import wire
from rooms.backend import Backend
from rooms.entries import Entry, encode
from rooms.models import Room
from rooms.pool import run as in_pool
from tests.integration.conftest import Configure
from tests.integration.peers import text_update
from tests.integration.persisting import append, work_once
from tests.integration.test_worker import stored
from tests.support.valkey import Valkey

pytestmark = pytest.mark.django_db(transaction=True)

ROOM = "essay"
DELTAS = 10


class Counting(DatabaseStore):
    """Counts the bytes that are written."""

    written = 0

    def keep(self, room: str, data: bytes) -> Place:
        """Keep bytes, and count them."""
        Counting.written += len(data)
        return super().keep(room, data)


@pytest.fixture
async def services(valkey: Valkey, configure: Configure) -> AsyncIterator[Services]:
    """A worker that compacts at every tenth delta."""
    configure(valkey, STORE=f"{__name__}.Counting", DEBOUNCE_SECONDS=0, COMPACT_DELTAS=DELTAS)
    Counting.written = 0
    async with connected() as services:
        yield services


def verbatim(client: int, size: int) -> bytes:
    """Return an update that sets a key of so many bytes to a BigInt."""
    key, value = wire.var_bytes(b"k" * size), bytes.fromhex("017a7fffffffffffffff00")
    return b"\x01\x01" + wire.var_uint(client) + b"\x00\x28\x01\x01m" + key + value


@pytest.mark.parametrize("sizes", [[200_000] + [10] * 80, [10] * 80, [3000] * 80])
async def test_a_verbatim_room_is_hardly_written_again(
    services: Services, redis_of: "redis.Redis", sizes: list[int]
) -> None:
    updates = [verbatim(number + 1, size) for number, size in enumerate(sizes)]
    for update in updates:
        append(redis_of, ROOM, encode(Entry(update)))
        assert await work_once(services) == 0
    sent, room = sum(map(len, updates)), await in_pool(Room.objects.get, name=ROOM)
    assert sorted(await stored(services, ROOM)) == sorted(updates)
    assert room.state == Room.State.VERBATIM
    assert room.delta_count <= 2 * DELTAS
    assert Counting.written < (1.3 if sizes[0] > sizes[1] else 5) * sent
    backend = await Backend.open()
    assert (await verifying.verify(backend, ROOM)).findings == []
    await backend.aclose()


async def test_what_can_be_merged_beside_it_still_is(services: Services, redis_of: "redis.Redis") -> None:
    append(redis_of, ROOM, encode(Entry(verbatim(1, 500))))
    for number in range(60):
        append(redis_of, ROOM, encode(Entry(text_update("some words more ", 9, 16 * number))))
        assert await work_once(services) == 0
    segments = await in_pool(lambda: list(Segment.objects.order_by("pk").values_list("kind", "entries")))
    assert segments[0][0] == "snapshot"
    assert sum(entries for _, entries in segments) < 40
    assert verbatim(1, 500) in await stored(services, ROOM)


def test_a_tail_is_what_is_small_beside_what_is_before_it() -> None:
    assert tail([7]) == 0
    assert tail([5, 5, 5]) == 0
    assert tail([100, 5, 5]) == 1
    assert tail([100, 30, 3, 2]) == 2
    assert tail([100, 1]) == 1
