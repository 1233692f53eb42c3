"""The contract of a store, kept by FileStore in a folder and in a bucket of a real S3 endpoint."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import environ
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import connections

from persistence import chain
from persistence.models import Segment
from persistence.stores.files import FileStore
from persistence.stores.port import SegmentStore
from rooms import pool
from rooms.conf import conf
from rooms.errors import StoreUnavailable
from rooms.models import Room
from tests.integration.store_contract import HELLO, MORE, Contract, compacted, persist, row_of, segments_of
from tests.support.s3 import S3
from yredis_project.env import database, segment_storage

Hanging = Callable[[], contextlib.AbstractContextManager[None]]


@pytest.fixture
def store_class() -> type[SegmentStore]:
    """The store under test."""
    return FileStore


def copied(database: Path, copy: Path) -> Path:
    """Copy a SQLite database with what is only in its log so far."""
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return copy


@pytest.fixture
def url(sqlite_template: Path, tmp_path: Path) -> str:
    """A database for the rows."""
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'db.sqlite3')}"


@pytest.fixture
def damage() -> Callable[[Segment, bytes], None]:
    """Give a segment other bytes."""

    def damaged(segment: Segment, data: bytes) -> None:
        storages[segment.storage].delete(segment.location)
        assert storages[segment.storage].save(segment.location, ContentFile(data)) == segment.location

    return damaged


class Files(Contract):
    """What only stores with files do."""

    async def test_a_missing_file_refuses_its_room(self, store: SegmentStore) -> None:
        await persist(store, "essay", 1, HELLO)
        [segment] = await segments_of("essay")
        await pool.run(storages["segments"].delete, segment.location)
        with pytest.raises(StoreUnavailable, match=f"segment {segment.pk} .* is missing"):
            await store.load("essay")
        assert (await row_of("essay")).state == Room.State.FAILING

    async def test_files_without_a_row_are_swept_after_a_time_of_grace(self, store: SegmentStore) -> None:
        await persist(store, "essay", 1, HELLO)
        orphan = await pool.run(store.keep, "essay", b"never committed")
        assert await store.sweep_orphans(3600) == 0
        assert await pool.run(storages["segments"].exists, orphan.location)
        time.sleep(1.1)  # S3 tells seconds
        assert await store.sweep_orphans(0.01) >= 1  # those of other tests too
        assert not await pool.run(storages["segments"].exists, orphan.location)
        assert await store.load("essay") is not None

    async def test_a_compaction_removes_the_files_it_replaced(self, store: SegmentStore) -> None:
        await persist(store, "essay", 1, HELLO)
        [before] = await segments_of("essay")
        assert await compacted(store, "essay", 1)
        assert not await pool.run(storages["segments"].exists, before.location)

    async def test_a_file_with_a_row_stays_whatever_its_storage_is_called(
        self, store: SegmentStore, settings: Any
    ) -> None:
        await persist(store, "essay", 1, HELLO)
        settings.STORAGES = settings.STORAGES | {"renamed": settings.STORAGES["segments"]}
        settings.YREDIS = settings.YREDIS | {"STORAGE": "renamed"}
        time.sleep(1.1)
        await store.sweep_orphans(0.01)
        assert await store.load("essay") is not None

    async def test_databases_that_share_a_place_leave_each_others_files_alone(
        self, store: SegmentStore, sqlite_template: Path, tmp_path: Path
    ) -> None:
        await persist(store, "essay", 1, HELLO)
        other = shutil.copy(sqlite_template, tmp_path / "other.sqlite3")
        with database_of_the_pool(other):
            await persist(store, "essay", 1, MORE)
            time.sleep(1.1)
            await store.sweep_orphans(0.01)
            assert await store.load("essay") is not None
        await store.sweep_orphans(0.01)
        assert await store.load("essay") is not None

    async def test_a_copy_of_the_database_takes_nothing_from_the_original(
        self, store: SegmentStore, url: str, tmp_path: Path
    ) -> None:
        """Staging, with the storage of production: it knows the same rows, and then others."""
        await persist(store, "essay", 1, HELLO)
        pool.close()
        copy = copied(Path(url.removeprefix("sqlite:///")), tmp_path / "staging.sqlite3")
        await persist(store, "essay", 2, MORE)
        with database_of_the_pool(copy):
            assert await store.load("essay") is not None
            await persist(store, "essay", 2, MORE)
            assert await compacted(store, "essay", 2)
            time.sleep(1.1)
            await store.sweep_orphans(0.01)
        loaded = await store.load("essay")
        assert loaded is not None
        assert list(loaded.entries) == [HELLO, MORE]

    async def test_files_from_before_there_were_owners_are_read_and_never_swept(self, store: SegmentStore) -> None:
        await persist(store, "essay", 1, HELLO)
        [segment] = await segments_of("essay")
        data = await pool.run(chain.data, segment)
        old = f"yredis/{conf().prefix}/ab/{{}}.segment"
        for name in ("with-a-row", "without"):
            await pool.run(storages["segments"].save, old.format(name), ContentFile(data))
        await pool.run(Segment.objects.filter(pk=segment.pk).update, location=old.format("with-a-row"))
        time.sleep(1.1)
        await store.sweep_orphans(0.01)
        assert await store.load("essay") is not None
        assert await pool.run(storages["segments"].exists, old.format("without"))

    async def test_no_document_is_in_the_name_of_a_file(self, store: SegmentStore) -> None:
        place = await pool.run(store.keep, "secret-plan", b"bytes")
        assert "secret" not in place.location


@pytest.mark.usefixtures("yredis")
class TestFolder(Files):
    """Django's FileSystemStorage."""

    @pytest.fixture(autouse=True)
    def segments(self, settings: Any, tmp_path: Path) -> None:
        """Where the files are."""
        settings.STORAGES = settings.STORAGES | {"segments": folder(tmp_path / "segments")}

    @pytest.fixture
    def hanging(self, monkeypatch: pytest.MonkeyPatch) -> Hanging:
        """Let no file be opened or written in time, as a network file system does that went away."""
        pytest.skip("a local folder does not hang")

    async def test_a_file_and_all_names_on_the_way_to_it_reach_the_disk(
        self, store: SegmentStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        synced, fsync = list[Path](), os.fsync

        def noted(descriptor: int) -> None:
            synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", noted)
        for _ in range(40):  # in most of them a new one of 256 folders
            path = tmp_path / "segments" / (await pool.run(store.keep, "essay", b"bytes")).location
            assert set(synced) >= {path, path.parent, path.parent.parent}
        assert set(synced) >= {tmp_path, *path.parents[:5]}
        assert synced.count(tmp_path) == 1

    async def test_a_full_disk_is_an_error_and_what_is_there_stays(
        self, store: SegmentStore, settings: Any, tmp_path: Path
    ) -> None:
        await persist(store, "essay", 1, HELLO)
        with small_disk(tmp_path / "small") as path:
            settings.STORAGES = settings.STORAGES | {"segments": folder(path)}
            with pytest.raises(StoreUnavailable, match="No space left"):
                await pool.run(store.keep, "essay", bytes(2**20))
        settings.STORAGES = settings.STORAGES | {"segments": folder(tmp_path / "segments")}
        assert await store.load("essay") is not None


@pytest.mark.usefixtures("yredis")
class TestS3(Files):
    """django-storages' S3Storage on SeaweedFS."""

    @pytest.fixture(autouse=True)
    def segments(self, settings: Any, yredis: None, s3: S3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Where the objects are; the prefix is the test's own."""
        for name, value in s3.site_env.items():
            monkeypatch.setenv(name, value)
        settings.STORAGES = settings.STORAGES | {"segments": segment_storage(environ.Env(), tmp_path)}
        settings.YREDIS = settings.YREDIS | {"PREFIX": tmp_path.name}

    @pytest.fixture
    def hanging(self, s3: S3) -> Hanging:
        """Freeze the endpoint."""

        @contextlib.contextmanager
        def frozen() -> Iterator[None]:
            s3.freeze()
            try:
                yield
            finally:
                s3.thaw()

        return frozen

    async def test_a_bucket_that_is_not_there_is_no_empty_room(self, store: SegmentStore, settings: Any) -> None:
        await persist(store, "essay", 1, HELLO)
        options = settings.STORAGES["segments"]["OPTIONS"] | {"access_key": "wrong", "secret_key": "wrong"}
        settings.STORAGES = settings.STORAGES | {"segments": settings.STORAGES["segments"] | {"OPTIONS": options}}
        with pytest.raises(StoreUnavailable):
            await store.load("essay")
        with pytest.raises(StoreUnavailable):
            await persist(store, "essay", 2, MORE)
        assert (await row_of("essay")).damage == ""


@contextlib.contextmanager
def database_of_the_pool(path: Path) -> Iterator[None]:
    """Let the pool's threads use a SQLite file for the length of a block."""
    pool.close()
    before = connections.settings["default"]
    settings = {"default": database(environ.Env.db_url_config(f"sqlite:///{path}"))}
    connections.settings["default"] = connections.configure_settings(settings)["default"]
    try:
        yield
    finally:
        pool.close()
        connections.settings["default"] = before


def folder(path: Path) -> dict[str, Any]:
    """Return a storage's settings."""
    return {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(path)}}


@contextlib.contextmanager
def small_disk(path: Path) -> Iterator[Path]:
    """Mount a disk of 256 KiB, where one may."""
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(path)]
    if os.getuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("nothing may be mounted here")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)
