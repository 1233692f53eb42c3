"""Who is in a room, and orders about them to every server."""

from dataclasses import dataclass
from typing import Any

from rooms import background, names, presence, rollcall
from rooms.awareness import read_json
from rooms.backend import backend
from rooms.bells import Kind
from rooms.errors import MalformedFrame
from rooms.orders import EVERYWHERE, REASON_BYTES, Order
from rooms.redis_client import Call, script
from rooms.rollcall import Connection


@dataclass(frozen=True, slots=True)
class Present:
    """A client that shows itself in a room: what it says of itself, as y-websocket's awareness has it.

    Args:
        client_id: the awareness id, of one page.
        user_id: of the grant with which it is connected; None for somebody unknown.
        state: what the client has set with `setLocalState`; None if that is nested too deeply to be read.
        server_id: host, process and more of the server that it is connected to.
    """

    client_id: int
    user_id: str | None
    state: Any
    server_id: str


async def awareness(room: str) -> list[Present]:
    """Return who shows themselves in a room, on any server; those of a server that was killed for a while longer.

    Raises:
        NoSuchRoom, RedisUnavailable: as `read`.
    """
    services = await backend()
    known = await presence.stored(services.client, services.keys, names.canonical(room))
    return [
        Present(one.state.client, one.speaker.user_id or None, _said(one.state.value), one.speaker.server_id)
        for one in known
    ]


def _said(value: bytes) -> Any:
    try:
        return read_json(value)
    except MalformedFrame:  # an earlier release took it
        return None


async def connections(room: str) -> list[Connection]:
    """Return who is connected to a room, on every server: each is asked, and those that answer within a second count.

    Raises:
        NoSuchRoom, RedisUnavailable: as `read`.
    """
    services, name = await backend(), names.canonical(room)
    return await rollcall.call(services.client, services.keys, name, heartbeat_seconds=services.conf.heartbeat_seconds)


def connections_sync(room: str) -> list[Connection]:
    """Do as `connections`, in code without an event loop."""
    return background.run(connections(room))


def awareness_sync(room: str) -> list[Present]:
    """Do as `awareness`, in code without an event loop."""
    return background.run(awareness(room))


async def kick(
    room: str | None = None, *, user: str | int | None = None, token_id: str | None = None, reason: str = ""
) -> None:
    """Close connections with 4403, on every server: in a room, of a user, with a token. A stock client stays away.

    Who may still enter can connect again. Connections that are being made at this moment may be missed.

    Args:
        user: a Grant's user_id: with authbridge, the user's primary key.
        token_id: the claim `jti` of a token.
        reason: for the close frame, at most 120 bytes of UTF-8.

    Raises:
        ValueError: the reason is too long; or neither a room nor a user nor a token is given.
        NoSuchRoom, RedisUnavailable: as `read`.
    """
    if room is None and user is None and token_id is None:
        raise ValueError("kick whom? Give a room, a user or a token")
    if len(reason.encode()) > REASON_BYTES:
        raise ValueError(f"a reason has at most {REASON_BYTES} bytes")
    await _order(Kind.KICK, room, user, token_id, reason)


async def recheck(room: str | None = None, *, user: str | int | None = None) -> None:
    """Let the rights of open connections be decided anew, on every server; by default those of all.

    Raises:
        NoSuchRoom, RedisUnavailable: as `read`.
    """
    await _order(Kind.RECHECK, room, user)


def kick_sync(
    room: str | None = None, *, user: str | int | None = None, token_id: str | None = None, reason: str = ""
) -> None:
    """Do as `kick`, in code without an event loop."""
    background.run(kick(room, user=user, token_id=token_id, reason=reason))


def recheck_sync(room: str | None = None, *, user: str | int | None = None) -> None:
    """Do as `recheck`, in code without an event loop."""
    background.run(recheck(room, user=user))


async def _order(
    kind: Kind, room: str | None, user: str | int | None, token_id: str | None = None, reason: str = ""
) -> None:
    services = await backend()
    name = None if room is None else names.canonical(room)
    order = Order(name, None if user is None else str(user), token_id, reason)
    keys = (services.keys.head(EVERYWHERE),)
    await services.client.run(Call(script("order"), keys, (services.keys.bell(EVERYWHERE), kind.value, order.encode())))
