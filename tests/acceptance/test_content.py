"""Every kind of content arrives as it was sent, live on another server and for a client that joins later."""

import asyncio

import pytest

from tests.support.clients import NodeClients, converge
from tests.support.stack import Stack, room

SCRIPTS = [
    "formattedText",
    "embeds",
    "xml",
    "subdocuments",
    "binary",
    "undefinedValues",
    "bigInts",
    "numbers",
    "nested",
    "manyDeletions",
]


class TestKindsOfContent:
    """Edits named in tests/clients/src/scripts.js."""

    @pytest.mark.parametrize("script", SCRIPTS)
    async def test_content_is_equal_on_both_sides(self, stack: Stack, node: NodeClients, script: str) -> None:
        name = room("content")
        ann = await (await node.open("ann", stack.urls[0], name)).synced()
        bob = await (await node.open("bob", stack.urls[1], name)).synced()
        await ann.script(script)
        await bob.wait(digest=await ann.do("digest"))
        late = await (await node.open("late", stack.urls[1], name)).synced()
        assert await late.content() == await bob.content() == await ann.content()

    async def test_all_kinds_live_in_one_room(self, stack: Stack, node: NodeClients) -> None:
        name = room("kinds")
        ann = await (await node.open("ann", stack.urls[0], name)).synced()
        bob = await (await node.open("bob", stack.urls[1], name)).synced()
        for number, script in enumerate(SCRIPTS):
            await (ann, bob)[number % 2].script(script)
        await converge([ann, bob])
        late = await (await node.open("late", stack.urls[0], name)).synced()
        await converge([ann, bob, late])
        assert await stack.judge([ann, bob], fresh=late) == []

    async def test_a_subdocument_is_a_room_of_its_own(self, stack: Stack, node: NodeClients) -> None:
        name, inner = room("outer"), room("inner")
        ann = await (await node.open("ann", stack.urls[0], name)).synced()
        bob = await (await node.open("bob", stack.urls[1], name)).synced()
        await ann.script("subdocuments")
        await bob.wait(digest=await ann.do("digest"))
        of_ann = await node.open("of-ann", stack.urls[0], inner, subdocumentOf="ann", key="subdocument")
        of_bob = await node.open("of-bob", stack.urls[1], inner, subdocumentOf="bob", key="subdocument")
        await of_ann.insert("inside")
        await of_bob.wait(text="inside")
        assert await ann.text() == ""


class TestSize:
    """An update far over every buffer on its way."""

    async def test_an_update_of_4_mib_arrives(self, stack: Stack, node: NodeClients) -> None:
        name, size = room("large"), 4 * 2**20
        ann = await (await node.open("ann", stack.urls[0], name)).synced()
        bob = await (await node.open("bob", stack.urls[1], name)).synced()
        await ann.do("fill", bytes=size)
        await bob.wait(length=size, seconds=30)
        late = await (await node.open("late", stack.urls[1], name)).synced()
        assert await late.do("digest") == await bob.do("digest") == await ann.do("digest")
        assert (await ann.info())["closes"] == (await bob.info())["closes"] == []


class TestRoomNames:
    """What is another name is another room."""

    NAMES = ["ünï/cödé", "ünï%2Fcödé", "a b", "a+b", "a.b", "a:b", "a{b}", "a*", "a;b", "a;c", "a", "a/b", "A"]

    async def test_rooms_stay_distinct(self, stack: Stack, node: NodeClients) -> None:
        writers = [await node.open(f"w{n}", stack.urls[0], name) for n, name in enumerate(self.NAMES)]
        await asyncio.gather(*(writer.synced() for writer in writers))
        await asyncio.gather(*(writer.insert(f"only in {writer.room}") for writer in writers))
        readers = [await node.open(f"r{n}", stack.urls[1], name) for n, name in enumerate(self.NAMES)]
        await asyncio.gather(*(reader.wait(text=f"only in {reader.room}") for reader in readers))
        assert await stack.judge(writers, fresh=readers[0]) == []

    async def test_two_spellings_of_one_name_meet(self, stack: Stack, node: NodeClients) -> None:
        name = room("spelt")
        ann = await (await node.open("ann", stack.urls[0], f"{name} é")).synced()
        bob = await (await node.open("bob", stack.urls[1], f"{name}%20e%CC%81")).synced()
        await ann.insert("one room")
        await bob.wait(text="one room")
