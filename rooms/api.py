"""Documents for the site's own code: read a room, edit it. An edit travels as any client's does.

`await read("essay")` and `async with edit("essay") as doc:` in async code; `read_sync` and `edit_sync` do the same in
views, commands, the shell and scripts without an event loop.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from pycrdt import Doc, TransactionEvent

from rooms import background, merge, names
from rooms.backend import backend
from rooms.bells import Kind
from rooms.entries import Entry
from rooms.orders import EVERYWHERE, REASON_BYTES, Order
from rooms.redis_client import Call, script

__all__ = ["edit", "edit_sync", "kick", "kick_sync", "read", "read_sync", "recheck", "recheck_sync"]

Document = Doc[Any]


async def read(room: str) -> Document:
    """Return the room's current document; that of a room nobody wrote to is empty.

    What pycrdt can't hold is in it as near as it gets: a BigInt is a float.

    Raises:
        NoSuchRoom: the name can't name a room.
        RedisUnavailable, StoreUnavailable: it can't be loaded now.
        Undecodable: no document can be built from what is stored.
    """
    return _built(await _load(names.canonical(room)))


@asynccontextmanager
async def edit(room: str) -> AsyncIterator[Document]:
    """Yield the room's current document; on a clean exit, append what was changed, for everybody at once.

    Others may edit meanwhile: the changes merge. After an exception in the block nothing is sent. When the `async
    with` is over, the change is accepted. Mind that pycrdt counts the positions in a text in bytes of UTF-8.

    Raises:
        NoSuchRoom, RedisUnavailable, StoreUnavailable, Undecodable: as `read`, before the block begins.
        RedisUnavailable: after the block; it is unknown then whether the change was accepted.
        MalformedFrame: after the block, for a change that no client could take, as an insertion within a character.
    """
    name = names.canonical(room)
    document, updates = _built(await _load(name)), list[bytes]()
    with _observed(document, updates):
        yield document
    if updates:
        await _append(name, merge.tree_merge(updates))


def read_sync(room: str) -> Document:
    """Do as `read`, in code without an event loop."""
    return _built(background.run(_load(names.canonical(room))))


@contextmanager
def edit_sync(room: str) -> Iterator[Document]:
    """Do as `edit`, in code without an event loop."""
    name = names.canonical(room)
    document, updates = _built(background.run(_load(name))), list[bytes]()
    with _observed(document, updates):
        yield document
    if updates:
        background.run(_append(name, merge.tree_merge(updates)))


async def _load(room: str) -> bytes:
    """Return an update of the whole room from which a compute child has already built a document."""
    documents = (await backend()).documents
    return await documents.buildable(await documents.load(room))


def _built(update: bytes) -> Document:
    document = Document()
    document.apply_update(update)
    return document


@contextmanager
def _observed(document: Document, updates: list[bytes]) -> Iterator[None]:
    """Collect the document's changes; a diff against its old state would repeat old deletions."""

    def changed(event: TransactionEvent) -> None:
        updates.append(event.update)

    subscription = document.observe(changed)
    try:
        yield
    finally:
        document.unobserve(subscription)


async def _append(room: str, update: bytes) -> None:
    services = await backend()
    scanned = await services.documents.look_into(update)
    await services.lane.append_and_wait(room, Entry(update, scanned.verbatim))


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
