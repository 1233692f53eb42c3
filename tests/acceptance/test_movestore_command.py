"""`manage.py movestore` on a site with workers, a database and a real S3 endpoint."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.sites import Site, typed, within
from tests.support.processes import end_with_parent
from tests.support.s3 import S3
from tests.support.valkey import Valkey
from yredis_project.servers import MANAGE

DATABASE, FILES = "persistence.stores.database.DatabaseStore", "persistence.stores.files.FileStore"


@pytest.fixture
def site(tmp_path: Path, own_valkey: Valkey, sqlite_template: Path, s3: S3) -> Iterator[Site]:
    """A site that keeps segments in its database and could keep them in S3."""
    site = Site(tmp_path / "site", own_valkey, sqlite_template, {**s3.site_env, "YREDIS_PREFIX": f"p{tmp_path.name}"})
    site.keys = type(site.keys)(f"p{tmp_path.name}", 16)
    yield site
    site.stop()


def places(site: Site) -> tuple[int, int]:
    """Return how many segments are in the database, and how many in files."""
    table = "yredis_persistence_segment"
    return tuple(site.rows(f"SELECT count(payload), count(*) - count(payload) FROM {table}")[0])


def objects(site: Site, s3: S3) -> list[str]:
    """Return the site's objects."""
    return [key for key in s3.objects() if key.startswith(f"yredis/{site.keys.prefix}/")]


async def filled(site: Site, rooms: int) -> None:
    """Let a site have rooms with one segment each, in its database."""
    for number in range(rooms):
        await site.write(f"room-{number}", typed(f"text {number}"), prefix=site.keys.prefix)
    time.sleep(0.3)
    done = site.manage("runpersistence", "--once")
    assert done.returncode == 0, done.stderr


def clean(site: Site, **env: str) -> str:
    """Return what verifyrooms prints where all is well."""
    done = site.manage("verifyrooms", env={"YREDIS_ORPHAN_GRACE_SECONDS": "150", **env})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class TestMoving:
    async def test_all_segments_go_to_files_and_back(self, site: Site, s3: S3) -> None:
        await filled(site, 12)
        there = site.manage("movestore", "--to", "files")
        assert there.returncode == 0, there.stderr
        assert "Moved 12 segments" in there.stdout
        assert "Verified 12 rooms, 0 can't be read" in there.stdout
        assert f'Set YREDIS["STORE"] = "{FILES}"' in there.stdout
        assert (places(site), len(objects(site, s3))) == ((0, 12), 12)
        clean(site)
        back = site.manage("movestore", "--to", DATABASE)
        assert back.returncode == 0, back.stderr
        assert 'YREDIS["STORE"]' not in back.stdout
        assert (places(site), objects(site, s3)) == ((12, 0), [])
        clean(site)

    async def test_a_dry_run_moves_nothing(self, site: Site, s3: S3) -> None:
        await filled(site, 3)
        done = site.manage("movestore", "--to", "files", "--dry-run")
        assert (done.returncode, places(site)) == (0, (3, 0)), done.stderr
        assert "3 segments of 3 rooms would be moved" in done.stdout
        assert objects(site, s3) == []

    async def test_what_is_there_already_is_left_alone(self, site: Site) -> None:
        await filled(site, 3)
        site.manage("movestore", "--to", "files")
        again = site.manage("movestore", "--to", "files")
        assert (again.returncode, places(site)) == (0, (0, 3)), again.stderr
        assert "Moved 0 segments" in again.stdout

    async def test_workers_and_writers_go_on_meanwhile(self, site: Site, s3: S3) -> None:
        """Database to S3 to database, with workers on either store, compacting too."""
        await filled(site, 10)
        env = {"YREDIS_COMPACT_DELTAS": "3"}
        workers = [site.worker(env=env), site.worker(env={**env, "YREDIS_STORE": FILES})]
        written, working = 0, True

        async def write() -> None:
            nonlocal written
            while working:
                await site.write(f"room-{written % 10}", typed(f"more {written}"), prefix=site.keys.prefix)
                written += 1
                await asyncio.sleep(0.01)

        writing = asyncio.create_task(write())
        for to in ("files", "database", "files", "database"):
            done = await asyncio.to_thread(site.manage, "movestore", "--to", to)
            assert done.returncode == 0, done.stderr
        working = False
        await writing
        assert within(30, lambda: not any(site.length(f"room-{number}") for number in range(10)))
        for worker in workers:
            assert not worker.says("ERROR"), worker.log_tail()
        assert written > 20
        assert site.manage("movestore", "--to", "database").returncode == 0
        assert places(site)[1] == 0
        clean(site)

    async def test_killed_half_way_it_goes_on_where_it_was(self, site: Site, s3: S3) -> None:
        await filled(site, 150)
        moving = subprocess.Popen(
            [sys.executable, str(MANAGE), "movestore", "--to", "files"],
            env=site.env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=end_with_parent,
        )
        assert within(30, lambda: places(site)[1] >= 5)
        moving.send_signal(signal.SIGKILL)
        moving.wait()
        inside, outside = places(site)
        assert inside
        assert outside
        clean(site)
        done = site.manage("movestore", "--to", "files")
        assert (done.returncode, places(site)) == (0, (0, 150)), done.stderr
        assert f"Moved {inside} segments" in done.stdout
        clean(site)

    async def test_a_damaged_segment_stays_where_it_is_and_the_others_move(self, site: Site) -> None:
        await filled(site, 3)
        damage(site, "room-1")
        done = site.manage("movestore", "--to", "files")
        assert (done.returncode, places(site)) == (1, (1, 2))
        assert "is damaged" in done.stderr
        assert "room room-1: " in done.stderr


