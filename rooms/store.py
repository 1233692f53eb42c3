"""The port to what was moved out of Redis."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from django.core.signals import setting_changed
from django.dispatch import receiver
from django.utils.module_loading import import_string

from rooms.conf import conf
from rooms.entries import Entry, EntryId
from rooms.errors import StoreUnavailable


@dataclass(frozen=True, slots=True)
class Chain:
    """A room's persisted state: a snapshot with its later deltas, as entries.

    `last` is the id of the newest stream entry that the chain covers: everything up to it may be trimmed.
    """

    entries: Sequence[Entry]
    last: EntryId


class Store(Protocol):
    """Where persisted rooms are. One instance serves a process; it is called from several event loops."""

    async def load(self, room: str) -> Chain | None:
        """Return what is persisted of a room, or None for a room never persisted.

        Raises:
            StoreUnavailable: the state can't be read now, or what was read is damaged.
        """


async def holds(store: Store, room: str) -> bool:
    """Tell whether a store has anything of a room, by its `has(room)` if there is one; raises as `load`."""
    has: Callable[[str], Awaitable[bool]] | None = getattr(store, "has", None)
    return await has(room) if has else await store.load(room) is not None


def can_erase(store: Store) -> bool:
    """Tell whether a store can remove what it has of a room: whether it has a method `erase(room)`."""
    return hasattr(store, "erase")


async def erase(store: Store, room: str) -> None:
    """Remove what a store has of a room whose row says that it is being erased; what comes later stays.

    Raises:
        StoreUnavailable: not now, or this store can't.
    """
    if not can_erase(store):
        raise StoreUnavailable(f"{type(store).__name__} has no erase(room)")
    remove: Callable[[str], Awaitable[None]] = store.erase  # type: ignore[attr-defined]  # asked just now
    await remove(room)


class StreamOnly:
    """No store: every update stays in its Redis stream."""

    async def load(self, room: str) -> Chain | None:
        """Return None: nothing is ever moved."""
        return None

    async def erase(self, room: str) -> None:
        """Do nothing: there is nothing."""


@cache
def store() -> Store:
    """Return the store that settings.YREDIS names."""
    made: Store = import_string(conf().store)()
    return made


@receiver(setting_changed)
def forget(*, setting: str, **kwargs: object) -> None:
    """Make the store anew when a test overrides the setting."""
    if setting == "YREDIS":
        store.cache_clear()
