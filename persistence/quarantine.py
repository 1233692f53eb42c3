"""What a site does with poison: look at it, append it again once it can be decoded, or throw it away."""

from django.db.models import QuerySet

from persistence import commit
from persistence.checking import sift
from persistence.models import Quarantined
from persistence.transactions import atomic, rows
from rooms import background, names, pool
from rooms.backend import backend
from rooms.entries import EntryId
from rooms.errors import RedisUnavailable, RoomDeleted, Unfinished
from rooms.models import Room


def quarantined(room: str = "", number: int | None = None) -> QuerySet[Quarantined]:
    """Return entries in quarantine, oldest first: all, those of one room, or the one with this number.

    Raises:
        Room.DoesNotExist: there is no such room.
        Quarantined.DoesNotExist: there is no such entry (in that room).
        NoSuchRoom: the name can't name a room.
    """
    found = Quarantined.objects.select_related("room").order_by("pk")
    if room:
        found = found.filter(room=Room.objects.get(name=names.canonical(room)))
    if number is not None:
        found = found.filter(pk=number)
        found.get()
    return found


def replay(row: Quarantined) -> str:
    """Append an entry to its room's stream, as if it came now, and take it out of quarantine.

    Returns:
        Why it is still poison; then nothing was done. "" if it was accepted.

    Raises:
        RedisUnavailable, ComputeUnavailable, StoreUnavailable: not now; it stays in quarantine.
        Unfinished: Redis gave no answer, but it may have been accepted all the same. It stays too: to replay it once
            more is harmless.
        RoomDeleted: its room is deleted, or was erased.
    """
    reason = background.run(_append(row.room.name, row.pk, EntryId.parse(row.entry_id), bytes(row.data)))
    if not reason:  # in this order: an entry that comes twice is harmless
        discard(row)
    return reason


def discard(row: Quarantined) -> None:
    """Forget an entry for good; a room without others is well again."""
    with atomic():
        list(rows(Room).select_for_update().filter(pk=row.room_id))  # first, as whoever erases the room does
        row.delete()
        commit.count_quarantined(row.room_id)


async def _append(room: str, number: int, entry_id: EntryId, data: bytes) -> str:
    services = await backend()
    good, poison = await sift(services.compute, [(entry_id, data)])
    policy = await services.policies.open(room)
    if not await pool.run(rows(Quarantined).filter(pk=number).exists):  # looked at after the policy: gone by an erase
        raise RoomDeleted(f"room {room} was erased, and its quarantine with it")
    for _, entry in good:
        try:
            await services.lane.append_and_wait(room, entry, policy=policy)
        except RedisUnavailable as error:
            raise Unfinished(str(error)) from error
    return "".join(each.reason for each in poison)
