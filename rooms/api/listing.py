"""All rooms there are, persisted or not, with their sizes."""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from rooms import background, pool
from rooms.backend import Backend, backend
from rooms.models import Room
from rooms.streams import Glance

PAGE = 500
"""Rooms of one question to the database and one to Redis."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A room from outside.

    Args:
        stored_bytes: of its snapshot and deltas in the store.
        waiting_entries: in Redis, not persisted yet.
        waiting_bytes: about what these take in Redis.
        clients: who show themselves, on all servers.
        last_edited_at: None if Redis does not know, as after it was emptied.
        last_persisted_at: None for a room that never was.
    """

    name: str
    stored_bytes: int
    waiting_entries: int
    waiting_bytes: int
    clients: int
    last_edited_at: datetime | None
    last_persisted_at: datetime | None
    is_deleted: bool
    is_read_only: bool


async def rooms() -> AsyncIterator[Listed]:
    """Yield every room: first those of the database by their names, then those that are only in Redis so far.

    A room that is made, persisted or renamed meanwhile may be missing, or come twice.

    Raises:
        RedisUnavailable, StoreUnavailable: no answer.
    """
    services, last = await backend(), ""
    while page := await pool.run(_page, last):
        last = page[-1].name
        for listed in await _listed(services, page):
            yield listed
    async for keys in services.client.scan(services.keys.all_rooms, kind="stream", page=PAGE):
        found = {room for key in keys if (room := services.keys.room_of(key)) is not None}
        new = sorted(found - await pool.run(_known, found))
        for listed in await _listed(services, [Room(name=name) for name in new]):
            yield listed


def rooms_sync() -> Iterator[Listed]:
    """Do as `rooms`, in code without an event loop."""
    found = rooms()
    try:
        while True:
            yield background.run(anext(found))  # type: ignore[arg-type]  # a coroutine, whatever typeshed says
    except StopAsyncIteration:
        return
    finally:
        background.run(found.aclose())  # type: ignore[attr-defined]


def _page(after: str) -> list[Room]:
    return list(Room.objects.filter(name__gt=after).order_by("name").defer("activity")[:PAGE])


def _known(names: set[str]) -> set[str]:
    return set(Room.objects.filter(name__in=names).values_list("name", flat=True))


async def _listed(services: Backend, rows: Sequence[Room]) -> list[Listed]:
    glances = await services.streams.glance([row.name for row in rows])
    return [_told(row, glance) for row, glance in zip(rows, glances, strict=True)]


def _told(row: Room, glance: Glance) -> Listed:
    return Listed(
        name=row.name,
        stored_bytes=row.snapshot_bytes + row.delta_bytes,
        waiting_entries=glance.entries,
        waiting_bytes=glance.size_bytes,
        clients=glance.clients,
        last_edited_at=glance.last_edited_at,
        last_persisted_at=row.last_persisted_at,
        is_deleted=row.deleted_at is not None,
        is_read_only=row.is_read_only,
    )
