"""Whoever waits for a lock for longer than a file's time of grace does not rely on the file: a sweep has taken it."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections, transaction

from persistence import chain, moving
from persistence.commit import commit
from persistence.compaction import Compacted
from persistence.framing import pack
from persistence.models import Segment
from persistence.replacement import Snapshot, replace
from persistence.stores.database import DatabaseStore
from persistence.stores.files import FileStore
from persistence.stores.port import SegmentStore
from rooms.errors import StoreUnavailable
from rooms.queue import Claim
from tests.integration.services import default_database
from tests.integration.test_commit import ROOM, delta

GRACE_SECONDS = 2.0


@pytest.fixture(autouse=True)
def in_postgres(
    settings: Any, tmp_path: Path, postgres_databases: Callable[[str], str], django_db_blocker: Any
) -> Iterator[None]:
    """A PostgreSQL, and files that soon are orphans."""
    folder = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path / "rooms")},
    }
    settings.STORAGES = settings.STORAGES | {"rooms": folder}
    settings.YREDIS = {"STORAGE": "rooms", "ORPHAN_GRACE_SECONDS": GRACE_SECONDS}
    with django_db_blocker.unblock(), default_database(postgres_databases("waiting")):
        yield


def persisted(store: SegmentStore) -> Segment:
    """Return the only segment of a room."""
    data = delta(1, b"precious").data
    commit([delta(1, b"precious", place=store.keep(ROOM, data))])
    return Segment.objects.get()


def waiting(table: str, work: Callable[[], Any]) -> Any:
    """Let work wait for the rows of a table until a sweep has run; return what it returned or raised."""
    results = list[Any]()

    def job() -> None:
        try:
            results.append(work())
        except StoreUnavailable as error:
            results.append(error)
        finally:
            connections.close_all()

    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {table} FOR UPDATE")
        thread = threading.Thread(target=job)
        thread.start()
        time.sleep(GRACE_SECONDS + 1)
        assert asyncio.run(FileStore().sweep_orphans(GRACE_SECONDS)) == 1
    thread.join()
    return results[0]


def test_a_snapshot_that_waited_too_long_replaces_nothing() -> None:
    store, segment = FileStore(), persisted(FileStore())
    entries = chain.unpacked(segment, chain.data(segment))
    data = pack(entries)
    compacted = Compacted(entries, gap=False, verbatim=False)
    snapshot = Snapshot(Claim(ROOM, 1, 0), [segment.pk], data, store.keep(ROOM, data), compacted)
    assert "too long ago" in str(waiting("yredis_rooms_room", lambda: replace(snapshot)))
    assert [one.kind for one in chain.listed(ROOM)] == ["delta"]
    assert chain.data(segment) == data


def test_a_segment_that_waited_too_long_does_not_move() -> None:
    segment = persisted(DatabaseStore())
    error = waiting("yredis_persistence_segment", lambda: moving.move(segment.pk, FileStore()))
    assert "too long ago" in str(error)
    assert Segment.objects.get().location == ""
    assert moving.move(segment.pk, FileStore()) == segment.byte_size
