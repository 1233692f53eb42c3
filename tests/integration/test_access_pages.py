"""Pages that ask a policy, on real servers: whatever it awaits, the request's own thread is not waited for."""

import asyncio
from pathlib import Path

import httpx
import pytest

from tests.support.processes import Process, free_port
from tests.support.servers import environment
from tests.support.valkey import Valkey
from yredis_project.servers import ASGI_COMMANDS

SETTINGS = {
    "YREDIS_AUTHORIZE": "authbridge.authorizer.authorize",
    "YREDIS_PERMISSION": "tests.support.access.writers_by_database",
    "YREDIS_PERM_CALLERS": '["127.0.0.1"]',
}


@pytest.mark.parametrize("asgi", ASGI_COMMANDS)
async def test_a_policy_that_uses_the_async_orm_answers_pages(
    asgi: str, valkey: Valkey, tmp_path: Path, sqlite_template: Path
) -> None:
    (tmp_path / "db.sqlite3").write_bytes(sqlite_template.read_bytes())
    port = free_port()
    env = environment(tmp_path, valkey.url, SETTINGS)
    server = Process(ASGI_COMMANDS[asgi](port), log=tmp_path / "server.log", port=port, env=env)
    server.launch()
    try:
        await asyncio.to_thread(server.wait_ready)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=15) as browser:
            page = await browser.get("/edit/demo-notes")
            assert '"access": "write"' in page.text
            assert (await browser.get("/yauth/perm/essay/7")).status_code == 403
    finally:
        server.kill()