def damage(site: Site, room: str) -> None:
    """Change a byte of a segment in the database."""
    import sqlite3

    with sqlite3.connect(site.database, timeout=10) as connection:
        ours = "room_id IN (SELECT id FROM yredis_rooms_room WHERE name = ?)"
        connection.execute(
            f"UPDATE yredis_persistence_segment SET payload = CAST(x'00' || payload AS BLOB) WHERE {ours}", [room]
        )
    connection.close()


class TestRefusing:
    def refused(self, site: Site, to: str, **env: str) -> str:
        """Return the one line of a command that won't."""
        done = site.manage("movestore", "--to", to, env={"LOG_LEVEL": "ERROR", **env})
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
        return done.stderr

    def test_a_store_that_there_is_not(self, site: Site) -> None:
        assert "no.such" in self.refused(site, "no.such.Store")
        assert "nonsense" in self.refused(site, "nonsense")

    def test_what_is_no_store_of_segments(self, site: Site) -> None:
        assert "is no store of segments" in self.refused(site, "rooms.store.StreamOnly")

    def test_a_storage_that_there_is_not(self, site: Site) -> None:
        assert "nowhere" in self.refused(site, "files", YREDIS_STORAGE="nowhere", YREDIS_STORE=DATABASE)

    def test_a_storage_that_most_sites_serve_to_everybody(self, site: Site) -> None:
        refused = self.refused(site, "files", YREDIS_STORAGE="default", YREDIS_STORE=DATABASE)
        assert "documents would be public" in refused

    def test_a_database_without_tables(self, tmp_path: Path, own_valkey: Valkey) -> None:
        assert "run manage.py migrate" in self.refused(Site(tmp_path / "new", own_valkey, None), "files")

    async def test_a_store_that_does_not_answer(self, site: Site, s3: S3) -> None:
        await filled(site, 2)
        done = site.manage("movestore", "--to", "files", env={"YREDIS_S3_ENDPOINT_URL": "http://127.0.0.1:1"})
        assert (done.returncode, places(site)) == (1, (2, 0)), done.stderr
