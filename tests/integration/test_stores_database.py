"""The contract of a store, kept by DatabaseStore on a real PostgreSQL and on SQLite."""

import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from persistence.models import Segment
from persistence.stores.database import DatabaseStore
from persistence.stores.port import SegmentStore
from rooms import pool
from rooms.errors import StoreUnavailable
from tests.integration import services
from tests.integration.store_contract import HELLO, MORE, Contract, StoreContract, persist
from tests.support.postgres import Postgres

Hanging = Callable[[], contextlib.AbstractContextManager[None]]


@pytest.fixture
def store_class() -> type[SegmentStore]:
    """The store under test."""
    return DatabaseStore


@pytest.fixture(autouse=True)
def segments(settings: object, tmp_path: Path) -> None:
    """A storage for the other store that the contract needs."""
    options = {"location": str(tmp_path / "segments")}
    settings.STORAGES = settings.STORAGES | {
        "segments": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": options}
    }


@pytest.fixture
def damage() -> Callable[[Segment, bytes], None]:
    """Give a segment other bytes."""

    def damaged(segment: Segment, data: bytes) -> None:
        Segment.objects.filter(pk=segment.pk).update(payload=data)

    return damaged


@pytest.mark.usefixtures("yredis")
class TestSqlite(Contract):
    """A file with the site's options: WAL, IMMEDIATE."""

    @pytest.fixture
    def path(self, sqlite_template: Path, tmp_path: Path) -> Path:
        """The database's file."""
        return Path(shutil.copy(sqlite_template, tmp_path / "db.sqlite3"))

    @pytest.fixture
    def url(self, path: Path) -> str:
        """The database."""
        return f"sqlite:///{path}"

    @pytest.fixture
    def hanging(self, path: Path) -> Hanging:
        """Lock the database, also against readers."""

        @contextlib.contextmanager
        def locked() -> Iterator[None]:
            pool.close()  # nobody may have it open: with WAL, readers would never notice
            lock = sqlite3.connect(path, isolation_level=None)
            lock.execute("PRAGMA locking_mode = EXCLUSIVE")
            lock.execute("BEGIN EXCLUSIVE")
            yield
            lock.rollback()
            lock.close()

        return locked


@pytest.mark.usefixtures("yredis")
class TestPostgres(Contract):
    """A real server, which is frozen in a test of its own below."""

    @pytest.fixture
    def url(self, postgres_databases: Callable[[str], str]) -> str:
        """A database of the test's own."""
        return postgres_databases("contract")

    @pytest.fixture
    def hanging(self, url: str) -> Hanging:
        """Lock the tables, also against readers."""
        import psycopg

        @contextlib.contextmanager
        def locked() -> Iterator[None]:
            with psycopg.connect(url) as connection:
                connection.execute("LOCK TABLE yredis_rooms_room, yredis_persistence_segment IN ACCESS EXCLUSIVE MODE")
                yield
                connection.rollback()

        return locked


@pytest.fixture(scope="module")
def own_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A server to be frozen and killed."""
    server = Postgres()
    try:
        server.start()
        services.migrate(server.create("template"), tmp_path_factory.mktemp("own"))
        yield server
    finally:
        server.remove()


@pytest.mark.usefixtures("yredis")
class TestPostgresInTrouble(StoreContract):
    """Frozen, killed and started again."""

    @pytest.fixture
    def url(self, own_postgres: Postgres) -> str:
        """A database of the test's own."""
        return own_postgres.create("trouble", "template")

    async def test_frozen_it_is_unavailable_and_then_it_is_not(
        self, store: SegmentStore, own_postgres: Postgres
    ) -> None:
        await persist(store, "essay", 1, HELLO)
        own_postgres.freeze()
        try:
            for _ in range(3):
                with pytest.raises(StoreUnavailable):
                    await store.load("essay")
        finally:
            own_postgres.thaw()
        assert await store.load("essay") is not None

    async def test_killed_it_is_unavailable_and_then_everything_is_there(
        self, store: SegmentStore, own_postgres: Postgres
    ) -> None:
        await persist(store, "essay", 1, HELLO)
        own_postgres.kill()
        with pytest.raises(StoreUnavailable):
            await store.load("essay")
        with pytest.raises(StoreUnavailable):
            await persist(store, "essay", 2, MORE)
        own_postgres.start()
        with contextlib.suppress(StoreUnavailable):  # on a connection of before
            await store.load("essay")
        loaded = await store.load("essay")
        assert loaded is not None
        assert list(loaded.entries) == [HELLO]
