"""`manage.py runpersistence` as an operator runs it: a process with signals, exit codes, and one line when it won't."""

import asyncio
import re
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from pycrdt import Doc, Text

from tests.integration.sites import Site, nowhere, typed, within
from tests.support.processes import free_port
from tests.support.receiver import Receiver
from tests.support.valkey import Valkey


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, valkey: Valkey) -> Path:
    """A migrated database."""
    site = Site(tmp_path_factory.mktemp("template"), valkey, None)
    done = site.manage("migrate", "--verbosity", "0")
    assert done.returncode == 0, done.stderr
    return site.database


@pytest.fixture
def site(tmp_path: Path, own_valkey: Valkey, template: Path) -> Iterator[Site]:
    """A site of the test's own."""
    site = Site(tmp_path / "site", own_valkey, template)
    yield site
    site.stop()


def signalled(worker: Any, number: signal.Signals) -> int:
    """Send a signal; return the exit code."""
    worker.popen.send_signal(number)
    return worker.popen.wait(20)


def has_connection(pid: int, port: int) -> bool:
    """Tell whether a process has a connection to a port."""
    return any(each.raddr and each.raddr.port == port for each in psutil.Process(pid).net_connections())


class TestPersisting:
    async def test_a_room_is_moved_into_the_database_and_trimmed(self, site: Site) -> None:
        worker = site.worker()
        await site.write("essay", typed("hello"))
        assert within(15, lambda: site.length("essay") == 0), worker.log_tail()
        assert site.segments("essay") == 1
        assert within(2, lambda: not site.is_due("essay"))
        assert worker.says("Persisted room essay in ")

    async def test_the_line_of_a_persisted_room_tells_entries_bytes_seconds_and_lag(self, site: Site) -> None:
        worker = site.worker()
        await site.write("essay", typed("hello"), typed("again"))
        assert within(15, lambda: worker.says("Persisted room essay in ")), worker.log_tail()
        [line] = [line for line in worker.log.read_text().splitlines() if "Persisted room" in line]
        assert "2 entries" in line
        assert re.search(r"lag \d+\.\d s", line)

    async def test_its_log_is_seen_where_the_settings_say_nothing_of_it(self, site: Site, tmp_path: Path) -> None:
        """As on a site that `startproject` made."""
        settings = "from yredis_project.settings import *\n\ndel LOGGING\n"
        (tmp_path / "bare_settings.py").write_text(settings)
        path = f"{tmp_path}:{Path(__file__).parents[2]}"
        await site.write("essay", typed("hello"))
        env = {"DJANGO_SETTINGS_MODULE": "bare_settings", "PYTHONPATH": path}
        said = site.manage("runpersistence", "--once", env=env).stderr
        assert "INFO persistence.works Persisted room essay in " in said
        assert "INFO rooms.redis_client Connected to Redis" in said
        await site.write("essay", typed("again"))
        assert site.manage("runpersistence", "--once", "--verbosity", "0", env=env).stderr == ""

    async def test_two_workers_share_the_rooms(self, site: Site) -> None:
        site.worker()
        site.worker()
        for number in range(20):
            await site.write(f"room-{number}", typed("hello"))
        assert within(20, lambda: not any(site.length(f"room-{number}") for number in range(20)))
        assert [site.segments(f"room-{number}") for number in range(20)] == [1] * 20

    async def test_a_worker_leaves_the_shards_of_others_alone(self, site: Site) -> None:
        rooms = [f"room-{number}" for number in range(40)]
        ours = [room for room in rooms if "{3}" in site.keys.room(room) or "{7}" in site.keys.room(room)]
        worker = site.worker("--shards", "3,7")
        for room in rooms:
            await site.write(room, typed("hello"))
        assert within(15, lambda: not any(map(site.length, ours))), worker.log_tail()
        time.sleep(0.5)
        assert all(site.length(room) for room in rooms if room not in ours)

    async def test_entries_without_a_task_are_found(self, site: Site) -> None:
        await site.write("essay", typed("hello"))
        with site.valkey.client() as client:
            client.delete(site.keys.due_of("essay"))
        worker = site.worker(env={"YREDIS_SWEEP_SECONDS": "1"})
        assert within(20, lambda: site.length("essay") == 0), worker.log_tail()

    async def test_it_heals_after_everything_in_redis_is_gone(self, site: Site) -> None:
        """The store has seen higher fences than Redis knows then."""
        worker = site.worker()
        for text in ("one", "two", "three"):
            await site.write("essay", typed(text))
            assert within(15, lambda: site.length("essay") == 0), worker.log_tail()
        site.valkey.flushall()
        await site.write("essay", typed("four"))
        assert within(15, lambda: site.length("essay") == 0), worker.log_tail()
        assert site.segments("essay") == 4

    async def test_a_webhook_is_told_of_what_was_persisted(self, site: Site) -> None:
        receiver = Receiver()
        await receiver.start()
        site.worker(
            env={
                "YREDIS_WEBHOOK_URL": receiver.url,
                "YREDIS_WEBHOOK_SECRET": "s3cret",
                "YREDIS_WEBHOOK_DEBOUNCE_SECONDS": "0.1",
            }
        )
        await site.write("essay", typed("hello"))
        [told] = await receiver.has(1, within_seconds=20)
        assert (told.method, told.path) == ("PUT", "/hook/essay")
        document = Doc()
        document.apply_update(told.form["ydoc"])
        assert str(document.get("text", type=Text)) == "hello"
        await receiver.stop()


