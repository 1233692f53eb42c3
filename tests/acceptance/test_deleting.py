"""Rooms that a site deletes, restores and erases: real clients on two servers, and processes killed half-way."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.clients import Client, NodeClients, node_clients
from tests.support.notes import note
from tests.support.servers import Asgi
from tests.support.stack import Stack, room
from tests.support.workers import QUICK
from yredis_project.servers import MANAGE

PLACES = ["settle.row", "settle.redis", "settle.store"]

SCRIPT = """
import sys
import django
django.setup()
from rooms import api
getattr(api, sys.argv[1] + "_sync")(sys.argv[2])
"""


@pytest.fixture(scope="module")
def site(asgi: Asgi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two servers and a worker that soon ends what others leave."""
    env = {**QUICK, "YREDIS_SWEEP_SECONDS": "1"}
    with Stack(tmp_path_factory.mktemp(f"deleting-{asgi}"), asgi, workers=1, env=env) as running:
        yield running


@pytest.fixture
async def node() -> AsyncIterator[NodeClients]:
    """A Node process without journals."""
    async with node_clients() as found:
        yield found


async def call(site: Stack, function: str, name: str, *, failpoints: str = "") -> int:
    """Call a function of rooms.api in a plain script; return the script's exit status."""
    env = {**site.env, "DJANGO_SETTINGS_MODULE": "yredis_project.settings", "YREDIS_FAILPOINTS": failpoints}
    command = [sys.executable, "-c", SCRIPT, function, name]
    done = await asyncio.to_thread(subprocess.run, command, cwd=Path(MANAGE).parent, env=env, check=False)
    return done.returncode


async def typing(site: Stack, node: NodeClients, name: str, text: str) -> list[Client]:
    """Return a client on each server that have the same text."""
    clients = [await node.open(f"{name}-{url}", url, name) for url in site.urls]
    for client in clients:
        await client.synced()
    await clients[0].insert(text)
    for client in clients:
        await client.wait(text=text)
    await site.accepted_from(clients[0])
    return clients


async def out(clients: list[Client], code: int) -> None:
    """Return when all were closed with a code; fail if one connects again."""
    for client in clients:
        await client.wait(ended=code, seconds=15)
    await asyncio.sleep(1.5)
    for client in clients:
        info = await client.info()
        assert (info["closes"][-1], info["connects"]) == (code, 1)


async def again(client: Client) -> None:
    """Return when a client is back after 4503."""
    async with asyncio.timeout(15):
        while (info := await client.info())["syncs"] < 2:
            await asyncio.sleep(0.05)
    assert info["closes"] == [4503]


async def seen_by_a_newcomer(site: Stack, node: NodeClients, name: str) -> str:
    """Return the text that somebody finds who comes now."""
    newcomer = await node.open(f"{name}-new", site.urls[-1], name)
    return await (await newcomer.synced()).text()


async def test_a_deleted_room_is_left_by_all_and_restored_with_everything(site: Stack, node: NodeClients) -> None:
    name = room("deleted")
    clients = await typing(site, node, name, "kept")
    assert await call(site, "delete", name) == 0
    await out(clients, 4410)
    assert await call(site, "restore", name) == 0
    assert await seen_by_a_newcomer(site, node, name) == "kept"


async def test_an_erased_room_is_empty_for_whoever_comes_next(site: Stack, node: NodeClients) -> None:
    name = room("erased")
    clients = await typing(site, node, name, "gone")
    await site.drained(name)
    assert await call(site, "erase", name) == 0
    await out(clients, 4410)
    assert await seen_by_a_newcomer(site, node, name) == ""


async def test_writers_come_back_as_readers(site: Stack, node: NodeClients) -> None:
    name = room("frozen")
    clients = await typing(site, node, name, "fixed")
    assert await call(site, "freeze", name) == 0
    for client in clients:
        await again(client)
    await clients[0].insert("!")
    await clients[0].wait(ended=4403)
    assert await seen_by_a_newcomer(site, node, name) == "fixed"


@pytest.mark.parametrize("place", PLACES)
async def test_an_erase_that_is_killed_is_ended_by_a_worker(site: Stack, node: NodeClients, place: str) -> None:
    name = room("killed")
    clients = await typing(site, node, name, "gone")
    await site.drained(name)
    await clients[0].insert(", only in Redis")
    await site.accepted_from(clients[0])
    assert await call(site, "erase", name, failpoints=f"{place}=kill") == -9
    await out(clients, 4410)
    ask = f"SELECT state, generation, is_settled FROM yredis_rooms_room WHERE name = '{name}'"
    async with asyncio.timeout(20):
        while (found := site.database.ask(ask)) != [("ok", 1, True)]:
            await asyncio.sleep(0.1)
    note(f"killed at {place}: {found}")
    assert await seen_by_a_newcomer(site, node, name) == ""
