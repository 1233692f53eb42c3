"""Poison: stream entries that no client could be served, found before they are persisted.

Whatever decodes strangers' bytes may die of them, so it is done in compute children, for all rooms of a batch at once.
If a child dies of a batch, its rooms are tried one by one, and what a room dies of is found by bisection. An update
that only pycrdt does not understand is no poison: it is kept verbatim, for Yjs does.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from persistence.commit import Poison
from rooms import wire
from rooms.calmly import calmly
from rooms.compute import Compute
from rooms.compute_operations import Verdict
from rooms.entries import Entry, EntryId, decode
from rooms.errors import Undecodable

RawEntries = Sequence[tuple[EntryId, bytes]]

Entries = list[tuple[EntryId, Entry]]

CRASH = re.compile("died of SIG(SEGV|BUS|ABRT|ILL)")
"""What bytes do to a decoder. SIGKILL is what a machine without memory does to anybody."""

GROUP_BYTES = 1024 * 1024
"""Rooms are checked together up to this size."""

LARGE_BYTES = 64 * 1024
"""A room with more than this is checked alone."""

Sifted = tuple[str, Entries, list[Poison]]
"""A room, its entries that can be persisted, and those that can't; both oldest first."""


@dataclass(slots=True)
class Room:
    """A room on its way: its entries as they were read, those not checked yet, the good ones and the others."""

    name: str
    raw: Mapping[EntryId, bytes]
    unchecked: Entries = field(default_factory=list)
    good: Entries = field(default_factory=list)
    poison: list[Poison] = field(default_factory=list)

    @property
    def size_bytes(self) -> int:
        """Bytes of all entries."""
        return sum(map(len, self.raw.values()))

    def quarantine(self, entry_id: EntryId, entry: Entry, reason: str) -> None:
        """Count an entry as poison."""
        self.poison.append(Poison(entry_id, self.raw[entry_id], entry.user_id, entry.connection_id, reason))

    def sifted(self) -> Sifted:
        """Return the room as it is yielded."""
        return self.name, self.good, sorted(self.poison, key=lambda poison: poison.entry_id)


async def sift(compute: Compute, entries: RawEntries) -> tuple[Entries, list[Poison]]:
    """Return the entries of one room that can be persisted, and its poison.

    Raises:
        ComputeUnavailable: nothing is known of the entries.
    """
    async for _, good, poison in sift_many(compute, {"": entries}):
        return good, poison
    return [], []


async def sift_many(compute: Compute, rooms: Mapping[str, RawEntries]) -> AsyncIterator[Sifted]:
    """Yield each room once it is known what of it is poison: those with none first, whatever the others do.

    Raises:
        ComputeUnavailable: after all rooms were yielded that could be checked. Nothing is known of the others.
    """
    sifting = Sifting(compute)
    try:
        opened = [await calmly(sum(len(data) for _, data in raw), decoded, name, raw) for name, raw in rooms.items()]
        for group in grouped(sorted(opened, key=lambda room: room.size_bytes)):
            sifting.start(sifting.together(group))
        async for room in sifting:
            yield room.sifted()
    finally:
        await sifting.stop()


def decoded(name: str, raw: RawEntries) -> Room:
    """Return a room whose entries that are none are poison already."""
    room = Room(name, dict(raw))
    for entry_id, data in raw:
        try:
            room.unchecked.append((entry_id, decode(data)))
        except Undecodable as error:
            room.quarantine(entry_id, Entry(b""), str(error))
    return room


def grouped(rooms: Sequence[Room]) -> Iterator[list[Room]]:
    """Yield the rooms, smallest first, in groups for one request each; what kills a decoder is mostly large."""
    group, size = list[Room](), 0
    for room in rooms:
        if group and (room.size_bytes > LARGE_BYTES or size + room.size_bytes > GROUP_BYTES):
            yield group
            group, size = [], 0
        group.append(room)
        size += room.size_bytes
    if group:
        yield group


