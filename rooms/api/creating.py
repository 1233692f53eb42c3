"""Rooms that begin with content: seeded once, whoever else tries, or copied from another."""

from collections.abc import Callable, Sequence

from pycrdt import Doc

from rooms import background, names
from rooms.api.editing import Document
from rooms.backend import Backend, backend
from rooms.entries import Entry
from rooms.errors import RedisUnavailable, TooBig
from rooms.lane import BATCH_ENTRIES

Fill = Callable[[Document], object]

ATTEMPTS = 5
"""So many times in a row may Redis lose its data while a room is seeded."""


async def exists(room: str) -> bool:
    """Tell whether anything was ever written to a room, in Redis or in the store; not of one that is deleted.

    Raises:
        NoSuchRoom, RedisUnavailable, StoreUnavailable: as `read`.
    """
    services, name = await backend(), names.canonical(room)
    return not (await services.policies.of(name)).is_deleted and await services.documents.exist(name)


async def seed(room: str, fill: Fill | bytes) -> bool:
    """Give a room that nobody has written to its first content; of many who try, on all servers, one does.

    Args:
        fill: is called with an empty document, and writes to it. What it wrote is dropped if the room has content. Or
            an update, as `snapshot` gives: a compute child builds a document of it before anybody else gets it.

    Returns:
        Whether this call has written.

    Raises:
        NoSuchRoom, RoomDeleted, RedisUnavailable, StoreUnavailable: as `read`. After RedisUnavailable it is unknown
            whether the room was seeded: call it again.
        ValueError: `fill` wrote nothing, or is an update without content, or one that needs others to be shown.
        MalformedFrame: `fill` wrote what no client could take, or is no update.
        TooBig: the update is in too many pieces.
        Undecodable: the child died of the update.
        ComputeUnavailable: no child could be started.
    """
    return not await _is_taken(room) and await _plant(room, _filled(fill), is_foreign=isinstance(fill, bytes))


def seed_sync(room: str, fill: Fill | bytes) -> bool:
    """Do as `seed`, in code without an event loop; `fill` is called in this very thread."""
    if background.run(_is_taken(room)):
        return False
    return background.run(_plant(room, _filled(fill), is_foreign=isinstance(fill, bytes)))


async def _is_taken(room: str) -> bool:
    services, name = await backend(), names.canonical(room)
    await services.policies.open(name)
    return await services.documents.exist(name)


def _filled(fill: Fill | bytes) -> bytes:
    if isinstance(fill, bytes):
        return fill
    document: Document = Doc()
    fill(document)
    return document.get_update()


async def _plant(room: str, update: bytes, *, is_foreign: bool) -> bool:
    services = await backend()
    scanned = await services.documents.look_into(update)
    if not scanned.structs:
        raise ValueError("a room can't be seeded with nothing")
    verbatim = await services.documents.prove(update) if is_foreign else scanned.verbatim
    return await _first(services, names.canonical(room), [Entry(update, verbatim)])


async def copy(source: str, target: str) -> bool:
    """Give a room that nobody has written to the content of another one, which goes on by itself.

    Returns:
        Whether this call has written: not if the target has content, or the source has none.

    Raises:
        NoSuchRoom, RoomDeleted, RedisUnavailable, StoreUnavailable, Undecodable: as `read`, of either.
        TooBig: the source has very many updates that can only be kept as they were sent.
    """
    services, name, origin = await backend(), names.canonical(target), names.canonical(source)
    await services.policies.open(origin)
    entries = (await services.documents.load(origin)).entries
    if len(entries) > BATCH_ENTRIES:
        raise TooBig(f"room {source} has {len(entries)} updates that can't be merged")
    return bool(entries) and await _first(services, name, entries)


async def _first(services: Backend, room: str, entries: Sequence[Entry]) -> bool:
    """Append to a room if it is new; tell whether it was.

    Its head is looked at before the store: if it is the same when the entries are appended, then nobody has written in
    between, and so nothing can have come into the store.
    """
    for _ in range(ATTEMPTS):
        policy = await services.policies.open(room)
        epoch = await services.streams.begin(room, policy.generation)
        if epoch is None or await services.documents.exist(room):
            return False
        if await services.lane.append_first(room, entries, epoch=epoch, policy=policy):
            return True
    raise RedisUnavailable("Redis loses its data again and again")


def exists_sync(room: str) -> bool:
    """Do as `exists`, in code without an event loop."""
    return background.run(exists(room))


def copy_sync(source: str, target: str) -> bool:
    """Do as `copy`, in code without an event loop."""
    return background.run(copy(source, target))
