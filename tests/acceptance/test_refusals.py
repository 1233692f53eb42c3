"""Who doesn't get in, or not with everything: each refusal is an accepted socket that closes with its code."""

import asyncio
from collections.abc import Iterator

import pytest

from rooms import protocol
from tests.acceptance.test_bad_input import GOOD_UPDATE
from tests.support.clients import NodeClients
from tests.support.raw import raw_client
from tests.support.servers import Asgi
from tests.support.stack import Stack, room

BAD_NAMES = {
    "empty": "",
    "256 bytes": "x" * 256,
    "128 characters of two bytes": "%C3%A9" * 128,
    "NUL": "a%00b",
    "a line break": "a%0Ab",
    "a C1 control": "a%C2%85b",
    "a line separator": "a%E2%80%A8b",
    "not UTF-8": "a%FFb",
}


class TestNames:
    """A name that can't name a room: 4404."""

    @pytest.mark.parametrize("kind", BAD_NAMES)
    async def test_a_bad_name_closes_4404(self, stack: Stack, kind: str) -> None:
        async with raw_client(stack.urls[0], BAD_NAMES[kind]) as client:
            assert await client.close_code() == 4404

    async def test_a_name_of_255_bytes_is_a_room(self, stack: Stack) -> None:
        async with raw_client(stack.urls[0], "x" * 255) as client:
            assert await client.sync() == b"\x00\x00"

    async def test_a_real_client_stops_for_good(self, stack: Stack, node: NodeClients) -> None:
        ann = await node.open("ann", stack.urls[0], "x" * 256)
        await ann.wait(ended=4404)
        await asyncio.sleep(1)
        assert (await ann.info())["connects"] == 1


class TestAccess:
    """No right: 4403, after the socket was accepted, so that a browser sees the code."""

    async def test_a_forbidden_room_closes_4403(self, stack: Stack, node: NodeClients) -> None:
        ann = await node.open("ann", stack.urls[0], "forbidden-room")
        await ann.wait(ended=4403)
        info = await ann.info()
        assert (info["connects"], info["syncs"]) == (1, 0)

    async def test_a_reader_reads_and_is_asked_for_nothing(self, stack: Stack, node: NodeClients) -> None:
        name = room("read")
        writer = await (await node.open("writer", stack.urls[0], name)).synced()
        await writer.insert("to be read")
        reader = await node.open("reader", stack.urls[1], name, params={"as": "reader"})
        await reader.wait(text="to be read")
        await writer.insert(", live")
        await reader.wait(text="to be read, live")
        async with raw_client(stack.urls[0], f"{name}?as=reader") as raw:
            await raw.sync()
            assert not any(isinstance(message, protocol.SyncStep1) for message in (*raw.inbox, *await raw.quiet()))

    @pytest.mark.parametrize("carry", [protocol.update, protocol.sync_step_2], ids=["update", "sync-step-2"])
    async def test_a_reader_that_writes_closes_4403(self, stack: Stack, carry: type[bytes]) -> None:
        name = room("readonly")
        async with raw_client(stack.urls[0], f"{name}?as=reader") as reader:
            await reader.sync()
            await reader.send(carry(GOOD_UPDATE))
            assert await reader.close_code() == 4403
        assert stack.entries(name) == 0

    async def test_a_readers_sync_step_2_with_nothing_new_is_fine(self, stack: Stack) -> None:
        name = room("nothing-new")
        async with raw_client(stack.urls[0], name) as writer:
            await writer.send(protocol.update(GOOD_UPDATE))
            await writer.sync()
        async with raw_client(stack.urls[1], f"{name}?as=reader") as reader:
            update = await reader.sync()
            await reader.send(protocol.sync_step_2(update))
            await reader.sync()
        assert stack.entries(name) == 1


@pytest.fixture(scope="module")
def demo(asgi: Asgi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One server with the demo site's own authorizer."""
    authorize = {"YREDIS_AUTHORIZE": "authbridge.authorizer.authorize"}
    with Stack(tmp_path_factory.mktemp("demo"), asgi, servers=1, env=authorize) as running:
        yield running


class TestTheDemosOwnPolicy:
    """The demo site opens rooms named demo-... to everybody, and refuses all others to who is not signed in."""

    async def test_a_demo_room_is_open(self, demo: Stack, node: NodeClients) -> None:
        await (await node.open("ann", demo.urls[0], "demo-open")).synced()

    async def test_another_room_closes_4403(self, demo: Stack, node: NodeClients) -> None:
        ann = await node.open("ann", demo.urls[0], "private")
        await ann.wait(ended=4403)
        assert (await ann.info())["connects"] == 1
