"""Transactions of the worker: each room's columns and segments change together, under the fence of a claim.

Everything here blocks and runs in the pool, where a job that took too long may still be done: so all of it may be
repeated with the same claim.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from django.db.models import F
from django.utils import timezone

from persistence import activity, chain, gaps, holes
from persistence.models import Delivery, Quarantined, Segment
from persistence.stores.place import Place
from persistence.transactions import atomic, rows
from rooms.conf import conf
from rooms.entries import START, Entry, EntryId
from rooms.errors import StoreUnavailable
from rooms.models import Room
from rooms.queue import Claim

QUERIED = 500
"""A database takes no more parameters than it likes."""


class Refused(StoreUnavailable):
    """A room's segments could not be read the last time: nothing is added before they can."""


@dataclass(frozen=True, slots=True)
class Poison:
    """An entry that no client could be served: its id, its bytes in the stream, who sent it, and why."""

    entry_id: EntryId
    data: bytes
    user_id: str
    connection_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Delta:
    """What was read of a claimed room, on its way into a segment.

    Args:
        generation: of the head, when it was read; None if Redis had lost the head.
        first, last: ids that it covers, those of poison too: everything between is then trimmed.
        data: the entries as framing.pack gives them.
        place: where `data` can be read again; None until it can.
        lag_seconds: age of the oldest entry.
        floor: of the head, when it was read: everything up to it was trimmed, and is in the store.
        brought: what the entries bring and need.
    """

    claim: Claim
    generation: int | None
    entries: Sequence[tuple[EntryId, Entry]]
    first: EntryId
    last: EntryId
    data: bytes
    place: Place | None
    quarantined: Sequence[Poison]
    lag_seconds: float
    floor: EntryId = START
    brought: gaps.Brought = gaps.NOTHING


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a delta. `kept` is False when the store has seen a fence that is not below the claim's.

    Args:
        seen_fence: the highest that the store has seen.
        erased: it is of a document that was erased since; then it is not kept.
        snapshot_bytes, delta_bytes, delta_count: of the room's chain now.
        clocks: how far the room has what each client wrote; None if something may be missing in between.
    """

    delta: Delta
    kept: bool
    seen_fence: int
    room_id: int
    snapshot_bytes: int
    delta_bytes: int
    delta_count: int
    clocks: bytes | None
    erased: bool = False


def commit(deltas: Sequence[Delta]) -> list[Outcome]:
    """Append each delta to its room's chain, all in one transaction; return what became of them, in the same order.

    Raises:
        Refused: a room's chain was damaged when it was last read.
        StoreUnavailable: a room's chain ends before its stream begins, or bytes wait for so long that the sweep may
            have taken them.
        Exception: whatever the database raises. Nothing is committed then, as far as anybody knows.
    """
    with atomic():
        rooms = _locked([delta.claim.room for delta in deltas])
        clocks = gaps.known(rooms.values())
        outcomes = [_outcome(delta, row := rooms[delta.claim.room], clocks[row.pk]) for delta in deltas]
        new = [one for one in outcomes if one.kept and one.delta.claim.fence > rooms[one.delta.claim.room].fence]
        _append(new)
        for outcome in new:
            _update(outcome, rooms[outcome.delta.claim.room])
        quarantine((outcome.room_id, outcome.delta.quarantined) for outcome in new)
        gaps.keep({one.room_id: one.clocks for one in new if one.clocks is not None})
        _announce([outcome.room_id for outcome in new])
    return outcomes


def _locked(names: Sequence[str]) -> dict[str, Room]:
    """Return the rows of rooms, which are made where there are none; nobody else changes them in this transaction."""
    known = set(rows(Room).filter(name__in=names).values_list("name", flat=True))
    if missing := sorted(set(names) - known):
        Room.objects.bulk_create([Room(name=name) for name in missing], ignore_conflicts=True)
    locked = rows(Room).select_for_update().filter(name__in=names).order_by("pk")  # in one order: no deadlock
    return {row.name: row for row in locked}


def _outcome(delta: Delta, row: Room, clocks: bytes | None) -> Outcome:
    """Return what becomes of a delta: kept if its fence is above all seen, or if it has been kept before."""
    sizes = row.snapshot_bytes, row.delta_bytes, row.delta_count
    if delta.generation is not None and delta.generation < row.generation:
        return Outcome(delta, False, row.fence, row.pk, *sizes, clocks, erased=True)
    if row.damage:
        raise Refused(f"room {row.name} is refused: {row.damage}")
    if row.fence >= delta.claim.fence:
        again = row.fence == delta.claim.fence and _is_there(delta, row)
        return Outcome(delta, again, row.fence, row.pk, *sizes, clocks)
    if hole := _hole(delta, row):
        raise StoreUnavailable(f"room {row.name} is refused, the store is older than Redis: {hole}")
    if delta.place is None or delta.place.is_stale:
        raise StoreUnavailable(f"the bytes of room {row.name} were written too long ago to be relied on")
    size, number = row.delta_bytes + len(delta.data), row.delta_count + 1
    clocks = gaps.after(clocks, delta.brought)
    return Outcome(delta, True, delta.claim.fence, row.pk, row.snapshot_bytes, size, number, clocks)


def _hole(delta: Delta, row: Room) -> str:
    """Return what is missing between a room's chain and a delta; "" if nothing is.

    Another life of Redis begins with a floor of 0-0, so that a floor is always one up to which somebody persisted.
    """
    if delta.floor <= EntryId.parse(row.last_entry_id):
        return ""
    covered = chain.covered(rows(Segment).filter(room=row, generation__gte=row.generation).defer("payload"))
    return holes.described(delta.floor, covered) if delta.floor > covered else ""


def _is_there(delta: Delta, row: Room) -> bool:
    ours = rows(Segment).filter(room=row, fence=delta.claim.fence, kind=Segment.Kind.DELTA)
    return ours.filter(first_entry_id=str(delta.first), last_entry_id=str(delta.last)).exists()


def _append(outcomes: Sequence[Outcome]) -> None:
    generations = dict(rows(Room).filter(pk__in=[one.room_id for one in outcomes]).values_list("pk", "generation"))
    Segment.objects.bulk_create(
        [
            segment_of(
                one.room_id,
                one.delta.claim,
                max(one.delta.generation or 0, generations[one.room_id]),
                (Segment.Kind.DELTA, str(one.delta.first), str(one.delta.last), len(one.delta.entries)),
                (one.delta.data, one.delta.place),
            )
            for one in outcomes
        ]
    )


def segment_of(
    room_id: int,
    claim: Claim,
    generation: int,
    covers: tuple[str, str, str, int],
    kept: tuple[bytes, Place | None],
) -> Segment:
    """Return the row of a segment.

    Args:
        covers: its kind, the first and the last id, and the number of entries.
        kept: its bytes, and where they can be read again.
    """
    kind, first, last, entries = covers
    data, place = kept
    assert place is not None  # noqa: S101  # _outcome has seen to it
    return Segment(
        room_id=room_id,
        generation=generation,
        kind=kind,
        first_entry_id=first,
        last_entry_id=last,
        fence=claim.fence,
        entries=entries,
        byte_size=len(data),
        sha256=sha256(data).hexdigest(),
        payload=place.payload,
        storage=place.storage,
        location=place.location,
    )


def _update(outcome: Outcome, row: Room) -> None:
    """Write a room's columns, on condition that its fence is still below the claim's."""
    delta, now = outcome.delta, timezone.now()
    size_bytes = outcome.snapshot_bytes + outcome.delta_bytes
    verbatim = any(entry.verbatim for _, entry in delta.entries)
    changed = Room.objects.filter(pk=outcome.room_id, fence__lt=delta.claim.fence).update(
        fence=delta.claim.fence,
        last_entry_id=str(delta.last),
        delta_bytes=outcome.delta_bytes,
        delta_count=outcome.delta_count,
        last_persisted_at=now,
        activity=activity.added(row.activity, now.timestamp(), len(delta.entries), size_bytes),
        lag_seconds=delta.lag_seconds,
        failures=0,
        last_error="",
        **({"is_verbatim": True} if verbatim else {}),
        **({"has_gap": True} if outcome.clocks is None else {}),
    )
    if not changed:
        raise StoreUnavailable(f"room {delta.claim.room} was written by somebody else in the same instant")


def quarantine(several: Iterable[tuple[int, Sequence[Poison]]]) -> None:
    """Keep the poison of rooms whose rows are locked, once each, and write into the rows how much there is."""
    kept = [
        Quarantined(
            room_id=room_id,
            entry_id=str(poison.entry_id),
            data=poison.data,
            user_id=shown(poison.user_id),
            connection_id=shown(poison.connection_id),
            reason=shown(poison.reason),
        )
        for room_id, poisons in several
        for poison in _unknown(room_id, poisons)
    ]
    if kept:
        Quarantined.objects.bulk_create(kept)
        for room_id in {row.room_id for row in kept}:
            count_quarantined(room_id)


def _unknown(room_id: int, poisons: Sequence[Poison]) -> list[Poison]:
    """Return what is not in quarantine: a worker that died before the trim has left all of it to be read again."""
    known = set[tuple[str, bytes]]()
    for start in range(0, len(poisons), QUERIED):
        ids = [str(poison.entry_id) for poison in poisons[start : start + QUERIED]]
        found = rows(Quarantined).filter(room=room_id, entry_id__in=ids).values_list("entry_id", "data")
        known.update((entry_id, bytes(data)) for entry_id, data in found)
    return [poison for poison in poisons if (str(poison.entry_id), poison.data) not in known]


def count_quarantined(room_id: int) -> None:
    """Write into a room's row how many of its entries are in quarantine."""
    rows(Room).filter(pk=room_id).update(quarantined=rows(Quarantined).filter(room=room_id).count())


def _announce(room_ids: Sequence[int]) -> None:
    """Let the webhook be told, a little later: what is persisted meanwhile is told with it."""
    settings = conf()
    if not settings.webhook_url:
        return
    Delivery.objects.filter(room__in=room_ids).update(version=F("version") + 1)
    due_at = timezone.now() + timedelta(seconds=settings.webhook_debounce_seconds)
    Delivery.objects.bulk_create([Delivery(room_id=pk, due_at=due_at) for pk in room_ids], ignore_conflicts=True)


def fail(room: str, error: str, lag_seconds: float) -> None:
    """Show in a room's row that it could not be persisted, why, and how old its oldest entry is."""
    Room.objects.bulk_create([Room(name=room)], ignore_conflicts=True)
    Room.objects.filter(name=room).update(failures=F("failures") + 1, last_error=shown(error), lag_seconds=lag_seconds)


def shown(text: str) -> str:
    """Return a text that PostgreSQL takes: without NUL, of a length that an admin page can show."""
    return text.replace("\0", "\ufffd")[:10_000]
