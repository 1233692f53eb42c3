"""What Yjs wrote is what Yjs reads after stream, delta, compaction and reload: content, state vector, deletions."""

import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import pytest
import redis

from persistence.models import Quarantined, Segment
from persistence.services import Services, connected
from rooms.documents import Documents
from rooms.entries import Entry, encode
from rooms.errors import MalformedFrame
from rooms.models import Room
from rooms.pool import run as in_pool
from rooms.scan import scan
from tests.corpus import yjs
from tests.corpus.histories import histories
from tests.integration.conftest import Configure
from tests.integration.persisting import append, work_once
from tests.support.valkey import Valkey

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 3
"""A room is written to and persisted so many times; then it is compacted."""

RANDOM_HISTORIES = 1000

KNOWN = {
    "three updates whose order matters": [
        "0102010204010174026162440102016300",
        "01010101880100017c4000000000",
        "0101010008010161017c3f80000000",
    ],
    "a gap that stays open": ["01010101880100017c4000000000"],
    "BigInt": ["010107002801016d016b017a7fffffffffffffff00"],
    "ContentJSON": ["0101070002010161040131032273220a7b2261223a6e756c6c7d035b325d00"],
    "XmlHook": ["01010700070101780502686b00"],
    "a split emoji": ["01010700040101740661f09f98806200", "01010704c407010702017800"],
    "a parent that is no shared type": ["0101010004010174016100", "0102020004010178017a04000100017100"],
}
"""Updates that pycrdt changes or loses where it is trusted too much."""

POISON = bytes.fromhex("01010100020101748080808010013100")


@dataclass
class History:
    """What was sent to a room, and what its store must give back."""

    room: str
    updates: Sequence[bytes]
    typed: bool = False


@pytest.fixture
async def services(valkey: Valkey, configure: Configure) -> AsyncIterator[Services]:
    """A worker that compacts a room at every third delta."""
    configure(
        valkey,
        STORE="persistence.stores.database.DatabaseStore",
        DEBOUNCE_SECONDS=0,
        COMPACT_DELTAS=ROUNDS,
        REDIS_TIMEOUT_SECONDS=30,
        STORE_TIMEOUT_SECONDS=60,
    )
    async with connected() as found:
        yield found


async def persisted(services: Services, client: "redis.Redis", rooms: Sequence[History]) -> None:
    """Let a worker persist the rooms, in as many rounds as there are deltas before a compaction."""
    for number in range(ROUNDS):
        for history in rooms:
            part = history.updates[number::ROUNDS]
            append(client, history.room, *(as_sent(update) for update in part or [b"\0\0"]))
        assert await work_once(services) == 0
    compacted = await in_pool(lambda: Segment.objects.filter(kind="snapshot").count())
    assert compacted == len(rooms)


def as_sent(update: bytes) -> bytes:
    """Return the entry that a server makes of an update."""
    try:
        verbatim = scan(update).verbatim
    except MalformedFrame:
        verbatim = False
    return encode(Entry(update, verbatim, "ann", "connection-1"))


async def served(services: Services, room: str) -> list[bytes]:
    """Return what a client gets that joins."""
    document = await Documents(services.streams, services.store, services.compute, services.conf).load(room)
    return [*document.verbatim, document.merged]


async def assert_as_yjs_says(services: Services, rooms: Sequence[History], *, typed: bool) -> None:
    """Compare, for all rooms at once, with documents that Yjs makes of what was sent."""
    # Twice: what came in an unlucky order, Yjs itself shows only when it is sent once more.
    expected = yjs.states([[*history.updates, *history.updates] for history in rooms], typed=typed)
    found = yjs.states([await served(services, history.room) for history in rooms], typed=typed)
    wrong = [
        (history.room, before, after)
        for history, before, after in zip(rooms, expected, found, strict=True)
        if before != after
    ]
    assert wrong[:1] == []


async def test_the_histories_that_pycrdt_would_harm(services: Services, redis_of: "redis.Redis") -> None:
    rooms = [History(name, [bytes.fromhex(text) for text in updates]) for name, updates in KNOWN.items()]
    await persisted(services, redis_of, rooms)
    await assert_as_yjs_says(services, rooms, typed=False)
    states = dict(await in_pool(lambda: list(Room.objects.values_list("name", "state"))))
    assert states["a gap that stays open"] == "gap"
    assert {states[name] for name in ("BigInt", "ContentJSON", "XmlHook", "a split emoji")} == {"verbatim"}


async def test_a_room_with_poison_is_all_that_is_not_poison(services: Services, redis_of: "redis.Redis") -> None:
    good = [bytes.fromhex(text) for text in KNOWN["three updates whose order matters"]]
    await persisted(services, redis_of, [History("poisoned", [good[0], POISON, good[1], good[2]])])
    await assert_as_yjs_says(services, [History("poisoned", good)], typed=False)
    kept = await in_pool(lambda: list(Quarantined.objects.all()))
    assert [bytes(row.data) for row in kept] == [as_sent(POISON)]
    assert (kept[0].user_id, kept[0].connection_id) == ("ann", "connection-1")


async def test_a_thousand_random_histories_with_gaps_and_shuffles(services: Services, redis_of: "redis.Redis") -> None:
    rooms = []
    for history in histories()[:RANDOM_HISTORIES]:
        chance = random.Random(history.seed)
        updates = [each.update for each in history.updates]
        chance.shuffle(updates)
        if chance.random() < 0.5:  # some never came
            updates = updates[: -chance.randint(1, max(1, len(updates) // 4))] or updates
        rooms.append(History(f"random-{history.seed}", updates))
    await persisted(services, redis_of, rooms)
    await assert_as_yjs_says(services, rooms, typed=True)
    gaps = await in_pool(lambda: Room.objects.filter(has_gap=True).count())
    assert RANDOM_HISTORIES // 10 < gaps < RANDOM_HISTORIES
