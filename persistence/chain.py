"""Reading a room's chain. A row tells where its bytes are, so that any store reads what any other has written.

Everything here blocks and runs in the pool.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

from django.core.files.storage import InvalidStorageError, storages
from django.db.models import F

from persistence import framing
from persistence.models import Segment
from persistence.transactions import rows
from rooms.entries import START, Entry, EntryId
from rooms.errors import StoreUnavailable, Undecodable
from rooms.models import Room
from rooms.store import Chain


class Damaged(StoreUnavailable):
    """A segment's bytes are gone or not what was written: its room is refused until they are back."""


class Gone(StoreUnavailable):
    """A segment's file is not there: it was replaced or moved meanwhile, or is lost."""


def listed(room: str) -> list[Segment]:
    """Return the segments of a room, in order, with those bytes that are in their rows."""
    ours = rows(Segment).filter(room__name=room, generation__gte=F("room__generation"))
    return list(ours.select_related("room").order_by("pk"))


def exists(room: str) -> bool:
    """Tell whether a room has segments."""
    return rows(Segment).filter(room__name=room, generation__gte=F("room__generation")).exists()


def data(segment: Segment) -> bytes:
    """Return the bytes of a segment, checked.

    Raises:
        Damaged: not the bytes that were written.
        Gone: no such file.
        StoreUnavailable: its storage is not in settings.STORAGES.
        Exception: whatever the storage raises when it does not answer.
    """
    found = bytes(segment.payload) if segment.payload is not None else _from_storage(segment)
    if len(found) != segment.byte_size or sha256(found).hexdigest() != segment.sha256:
        raise Damaged(f"{described(segment)} is damaged: {len(found)} bytes, whose SHA-256 is another")
    return found


def _from_storage(segment: Segment) -> bytes:
    try:
        storage = storages[segment.storage]
    except InvalidStorageError as error:
        raise StoreUnavailable(f"settings.STORAGES has no {segment.storage!r}, where {segment} is") from error
    try:
        with storage.open(segment.location) as file:
            return bytes(file.read())
    except Exception as error:  # S3 has words of its own for a file that goes while it is opened
        if isinstance(error, FileNotFoundError) or not storage.exists(segment.location):
            raise Gone(f"{described(segment)} is missing") from error
        raise


def described(segment: Segment) -> str:
    """Return a segment's name for people who look for it."""
    where = f"{segment.location} in storage {segment.storage!r}" if segment.location else "in the database"
    return f"segment {segment.pk} ({where})"


def unpacked(segment: Segment, found: bytes) -> list[tuple[EntryId, Entry]]:
    """Return the entries in a segment's bytes; raise Damaged if there are none to be read."""
    try:
        return framing.unpack(found)
    except Undecodable as error:
        raise Damaged(f"{described(segment)} can't be read: {error}") from error


def entries(segments: Sequence[Segment], several: Sequence[bytes]) -> list[tuple[EntryId, Entry]]:
    """Return the entries of a chain from the bytes of its segments; raise Damaged as `unpacked`."""
    return [pair for segment, found in zip(segments, several, strict=True) for pair in unpacked(segment, found)]


def covered(segments: Iterable[Segment]) -> EntryId:
    """Return the id up to which segments hold all entries: the stream may be trimmed so far."""
    return max((EntryId.parse(segment.last_entry_id) for segment in segments), default=START)


def joined(segments: Sequence[Segment], several: Sequence[bytes]) -> Chain | None:
    """Return what segments are together, or None for no segments; raise Damaged as `unpacked`."""
    if not segments:
        return None
    found = [entry for _, entry in entries(segments, several)]
    return Chain(found, covered(segments))


def note_damage(room: str, reason: str) -> None:
    """Show in a room's row why it is refused; "" when it can be read again."""
    Room.objects.filter(name=room).exclude(damage=reason).update(damage=reason)
