"""Redis gives no answer: sockets close 1013, clients come back, and nothing that anybody typed is missing."""

import asyncio

import pytest

from rooms import protocol
from tests.acceptance.conftest import StackMaker
from tests.acceptance.test_bad_input import GOOD_UPDATE, eventually_stored
from tests.support.clients import NodeClients, converge
from tests.support.raw import raw_client
from tests.support.stack import Stack, room

IMPATIENT = {"YREDIS_REDIS_TIMEOUT_SECONDS": "1"}


class Outage:
    """A way for Redis to be away, and its end."""

    def __init__(self, stack: Stack, kind: str) -> None:
        self.stack, self.kind = stack, kind

    def begin(self) -> None:
        """Freeze: connections stay, nothing answers. Kill: connections break, nobody listens."""
        if self.kind == "frozen":
            self.stack.valkey.freeze()
        else:
            self.stack.valkey.kill()

    def end(self) -> None:
        """Let it go on, with all that was answered (appendfsync always)."""
        if self.kind == "frozen":
            self.stack.valkey.thaw()
        else:
            self.stack.valkey.start()


@pytest.fixture(params=["frozen", "killed"])
def outage(request: pytest.FixtureRequest, own_stack: StackMaker) -> Outage:
    """An installation whose Redis can go away in one of two ways."""
    return Outage(own_stack(persistence="always", env=IMPATIENT), request.param)


class TestRedisAway:
    """G2 and G4."""

    async def test_a_join_closes_1013_and_succeeds_later(self, outage: Outage, node: NodeClients) -> None:
        name = room("join")
        ann = await (await node.open("ann", outage.stack.urls[0], name)).synced()
        await ann.insert("was there before")
        await eventually_stored(outage.stack, name, 1)
        await ann.do("close")
        outage.begin()
        bob = await node.open("bob", outage.stack.urls[1], name)
        await bob.wait(closed=1013, seconds=10)
        assert await bob.text() == ""
        outage.end()
        await bob.wait(text="was there before", synced=True, seconds=10)

    async def test_an_append_closes_1013(self, outage: Outage) -> None:
        async with raw_client(outage.stack.urls[0], room("append")) as client:
            await client.sync()
            outage.begin()
            await client.send(protocol.update(GOOD_UPDATE))
            assert await client.close_code(10) == 1013
        outage.end()

    async def test_nothing_typed_meanwhile_is_lost(self, outage: Outage, node: NodeClients, seed: int) -> None:
        name, urls = room("typed"), outage.stack.urls
        clients = [await node.open(f"c{n}", urls[n % 2], name) for n in range(6)]
        await asyncio.gather(*(client.synced() for client in clients))
        await asyncio.gather(*(c.do("type", seed=seed + n, rate=10) for n, c in enumerate(clients)))
        await asyncio.sleep(1)
        outage.begin()
        await asyncio.sleep(4)
        await asyncio.gather(*(client.wait(closed=1013, seconds=1) for client in clients))
        outage.end()
        await asyncio.sleep(1)
        typed = [await client.do("stopTyping") for client in clients]
        await converge(clients, seconds=20)
        fresh = await (await node.open("fresh", urls[0], name)).synced()
        text = await fresh.text()
        assert [token for one in typed for token in one["kept"] if token not in text] == []
        assert await outage.stack.judge(clients, fresh=fresh, seed=seed) == []
