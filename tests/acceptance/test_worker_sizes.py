"""What persisting costs: a document that is typed letter by letter is not written again and again."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from persistence.models import Segment
from persistence.services import Services, connected
from persistence.stores.database import DatabaseStore
from persistence.stores.place import Place
from rooms.documents import Documents
from rooms.entries import Entry, encode
from rooms.pool import run as in_pool
from tests.acceptance.test_traces import generated_keystrokes
from tests.corpus import yjs
from tests.integration.conftest import Configure
from tests.integration.conftest import configure as configure
from tests.integration.persisting import append, work_once
from tests.support.notes import note
from tests.support.valkey import Valkey

pytestmark = pytest.mark.django_db(transaction=True)

TRACES = os.environ.get("YREDIS_TRACES", "")
ROOM = "paper"
STEP = 1000


class CountingStore(DatabaseStore):
    """Knows how many bytes were ever written."""

    written = 0

    def keep(self, room: str, data: bytes) -> Place:
        """Count, and do as ever."""
        CountingStore.written += len(data)
        return super().keep(room, data)


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    """A Redis of the test's own."""
    server = Valkey(tmp_path / "redis")
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def services(valkey: Valkey, configure: Configure) -> AsyncIterator[Services]:
    """A worker with the settings of production, but for the debounce."""
    store = f"{__name__}.CountingStore"
    configure(valkey, STORE=store, DEBOUNCE_SECONDS=0, REDIS_TIMEOUT_SECONDS=30, STORE_TIMEOUT_SECONDS=60)
    async with connected() as found:
        yield found


@pytest.mark.parametrize("trace", ["generated", *(["automerge-paper"] if TRACES else [])])
async def test_bytes_written_are_at_most_three_times_those_of_the_updates(
    services: Services, valkey: Valkey, trace: str, tmp_path: Path
) -> None:
    path = Path(TRACES) / f"{trace}.json.gz"
    typed = yjs.typed_edits(
        generated_keystrokes(tmp_path / "keys.gz", seed=1) if trace == "generated" else path, each=STEP
    )
    CountingStore.written, sent = 0, 0
    with valkey.client() as client:
        for step in typed.steps:
            sent += sum(map(len, step))
            append(client, ROOM, *(encode(Entry(update, user_id="ann", connection_id="c" * 32)) for update in step))
            assert await work_once(services) == 0
            assert client.xlen("yredis:{0}:room:paper") == 0
    written, sizes = (
        CountingStore.written,
        await in_pool(lambda: list(Segment.objects.values_list("byte_size", flat=True))),
    )
    assert await final_text(services) == typed.end
    compacted = await compacted_bytes(services, valkey)
    assert await final_text(services) == typed.end
    steps, share, size = len(typed.steps), written / sent, compacted / typed.document_bytes
    note(f"{trace}: {steps} persists wrote {written} bytes for {sent} bytes of updates, {share:.2f} x")
    note(f"{trace}: {sum(sizes)} bytes in {len(sizes)} segments, compacted {compacted}, {size:.2f} x Yjs' own")
    assert written <= 3 * sent
    assert compacted <= 1.3 * typed.document_bytes


async def final_text(services: Services) -> str:
    """Return the text that a client gets, as Yjs reads it."""
    document = await Documents(services.streams, services.store, services.compute, services.conf).load(ROOM)
    [state] = yjs.states([[*document.verbatim, document.merged]], typed=True)
    return str(state.content["text"]["list"][0][0])  # type: ignore[index]


async def compacted_bytes(services: Services, valkey: Valkey) -> int:
    """Let the room be compacted once more; return the size of its snapshot."""
    tiny = encode(Entry(b"\0\0"))
    with valkey.client() as client:
        for _ in range(services.conf.compact_deltas):
            if await in_pool(Segment.objects.count) == 1:
                break
            append(client, ROOM, tiny)
            assert await work_once(services) == 0
    [segment] = await in_pool(lambda: list(Segment.objects.all()))
    assert segment.kind == "snapshot"
    return int(segment.byte_size)
