"""Rooms that wait for a missing update: seen when what came is persisted, at a cost that follows its size.

Beside each room is kept how far it has what each client wrote. What follows that, and refers to nothing beyond it,
opens no gap. Of any other room, the whole chain is looked at by a compute child, until its gap is closed.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from persistence.models import Clocks
from persistence.transactions import rows
from rooms import clocks, coverage
from rooms.entries import Entry, EntryId
from rooms.models import Room
from rooms.needs import Vector, followed, needs
from rooms.ranges import Ranges


class Brought(NamedTuple):
    """Which clocks entries bring, and which they refer to."""

    structs: Ranges
    needed: Vector


NOTHING = Brought({}, {})


def brought(entries: Sequence[tuple[EntryId, Entry]]) -> Brought:
    """Return what entries, which are no poison, bring together."""
    structs = coverage.combine(coverage.scan_stored(entry.update) for _, entry in entries).structs
    needed: Vector = {}
    for _, entry in entries:
        for client, clock in needs(entry.update).items():
            needed[client] = max(needed.get(client, 0), clock)
    return Brought(structs, needed)


def known(several: Iterable[Room]) -> dict[int, bytes | None]:
    """Return how far each room has what each client wrote, packed; None if it has a gap, or that is not known."""
    by_pk = {row.pk: row for row in several}
    kept = dict(rows(Clocks).filter(room__in=by_pk).values_list("room_id", "clocks"))
    found: dict[int, bytes | None] = {}
    for pk, row in by_pk.items():
        is_new = not row.delta_count and not row.snapshot_bytes
        packed = kept.get(pk, b"" if is_new else None)
        found[pk] = None if row.has_gap or packed is None else bytes(packed)
    return found


def after(packed: bytes | None, what: Brought) -> bytes | None:
    """Return how far a room is after a delta; None if something may be missing."""
    if packed is None:
        return None
    changes = followed(lambda client: clocks.clock_of(packed, client), *what)
    return None if changes is None else clocks.changed(packed, changes)


def keep(several: Mapping[int, bytes]) -> None:
    """Write how far rooms are."""
    new = [Clocks(room_id=pk, clocks=packed) for pk, packed in several.items()]
    Clocks.objects.bulk_create(new, update_conflicts=True, unique_fields=["room"], update_fields=["clocks"])
