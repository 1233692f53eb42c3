"""Rooms' policies in the database. Everything here blocks and runs in the pool.

They are read where they are written: a replica that is behind would let people into a room that was deleted.
"""

from collections.abc import Callable

from django.db import router, transaction
from django.db.models import QuerySet
from django.utils import timezone

from rooms.errors import RoomDeleted
from rooms.models import Room
from rooms.policy import Policy

MOST_UNSETTLED = 1000
"""Rooms that one sweep looks after."""

Change = Callable[[Room], bool]
"""Changes the policy columns of a row; returns whether that was any change."""


def _rows() -> QuerySet[Room]:
    return QuerySet(Room, using=router.db_for_write(Room))


def stored(room: str) -> Policy:
    """Return a room's policy; the one of a new room if it has no row."""
    found = (
        _rows()
        .filter(name=room)
        .values_list("generation", "policy_version", "deleted_at", "is_read_only", "is_erasing")
    )
    for generation, version, deleted_at, is_read_only, is_erasing in found:
        return Policy(generation, version, deleted_at is not None, is_read_only, is_erasing)
    return Policy()


def change(room: str, change: Change) -> bool:
    """Change the row of a room, which is made if there is none; return whether that was any change."""
    with transaction.atomic(using=router.db_for_write(Room)):
        _rows().bulk_create([Room(name=room)], ignore_conflicts=True)
        row = _rows().select_for_update().defer("last_error", "activity").get(name=room)
        changed = change(row)
        if changed:
            row.policy_version, row.is_settled = row.policy_version + 1, False
            columns = ("generation", "deleted_at", "is_read_only", "is_erasing", "policy_version", "is_settled")
            row.save(update_fields=columns)
    return changed


def delete(row: Room) -> bool:
    """Let nobody enter; nothing is removed."""
    changed = row.deleted_at is None
    row.deleted_at = row.deleted_at or timezone.now()
    return changed


def restore(row: Room) -> bool:
    """Let people enter again; raise RoomDeleted if what the room held is being removed."""
    if row.is_erasing:
        raise RoomDeleted("the room is being erased")
    changed, row.deleted_at = row.deleted_at is not None, None
    return changed


def erase(generation: int) -> Change:
    """Return the change that lets what the room holds count no more, and nobody enter before it is removed.

    Args:
        generation: of what it holds; Redis may know better than a database that was put back.
    """

    def begin(row: Room) -> bool:
        if not row.is_erasing:
            row.deleted_at, row.is_erasing = timezone.now(), True
            row.generation = max(row.generation, generation) + 1
        return True

    return begin


def freeze(row: Room) -> bool:
    """Let nobody write."""
    changed, row.is_read_only = not row.is_read_only, True
    return changed


def thaw(row: Room) -> bool:
    """Let those write again who may."""
    changed, row.is_read_only = row.is_read_only, False
    return changed


def end_erasing(room: str, generation: int) -> None:
    """Let people enter a room that was erased; it is as new. Nothing happens if it is erased once more meanwhile."""

    def end(row: Room) -> bool:
        if not row.is_erasing or row.generation != generation:
            return False
        row.is_erasing, row.deleted_at, row.is_read_only = False, None, False
        return True

    change(room, end)


def outdo(room: str, version: int) -> None:
    """Let a row's version be at least so high: Redis has one that is not below, and the row counts.

    The database was put back to an earlier state, or to none: a room without a row gets one.
    """
    _rows().bulk_create([Room(name=room)], ignore_conflicts=True)
    _rows().filter(name=room, policy_version__lt=version).update(policy_version=version)


def outlive(room: str, generation: int) -> None:
    """Let a row's generation be at least that of Redis: putting the database back does not undo an erase."""
    _rows().bulk_create([Room(name=room)], ignore_conflicts=True)
    _rows().filter(name=room, generation__lt=generation).update(generation=generation)


def settled(room: str, version: int) -> None:
    """Note that Redis was told of a version, unless there is a later one."""
    _rows().filter(name=room, policy_version=version).update(is_settled=True)


def unsettled() -> list[str]:
    """Return rooms of which Redis was perhaps not told."""
    return list(_rows().filter(is_settled=False).values_list("name", flat=True)[:MOST_UNSETTLED])
