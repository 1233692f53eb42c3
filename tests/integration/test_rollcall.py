"""Who is connected: every server is asked, and none is waited for in vain for long."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from rooms import api, rollcall
from rooms.backend import backend
from rooms.bells import Kind
from rooms.errors import Undecodable
from rooms.hub import Hub
from rooms.orders import EVERYWHERE
from rooms.redis_client import Call, script
from tests.integration.conftest import Serve
from tests.integration.peers import READ, Peer, eventually, settled

Seated = Callable[..., Awaitable[Peer]]
ROOM = "essay"


@pytest.fixture(autouse=True)
async def closed_behind(hub: Hub) -> AsyncIterator[None]:
    """Close this loop's own backend, as asyncio.run does."""
    yield
    await (await backend()).aclose()


async def test_connections_of_all_servers_are_told_in_the_order_of_their_coming(
    hub: Hub, other_hub: Hub, seat: Seated
) -> None:
    await seat(hub, ROOM, user_id="ann", address="10.0.0.1")
    await seat(other_hub, ROOM, READ, address="10.0.0.2")
    await seat(hub, "other", user_id="bob")
    told = [(one.user_id, one.access, one.address, one.server_id) for one in await api.connections(ROOM)]
    assert told == [
        ("ann", "write", "10.0.0.1", hub.server_id),
        (None, "read", "10.0.0.2", other_hub.server_id),
    ]


async def test_who_left_is_not_among_them(hub: Hub, seat: Seated) -> None:
    peer = await seat(hub, ROOM)
    await peer.leave()
    assert await api.connections(ROOM) == []


async def test_a_server_that_does_not_answer_is_left_out_soon(
    hub: Hub, serve: Serve, seat: Seated, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaf = await serve()
    await seat(hub, ROOM), await seat(deaf, ROOM)
    monkeypatch.setattr(deaf, "_answer", lambda *_: asyncio.sleep(0))
    began = time.monotonic()
    assert [one.server_id for one in await api.connections(ROOM)] == [hub.server_id]
    assert time.monotonic() - began < rollcall.PATIENCE_SECONDS + 1


async def test_what_was_answered_is_soon_forgotten(hub: Hub, seat: Seated) -> None:
    await seat(hub, ROOM)
    await api.connections(ROOM)
    [key] = await hub.backend.client.redis.keys("yredis:rollcall:*")
    assert 0 < await hub.backend.client.redis.pttl(key) <= rollcall.KEEP_SECONDS * 1000


@pytest.mark.parametrize("body", ["", "[]", "7", None])
def test_a_call_that_is_none_is_undecodable(body: object) -> None:
    with pytest.raises(Undecodable):
        rollcall.asked(body)


async def test_such_a_call_hurts_nobody(hub: Hub, seat: Seated) -> None:
    peer = await seat(hub, ROOM)
    keys = hub.backend.keys
    ask = (keys.bell(EVERYWHERE), Kind.ROLL_CALL.value, "nonsense")
    await hub.backend.client.run(Call(script("order"), (keys.head(EVERYWHERE),), ask))
    peer.add("a")
    await settled(peer)
    await eventually(lambda: not hub._tasks)
    assert peer.code is None
