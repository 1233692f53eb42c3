"""What the site decides about rooms as such: deleted, restored, erased, read-only. It acts on all servers at once."""

from rooms import background, names, policy_rows
from rooms.backend import backend
from rooms.errors import StoreUnavailable
from rooms.store import can_erase, store


async def delete(room: str) -> bool:
    """Let nobody enter a room any more; everything in it is kept, for `restore`.

    Connections are closed with 4410, and stock clients stay away. The name stays taken.

    Returns:
        Whether it was not deleted before.

    Raises:
        NoSuchRoom: the name can't name a room.
        RedisUnavailable: it was not done.
        StoreUnavailable: it is unknown whether that was done.
        Unfinished: one of the two, but it is done; connections may stay open until a worker's next sweep.
    """
    return await (await backend()).policies.change(names.canonical(room), policy_rows.delete)


async def restore(room: str) -> bool:
    """Let people enter a room again that was deleted: it holds what it held.

    Returns:
        Whether it was deleted.

    Raises:
        RoomDeleted: it is being erased.
        NoSuchRoom, StoreUnavailable, RedisUnavailable, Unfinished: as `delete`.
    """
    return await (await backend()).policies.change(names.canonical(room), policy_rows.restore)


async def erase(room: str) -> None:
    """Remove what a room holds, in Redis and in the store, for good; then its name can be used as that of a new room.

    Connections are closed with 4410. Whoever has the document in a page or in a database of the browser still has it,
    and would bring it back by opening the room again: take their rights away first, or use another name.

    Raises:
        NoSuchRoom: the name can't name a room.
        RedisUnavailable: nothing was done.
        StoreUnavailable: the same, as far as is known.
        Unfinished: one of the two, but it has begun. The room is deleted and shown as being erased: a worker, or
            another call, ends it.
    """
    if not can_erase(store()):
        raise StoreUnavailable(f"{type(store()).__name__} has no erase(room), so it would keep what the room held")
    policies, name = (await backend()).policies, names.canonical(room)
    await policies.change(name, policy_rows.erase((await policies.of(name)).generation))


async def freeze(room: str) -> bool:
    """Make a room read-only: whoever may write is sent away with 4503, and comes back as a reader.

    The site's own code (`edit`) may still write.

    Returns:
        Whether it was not read-only before.

    Raises:
        NoSuchRoom, StoreUnavailable, RedisUnavailable, Unfinished: as `delete`.
    """
    return await (await backend()).policies.change(names.canonical(room), policy_rows.freeze)


async def thaw(room: str) -> bool:
    """Let those write again in a read-only room who may.

    Returns:
        Whether it was read-only.

    Raises:
        NoSuchRoom, StoreUnavailable, RedisUnavailable, Unfinished: as `delete`.
    """
    return await (await backend()).policies.change(names.canonical(room), policy_rows.thaw)


def delete_sync(room: str) -> bool:
    """Do as `delete`, in code without an event loop."""
    return background.run(delete(room))


def restore_sync(room: str) -> bool:
    """Do as `restore`, in code without an event loop."""
    return background.run(restore(room))


def erase_sync(room: str) -> None:
    """Do as `erase`, in code without an event loop."""
    background.run(erase(room))


def freeze_sync(room: str) -> bool:
    """Do as `freeze`, in code without an event loop."""
    return background.run(freeze(room))


def thaw_sync(room: str) -> bool:
    """Do as `thaw`, in code without an event loop."""
    return background.run(thaw(room))
