"""Clients that change nothing cost nothing that needs persisting, and keep their connections."""

import asyncio

import pytest

from rooms import names
from tests.support.clients import Client, NodeClients
from tests.support.stack import KEYS, Stack, room


async def read_and_leave(stack: Stack, node: NodeClients, name: str) -> list[Client]:
    """Let 20 clients join on both servers, read, move their cursors, reconnect, and leave."""
    clients = [await node.open(f"c{n}", stack.urls[n % 2], name) for n in range(20)]
    await asyncio.gather(*(client.synced() for client in clients))
    for position in range(3):
        moves = (client.do("setAwarenessField", field="cursor", value=position) for client in clients)
        await asyncio.gather(*moves)
        await asyncio.sleep(0.2)
    await asyncio.gather(*(client.do("disconnect") for client in clients))
    await asyncio.gather(*(client.do("connect") for client in clients))
    await asyncio.gather(*(client.synced() for client in clients))
    await asyncio.sleep(0.5)
    await asyncio.gather(*(client.do("close") for client in clients))
    return clients


class TestOnlyReading:
    """20 clients that only join, read and move cursors."""

    async def test_in_an_empty_room_nothing_is_appended_or_due(self, stack: Stack, node: NodeClients) -> None:
        name = room("reading")
        await read_and_leave(stack, node, name)
        assert (stack.entries(name), stack.is_due(name)) == (0, False)

    @pytest.mark.parametrize("script", ["formattedText", "manyDeletions", "bigInts"])
    async def test_in_a_document_nothing_is_appended_or_due(self, stack: Stack, node: NodeClients, script: str) -> None:
        name = room("reading")
        writer = await (await node.open("writer", stack.urls[0], name)).synced()
        await writer.script(script)
        await asyncio.sleep(0.5)
        await writer.do("close")
        with stack.redis() as client:
            client.zrem(KEYS.due_of(name), names.key_part(name))
        before = stack.entries(name)
        await read_and_leave(stack, node, name)
        assert (stack.entries(name), stack.is_due(name)) == (before, False)


class TestSilence:
    """y-websocket reconnects when it received nothing for 30 s, and pings don't count."""

    @pytest.mark.soak
    async def test_a_lone_silent_client_stays_connected_for_70_seconds(self, stack: Stack, node: NodeClients) -> None:
        lone = await (await node.open("lone", stack.urls[0], room("lone"))).synced()
        mute = await (await node.open("mute", stack.urls[1], room("mute"))).synced()
        await mute.do("setAwareness", state=None)
        await asyncio.sleep(70)
        for client in (lone, mute):
            info = await client.info()
            assert (info["connects"], info["closes"], info["synced"]) == (1, [], True)
