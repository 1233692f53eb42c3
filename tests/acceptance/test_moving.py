"""`movestore` while people type: from the database to S3 and back, and nobody notices."""

import asyncio
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.clients import NodeClients, converge
from tests.support.databases import Database
from tests.support.notes import note
from tests.support.s3 import S3
from tests.support.servers import Asgi
from tests.support.stack import Stack, room
from tests.support.workers import QUICK
from yredis_project.servers import MANAGE

WRITERS = 4


def manage(env: Mapping[str, str], *arguments: str) -> str:
    """Run a management command; return what it printed."""
    command = [sys.executable, str(MANAGE), *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def test_from_the_database_to_s3_and_back_under_load(
    tmp_path: Path, asgi: Asgi, node: NodeClients, s3: S3, seed: int
) -> None:
    """One worker still writes in the database, and another in S3 already; both compact."""
    shared = [room(f"moved{number}") for number in range(3)]
    stack = Stack(tmp_path / "stack", asgi, workers=2, env={**QUICK, **s3.site_env, "YREDIS_COMPACT_DELTAS": "30"})
    stack.workers[1].env = {**stack.env, "YREDIS_STORE": "persistence.stores.files.FileStore"}
    stack.database = Database(stack.database.url, s3.read)
    with stack:
        clients = [await node.open(f"{name}-{n}", stack.urls[n % 2], name) for name in shared for n in range(WRITERS)]
        await asyncio.gather(*(client.synced() for client in clients))
        await asyncio.gather(*(client.do("type", seed=seed + n, rate=5) for n, client in enumerate(clients)))
        await asyncio.sleep(3)
        moved = []
        for to in ("files", "database", "files", "database"):
            printed = await asyncio.to_thread(manage, stack.env, "movestore", "--to", to)
            moved += [line for line in printed.splitlines() if line.startswith("Moved ")]
            assert "All is well." in await asyncio.to_thread(manage, stack.env, "verifyrooms", *shared)
        typed = [await client.do("stopTyping") for client in clients]
        await asyncio.gather(*(stack.accepted_from(client) for client in clients))
        await stack.drained(*shared)
        note(f"moves under load: {moved}")
        assert not all(line.startswith("Moved 0 ") for line in moved[::2])
        assert not all(line.startswith("Moved 0 ") for line in moved[1::2])
        assert [(await client.info())["closes"] for client in clients] == [[]] * len(clients)
        for name in shared:
            ours = [client for client in clients if client.room == name]
            fresh = await (await node.open(f"fresh-{name}", stack.urls[0], name)).synced()
            await converge([*ours, fresh])
            text = await fresh.text()
            kept = [token for one, by in zip(typed, clients, strict=True) if by in ours for token in one["kept"]]
            assert [token for token in kept if token not in text] == []
            assert await stack.judge(ours, fresh=fresh, seed=seed) == []
        assert "All is well." in manage(stack.env, "verifyrooms")
        assert not [worker.log_tail() for worker in stack.workers if worker.says(" ERROR ")]
