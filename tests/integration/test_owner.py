"""A database's name for its files is its own: for ever, in every process, and in no copy of it."""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from django.db import connections

from persistence.models import Owner
from persistence.stores import owner
from tests.integration.services import default_database
from tests.support import postgres as postgresql


def named(_: object = None) -> str:
    """Return the name, as a thread of a worker finds it."""
    try:
        return owner.name()
    finally:
        connections.close_all()


def test_workers_that_ask_for_the_first_time_together_are_told_the_same(
    postgres_databases: Callable[[str], str], django_db_blocker: Any
) -> None:
    with django_db_blocker.unblock(), default_database(postgres_databases("owner")), ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(named, range(16)))) == 1
        assert Owner.objects.count() == 1


def test_a_copy_on_the_same_postgresql_has_another(
    postgres_databases: Callable[[str], str], postgres: postgresql.Server, django_db_blocker: Any
) -> None:
    url = postgres_databases("original")
    with django_db_blocker.unblock():
        with default_database(url):
            name = named()
        copy = f"{url.rpartition('/')[2]}_copy"
        try:
            with default_database(postgres.create(copy, url.rpartition("/")[2])):
                assert Owner.objects.get().name == name
                assert named() != name
        finally:
            postgres.drop(copy)
        with default_database(url):
            assert named() == name


def test_a_copy_of_a_file_has_another_even_under_the_same_path(
    sqlite_template: Path, tmp_path: Path, django_db_blocker: Any
) -> None:
    path, before = tmp_path / "db.sqlite3", tmp_path / "before.sqlite3"
    shutil.copy(sqlite_template, path)
    with django_db_blocker.unblock(), default_database(f"sqlite:///{path}"):
        name = named()
        assert named() == name
        path.rename(before)
        shutil.copy(before, path)
        assert named() != name
