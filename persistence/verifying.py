"""Proving that what is persisted can be read: a room's chain and stream are recomputed, and compared with their rows.

Nothing is locked. A worker that persists meanwhile makes a room look wrong for an instant, so that only what is found
several times in a row is told.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from persistence import chain, holes
from persistence.compaction import compact
from persistence.models import Quarantined, Segment
from persistence.stores.database import DatabaseStore
from persistence.stores.port import SegmentStore
from rooms import pool
from rooms.backend import Backend
from rooms.bells import Head
from rooms.entries import START, Entry, EntryId, decode
from rooms.errors import StoreUnavailable, Undecodable
from rooms.models import Room
from rooms.store import store
from rooms.streams import Reading

ATTEMPTS = 3
PAUSE_SECONDS = 0.3
"""Before a finding is looked for again; a worker needs less between two of its steps."""

RAW_BYTES = 64 * 1024 * 1024
"""So far into a stream is looked for entries that are none."""

PAGE = 500

Entries = list[tuple[EntryId, Entry]]


@dataclass(slots=True)
class Verified:
    """What there is of a room, and what is wrong with it."""

    room: str
    segments: int = 0
    size_bytes: int = 0
    stream_entries: int = 0
    state: str = ""
    findings: list[str] = field(default_factory=list)


class UnknownRoom(Exception):
    """Neither the database nor Redis knows it."""


async def all_rooms(backend: Backend) -> AsyncIterator[str]:
    """Yield every room that has a row, or a stream or a head in Redis, once."""
    after = ""
    while found := await pool.run(_names_after, after):
        for room in found:
            yield room
        after = found[-1]
    known = set[str]()
    for match, kind, room_of in (
        (backend.keys.all_rooms, "stream", backend.keys.room_of),
        (backend.keys.all_heads, "hash", backend.keys.room_of_head),
    ):
        async for keys in backend.client.scan(match, kind=kind, page=PAGE):
            found = await pool.run(_without_row, set(filter(None, map(room_of, keys))) - known)
            known.update(found)
            for room in found:
                yield room


def _names_after(after: str) -> list[str]:
    return list(Room.objects.filter(name__gt=after).order_by("name").values_list("name", flat=True)[:PAGE])


def _without_row(rooms: set[str]) -> list[str]:
    return sorted(rooms - set(Room.objects.filter(name__in=rooms).values_list("name", flat=True)))


async def verify(backend: Backend, room: str) -> Verified:
    """Recompute one room.

    Raises:
        UnknownRoom: there is none of this name.
        RedisUnavailable, ComputeUnavailable: nothing can be told now.
        StoreUnavailable: the database does not answer.
    """
    found = await Verification(backend, room).run()
    for _ in range(ATTEMPTS - 1):
        if not found.findings:
            break
        await asyncio.sleep(PAUSE_SECONDS)
        before, found = found.findings, await Verification(backend, room).run()
        found.findings = [finding for finding in found.findings if finding in before]
    return found


class Verification:
    """One look at a room: Redis first, so that whatever is trimmed after it is in the store that is read then."""

    def __init__(self, backend: Backend, room: str) -> None:
        self.backend = backend
        self.result = Verified(room)

    @property
    def room(self) -> str:
        """Its canonical name."""
        return self.result.room

    def find(self, finding: str) -> None:
        """Note what is wrong."""
        self.result.findings.append(finding)

    async def run(self) -> Verified:
        """Look at everything there is; raise as `verify`."""
        reading = await self._stream()
        row, segments, quarantined = await pool.run(_rows, self.room)
        if row is None and not reading.head.epoch and not reading.entries:
            raise UnknownRoom(self.room)
        persisted, whole = await self._chain(segments)
        self._order(segments)
        self._trimmed(reading, segments)
        if row is not None:
            self._sums(row, segments, quarantined)
            await self._refused(row, whole=whole)
        if whole:
            await self._recompute([*persisted, *reading.entries])
        self.result.state = str(row.state) if row else ""
        self.result.segments, self.result.stream_entries = len(segments), len(reading.entries)
        self.result.size_bytes = sum(segment.byte_size for segment in segments)
        return self.result

    async def _refused(self, row: Room, *, whole: bool) -> None:
        """Check that a room is refused only while it has to be; what is well again, its row tells from then on."""
        if row.damage and whole:
            await _reader().read(self.room)
        elif row.damage:
            self.find(f"it is refused: {row.damage}")

    async def _stream(self) -> Reading:
        """Return what of the room is in Redis; of a stream with entries that are none, those that are some."""
        try:
            return await self.backend.streams.read(self.room)
        except Undecodable as error:
            bad = error
        try:
            raw = await self.backend.streams.raw(self.room, limit_bytes=RAW_BYTES)
        except Undecodable:
            self.find(f"in Redis: {bad}")
            return Reading(Head("?", 0, START, START), lost=False, entries=[])
        good: Entries = []
        for entry_id, data in raw.entries:
            try:
                good.append((entry_id, decode(data)))
            except Undecodable as error:
                self.find(f"entry {entry_id} of the stream can't be read: {error}")
        return Reading(raw.head, raw.lost, good)

    async def _chain(self, segments: Sequence[Segment]) -> tuple[Entries, bool]:
        """Return the entries of the segments, and whether those are all."""
        entries: Entries = []
        before = len(self.result.findings)
        for segment in segments:
            try:
                entries += await pool.run(self._segment, segment)
            except StoreUnavailable as error:
                self.find(str(error))
        return entries, len(self.result.findings) == before

    def _segment(self, segment: Segment) -> Entries:
        """Return the entries of one segment, compared with its row."""
        entries = chain.unpacked(segment, chain.data(segment))
        first, last = EntryId.parse(segment.first_entry_id), EntryId.parse(segment.last_entry_id)
        if len(entries) != segment.entries:
            self.find(f"segment {segment.pk} has {len(entries)} entries, its row says {segment.entries}")
        if any(not first <= entry_id <= last for entry_id, _ in entries):
            self.find(f"segment {segment.pk} has entries outside of {first} to {last}")
        return entries

    def _order(self, segments: Sequence[Segment]) -> None:
        """Check what a chain is: one snapshot at most, then deltas, with ids and fences that never fall."""
        for segment in segments:
            if EntryId.parse(segment.first_entry_id) > EntryId.parse(segment.last_entry_id):
                self.find(f"segment {segment.pk} ends before it begins")
            if segment.fence > segment.room.fence:
                self.find(f"segment {segment.pk} has the fence {segment.fence}, above its room's")
        for before, after in pairwise(segments):
            if after.kind == Segment.Kind.SNAPSHOT:
                self.find(f"snapshot {after.pk} is not the first of its chain")
            if EntryId.parse(after.last_entry_id) < EntryId.parse(before.last_entry_id):
                self.find(f"segment {after.pk} ends before segment {before.pk}")
            if after.fence < before.fence:
                self.find(f"segment {after.pk} has a lower fence than segment {before.pk}")

    def _trimmed(self, reading: Reading, segments: Sequence[Segment]) -> None:
        """Check that what was trimmed is persisted."""
        covered = chain.covered(segments)
        if reading.head.floor > covered:
            self.find(holes.described(reading.head.floor, covered))
        if reading.lost:
            self.find("Redis has lost entries that nobody persisted")

    def _sums(self, row: Room, segments: Sequence[Segment], quarantined: int) -> None:
        """Compare a room's row with its segments and quarantine."""
        deltas = [segment.byte_size for segment in segments if segment.kind == Segment.Kind.DELTA]
        total = sum(segment.byte_size for segment in segments)
        last = segments[-1].last_entry_id if segments else row.last_entry_id
        sums = {
            "snapshot_bytes": (row.snapshot_bytes, total - sum(deltas)),
            "delta_bytes": (row.delta_bytes, sum(deltas)),
            "delta_count": (row.delta_count, len(deltas)),
            "last_entry_id": (row.last_entry_id, last),
            "quarantined": (row.quarantined, quarantined),
        }
        for column, (said, counted) in sums.items():
            if said != counted:
                self.find(f"its row says {column} = {said}, it is {counted}")

    async def _recompute(self, entries: Entries) -> None:
        """Make one document of everything, in a compute child."""
        try:
            compacted = await compact(self.backend.compute, entries)
        except Undecodable as error:
            self.find(f"no document can be made of it: {error}")
            return
        for poison in compacted.poison if compacted else ():
            self.find(f"entry {poison.entry_id} can't be decoded: {poison.reason}")


def _rows(room: str) -> tuple[Room | None, list[Segment], int]:
    """Return a room's row, its segments and how many entries it has in quarantine.

    Segments bring their room's row along, in one statement: the two always belong together.
    """
    segments = chain.listed(room)
    row = segments[0].room if segments else Room.objects.filter(name=room).first()
    return row, segments, Quarantined.objects.filter(room__name=room).count()


def _reader() -> SegmentStore:
    """Return a store that reads: the site's own, or another, for all read all segments."""
    chosen = store()
    return chosen if isinstance(chosen, SegmentStore) else DatabaseStore()
