"""A worker whose store or webhook is away: nothing is trimmed, its rooms wait, and all drains by itself later."""

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from tests.integration.services import migrate
from tests.integration.sites import Site, typed, within
from tests.integration.sites import site as site
from tests.support.gate import OPEN, Gate
from tests.support.postgres import Postgres
from tests.support.s3 import S3

ROOMS = [f"room-{number}" for number in range(5)]
FILES = {"YREDIS_STORE": "persistence.stores.files.FileStore"}


async def written(site: Site, text: str) -> None:
    """Write to each room."""
    for name in ROOMS:
        await site.write(name, typed(text))


def kept(site: Site) -> bool:
    """Tell whether each room has its entries in Redis."""
    return all(site.length(name) for name in ROOMS)


def drained(site: Site) -> bool:
    """Tell whether no room has entries in Redis."""
    return not any(site.length(name) for name in ROOMS)


class TestS3:
    @pytest.mark.parametrize("status", ["500 Internal Server Error", "503 Slow Down", "403 Forbidden"])
    async def test_what_it_refuses_waits_and_drains(self, site: Site, s3: S3, status: str) -> None:
        gate = Gate(s3.port)
        worker = site.worker(env={**s3.site_env, **FILES, "YREDIS_S3_ENDPOINT_URL": gate.url})
        await written(site, "before")
        assert within(30, lambda: drained(site)), worker.log_tail()
        gate.answer = status
        await written(site, "meanwhile")
        assert within(30, lambda: worker.says("Could not persist room")), worker.log_tail()
        await asyncio.sleep(1)
        assert kept(site)
        assert gate.refused
        failing = site.rows("SELECT count(*) FROM yredis_rooms_room WHERE failures > 0 AND lag_seconds > 0")
        assert failing[0][0] > 0
        gate.answer = OPEN
        assert within(60, lambda: drained(site)), worker.log_tail()
        assert [site.segments(name) for name in ROOMS] == [2] * len(ROOMS)
        gate.close()


class TestDisk:
    async def test_a_full_one_is_written_to_when_there_is_room_again(self, site: Site) -> None:
        folder = site.folder / "data" / "segments"
        folder.mkdir(parents=True)
        command = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)]
        if os.getuid() or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("nothing may be mounted here")
        try:
            (folder / "full").write_bytes(bytes(256 * 1024))
            worker = site.worker(env=FILES)
            await written(site, "hello")
            assert within(30, lambda: worker.says("No space left")), worker.log_tail()
            assert kept(site)
            (folder / "full").unlink()
            assert within(60, lambda: drained(site)), worker.log_tail()
        finally:
            site.stop()
            subprocess.run(["umount", "-l", str(folder)], check=True)


class TestPostgres:
    async def test_one_that_is_stopped_and_started_again(self, site: Site, tmp_path: Path) -> None:
        server = Postgres()
        try:
            server.start()
            url = server.create("yredis_away")
            await asyncio.to_thread(migrate, url, tmp_path)
            worker = site.worker(env={"DATABASE_URL": url, "YREDIS_STORE_TIMEOUT_SECONDS": "2"})
            await written(site, "before")
            assert within(30, lambda: drained(site)), worker.log_tail()
            server.stop()
            await written(site, "meanwhile")
            assert within(30, lambda: worker.says("Could not persist room")), worker.log_tail()
            assert kept(site)
            assert worker.running
            server.start()
            assert within(60, lambda: drained(site)), worker.log_tail()
        finally:
            site.stop()
            server.remove()


class TestWebhook:
    async def test_one_that_hangs_holds_up_no_room(self, site: Site) -> None:
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        hook = {"YREDIS_WEBHOOK_URL": f"http://127.0.0.1:{port}/hook", "YREDIS_WEBHOOK_DEBOUNCE_SECONDS": "0.1"}
        worker = site.worker(env={**hook, "YREDIS_WEBHOOK_TIMEOUT_SECONDS": "60"})
        for text in ("one", "two", "three"):
            await written(site, text)
            assert await asyncio.to_thread(within, 15, lambda: drained(site)), worker.log_tail()
        site.stop()
        server.close()
