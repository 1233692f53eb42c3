"""kill -9 of a server under typing clients, again and again: nothing that any client typed is missing."""

import asyncio
import random
import signal
import time

import pytest

from tests.acceptance.conftest import StackMaker
from tests.support.clients import NodeClients, converge
from tests.support.notes import note
from tests.support.stack import room

KILLS = 10
TYPISTS = 10


class TestKilledServer:
    """G4: what was accepted survives; what was not is sent again by its client."""

    async def test_ten_kills_under_ten_typing_clients_lose_nothing(
        self, own_stack: StackMaker, node: NodeClients, seed: int
    ) -> None:
        stack, chance, name = own_stack(), random.Random(seed), room("kills")
        clients = [await node.open(f"c{n}", stack.urls[n % 2], name) for n in range(TYPISTS)]
        await asyncio.gather(*(client.synced() for client in clients))
        await asyncio.gather(*(c.do("type", seed=seed + n, rate=8) for n, c in enumerate(clients)))
        for number in range(KILLS):
            await asyncio.sleep(chance.uniform(0.3, 1.5))
            server = stack.servers[number % 2]
            server.kill()
            server.launch()
            await asyncio.to_thread(server.wait_ready)
            assert await stack.sample(name) == []
        await asyncio.sleep(1)
        typed = [await client.do("stopTyping") for client in clients]
        healed = time.monotonic()
        await converge(clients, seconds=20)
        note(f"kills: {sum(one['typed'] for one in typed)} tokens, agreed {time.monotonic() - healed:.1f} s after")
        fresh = await (await node.open("fresh", stack.urls[1], name)).synced()
        text = await fresh.text()
        assert [token for one in typed for token in one["kept"] if token not in text] == []
        assert await stack.judge(clients, fresh=fresh, seed=seed) == []

    async def test_the_cursors_of_a_dead_servers_clients_are_gone_within_30_seconds(
        self, own_stack: StackMaker, node: NodeClients
    ) -> None:
        stack, name = own_stack(), room("ghost")
        ghost = await (await node.open("ghost", stack.urls[0], name)).synced()
        await ghost.do("setAwareness", state={"user": "ghost"})
        watcher = await (await node.open("watcher", stack.urls[1], name)).synced()
        await watcher.wait(sees=ghost.client_id)
        stack.servers[0].kill()
        await ghost.do("close")
        await watcher.wait(misses=ghost.client_id, seconds=25)


class TestFailpoints:
    """A server that dies in the middle of an append, before Redis has it or before anybody is told."""

    @pytest.mark.parametrize("name", ["append.before", "append.after"])
    async def test_an_append_cut_short_loses_nothing(
        self, own_stack: StackMaker, node: NodeClients, name: str, seed: int
    ) -> None:
        stack, shared = own_stack(env={"YREDIS_FAILPOINTS": f"{name}=kill@20"}), room("failpoint")
        clients = [await node.open(f"c{n}", stack.urls[n % 2], shared) for n in range(4)]
        await asyncio.gather(*(client.synced() for client in clients))
        await asyncio.gather(*(c.do("type", seed=seed + n, rate=10) for n, c in enumerate(clients)))
        for server in stack.servers:
            await asyncio.to_thread(server.wait_end)
            server.env = {**(server.env or {}), "YREDIS_FAILPOINTS": ""}
            server.launch()
            await asyncio.to_thread(server.wait_ready)
        await asyncio.gather(*(client.wait(synced=True, connects=2, seconds=20) for client in clients))
        typed = [await client.do("stopTyping") for client in clients]
        await converge(clients)
        fresh = await (await node.open("fresh", stack.urls[0], shared)).synced()
        text = await fresh.text()
        assert [token for one in typed for token in one["kept"] if token not in text] == []
        assert await stack.judge(clients, fresh=fresh, seed=seed) == []


class TestLostBells:
    """The bell is only a hint: without it the servers still find what was appended."""

    async def test_a_cut_subscription_is_healed_within_5_seconds(
        self, own_stack: StackMaker, node: NodeClients
    ) -> None:
        stack, name = own_stack(), room("bells")
        ann = await (await node.open("ann", stack.urls[0], name)).synced()
        bob = await (await node.open("bob", stack.urls[1], name)).synced()
        with stack.redis() as client:
            for number in range(10):
                client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
                await ann.insert(f"{number} ")
                await asyncio.sleep(0.05)
        await bob.wait(text="0 1 2 3 4 5 6 7 8 9 ", seconds=5)
        assert (await ann.info())["closes"] == (await bob.info())["closes"] == []


class TestStoppedServer:
    """SIGTERM: appends are drained, sockets close 1012, clients come back."""

    async def test_a_rolling_restart_loses_nothing(self, own_stack: StackMaker, node: NodeClients, seed: int) -> None:
        stack, name = own_stack(), room("rolling")
        clients = [await node.open(f"c{n}", stack.urls[n % 2], name) for n in range(4)]
        await asyncio.gather(*(client.synced() for client in clients))
        await asyncio.gather(*(c.do("type", seed=seed + n, rate=10) for n, c in enumerate(clients)))
        for server in stack.servers:
            await asyncio.sleep(0.5)
            await asyncio.to_thread(server.terminate)
            server.launch()
            await asyncio.to_thread(server.wait_ready)
        await asyncio.gather(*(client.wait(synced=True, connects=2, seconds=20) for client in clients))
        typed = [await client.do("stopTyping") for client in clients]
        await converge(clients)
        fresh = await (await node.open("fresh", stack.urls[0], name)).synced()
        text = await fresh.text()
        assert [token for one in typed for token in one["kept"] if token not in text] == []
        assert await stack.judge(clients, fresh=fresh, seed=seed) == []

    async def test_it_does_not_wait_for_a_redis_that_is_away(self, own_stack: StackMaker, node: NodeClients) -> None:
        stack, name = own_stack(), room("stopped")
        await (await node.open("ann", stack.urls[0], name)).synced()
        stack.valkey.freeze()
        await asyncio.to_thread(stack.servers[0].terminate, 12)
        assert stack.servers[0].exit_code != -signal.SIGKILL
