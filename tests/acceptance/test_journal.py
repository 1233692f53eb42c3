"""The journals that the auditor trusts: on disk before anything is sent."""

from tests.support.clients import NodeClients
from tests.support.stack import Stack, room


class TestJournal:
    """The listener that writes runs before the provider's that sends."""

    async def test_every_update_is_on_disk_when_it_is_sent(self, stack: Stack, node: NodeClients) -> None:
        ann = await (await node.open("ann", stack.urls[0], room("journal"), checkSends=True)).synced()
        for number in range(20):
            await ann.insert(f"{number} ")
        info = await ann.info()
        assert (info["updatesOut"], info["lateUpdates"], info["journaled"]) == (20, 0, 20)

    async def test_the_other_order_would_be_noticed(self, stack: Stack, node: NodeClients) -> None:
        late = await node.open("late", stack.urls[0], room("journal"), checkSends=True, journalLast=True)
        await late.synced()
        for number in range(20):
            await late.insert(f"{number} ")
        assert (await late.info())["lateUpdates"] == 20

    async def test_what_others_typed_is_not_in_it(self, stack: Stack, node: NodeClients) -> None:
        name = room("journal")
        ann = await (await node.open("ann", stack.urls[0], name)).synced()
        bob = await (await node.open("bob", stack.urls[1], name)).synced()
        await ann.insert("by ann")
        await bob.wait(text="by ann")
        assert ((await ann.info())["journaled"], (await bob.info())["journaled"]) == (1, 0)
