"""Two server processes, one Redis, unmodified y-websocket clients: they see one document."""

import asyncio

from tests.support.clients import NodeClients, converge
from tests.support.stack import Stack, room


class TestOneDocument:
    """What everybody expects of a shared document."""

    async def test_two_clients_of_one_server_converge(self, stack: Stack, node: NodeClients) -> None:
        name = room("same")
        ann = await (await node.open("ann", stack.urls[0], name)).synced()
        bob = await (await node.open("bob", stack.urls[0], name)).synced()
        await ann.insert("hello ")
        await bob.wait(text="hello ")
        await bob.insert("world")
        await ann.wait(text="hello world")

    async def test_clients_of_two_servers_converge(self, stack: Stack, node: NodeClients) -> None:
        name = room("cross")
        ann = await (await node.open("ann", stack.urls[0], name)).synced()
        bob = await (await node.open("bob", stack.urls[1], name)).synced()
        await asyncio.gather(*(who.insert(f"{who.name}{n} ") for n in range(50) for who in (ann, bob)))
        await converge([ann, bob])
        assert len(await ann.text()) == len(await bob.text()) == sum(len(f"ann{n} bob{n} ") for n in range(50))

    async def test_a_late_joiner_has_the_content_when_synced_fires(self, stack: Stack, node: NodeClients) -> None:
        name = room("late")
        ann = await (await node.open("ann", stack.urls[0], name)).synced()
        await ann.insert("x" * 1000)
        bystander = await (await node.open("bystander", stack.urls[1], name)).synced()
        await bystander.wait(length=1000)
        late = await (await node.open("late", stack.urls[1], name)).synced()
        assert (await late.info())["lengthAtSync"] == 1000

    async def test_everybody_leaves_and_a_new_client_finds_all(self, stack: Stack, node: NodeClients) -> None:
        name = room("empty")
        ann = await (await node.open("ann", stack.urls[0], name)).synced()
        bob = await (await node.open("bob", stack.urls[1], name)).synced()
        await ann.insert("kept by ann; ")
        await bob.wait(text="kept by ann; ")
        await bob.insert("kept by bob")
        await ann.wait(text="kept by ann; kept by bob")
        await asyncio.gather(ann.do("close"), bob.do("close"))
        await asyncio.sleep(1)
        for number, url in enumerate(stack.urls):
            new = await (await node.open(f"new{number}", url, name)).synced()
            assert await new.text() == "kept by ann; kept by bob"


class TestOffline:
    """Edits made without a connection."""

    async def test_offline_edits_on_both_sides_merge(self, stack: Stack, node: NodeClients) -> None:
        name = room("offline")
        ann = await (await node.open("ann", stack.urls[0], name)).synced()
        bob = await (await node.open("bob", stack.urls[1], name)).synced()
        await ann.insert("base.")
        await bob.wait(text="base.")
        await asyncio.gather(ann.do("disconnect"), bob.do("disconnect"))
        await ann.insert("ANN ", at=0)
        await ann.delete(4, 2)
        await bob.insert(" BOB")
        await asyncio.gather(ann.do("connect"), bob.do("connect"))
        await converge([ann, bob])
        assert await ann.text() == "ANN se. BOB"

    async def test_a_terminated_client_comes_back_with_what_it_typed_meanwhile(
        self, stack: Stack, node: NodeClients
    ) -> None:
        name = room("cut")
        ann = await (await node.open("ann", stack.urls[0], name)).synced()
        bob = await (await node.open("bob", stack.urls[1], name)).synced()
        await ann.insert("before ")
        await ann.do("terminate")
        await ann.insert("meanwhile")
        await bob.wait(text="before meanwhile")
        assert (await ann.info())["connects"] == 2


class TestResync:
    """y-websocket's `resyncInterval` sends SyncStep1 again and again."""

    async def test_a_resync_is_answered_every_time(self, stack: Stack, node: NodeClients) -> None:
        name = room("resync")
        still = await (await node.open("still", stack.urls[0], room("still"))).synced()
        asking = await (await node.open("asking", stack.urls[0], name, resyncInterval=100)).synced()
        before = (await asking.info())["framesIn"] - (await still.info())["framesIn"]
        await asyncio.sleep(2)
        after = (await asking.info())["framesIn"] - (await still.info())["framesIn"]
        assert after - before >= 10
        assert (await asking.info())["connects"] == 1


class TestManyTypists:
    """Fifty people in one room."""

    async def test_50_clients_type_at_once(self, stack: Stack, node: NodeClients, seed: int) -> None:
        name = room("fifty")
        clients = [await node.open(f"c{n}", stack.urls[n % 2], name) for n in range(50)]
        await asyncio.gather(*(client.synced() for client in clients))
        await asyncio.gather(*(c.do("type", seed=seed + n, rate=4, count=20) for n, c in enumerate(clients)))
        await asyncio.gather(*(client.wait(typed=True, seconds=60) for client in clients))
        await converge(clients, seconds=60)
        fresh = await (await node.open("fresh", stack.urls[0], name)).synced()
        await converge([clients[0], fresh])
        kept = [token for client in clients for token in (await client.do("stopTyping"))["kept"]]
        assert sorted(f"{token};" for token in (await fresh.text()).split(";")[:-1]) == sorted(kept)
        assert await stack.judge(clients, fresh=fresh, seed=seed) == []
