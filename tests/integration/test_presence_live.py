"""Who is here: seen by everybody on every server, and gone as soon as the connection is."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import redis

from rooms import presence as who
from rooms.awareness import GONE
from rooms.errors import CloseCode
from rooms.hub import Hub
from rooms.metrics import Count, counters
from rooms.streams import Reading, Streams
from tests.integration.conftest import Serve
from tests.integration.peers import READ, Peer, eventually, settled

Seated = Callable[..., Awaitable[Peer]]
ROOM = "essay"


class TestSharing:
    """States go to all servers with the bell, and to newcomers through a hash."""

    async def test_everybody_on_every_server_sees_it(self, hub: Hub, other_hub: Hub, seat: Seated) -> None:
        here, there, reader = await seat(hub, ROOM), await seat(other_hub, ROOM), await seat(other_hub, ROOM, READ)
        here.show(7, 1, '{"name": "Ada"}')
        for peer in (here, there, reader):
            await eventually(lambda peer=peer: peer.sees(7) == b'{"name": "Ada"}')

    async def test_who_may_not_share_sees_the_others_unseen(self, hub: Hub, other_hub: Hub, seat: Seated) -> None:
        here, unseen = await seat(hub, ROOM), await seat(hub, ROOM, READ, may_share_awareness=False)
        there = await seat(other_hub, ROOM)
        unseen.show(8, 1, "{}")
        here.show(7, 1, "{}")
        for peer in (here, there, unseen):
            await eventually(lambda peer=peer: peer.sees(7))
        assert not any(peer.sees(8) for peer in (here, there, unseen))

    async def test_it_leaves_no_trace_in_the_document(self, hub: Hub, seat: Seated, redis_of: "redis.Redis") -> None:
        peer = await seat(hub, ROOM)
        peer.show(7, 1, "{}")
        await eventually(lambda: peer.sees(7))
        keys = hub.backend.keys
        assert not redis_of.exists(keys.room(ROOM), keys.head(ROOM), keys.due_of(ROOM))

    async def test_who_joins_is_told_at_once(self, hub: Hub, other_hub: Hub, seat: Seated) -> None:
        here = await seat(hub, ROOM)
        here.show(7, 1, "{}")
        await eventually(lambda: here.sees(7))
        assert (await seat(hub, ROOM)).sees(7) == b"{}"
        assert (await seat(other_hub, ROOM)).sees(7) == b"{}"

    async def test_a_server_that_came_just_now_is_believed(self, serve: Serve, hub: Hub, seat: Seated) -> None:
        """Its heartbeat is younger than our last look at the heartbeats."""
        there = await seat(await serve(), ROOM)
        there.show(7, 1, "{}")
        await eventually(lambda: there.sees(7))
        assert (await seat(hub, ROOM)).sees(7) == b"{}"

    async def test_the_newest_state_wins_and_many_are_few_bells(self, hub: Hub, other_hub: Hub, seat: Seated) -> None:
        here, there = await seat(hub, ROOM), await seat(other_hub, ROOM)
        for clock in range(1, 101):
            here.show(7, clock, str(clock))
        await eventually(lambda: there.sees(7) == b"100")
        assert len(there.messages) < 20

    async def test_an_older_state_changes_nothing(self, hub: Hub, seat: Seated) -> None:
        here, witness = await seat(hub, ROOM), await seat(hub, ROOM)
        here.show(7, 5, '"new"')
        here.show(7, 4, '"old"')
        await eventually(lambda: witness.sees(7) == b'"new"')
        await asyncio.sleep(0.05)
        assert witness.sees(7) == b'"new"'

    async def test_a_full_redis_costs_cursors_not_sockets(
        self, hub: Hub, seat: Seated, monkeypatch: pytest.MonkeyPatch, redis_of: "redis.Redis"
    ) -> None:
        monkeypatch.setattr(who, "RETRY_SECONDS", 0.05)
        here, witness = await seat(hub, ROOM), await seat(hub, ROOM)
        redis_of.set(hub.backend.keys.awareness(ROOM), "no hash")
        here.show(7, 1, '"old"')
        await asyncio.sleep(0.1)
        here.show(7, 2, '"new"')
        redis_of.delete(hub.backend.keys.awareness(ROOM))
        await eventually(lambda: witness.sees(7) == b'"new"')
        assert (here.code, witness.code) == (None, None)

    async def test_what_is_said_while_a_server_opens_the_room_is_heard(
        self, hub: Hub, other_hub: Hub, seat: Seated, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """After it read who is here, and before it knows how far the stream goes."""
        here = await seat(hub, ROOM)
        here.show(7, 1, '"old"')
        await eventually(lambda: here.sees(7))
        look = other_hub.backend.streams.look

        async def later(room: str) -> Reading:
            here.show(7, 2, '"new"')
            await eventually(lambda: here.sees(7) == b'"new"')
            await asyncio.sleep(0.05)  # the same bell goes to the other server
            return await look(room)

        monkeypatch.setattr(Streams, "look", lambda _, room: later(room))
        there = await seat(other_hub, ROOM)
        assert there.sees(7) == b'"new"'


class TestLeaving:
    """On any kind of close the removal is published at once."""

    async def test_who_leaves_is_gone_for_everybody(self, hub: Hub, other_hub: Hub, seat: Seated) -> None:
        here, there = await seat(hub, ROOM), await seat(other_hub, ROOM)
        here.show(7, 1, "{}")
        await eventually(lambda: there.sees(7))
        await here.leave()
        await eventually(lambda: there.states[7].value == GONE)
        assert there.states[7].clock == 2
        assert (await seat(hub, ROOM)).sees(7) is None

    async def test_one_whom_the_server_closed_is_gone_before_its_socket_is(
        self, hub: Hub, other_hub: Hub, seat: Seated
    ) -> None:
        here, there = await seat(hub, ROOM), await seat(other_hub, ROOM)
        here.show(7, 1, "{}")
        await eventually(lambda: there.sees(7))
        here.send(b"nonsense")
        await eventually(lambda: there.states[7].value == GONE)
        assert here.code == CloseCode.MALFORMED

    @pytest.mark.parametrize("turns", range(8))
    async def test_one_who_leaves_in_the_moment_of_coming_is_no_ghost(
        self, hub: Hub, other_hub: Hub, seat: Seated, turns: int
    ) -> None:
        here, there = await seat(hub, ROOM), await seat(other_hub, ROOM)
        here.show(7, 1, "{}")
        for _ in range(turns):
            await asyncio.sleep(0)
        await here.leave()
        await asyncio.sleep(0.1)
        assert there.sees(7) is None
        assert (await seat(other_hub, ROOM)).sees(7) is None

    async def test_who_says_goodbye_is_gone(self, hub: Hub, seat: Seated) -> None:
        here, witness = await seat(hub, ROOM), await seat(hub, ROOM)
        here.show(7, 1, "{}")
        here.show(7, 2, "null")
        await asyncio.sleep(0.1)
        assert witness.sees(7) is None

    async def test_the_clients_of_a_server_that_died_are_gone(
        self, hub: Hub, serve: Serve, seat: Seated, redis_of: "redis.Redis"
    ) -> None:
        dying = await serve()
        here, there = await seat(hub, ROOM), await seat(dying, ROOM)
        there.show(7, 1, "{}")
        await eventually(lambda: here.sees(7))
        before = counters[Count.SERVERS_LOST]
        await die(dying, redis_of)
        await hub.upkeep.beat()
        await eventually(lambda: here.sees(7) is None)
        assert counters[Count.SERVERS_LOST] == before + 1

    async def test_a_room_opened_after_a_server_died_does_not_show_its_clients(
        self, hub: Hub, serve: Serve, seat: Seated, redis_of: "redis.Redis"
    ) -> None:
        dying = await serve()
        there = await seat(dying, ROOM)
        there.show(7, 1, "{}")
        await eventually(lambda: there.sees(7))
        await die(dying, redis_of)
        await hub.upkeep.beat()
        assert (await seat(hub, ROOM)).sees(7) is None


async def die(hub: Hub, client: "redis.Redis") -> None:
    """Let a server be silent, and Redis believe that it has been so for a long time."""
    await hub.upkeep.aclose()
    client.hset(hub.backend.keys.servers, hub.server_id, "1 1000 1 1")


class TestSpeaking:
    """A connection speaks for its own client ids; y-websocket re-sends everybody's."""

    async def test_what_is_said_of_others_is_dropped_in_silence(self, hub: Hub, seat: Seated) -> None:
        owner, liar = await seat(hub, ROOM), await seat(hub, ROOM)
        owner.show(7, 1, '"mine"')
        await eventually(lambda: liar.sees(7))
        liar.show(7, 2, '"yours"')
        liar.show(7, 3, "null")
        await settled(liar)
        await asyncio.sleep(0.05)
        assert (owner.sees(7), liar.code) == (b'"mine"', None)

    async def test_not_even_in_the_moment_in_which_the_owner_speaks(self, hub: Hub, seat: Seated) -> None:
        owner, liar = await seat(hub, ROOM), await seat(hub, ROOM)
        await asyncio.sleep(0)  # the server waits for frames of both
        owner.show(7, 1, '"mine"')
        liar.show(7, 2, '"yours"')
        await eventually(lambda: owner.sees(7))
        await asyncio.sleep(0.05)
        assert owner.sees(7) == b'"mine"'

    async def test_the_same_users_new_connection_takes_its_id_over(
        self, hub: Hub, other_hub: Hub, seat: Seated
    ) -> None:
        witness = await seat(hub, ROOM)
        old = await seat(hub, ROOM, user_id="ada")
        old.show(7, 1, '"old"')
        await eventually(lambda: witness.sees(7))
        new = await seat(other_hub, ROOM, user_id="ada")
        new.show(7, 2, '"new"')
        await eventually(lambda: witness.sees(7) == b'"new"')
        await old.leave()
        await asyncio.sleep(0.1)
        assert witness.sees(7) == b'"new"'

    async def test_one_who_comes_back_with_an_old_clock_is_told_of_its_removal(self, hub: Hub, seat: Seated) -> None:
        """It answers its own removal with a newer clock, and everybody sees it again."""
        witness, before = await seat(hub, ROOM), await seat(hub, ROOM)
        before.show(7, 5, "{}")
        await eventually(lambda: witness.sees(7))
        await before.leave()
        await eventually(lambda: witness.sees(7) is None)
        back = await seat(hub, ROOM)
        back.show(7, 5, "{}")
        await eventually(lambda: 7 in back.states)
        assert (back.states[7].clock, back.states[7].value) == (6, GONE)
        back.show(7, 7, "{}")
        await eventually(lambda: witness.sees(7) == b"{}")

    @pytest.mark.parametrize("value", ["{", "NaN", "[" * 10_000, ""])
    async def test_what_is_no_json_closes_the_socket(self, hub: Hub, seat: Seated, value: str) -> None:
        peer, witness = await seat(hub, ROOM), await seat(hub, ROOM)
        peer.show(7, 1, value)
        await eventually(lambda: peer.code is not None)
        assert witness.sees(7) is None

    async def test_a_connection_has_not_endless_ids(self, hub: Hub, seat: Seated) -> None:
        peer, witness = await seat(hub, ROOM), await seat(hub, ROOM)
        for client in range(1, 100):
            peer.show(client, 1, "{}")
        await settled(peer)
        await eventually(lambda: witness.sees(1))
        await asyncio.sleep(0.05)
        assert len(witness.states) <= who.OWN_CLIENTS
