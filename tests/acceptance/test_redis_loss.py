"""Redis loses data under connected clients: the servers notice, and the writers supply it again (G5)."""

import asyncio
from pathlib import Path

import pytest

from tests.acceptance.conftest import StackMaker
from tests.support.clients import Client, NodeClients, converge
from tests.support.folder_store import FolderStore, persist
from tests.support.stack import KEYS, Stack, room

HEALING_SECONDS = 10.0

QUICK = {"YREDIS_SWEEP_SECONDS": "2", "YREDIS_REDIS_TIMEOUT_SECONDS": "2"}


def lose(stack: Stack, kind: str, name: str) -> None:
    """Lose data in one of the ways that happen."""
    match kind:
        case "restarted-empty":
            stack.valkey.restart_empty()
        case "flushall":
            stack.valkey.flushall()
        case "stream-deleted":
            with stack.redis() as client:
                client.delete(KEYS.room(name))


async def joined(stack: Stack, node: NodeClients, name: str, number: int) -> list[Client]:
    """Open clients on both servers, in turn, and wait until they are synced."""
    clients = [await node.open(f"c{n}", stack.urls[n % 2], name) for n in range(number)]
    await asyncio.gather(*(client.synced() for client in clients))
    return clients


async def healed(stack: Stack, node: NodeClients, name: str, clients: list[Client], seed: int | None = None) -> Client:
    """Wait until Redis holds again what the clients have; return a newcomer that was given all of it.

    A first newcomer may be served from what a server still remembers; what counts is what Redis holds.
    """
    early = await (await node.open("early", stack.urls[1], name)).synced()
    assert await stack.judge(clients, fresh=early, seed=seed, patience_seconds=HEALING_SECONDS) == []
    fresh = await (await node.open("fresh", stack.urls[0], name)).synced()
    await converge([*clients, early, fresh], seconds=5)
    return fresh


LOSSES = pytest.mark.parametrize("kind", ["restarted-empty", "flushall", "stream-deleted"])


class TestLoss:
    """What the writers have comes back, whoever types or doesn't."""

    @LOSSES
    async def test_a_loss_under_typing_clients_is_healed(
        self, own_stack: StackMaker, node: NodeClients, kind: str, seed: int
    ) -> None:
        stack, name = own_stack(env=QUICK), room("loss")
        clients = await joined(stack, node, name, 6)
        await asyncio.gather(*(c.do("type", seed=seed + n, rate=8) for n, c in enumerate(clients)))
        for _ in range(3):
            await asyncio.sleep(2)
            await asyncio.to_thread(lose, stack, kind, name)
        await asyncio.sleep(2)
        typed = [await client.do("stopTyping") for client in clients]
        await converge(clients, seconds=20)
        fresh = await healed(stack, node, name, clients, seed)
        text = await fresh.text()
        assert [token for one in typed for token in one["kept"] if token not in text] == []

    @LOSSES
    async def test_a_loss_while_nobody_types_is_healed(
        self, own_stack: StackMaker, node: NodeClients, kind: str
    ) -> None:
        stack, name = own_stack(env=QUICK), room("silent")
        clients = await joined(stack, node, name, 4)
        await clients[0].insert("typed long ago")
        await asyncio.gather(*(client.wait(text="typed long ago") for client in clients))
        await clients[0].delete(0, 6)
        await asyncio.gather(*(client.wait(text="long ago") for client in clients))
        await asyncio.to_thread(lose, stack, kind, name)
        fresh = await healed(stack, node, name, clients)
        assert await fresh.text() == "long ago"


class TestTrim:
    """A stream that the worker emptied is no loss."""

    async def test_a_stream_trimmed_to_empty_under_a_lagging_hub_is_read_from_the_store(
        self, own_stack: StackMaker, node: NodeClients, tmp_path: Path
    ) -> None:
        stored = {
            "YREDIS_STORE": "tests.support.folder_store.FolderStore",
            "YREDIS_TEST_STORE": str(tmp_path / "store"),
        }
        stack, name = own_stack(env={**QUICK, **stored, "YREDIS_INLINE_BELL_BYTES": "1"}), room("trimmed")
        near, far = await joined(stack, node, name, 2)
        await near.insert("before; ")
        await far.wait(text="before; ")
        stack.servers[1].freeze()
        await near.insert("while the hub slept; ")
        await asyncio.sleep(0.5)
        with stack.redis() as client:
            epoch = client.hget(KEYS.head(name), "epoch")
            await persist(client, KEYS, FolderStore(tmp_path / "store"), name)
            assert stack.entries(name) == 0
            stack.servers[1].thaw()
            await far.wait(text="before; while the hub slept; ")
            await asyncio.sleep(3)
            assert stack.entries(name) == 0, "the writers were asked for what was never lost"
            assert client.hget(KEYS.head(name), "epoch") == epoch
        await far.insert("after")
        await near.wait(text="before; while the hub slept; after")
        late = await (await node.open("late", stack.urls[1], name)).synced()
        assert await late.text() == "before; while the hub slept; after"
