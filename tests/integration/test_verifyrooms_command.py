"""`manage.py verifyrooms`: nothing that is well is told of, and everything that is not."""

import asyncio
import os
import sqlite3
import time

import pytest

from tests.integration.sites import Site, nowhere, typed, within
from tests.integration.sites import site as site

FILES = {"YREDIS_STORE": "persistence.stores.files.FileStore"}


async def filled(site: Site, *rooms: str, env: dict[str, str] | None = None) -> None:
    """Let rooms have two segments each."""
    for _ in range(2):
        for room in rooms:
            await site.write(room, typed(f"text of {room}"))
        time.sleep(0.3)
        done = site.manage("runpersistence", "--once", env=env)
        assert done.returncode == 0, done.stderr


def execute(site: Site, statement: str, *arguments: object) -> None:
    """Change the database behind everybody's back."""
    with sqlite3.connect(site.database, timeout=10) as connection:
        connection.execute(statement, arguments)
    connection.close()


def clean(site: Site, *rooms: str, env: dict[str, str] | None = None) -> str:
    """Return what is printed where all is well."""
    done = site.manage("verifyrooms", *rooms, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def findings(site: Site, *rooms: str, env: dict[str, str] | None = None) -> str:
    """Return what is printed where something is wrong."""
    done = site.manage("verifyrooms", *rooms, env=env)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


class TestWell:
    def test_a_site_without_rooms(self, site: Site) -> None:
        assert "All is well." in clean(site)

    async def test_a_line_for_each_room_also_of_those_only_in_redis(self, site: Site) -> None:
        await filled(site, "essay")
        await site.write("essay", typed("more"), debounce_seconds=60)
        await site.write("new", typed("hello"), debounce_seconds=60)
        made = 'from rooms.models import Room; Room.objects.create(name="new")'  # as servers do
        assert site.manage("shell", "--no-imports", "-c", made).returncode == 0
        lines = {line.split()[0]: line.split()[1:] for line in clean(site).splitlines()}
        assert (lines["essay"][0], lines["essay"][2:]) == ("2", ["1", "ok"])
        assert lines["new"] == ["0", "0", "1", "not", "persisted"]

    async def test_only_the_rooms_that_are_named(self, site: Site) -> None:
        await filled(site, "essay", "other")
        assert "other" not in clean(site, "essay")

    async def test_a_room_that_waits_to_be_persisted_is_no_finding_but_told(self, site: Site) -> None:
        await filled(site, "essay")
        execute(site, "UPDATE yredis_rooms_room SET failures = 1")
        assert "can't be persisted now, see their last error: essay" in clean(site)

    async def test_a_worker_that_persists_meanwhile_is_no_finding(self, site: Site) -> None:
        rooms = [f"room-{number}" for number in range(4)]
        worker = site.worker(env={"YREDIS_COMPACT_DELTAS": "3"})
        working = True

        async def write() -> None:
            while working:
                for room in rooms:
                    await site.write(room, typed("hello"))
                await asyncio.sleep(0.02)

        writing = asyncio.create_task(write())
        await asyncio.to_thread(within, 20, lambda: site.segments("room-0"))
        for _ in range(4):
            await asyncio.to_thread(clean, site)
        compacted = await asyncio.to_thread(within, 20, lambda: worker.says("Compacted room"))
        await asyncio.to_thread(clean, site)
        working = False
        await writing
        assert compacted, worker.log_tail()


class TestFindings:
    def test_a_room_that_there_is_not(self, site: Site) -> None:
        done = site.manage("verifyrooms", "nobody's", env={"LOG_LEVEL": "ERROR"})
        assert done.returncode == 1
        assert "nobody's" in done.stderr
        assert done.stderr.count("\n") == 1

    async def test_a_damaged_segment(self, site: Site) -> None:
        await filled(site, "essay", "other")
        [(number,)] = site.rows(
            "SELECT min(segment.id) FROM yredis_persistence_segment segment "
            "JOIN yredis_rooms_room room ON room.id = room_id WHERE name = 'essay'"
        )
        execute(site, "UPDATE yredis_persistence_segment SET payload = x'00' WHERE id = ?", number)
        assert f"segment {number} (in the database) is damaged" in findings(site)
        clean(site, "other")

    async def test_a_segment_whose_hash_is_right_but_which_is_none(self, site: Site) -> None:
        await filled(site, "essay")
        nothing = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        columns = "payload = x'00', byte_size = 1, sha256 = ?"
        execute(site, f"UPDATE yredis_persistence_segment SET {columns} WHERE id = 1", nothing)
        assert "segment 1 (in the database) can't be read" in findings(site, "essay")

    async def test_a_missing_file(self, site: Site) -> None:
        await filled(site, "essay", env=FILES)
        next((site.folder / "data").rglob("*.segment")).unlink()
        assert "is missing" in findings(site, "essay", env=FILES)

    async def test_an_orphaned_file(self, site: Site) -> None:
        await filled(site, "essay", env=FILES)
        kept = next((site.folder / "data").rglob("*.segment"))
        orphan = kept.with_name("orphan.segment")
        orphan.write_bytes(b"nobody's")
        clean(site, env=FILES)
        os.utime(orphan, (time.time() - 7200,) * 2)
        assert "orphaned file: " in findings(site, env=FILES)
        assert "orphaned file: " in findings(site)

    async def test_an_orphan_that_a_move_to_the_database_left_is_removed_with_it(self, site: Site) -> None:
        await filled(site, "essay", env=FILES)
        orphan = next((site.folder / "data").rglob("*.segment")).with_name("orphan.segment")
        orphan.write_bytes(b"nobody's")
        os.utime(orphan, (time.time() - 7200,) * 2)
        done = site.manage("movestore", "--to", "database")
        assert done.returncode == 0, done.stderr
        assert list((site.folder / "data").rglob("*.segment")) == []
        clean(site)

    @pytest.mark.parametrize(
        ("statement", "finding"),
        [
            ("UPDATE yredis_persistence_segment SET fence = 99 WHERE id = 1", "has the fence 99, above its room's"),
            ("UPDATE yredis_persistence_segment SET fence = 0 WHERE id = 2", "has a lower fence than segment 1"),
            ("UPDATE yredis_persistence_segment SET first_entry_id = '9999999999999-0'", "ends before it begins"),
            ("UPDATE yredis_persistence_segment SET kind = 'snapshot' WHERE id = 2", "is not the first of its chain"),
            ("UPDATE yredis_persistence_segment SET entries = 7 WHERE id = 1", "its row says 7"),
            ("UPDATE yredis_rooms_room SET delta_bytes = 7", "delta_bytes = 7"),
            ("UPDATE yredis_rooms_room SET quarantined = 7", "quarantined = 7"),
            ("DELETE FROM yredis_persistence_segment WHERE id = 2", "its stream was trimmed up to"),
            ("DELETE FROM yredis_rooms_room", "its stream was trimmed up to"),
        ],
    )
    async def test_rows_that_do_not_fit(self, site: Site, statement: str, finding: str) -> None:
        await filled(site, "essay")
        execute(site, statement)
        assert finding in findings(site, "essay")

    async def test_a_hole_is_told_of_until_it_is_accepted(self, site: Site) -> None:
        await filled(site, "essay", "other")
        execute(site, "DELETE FROM yredis_rooms_room WHERE name = 'essay'")
        execute(site, "DELETE FROM yredis_persistence_segment WHERE room_id NOT IN (SELECT id FROM yredis_rooms_room)")
        await site.write("essay", typed("more"))
        time.sleep(0.3)
        assert site.manage("runpersistence", "--once").returncode == 1
        assert "its stream was trimmed up to" in findings(site)
        told = site.manage("verifyrooms", "--accept-holes")
        assert "essay goes on without what came after 0-0 and was trimmed" in told.stdout
        assert "other goes on" not in told.stdout
        with site.valkey.client() as client:
            client.zadd(site.keys.due_of("essay"), {"essay": 1})
        assert site.manage("runpersistence", "--once").returncode == 0
        clean(site)

    async def test_an_entry_of_the_stream_that_is_none(self, site: Site) -> None:
        await site.write("essay", typed("hello"), debounce_seconds=60)
        with site.valkey.client() as client:
            client.xadd(site.keys.room("essay"), {"e": b"\xff\xff"})
        assert "of the stream can't be read" in findings(site, "essay")

    def test_a_redis_that_does_not_answer(self, site: Site) -> None:
        done = site.manage("verifyrooms", env={"YREDIS_REDIS_URL": nowhere()})
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
