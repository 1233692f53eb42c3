"""A site with a router that sends reading to a replica: a worker sees and writes one database, the one written to."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from persistence import chain, transactions
from persistence.commit import commit
from persistence.models import Segment
from persistence.stores.files import FileStore
from persistence.stores.place import Place
from rooms.errors import StoreUnavailable
from rooms.models import Room
from tests.integration.test_commit import delta
from yredis_project.env import database


class Router:
    """Reads come from a replica that has heard of nothing so far."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        """Return the replica."""
        return "replica"

    def db_for_write(self, model: Any, **hints: Any) -> str:
        """Return the original."""
        return "original"

    def allow_relation(self, one: Any, other: Any, **hints: Any) -> bool:
        """Return whether two rows may belong together."""
        return True


@pytest.fixture(autouse=True)
def databases(settings: Any, sqlite_template: Path, tmp_path: Path, django_db_blocker: Any) -> Iterator[None]:
    """Both, with the router."""
    for alias in ("original", "replica"):
        path = shutil.copy(sqlite_template, tmp_path / f"{alias}.sqlite3")
        given = database({"ENGINE": "django.db.backends.sqlite3", "NAME": str(path)})
        connections.settings[alias] = connections.configure_settings({"default": given})["default"]
    settings.DATABASE_ROUTERS = [Router()]
    folder = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path / "rooms")},
    }
    settings.STORAGES = settings.STORAGES | {"rooms": folder}
    settings.YREDIS = {"STORE": "persistence.stores.files.FileStore", "STORAGE": "rooms"}
    with django_db_blocker.unblock():
        yield
    for alias in ("original", "replica"):
        connections[alias].close()
        del connections[alias], connections.settings[alias]


def test_a_transaction_is_one_where_rows_are_written() -> None:
    old = Place(storage="rooms", location="x", kept_at=time.time() - 7200)
    with pytest.raises(StoreUnavailable):
        commit([delta(1, b"a", room="fine"), delta(1, b"b", room="late", place=old)])
    assert Room.objects.using("original").count() == 0
    assert commit([delta(1, b"a")])[0].kept
    assert Segment.objects.using("original").count() == 1


def test_what_was_committed_is_known_although_the_replica_is_behind() -> None:
    same = delta(5, b"a")
    assert [one.kept for one in commit([same]) + commit([same])] == [True, True]
    assert [segment.fence for segment in chain.listed("essay")] == [5]
    assert transactions.rows(Room).get().delta_count == 1


def test_a_replica_that_is_behind_makes_no_file_an_orphan(tmp_path: Path) -> None:
    store = FileStore()
    commit([delta(1, b"a", place=store.keep("essay", delta(1, b"a").data))])
    [path] = (tmp_path / "rooms").rglob("*.segment")
    os.utime(path, (time.time() - 7200,) * 2)
    assert [store.orphans(folder, 3600) for folder in store.folders()] == [[]]
