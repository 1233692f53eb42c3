"""Who is here: cursors and names are seen by everybody, and end with their connection."""

import asyncio

from rooms import protocol
from tests.support.clients import Client, NodeClients
from tests.support.raw import awareness_frame, raw_client
from tests.support.stack import Stack, room


async def present(node: NodeClients, name: str, url: str, in_room: str) -> Client:
    """Open a client that says who it is: the empty state of clock 0 that it begins with, others ignore."""
    client = await (await node.open(name, url, in_room)).synced()
    await client.do("setAwareness", state={"user": {"name": name}})
    return client


class TestAwareness:
    """As y-websocket clients use it."""

    async def test_a_late_joiner_on_the_other_server_sees_who_is_here(self, stack: Stack, node: NodeClients) -> None:
        name = room("seen")
        ann = await (await node.open("ann", stack.urls[0], name)).synced()
        await ann.do("setAwareness", state={"user": {"name": "Ann"}, "cursor": 7})
        late = await (await node.open("late", stack.urls[1], name)).synced()
        await late.wait(sees=ann.client_id, seconds=5)
        assert (await late.do("awareness"))[str(ann.client_id)] == {"user": {"name": "Ann"}, "cursor": 7}

    async def test_a_moved_cursor_is_seen_on_both_servers(self, stack: Stack, node: NodeClients) -> None:
        name = room("moved")
        clients = [await node.open(f"c{n}", stack.urls[n % 2], name) for n in range(3)]
        await asyncio.gather(*(client.synced() for client in clients))
        await clients[0].do("setAwarenessField", field="cursor", value=1)
        for client in clients:
            await client.wait(sees=clients[0].client_id)
        await clients[0].do("setAwarenessField", field="cursor", value=2)
        await asyncio.sleep(1)
        for client in clients:
            assert (await client.do("awareness"))[str(clients[0].client_id)]["cursor"] == 2

    async def test_a_terminated_client_is_gone_within_3_seconds(self, stack: Stack, node: NodeClients) -> None:
        name = room("gone")
        ann = await present(node, "ann", stack.urls[0], name)
        near = await (await node.open("near", stack.urls[0], name)).synced()
        far = await (await node.open("far", stack.urls[1], name)).synced()
        await asyncio.gather(near.wait(sees=ann.client_id), far.wait(sees=ann.client_id))
        await ann.do("terminate", stay=True)
        await asyncio.gather(near.wait(misses=ann.client_id, seconds=3), far.wait(misses=ann.client_id, seconds=3))
        late = await (await node.open("late", stack.urls[1], name)).synced()
        await asyncio.sleep(0.5)
        assert str(ann.client_id) not in await late.do("awareness")

    async def test_a_reconnected_client_is_seen_again(self, stack: Stack, node: NodeClients) -> None:
        name = room("again")
        ann = await present(node, "ann", stack.urls[0], name)
        bob = await present(node, "bob", stack.urls[1], name)
        await bob.wait(sees=ann.client_id)
        await ann.do("terminate")
        await ann.wait(connects=2)
        await asyncio.sleep(1)
        assert str(ann.client_id) in await bob.do("awareness")
        assert str(bob.client_id) in await ann.do("awareness")


class TestForeignAwareness:
    """A connection speaks only for its own client ids."""

    async def test_a_state_or_removal_for_somebody_else_is_dropped(self, stack: Stack, node: NodeClients) -> None:
        name = room("spoof")
        ann = await (await node.open("ann", stack.urls[0], name)).synced()
        bob = await (await node.open("bob", stack.urls[1], name)).synced()
        await ann.do("setAwareness", state={"user": "the true Ann"})
        await bob.wait(sees=ann.client_id)
        async with raw_client(stack.urls[1], name) as mallory:
            await mallory.send(awareness_frame((666, 1, '"here"'), (ann.client_id, 900, '{"user":"forged"}')))
            await mallory.send(awareness_frame((ann.client_id, 901, "null")))
            await bob.wait(sees=666)
            await asyncio.sleep(0.5)
            assert (await bob.do("awareness"))[str(ann.client_id)] == {"user": "the true Ann"}
            await mallory.sync()  # it was not closed for that: stock clients re-send everybody's states

    async def test_an_echo_keeps_its_sender_connected(self, stack: Stack) -> None:
        async with raw_client(stack.urls[0], room("echo")) as ann:
            await ann.quiet()
            await ann.send(awareness_frame((5, 1, '{"here":true}')))
            await ann.until(lambda message: isinstance(message, protocol.Awareness))

    async def test_a_query_is_answered_with_everybody(self, stack: Stack, node: NodeClients) -> None:
        name = room("query")
        bob = await (await node.open("bob", stack.urls[1], name)).synced()
        async with raw_client(stack.urls[0], name) as ann:
            await ann.quiet()
            await ann.send(b"\x03")
            answer = await ann.until(lambda message: isinstance(message, protocol.Awareness))
            assert isinstance(answer, protocol.Awareness)
            assert answer.states[0] == 1, f"one state, {bob.client_id}'s"