class TestTrouble:
    async def test_it_waits_for_a_redis_that_went_away(self, site: Site) -> None:
        worker = site.worker()
        worker.wait_ready()
        site.valkey.kill()
        time.sleep(1.5)
        assert (worker.running, worker.health()) == (True, 200)
        site.valkey.start()
        await site.write("essay", typed("hello"))
        assert within(20, lambda: site.length("essay") == 0), worker.log_tail()

    async def test_a_locked_database_loses_nothing_and_drains_by_itself(self, site: Site) -> None:
        worker = site.worker(env={"YREDIS_STORE_TIMEOUT_SECONDS": "1"})
        worker.wait_ready()
        lock = sqlite3.connect(site.database, isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        for number in range(5):
            await site.write(f"room-{number}", typed("hello"))
        assert within(15, lambda: worker.says("Could not persist room room-1")), worker.log_tail()
        assert all(site.length(f"room-{number}") for number in range(5))
        lock.rollback()
        lock.close()
        assert within(40, lambda: not any(site.length(f"room-{number}") for number in range(5))), worker.log_tail()

    @pytest.mark.parametrize(
        "name", ["worker.claimed", "worker.read", "worker.written", "worker.committed", "worker.trimmed"]
    )
    async def test_killed_anywhere_nothing_is_lost(self, site: Site, name: str) -> None:
        first = site.worker(failpoints=f"{name}=kill")
        await site.write("essay", typed("hello"))
        first.wait_end()
        assert first.exit_code == -signal.SIGKILL
        assert site.segments("essay") or site.length("essay")
        second = site.worker()
        assert within(20, lambda: site.length("essay") == 0 and site.segments("essay")), second.log_tail()
        assert within(10, lambda: not site.is_due("essay"))

    async def test_a_worker_that_slept_through_its_lease_neither_writes_nor_trims(self, site: Site) -> None:
        late = site.worker(failpoints="worker.written=sleep:6")
        late.wait_ready()
        await site.write("essay", typed("hello"))
        time.sleep(2.0)
        other = site.worker()
        assert within(20, lambda: site.length("essay") == 0), other.log_tail()
        assert within(20, lambda: late.says("Lost the lease of room essay")), late.log_tail()
        assert site.segments("essay") == 1


class TestStopping:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_ends_it_with_0(self, site: Site, number: signal.Signals) -> None:
        worker = site.worker("--health-file", str(site.folder / "alive"))
        worker.wait_ready()
        assert (site.folder / "alive").exists()
        assert signalled(worker, number) == 0, worker.log_tail()
        assert not (site.folder / "alive").exists()
        assert "Traceback" not in worker.log.read_text()

    async def test_it_finishes_the_batch_that_it_began(self, site: Site) -> None:
        worker = site.worker(failpoints="worker.written=sleep:1")
        worker.wait_ready()
        await site.write("essay", typed("hello"))
        assert within(10, lambda: site.is_due("essay"))
        time.sleep(1.0)
        assert signalled(worker, signal.SIGTERM) == 0
        assert (site.length("essay"), site.segments("essay")) == (0, 1)

    async def test_without_redis_it_takes_no_longer_for_many_rooms(self, site: Site) -> None:
        for number in range(40):
            await site.write(f"room-{number}", typed("hello"))
        env = {"YREDIS_REDIS_TIMEOUT_SECONDS": "1", "YREDIS_LEASE_SECONDS": "30"}
        worker = site.worker(failpoints="worker.claimed=sleep:4", env=env)
        assert within(20, lambda: all(site.has_lease(f"room-{number}") for number in range(40))), worker.log_tail()
        site.valkey.freeze()
        try:
            began = time.monotonic()
            assert signalled(worker, signal.SIGTERM) == 0
            assert time.monotonic() - began < 4 + 12
        finally:
            site.valkey.thaw()

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_while_it_connects_ends_it_with_0(self, site: Site, number: signal.Signals) -> None:
        site.valkey.freeze()
        try:
            worker = site.worker(env={"YREDIS_REDIS_TIMEOUT_SECONDS": "30"})
            assert within(20, lambda: has_connection(worker.pid, site.valkey.port))
            time.sleep(0.3)
            began = time.monotonic()
            assert signalled(worker, number) == 0, worker.log_tail()
            assert time.monotonic() - began < 5
            assert "Traceback" not in worker.log.read_text()
        finally:
            site.valkey.thaw()

    async def test_a_second_signal_ends_it_at_once(self, site: Site) -> None:
        worker = site.worker()
        worker.wait_ready()
        with sqlite3.connect(site.database, isolation_level=None) as connection:
            connection.execute("BEGIN IMMEDIATE")
            await site.write("essay", typed("hello"))
            time.sleep(1.5)
            worker.popen.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            assert worker.running
            began = time.monotonic()
            assert signalled(worker, signal.SIGTERM) == -signal.SIGTERM
            assert time.monotonic() - began < 2
        connection.close()


class TestOnce:
    async def test_it_persists_what_is_due_and_exits(self, site: Site) -> None:
        for number in range(150):
            await site.write(f"room-{number}", typed("hello"))
        time.sleep(0.3)
        done = site.manage("runpersistence", "--once")
        assert done.returncode == 0, done.stderr
        assert not any(site.length(f"room-{number}") for number in range(150))

    async def test_it_does_not_wait_for_what_is_not_due(self, site: Site) -> None:
        await site.write("essay", typed("hello"), debounce_seconds=60)
        done = site.manage(
            "runpersistence", "--once", env={"YREDIS_DEBOUNCE_SECONDS": "60", "YREDIS_MAX_DELAY_SECONDS": "60"}
        )
        assert (done.returncode, site.length("essay")) == (0, 1), done.stderr

    async def test_the_webhook_is_told_by_this_run_or_the_next(self, site: Site) -> None:
        receiver = Receiver()
        await receiver.start()
        env = {
            "YREDIS_WEBHOOK_URL": receiver.url,
            "YREDIS_WEBHOOK_SECRET": "s3cret",
            "YREDIS_WEBHOOK_DEBOUNCE_SECONDS": "0.001",
        }
        await site.write("essay", typed("hello"))
        await asyncio.sleep(0.3)
        for _ in range(2):
            done = await asyncio.to_thread(site.manage, "runpersistence", "--once", env=env)
            assert done.returncode == 0, done.stderr
        assert [request.path for request in receiver.requests] == ["/hook/essay"]
        await receiver.stop()

    async def test_what_it_could_not_persist_is_exit_code_1(self, site: Site) -> None:
        with site.valkey.client() as client:
            client.set(site.keys.room("essay"), "no stream")
            client.zadd(site.keys.due_of("essay"), {"essay": 1})
        await site.write("other", typed("hello"))
        time.sleep(0.3)
        done = site.manage("runpersistence", "--once")
        assert (done.returncode, site.length("other")) == (1, 0), done.stderr
        assert "CommandError: 1 times a room could not be persisted: see the log" in done.stderr

    async def test_a_long_stream_becomes_several_deltas(self, site: Site) -> None:
        await site.write("essay", *(typed("x" * 300_000) for _ in range(40)))
        time.sleep(0.3)
        done = site.manage("runpersistence", "--once", env={"YREDIS_COMPACT_RATIO": "1000"})
        assert (done.returncode, site.length("essay")) == (0, 0), done.stderr
        assert site.segments("essay") > 1


class TestRefusing:
    def refused(self, site: Site, *options: str, env: dict[str, str] | None = None) -> str:
        """Return the one line of a worker that won't start."""
        done = site.manage("runpersistence", *options, env={"LOG_LEVEL": "ERROR", **(env or {})})
        assert (done.returncode, done.stdout) == (1, ""), done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
        return done.stderr

    @pytest.mark.parametrize("shards", ["16", "3-1", "a", "0-"])
    def test_shards_that_there_are_not(self, site: Site, shards: str) -> None:
        assert "--shards" in self.refused(site, "--shards", shards)

    def test_options_out_of_range(self, site: Site) -> None:
        assert "--concurrency" in self.refused(site, "--concurrency", "0")
        assert "--health-port" in self.refused(site, "--health-port", "70000")

    def test_a_port_for_probes_that_is_taken(self, site: Site) -> None:
        assert "--health-port" in self.refused(site, "--health-port", str(site.valkey.port))

    def test_a_file_for_probes_that_can_not_be(self, site: Site) -> None:
        assert "--health-file" in self.refused(site, "--health-file", str(site.folder / "nowhere" / "alive"))

    def test_a_redis_that_does_not_answer(self, site: Site) -> None:
        assert "Redis" in self.refused(site, env={"YREDIS_REDIS_URL": nowhere()})

    def test_a_redis_of_another_layout(self, site: Site) -> None:
        with site.valkey.client() as client:
            client.hset(site.keys.layout, mapping={"version": 1, "shards": 4})
        assert "this server needs" in self.refused(site)

    def test_a_wrong_setting(self, site: Site) -> None:
        assert "LEASE_SECONDS must be above 0" in self.refused(site, env={"YREDIS_LEASE_SECONDS": "0"})

    def test_what_the_system_checks_find(self, site: Site) -> None:
        line = self.refused(site, env={"YREDIS_REDIS_URL": "http://localhost", "YREDIS_AUTHORIZE": "no.such"})
        assert "yredis.E002" in line
        assert "(and 1 more: see manage.py check)" in line

    def test_a_store_that_only_reads(self, site: Site) -> None:
        assert "StreamOnly" in self.refused(site, env={"YREDIS_STORE": "rooms.store.StreamOnly"})

    def test_a_store_that_there_is_not(self, site: Site) -> None:
        line = self.refused(site, env={"YREDIS_STORE": "no.such.Store"})
        assert "yredis.E003" in line
        assert "No module named 'no'" in line

    def test_a_class_that_is_no_store(self, site: Site) -> None:
        assert "rooms.keys.Keys is not a class with" in self.refused(site, env={"YREDIS_STORE": "rooms.keys.Keys"})

    def test_a_storage_that_there_is_not(self, site: Site) -> None:
        env = {"YREDIS_STORE": "persistence.stores.files.FileStore", "YREDIS_STORAGE": "nowhere"}
        assert "yredis.E101" in self.refused(site, env=env)

    def test_a_database_that_other_processes_can_not_read(self, site: Site) -> None:
        assert "STORE" in self.refused(site, env={"DATABASE_URL": "sqlite://:memory:"})

    def test_pending_migrations(self, tmp_path: Path, valkey: Valkey) -> None:
        assert "run manage.py migrate" in self.refused(Site(tmp_path / "empty", valkey, None))

    def test_a_database_that_does_not_answer(self, site: Site) -> None:
        line = self.refused(site, env={"DATABASE_URL": f"postgres://u:s3cr3t@127.0.0.1:{free_port()}/db"})
        assert "database" in line
        assert "s3cr3t" not in line
