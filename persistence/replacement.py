"""The transaction of a compaction: one segment takes the place of a chain or of its end, under the fence of a claim."""

from collections.abc import Sequence
from dataclasses import dataclass

from persistence import gaps
from persistence.commit import quarantine, segment_of
from persistence.compaction import Compacted
from persistence.models import Segment
from persistence.stores.place import Place
from persistence.transactions import atomic, rows
from rooms import clocks
from rooms.entries import EntryId
from rooms.errors import StoreUnavailable
from rooms.models import Room
from rooms.queue import Claim
from rooms.ranges import parse_state_vector


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a chain or its end becomes: `compacted`, its bytes `data` in `place`, instead of the segments `replaced`.

    If these are none, the chain stays, and only what was found out about it is noted; there is no place then.
    """

    claim: Claim
    replaced: Sequence[int]
    data: bytes
    place: Place | None
    compacted: Compacted


def adopt(claim: Claim) -> int:
    """Make a claim that persists nothing the last one of its room, as a compaction has to be; return the fence before.

    If that is not below the claim's, nothing was changed. 0 for a room without a row, which has no chain. Blocks.
    """
    with atomic():
        row = rows(Room).select_for_update().filter(name=claim.room).first()
        if row is None:
            return 0
        if row.fence < claim.fence:
            rows(Room).filter(pk=row.pk).update(fence=claim.fence)
        return row.fence


def replace(snapshot: Snapshot) -> list[Segment] | None:
    """Put a snapshot in the place of a chain; return None, and change nothing, if the claim's fence is not the room's.

    Returns the segments that are gone, as they were in the end: a move may have given their bytes another place.
    Blocks, and runs in the pool. May be repeated: then the chain is another one, and it raises.

    Raises:
        StoreUnavailable: the chain is another one by now, or the bytes were written too long ago.
        Exception: whatever the database raises. Nothing is committed then, as far as anybody knows.
    """
    with atomic():
        row = rows(Room).select_for_update().get(name=snapshot.claim.room)
        if row.fence != snapshot.claim.fence:
            return None
        gone = _exchange(row, snapshot) if snapshot.replaced else []
        quarantine([(row.pk, snapshot.compacted.poison)])
        _update(row, snapshot)
        if snapshot.place and snapshot.place.is_stale:  # asked last: by now it may have waited for others' locks
            raise StoreUnavailable(f"the snapshot of room {row.name} was written too long ago to be relied on")
    return gone


def _exchange(row: Room, snapshot: Snapshot) -> list[Segment]:
    """Put one segment in the place of several, which are returned."""
    chain = rows(Segment).filter(room=row, pk__in=snapshot.replaced).order_by("pk").defer("payload")
    gone = list(chain.select_for_update())
    new = _segment(row, gone, snapshot)
    chain.delete()
    new.save(force_insert=True)
    return gone


def _segment(row: Room, chain: Sequence[Segment], snapshot: Snapshot) -> Segment:
    if len(chain) != len(snapshot.replaced) or not chain:
        raise StoreUnavailable(f"the chain of room {row.name} was replaced meanwhile")
    if not snapshot.compacted.entries and sum(one.entries for one in chain) > len(snapshot.compacted.poison):
        raise StoreUnavailable(f"the snapshot of room {row.name} would be empty, its chain is not")
    ids = [EntryId.parse(text) for one in chain for text in (one.first_entry_id, one.last_entry_id)]
    covers = (Segment.Kind.DELTA, str(min(ids)), str(max(ids)), len(snapshot.compacted.entries))
    generation = max(one.generation for one in chain)
    return segment_of(row.pk, snapshot.claim, generation, covers, (snapshot.data, snapshot.place))


def _update(row: Room, snapshot: Snapshot) -> None:
    """Let a chain begin with a snapshot, and write the sums and what was found out into its room's row."""
    chain = rows(Segment).filter(room=row, generation__gte=row.generation).order_by("pk")
    if not (sizes := list(chain.values_list("pk", "byte_size"))):
        raise StoreUnavailable(f"room {row.name} has no chain")
    first, *deltas = sizes
    chain.filter(pk=first[0]).update(kind=Segment.Kind.SNAPSHOT)
    Room.objects.filter(pk=row.pk).update(
        snapshot_bytes=first[1],
        delta_bytes=sum(size for _, size in deltas),
        delta_count=len(deltas),
        has_gap=snapshot.compacted.gap,
        is_verbatim=snapshot.compacted.verbatim,
    )
    if snapshot.compacted.vector:
        gaps.keep({row.pk: clocks.pack(parse_state_vector(snapshot.compacted.vector))})
