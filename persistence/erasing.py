"""Removing what is persisted of a room that is being erased."""

from persistence.models import Clocks, Delivery, Quarantined, Segment
from persistence.transactions import atomic, rows
from rooms.models import Room

AS_NEW: dict[str, object] = {
    "last_entry_id": "0-0",
    "snapshot_bytes": 0,
    "delta_bytes": 0,
    "delta_count": 0,
    "last_persisted_at": None,
    "lag_seconds": 0.0,
    "failures": 0,
    "last_error": "",
    "damage": "",
    "quarantined": 0,
    "has_gap": False,
    "is_verbatim": False,
    "activity": [],
}
"""The worker's columns, but for the fence, which only grows."""


def erase(room: str) -> list[Segment]:
    """Remove all rows of a room but its own, which is as new then; return the segments, whose files are to be removed.

    A room that is not being erased, or not any more, is left as it is. Blocks, and runs in the pool.
    """
    with atomic():
        if not (found := list(rows(Room).select_for_update().filter(name=room, is_erasing=True).values_list("pk"))):
            return []
        gone = list(rows(Segment).filter(room__in=found[0]).defer("payload"))
        for model in (Segment, Quarantined, Delivery, Clocks):
            rows(model).filter(room__in=found[0]).delete()
        rows(Room).filter(pk__in=found[0]).update(**AS_NEW)
    return gone
