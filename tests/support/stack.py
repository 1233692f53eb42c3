"""A whole installation for a test: one Redis, some servers, the folders with what the auditor wants to see."""

import asyncio
import re
import time
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

import redis

from rooms import names
from rooms.keys import Keys
from tests.auditor import Finding, Sources, audit, gather
from tests.auditor.__main__ import counts
from tests.auditor.coverage import Coverage
from tests.auditor.evidence import coverage_of
from tests.support.clients import Client
from tests.support.databases import Database, migrated
from tests.support.notes import note
from tests.support.servers import Asgi, Server, environment
from tests.support.valkey import Persistence, Valkey
from tests.support.workers import Worker

KEYS = Keys("yredis", 16)

TOKEN = re.compile(rb"eyJ[\w-]+\.[\w-]*\.")
"""How every token begins."""


def room(label: str) -> str:
    """Return a room that nobody has used: tests that share servers don't share rooms."""
    return f"demo-{label}-{uuid.uuid4().hex[:10]}"


class Stack:
    """One Redis, `servers` server processes and `workers` workers, all running within the `with` block."""

    def __init__(
        self,
        folder: Path,
        asgi: Asgi,
        *,
        servers: int = 2,
        workers: int = 0,
        persistence: Persistence = "none",
        database: str = "",
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare it; `database` is the url of a migrated one, else there is a SQLite of its own."""
        self.folder = folder
        self.accepted = folder / "accepted"
        self.accepted.mkdir(parents=True, exist_ok=True)
        self.valkey = Valkey(folder / "redis", persistence=persistence)
        self.database = Database(database or migrated(folder / "db.sqlite3"))
        settings = environment(folder, self.valkey.url, {"DATABASE_URL": self.database.url, **(env or {})})
        self.has_database = "YREDIS_STORE" not in settings or settings["YREDIS_STORE"].startswith("persistence.")
        self.env = settings
        self.workers = [Worker(folder, name=f"worker-{number}", env=settings) for number in range(workers)]
        self.servers = [Server(asgi, folder, name=f"{asgi}-{number}", env=settings) for number in range(servers)]

    @property
    def urls(self) -> list[str]:
        """What to give to y-websocket, one for each server."""
        return [server.url for server in self.servers]

    def __enter__(self) -> Self:
        try:
            self.valkey.start()
            for process in (*self.servers, *self.workers):
                process.launch()
            for process in (*self.servers, *self.workers):
                process.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Kill everything, also what a test left frozen; fail if there is a token in a log."""
        for process in (*self.servers, *self.workers, self.valkey):
            process.kill()
        found = [path.name for path in self.folder.glob("*.log") if TOKEN.search(path.read_bytes())]
        assert not found, f"tokens in {found}"

    @property
    def store(self) -> Database | None:
        """What the auditor reads beside Redis; None where a test has a store of its own."""
        return self.database if self.has_database else None

    def add_worker(self, *, failpoints: str = "") -> Worker:
        """Start one more worker; it ends with the rest."""
        worker = Worker(self.folder, name=f"worker-{len(self.workers)}", env=self.env, failpoints=failpoints)
        self.workers.append(worker)
        worker.launch()
        return worker

    async def accepted_from(self, client: Client, *, seconds: float = 10.0) -> None:
        """Return when a server has accepted all that a client has."""
        deadline = time.monotonic() + seconds
        wanted, name = coverage_of(await client.state()), names.canonical(client.room)
        while True:
            found = await gather(Sources(self.valkey.url, [name], self.accepted, None))
            if not (missing := Coverage.of(found[name].accepted).lacks(wanted)):
                return
            assert time.monotonic() < deadline, f"not accepted: {missing}"
            await asyncio.sleep(0.05)

    async def drained(self, *rooms: str, by: Client | None = None, seconds: float = 30.0) -> None:
        """Return when the workers have moved all entries of rooms into the store, those of a client first of all."""
        deadline = time.monotonic() + seconds
        if by:
            await self.accepted_from(by, seconds=seconds)
        while left := {name: number for name in rooms if (number := self.entries(names.canonical(name)))}:
            assert time.monotonic() < deadline, f"still in Redis: {left}\n" + "\n".join(
                worker.log_tail(15) for worker in self.workers
            )
            await asyncio.sleep(0.05)

    def redis(self) -> "redis.Redis":
        """Return a client of the stack's Redis, to be closed by the caller."""
        return self.valkey.client()

    def entries(self, name: str) -> int:
        """Return the number of entries in a room's stream."""
        with self.redis() as client:
            return int(client.xlen(KEYS.room(name)))

    def is_due(self, name: str) -> bool:
        """Tell whether a room has a due entry."""
        with self.redis() as client:
            return client.zscore(KEYS.due_of(name), names.key_part(name)) is not None

    def logged(self) -> str:
        """Return the logs of all servers."""
        return "\n".join(server.log.read_text(errors="replace") for server in self.servers)

    async def sample(self, *rooms: str) -> list[Finding]:
        """Run the auditor while everything goes on: what was accepted by now must be in Redis."""
        found = await gather(Sources(self.valkey.url, list(rooms), self.accepted, None, store=self.store))
        return await asyncio.to_thread(audit, found, running=True)

    async def judge(
        self, clients: Iterable[Client], *, fresh: Client, seed: int | None = None, patience_seconds: float = 0.0
    ) -> list[Finding]:
        """Let clients report, run the auditor over their rooms, print its counts and the seed.

        With patience it looks again until nothing is found: for what has so long to heal.
        """
        everybody = [*clients, fresh]
        rooms = sorted({names.canonical(client.room) for client in everybody})
        sources = Sources(self.valkey.url, rooms, self.accepted, fresh.node.journals, store=self.store)
        deadline = time.monotonic() + patience_seconds
        while True:
            await asyncio.gather(*(client.report(fresh=client is fresh) for client in everybody))
            found = await gather(sources)
            findings = await asyncio.to_thread(audit, found)
            if not findings or time.monotonic() > deadline:
                note(f"auditor: {counts(found)}{'' if seed is None else f', seed {seed}'}: {len(findings)} findings")
                return findings
            await asyncio.sleep(0.2)
