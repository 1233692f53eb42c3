"""Moving segments from wherever they are into another store, while the site runs.

A row tells where its bytes are, so each segment moves alone: its bytes are written in the new place and read again,
then the row is changed, and only then are the old bytes forgotten. Killed anywhere, it leaves every row with its bytes.
"""

import asyncio
from collections.abc import AsyncIterator
from copy import copy
from dataclasses import dataclass, field

from django.db.models import Count, QuerySet, Sum
from django.utils.module_loading import import_string

from persistence import chain
from persistence.checks import wrong_storage
from persistence.models import Segment
from persistence.stores.files import FileStore
from persistence.stores.place import Place
from persistence.stores.port import SegmentStore
from persistence.transactions import atomic, rows
from rooms import pool
from rooms.conf import conf
from rooms.errors import StoreUnavailable
from rooms.models import Room

STORES = {
    "database": "persistence.stores.database.DatabaseStore",
    "files": "persistence.stores.files.FileStore",
}
"""Short names of ours."""

MOST_ROUNDS = 10
"""A worker that still writes in the old place is not followed for ever."""


class NoSuchStore(Exception):
    """Why a store can't be moved to: one line for the operator."""


@dataclass(slots=True)
class Moved:
    """What came of a move so far; `errors` tells which segments stayed where they were, and why."""

    segments: int = 0
    size_bytes: int = 0
    errors: list[str] = field(default_factory=list)


def path_of(name: str) -> str:
    """Return the dotted path of a store, whose name may be one of STORES."""
    return STORES.get(name, name)


def store_named(name: str) -> SegmentStore:
    """Return a store by its name or dotted path; raise NoSuchStore if there is none, or others could not read it."""
    try:
        made: object = import_string(path_of(name))()
    except Exception as error:  # whatever a site's module does when it is imported
        raise NoSuchStore(f"{type(error).__name__}: {error}") from error
    if not isinstance(made, SegmentStore):
        raise NoSuchStore(f"{path_of(name)} is no store of segments")
    if isinstance(made, FileStore) and path_of(name) != conf().store:  # for STORE the system checks tell
        for message in wrong_storage(made):
            raise NoSuchStore(f"{message.msg} Set YREDIS['STORAGE'].")
    try:
        reason = made.unshared()
    except Exception as error:  # STORAGE names none, or one that can't be made
        raise NoSuchStore(f"{type(error).__name__}: {error}") from error
    if reason:
        raise NoSuchStore(f"other processes could not read it: {reason}")
    return made


def outstanding(store: SegmentStore) -> tuple[int, int, int]:
    """Return how many rooms, segments and bytes are not in a store; blocks."""
    rows = store.elsewhere()
    found = rows.aggregate(rooms=Count("room", distinct=True), segments=Count("pk"), size=Sum("byte_size"))
    return found["rooms"], found["segments"], found["size"] or 0


async def move_all(store: SegmentStore) -> AsyncIterator[Moved]:
    """Move every segment that is elsewhere, also those that are written meanwhile; yield the account as it grows."""
    account, failed = Moved(), dict[int, str]()
    for _ in range(MOST_ROUNDS):
        before, after = account.segments, 0
        while found := await pool.run(_next, store, after):
            results = await asyncio.gather(*(pool.run(move, pk, store) for pk in found), return_exceptions=True)
            for pk, result in zip(found, results, strict=True):
                _count(account, failed, pk, result)
            account.errors = list(failed.values())
            yield account
            after = found[-1]
        if account.segments == before:
            break
    account.errors = await pool.run(_still, store, failed)
    yield account


def _next(store: SegmentStore, after: int) -> list[int]:
    """Return the next few segments to be moved, as many as there are threads."""
    rows = store.elsewhere().filter(pk__gt=after).order_by("pk")
    return list(rows.values_list("pk", flat=True)[: conf().store_threads])


def _still(store: SegmentStore, failed: dict[int, str]) -> list[str]:
    """Return the errors of segments that are still elsewhere: others were compacted meanwhile."""
    return [failed[pk] for pk in store.elsewhere().filter(pk__in=failed).order_by("pk").values_list("pk", flat=True)]


def _count(account: Moved, failed: dict[int, str], pk: int, result: int | BaseException) -> None:
    if isinstance(result, StoreUnavailable):
        failed[pk] = f"segment {pk}: {result}"
    elif isinstance(result, BaseException):
        raise result
    else:
        failed.pop(pk, None)
        account.segments += bool(result)
        account.size_bytes += max(0, result)


def move(pk: int, store: SegmentStore) -> int:
    """Move one segment; return its size, or 0 if it is gone, was moved, or is replaced meanwhile. Blocks.

    Raises:
        StoreUnavailable: its bytes can't be read, or not be read again where they were written.
    """
    segment = store.elsewhere().select_related("room").filter(pk=pk).first()
    if segment is None:
        return 0
    try:
        found = chain.data(segment)
    except chain.Gone:
        if _unchanged(segment).exists():
            raise
        return 0
    place = store.keep(segment.room.name, found)
    moved = _at(segment, place)
    chain.data(moved)
    if not _changed(segment, place):
        store.forget([moved])
        return 0
    store.forget([segment])
    return segment.byte_size


def _changed(segment: Segment, place: Place) -> bool:
    """Let a row point to another place; return False if somebody else has changed it."""
    new = {"payload": place.payload, "storage": place.storage, "location": place.location}
    with atomic():
        changed = _unchanged(segment).update(**new)
        if place.is_stale:  # asked last: by now it may have waited for others' locks
            raise StoreUnavailable("its bytes were written too long ago to be relied on")
    return bool(changed)


def _unchanged(segment: Segment) -> QuerySet[Segment]:
    return rows(Segment).filter(pk=segment.pk, storage=segment.storage, location=segment.location)


def _at(segment: Segment, place: Place) -> Segment:
    """Return a segment as its row will be."""
    moved = copy(segment)
    moved.payload, moved.storage, moved.location = place.payload, place.storage, place.location
    return moved


async def verify_all(store: SegmentStore) -> AsyncIterator[tuple[str, str]]:
    """Read every room's chain; yield each room, and why it can't be read or "" if it can."""
    after = 0
    while found := await pool.run(_rooms_after, after):
        for _, room in found:
            try:
                await store.load(room)
            except StoreUnavailable as error:
                yield room, str(error)
            else:
                yield room, ""
        after = found[-1][0]


def _rooms_after(after: int) -> list[tuple[int, str]]:
    return list(Room.objects.filter(pk__gt=after).order_by("pk").values_list("pk", "name")[:1000])
