"""No token gets into what servers log of connections, their access logs included."""

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests.support.processes import Process, free_port
from tests.support.servers import environment
from tests.support.valkey import Valkey
from yredis_project.servers import ASGI_COMMANDS

TOKEN = "eyJhbGciOiJFUzM4NCJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"

TALKATIVE: dict[str, Callable[[list[str], Path], list[str]]] = {
    "daphne": lambda command, log: [*command[:-1], "-v", "2", "--access-log", str(log), command[-1]],
    "uvicorn": lambda command, log: [*command, "--log-level", "trace", "--access-log"],
}
"""Command lines of servers that log all that they can."""


async def visit(port: int) -> None:
    """Bring a token to a server in every way there is."""
    url = f"127.0.0.1:{port}/ws/room"
    for target, options in (
        (f"ws://{url}?yauth={TOKEN}", {}),
        (f"ws://{url}", {"subprotocols": ["yredis", f"yauth-{TOKEN}"]}),
        (f"ws://127.0.0.1:{port}/elsewhere?yauth={TOKEN}", {}),
        (f"ws://{url}?yauth={TOKEN}", {"additional_headers": {"Cookie": "sessionid=x"}}),
    ):
        with suppress(WebSocketException):
            async with connect(target, **options) as socket:
                await socket.wait_closed()
    async with httpx.AsyncClient() as browser:
        for path in ("ws/room", "", "edit/demo-notes", "nowhere"):
            await browser.get(f"http://127.0.0.1:{port}/{path}?yauth={TOKEN}")


@pytest.mark.parametrize("asgi", TALKATIVE)
async def test_what_is_logged_has_no_token(asgi: str, valkey: Valkey, tmp_path: Path, sqlite_template: Path) -> None:
    (tmp_path / "db.sqlite3").write_bytes(sqlite_template.read_bytes())
    port, access_log = free_port(), tmp_path / "access.log"
    access_log.touch()
    authorize = {"YREDIS_AUTHORIZE": "authbridge.authorizer.authorize", "LOG_LEVEL": "DEBUG"}
    command = TALKATIVE[asgi](ASGI_COMMANDS[asgi](port), access_log)
    server = Process(command, log=tmp_path / "server.log", port=port, env=environment(tmp_path, valkey.url, authorize))
    server.launch()
    try:
        await asyncio.to_thread(server.wait_ready)
        await visit(port)
        await asyncio.sleep(0.2)
    finally:
        server.kill()
    logged = server.log.read_text() + access_log.read_text()
    assert "/ws/room" in logged
    assert "yauth" in logged
    assert not re.findall(r"\S*eyJ\S*", logged)
