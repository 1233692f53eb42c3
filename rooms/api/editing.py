"""Reading and editing documents. An edit travels as any client's does."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from pycrdt import Doc, TransactionEvent

from rooms import background, merge, names
from rooms.backend import backend
from rooms.entries import Entry
from rooms.policy import Policy

Document = Doc[Any]


async def read(room: str) -> Document:
    """Return the room's current document; that of a room nobody wrote to is empty.

    What pycrdt can't hold is in it as near as it gets: a BigInt is a float.

    Raises:
        NoSuchRoom: the name can't name a room.
        RoomDeleted: it is deleted.
        RedisUnavailable, StoreUnavailable: it can't be loaded now.
        Undecodable: no document can be built from what is stored.
    """
    return built((await _load(names.canonical(room)))[0])


@asynccontextmanager
async def edit(room: str) -> AsyncIterator[Document]:
    """Yield the room's current document; on a clean exit, append what was changed, for everybody at once.

    Others may edit meanwhile: the changes merge. After an exception in the block nothing is sent. When the `async
    with` is over, the change is accepted. Mind that pycrdt counts the positions in a text in bytes of UTF-8.

    Raises:
        NoSuchRoom, RoomDeleted, RedisUnavailable, StoreUnavailable, Undecodable: as `read`, before the block begins.
        RedisUnavailable: after the block; it is unknown then whether the change was accepted.
        RoomDeleted: after the block, if the room was deleted meanwhile. Nothing is changed.
        MalformedFrame: after the block, for a change that no client could take, as an insertion within a character.
    """
    name = names.canonical(room)
    update, policy = await _load(name)
    document, updates = built(update), list[bytes]()
    with _observed(document, updates):
        yield document
    if updates:
        await _append(name, merge.tree_merge(updates), policy)


def read_sync(room: str) -> Document:
    """Do as `read`, in code without an event loop."""
    return built(background.run(_load(names.canonical(room)))[0])


@contextmanager
def edit_sync(room: str) -> Iterator[Document]:
    """Do as `edit`, in code without an event loop."""
    name = names.canonical(room)
    update, policy = background.run(_load(name))
    document, updates = built(update), list[bytes]()
    with _observed(document, updates):
        yield document
    if updates:
        background.run(_append(name, merge.tree_merge(updates), policy))


async def _load(room: str) -> tuple[bytes, Policy]:
    """Return an update of the whole room, from which a compute child has already built a document; its policy."""
    services = await backend()
    policy = await services.policies.open(room)
    return await services.documents.buildable(await services.documents.load(room)), policy


def built(update: bytes) -> Document:
    """Return a document with an update that `buildable` gave."""
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


async def _append(room: str, update: bytes, policy: Policy) -> None:
    services = await backend()
    scanned = await services.documents.look_into(update)
    await services.lane.append_and_wait(room, Entry(update, scanned.verbatim), policy=policy)
