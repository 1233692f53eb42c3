"""A site for tests of commands: a migrated database, an empty Redis, and processes that use both."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from pycrdt import Doc, Text

from rooms import names
from rooms.conf import Conf
from rooms.entries import Entry, EntryId
from rooms.keys import Keys
from tests.integration.conftest import connected
from tests.support.processes import free_port
from tests.support.servers import environment
from tests.support.valkey import Valkey
from tests.support.workers import QUICK, Worker
from yredis_project.servers import MANAGE


def typed(text: str) -> bytes:
    """Return the update of somebody who types into an empty document."""
    document = Doc({"text": Text()})
    document["text"] += text
    return document.get_update()


def within(seconds: float, is_true: Callable[[], object]) -> bool:
    """Tell whether something becomes true in time."""
    deadline = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class Site:
    """One installation: everything of it is in `folder`, and in the database 0 of its Redis.

    Args:
        template: a migrated SQLite database to begin with; None for an empty one.
    """

    def __init__(self, folder: Path, valkey: Valkey, template: Path | None, env: Mapping[str, str] | None = None):
        self.folder = folder
        self.valkey = valkey
        self.database = folder / "db.sqlite3"
        folder.mkdir(parents=True, exist_ok=True)
        if template:
            self.database.write_bytes(template.read_bytes())
        self.env = environment(folder, valkey.url, {**QUICK, **(env or {})})
        self.keys = Keys("yredis", 16)
        self.workers: list[Worker] = []

    def worker(self, *options: str, failpoints: str = "", env: Mapping[str, str] | None = None) -> Worker:
        """Return a worker that was launched; it ends with the site."""
        name = f"worker-{len(self.workers)}"
        worker = Worker(self.folder, *options, name=name, env={**self.env, **(env or {})}, failpoints=failpoints)
        self.workers.append(worker)
        worker.launch()
        return worker

    def manage(self, *arguments: str, env: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
        """Run a management command to its end."""
        return subprocess.run(
            [sys.executable, str(MANAGE), *arguments],
            env={**self.env, **(env or {})},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    async def write(
        self, room: str, *updates: bytes, debounce_seconds: float = 0.001, prefix: str = "yredis"
    ) -> list[EntryId]:
        """Append updates to a room as a server does; it is due after `debounce_seconds`."""
        conf = Conf(redis_url=self.valkey.url, debounce_seconds=debounce_seconds, prefix=prefix)
        async with connected(conf) as redis:
            return [(await redis.lane.append_and_wait(room, Entry(update))).entry_id for update in updates]

    def length(self, room: str) -> int:
        """Return the number of entries in a room's stream."""
        with self.valkey.client() as client:
            return int(client.xlen(self.keys.room(room)))

    def is_due(self, room: str) -> bool:
        """Tell whether a room has a task."""
        with self.valkey.client() as client:
            return client.zscore(self.keys.due_of(room), names.key_part(room)) is not None

    def has_lease(self, room: str) -> bool:
        """Tell whether a worker has claimed a room."""
        with self.valkey.client() as client:
            return client.hexists(self.keys.leases(names.shard_of(room, 16)), names.key_part(room))

    def rows(self, query: str, *arguments: object) -> list[tuple]:
        """Ask the database."""
        with sqlite3.connect(self.database, timeout=10) as connection:
            found = connection.execute(query, arguments).fetchall()
        connection.close()
        return found

    def change(self, query: str, *arguments: object) -> None:
        """Change the database behind the site's back."""
        with sqlite3.connect(self.database, timeout=10) as connection:
            connection.execute(query, arguments)
        connection.close()

    def segments(self, room: str) -> int:
        """Return the number of a room's segments."""
        ours = "room_id IN (SELECT id FROM yredis_rooms_room WHERE name = ?)"
        return int(self.rows(f"SELECT count(*) FROM yredis_persistence_segment WHERE {ours}", room)[0][0])

    def stop(self) -> None:
        """Kill what runs."""
        for worker in self.workers:
            worker.kill()


def nowhere() -> str:
    """Return the url of a Redis that does not answer."""
    return f"redis://127.0.0.1:{free_port()}/0"


@pytest.fixture
def site(tmp_path: Path, own_valkey: Valkey, sqlite_template: Path) -> Iterator[Site]:
    """A site of the test's own."""
    site = Site(tmp_path / "site", own_valkey, sqlite_template)
    yield site
    site.stop()