class Sifting:
    """The requests of one batch; iterating gives rooms as they are done."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self._tasks: set[asyncio.Task[list[Room]]] = set()

    def start(self, work: Coroutine[Any, Any, list[Room]]) -> None:
        """Begin with some rooms. Children serve whoever asked first: what began earlier is done earlier."""
        self._tasks.add(asyncio.get_running_loop().create_task(work))

    async def __aiter__(self) -> AsyncIterator[Room]:
        """Yield rooms that are done; raise the first error when all others are."""
        errors = list[BaseException]()
        while self._tasks:
            done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            self._tasks -= done
            for task in done:
                if error := task.exception():
                    errors.append(error)
                else:
                    for room in task.result():
                        yield room
        if errors:
            raise errors[0]

    async def stop(self) -> None:
        """Give up what is not done."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def together(self, rooms: Sequence[Room]) -> list[Room]:
        """Check several rooms in one request; if a child dies of it, begin with each of them alone."""
        try:
            await self._check([(room, room.unchecked) for room in rooms])
        except Undecodable as error:
            for room in rooms:
                self.start(self.together([room]) if len(rooms) > 1 else self.search(room, str(error)))
            return []
        return list(rooms)

    async def search(self, room: Room, reason: str) -> list[Room]:
        """Take out, one after another, the entries that a child dies of when it comes to them.

        An entry is poison if a child dies of it alone, or crashes on it after those before it, both asked twice.
        Entries that only take too much time or memory together are none: the search begins anew behind them.

        Args:
            reason: what a child died of that was asked about all of them.
        """
        rest = room.unchecked
        while rest:
            at = len(rest)
            if reason := reason or await self._death(rest):
                at, reason = await self._dying(rest, reason)
                if cause := await self._cause(rest, at, reason):
                    room.quarantine(*rest.pop(at), cause)
                    reason = ""
                    continue
                at, reason = max(at // 2, 1), ""  # half: well within the limits
            await self._check([(room, rest[:at])])
            del rest[:at]
        return [room]

    async def _dying(self, entries: Entries, reason: str) -> tuple[int, str]:
        """Return the index of the first entry that a child dies of when it comes to it, and of what it dies."""
        few, many = 0, len(entries)
        while many - few > 1:
            middle = (few + many) // 2
            if death := await self._death(entries[:middle]):
                many, reason = middle, death
            else:
                few = middle
        return many - 1, reason

    async def _cause(self, entries: Entries, at: int, reason: str) -> str:
        """Return why an entry is poison of which a child died once, after those before it; "" if it is none."""
        alone = entries[at : at + 1]
        if await self._death(alone):
            return await self._death(alone)
        return await self._death(entries[: at + 1]) if CRASH.search(reason) else ""

    async def _death(self, entries: Entries) -> str:
        """Return what a child died of that was asked about entries; "" if it answered."""
        try:
            await self._ask([entries])
        except Undecodable as error:
            return str(error)
        return ""

    async def _check(self, parts: Sequence[tuple[Room, Entries]]) -> None:
        """Sort unchecked entries of rooms into good and poison; raise Undecodable if a child dies of them."""
        verdicts, reasons = await self._ask([entries for _, entries in parts])
        for room, entries in parts:
            for entry_id, entry in entries:
                verdict = next(verdicts)
                if verdict == Verdict.MALFORMED:
                    room.quarantine(entry_id, entry, next(reasons).decode())
                elif verdict == Verdict.VERBATIM:
                    room.good.append((entry_id, replace(entry, verbatim=True)))
                else:
                    room.good.append((entry_id, entry))

    async def _ask(self, rooms: Sequence[Entries]) -> tuple[Iterator[int], Iterator[bytes]]:
        """Return the verdicts on all entries, and why those are malformed that are."""
        updates = [entry.update for entries in rooms for _, entry in entries]
        if not updates:
            return iter(()), iter(())
        counts = b"".join(wire.var_uint(len(entries)) for entries in rooms)
        verdicts, *reasons = await self._compute.run("check", [counts, *updates])
        return iter(verdicts), iter(reasons)
