"""Files that nobody needs are removed by workers, whatever store the site has by now."""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest

from persistence import orphans, supervisor
from persistence.health import Health
from persistence.models import Owner
from persistence.services import connected
from persistence.stores.database import DatabaseStore
from persistence.stores.files import FileStore
from persistence.supervisor import Supervisor
from rooms import pool
from tests.integration.conftest import Configure
from tests.integration.peers import eventually
from tests.support.valkey import Valkey

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def on_a_database(settings: Any, tmp_path: Path, valkey: Valkey, configure: Configure) -> None:
    """A site that keeps segments in its database now."""
    folder = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)}}
    settings.STORAGES = settings.STORAGES | {"rooms": folder}
    configure(valkey, STORE="persistence.stores.database.DatabaseStore", STORAGE="rooms")


@pytest.fixture
async def orphan(on_a_database: None, tmp_path: Path) -> Path:
    """A file of a worker that was killed before there was a row, when the site kept segments in files."""
    path = tmp_path / (await pool.run(FileStore().keep, "essay", b"never committed")).location
    os.utime(path, (time.time() - 7200,) * 2)
    return path


async def test_a_worker_of_another_store_removes_what_files_were_left(
    orphan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "ORPHANS_SECONDS", 0.1)
    async with connected() as services:
        worker = Supervisor(services, range(16), concurrency=1, health=Health())
        running = asyncio.create_task(worker.run())
        await eventually(lambda: not orphan.exists(), 5)
        worker.stop()
        await running
    assert [location async for location in orphans.found(3600)] == []


async def test_they_are_found_wherever_they_are(orphan: Path, tmp_path: Path) -> None:
    assert [tmp_path / location async for location in orphans.found(3600)] == [orphan]
    assert await orphans.sweep(3600, DatabaseStore(), FileStore()) == 1


async def test_a_site_that_never_had_files_lists_no_storage(on_a_database: None, settings: Any) -> None:
    settings.STORAGES = settings.STORAGES | {"rooms": {"BACKEND": "django.core.files.storage.Storage"}}
    assert await orphans.sweep(3600) == 0
    assert not await pool.run(Owner.objects.exists)
