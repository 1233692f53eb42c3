"""Databases of a test's site: a migrated SQLite file to copy, and what is stored, read without the site's code."""

import asyncio
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from persistence import framing
from rooms.entries import EntryId
from rooms.store import Chain
from tests.support.servers import environment
from yredis_project.servers import MANAGE

CHAIN = """
SELECT s.id, s.kind, s.fence, s.first_entry_id, s.last_entry_id, s.sha256, s.payload, s.location
FROM yredis_persistence_segment s JOIN yredis_rooms_room r ON r.id = s.room_id
WHERE r.name = ? AND s.generation >= r.generation ORDER BY s.id
"""


@cache
def _template() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        env = environment(Path(folder), "redis://127.0.0.1:1/0", {})
        command = [sys.executable, str(MANAGE), "migrate", "--verbosity", "0"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        path = Path(folder) / "db.sqlite3"
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        return path.read_bytes()


def migrated(path: Path) -> str:
    """Write a SQLite database that has all tables; return its url."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_template())
    return f"sqlite:///{path}"


class Stored(NamedTuple):
    """A segment's row, with its bytes wherever they are."""

    pk: int
    kind: str
    fence: int
    first: str
    last: str
    sha256: str
    data: bytes


class Database:
    """What a site has stored, asked with SQL.

    Args:
        url: of SQLite or PostgreSQL.
        file: gives the bytes at a location, where segments are files.
    """

    def __init__(self, url: str, file: Callable[[str], bytes] | None = None) -> None:
        self.url = url
        self.file = file

    def ask(self, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query with ? for its arguments; what it changes is committed."""
        if self.url.startswith("sqlite"):
            connection: Any = sqlite3.connect(self.url.removeprefix("sqlite:///"), timeout=20)
        else:
            connection, query = psycopg.connect(self.url), query.replace("?", "%s")
        try:
            cursor = connection.execute(query, arguments)
            rows = cursor.fetchall() if cursor.description else []
            connection.commit()
        finally:
            connection.close()
        return list(rows)

    def room(self, name: str, column: str) -> Any:
        """Return a column of a room's row, or None if there is no row."""
        rows = self.ask(f"SELECT {column} FROM yredis_rooms_room WHERE name = ?", name)
        return rows[0][0] if rows else None

    def segments(self, room: str) -> list[Stored]:
        """Return a room's chain; each segment's bytes have the hash that its row tells."""
        found = []
        for *fields, payload, location in self.ask(CHAIN, room):
            data = bytes(payload) if payload is not None else self._read(location)
            found.append(Stored(*fields, data))
            assert sha256(data).hexdigest() == found[-1].sha256
        return found

    def _read(self, location: str) -> bytes:
        assert self.file, f"{location} is a file, and nobody said where"
        return self.file(location)

    async def load(self, room: str) -> Chain | None:
        """Do as rooms.store.Store."""
        segments = await asyncio.to_thread(self.segments, room)
        entries = [entry for one in segments for _, entry in framing.unpack(one.data)]
        return Chain(entries, max(EntryId.parse(one.last) for one in segments)) if segments else None

    def stale_writes(self, room: str) -> list[str]:
        """Return what was written under a fence that is not above all before it."""
        fences = [(one.pk, one.fence) for one in self.segments(room)]
        wrong = [f"segment {pk} has fence {fence}" for (_, old), (pk, fence) in pairwise(fences) if fence <= old]
        newest = self.room(room, "fence") or 0
        return wrong + [f"segment {pk} is above the room's fence {newest}" for pk, fence in fences if fence > newest]
