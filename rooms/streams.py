"""Reading rooms' streams and heads."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from rooms.bells import Head
from rooms.entries import START, Entry, EntryId, decode
from rooms.errors import RedisUnavailable, Undecodable
from rooms.failpoints import failpoint
from rooms.keys import Keys
from rooms.metrics import Count, count
from rooms.policy import Policy
from rooms.redis_client import Call, RedisClient, script

PAGE_BYTES = 4 * 1024 * 1024
"""About how much one read brings."""

HEAD_ONLY = -1


@dataclass(frozen=True, slots=True)
class Reading:
    """A room at one instant: its head, and the entries after the id that was asked for.

    `lost` tells that entries are gone which nobody trimmed; `marks` are those of the room's policy that Redis knows.
    """

    head: Head
    lost: bool
    entries: Sequence[tuple[EntryId, Entry]]
    marks: str = ""

    def lacks(self, after: EntryId, accepted: EntryId) -> bool:
        """Tell whether an entry that was accepted before the reading should be among those after an id, and is not."""
        expected = max(after, self.head.floor) < accepted
        return expected and all(entry_id != accepted for entry_id, _ in self.entries)

    def follows(self, policy: Policy) -> bool:
        """Tell whether Redis has a policy as we know it. One that lost its head is no sign of another."""
        return self.marks == policy.marks and (self.head.generation == policy.generation or not self.head.epoch)


@dataclass(frozen=True, slots=True)
class RawReading:
    """A room as a worker reads it: entries are bytes that may be none; `more` tells whether others follow."""

    head: Head
    lost: bool
    entries: Sequence[tuple[EntryId, bytes]]
    more: bool


@dataclass(frozen=True, slots=True)
class Glance:
    """A room from outside: its entries in Redis and about how many bytes they take, and who shows themselves.

    Args:
        last: id of the newest entry ever; START if Redis knows of none.
        clients: some may be gone for less than a minute.
        oldest: id of the oldest entry that waits to be persisted; None if none does.
        oldest_seconds: for so long it has waited, by Redis' clock.
    """

    entries: int
    size_bytes: int
    last: EntryId
    clients: int
    oldest: EntryId | None
    oldest_seconds: float

    @property
    def last_edited_at(self) -> datetime | None:
        """When the newest entry was taken; None if Redis knows of none."""
        return datetime.fromtimestamp(self.last.milliseconds / 1000, UTC) if self.last != START else None


class Streams:
    """What can be read of rooms in Redis."""

    def __init__(self, client: RedisClient, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    def _call(self, room: str, after: EntryId, limit_bytes: int) -> Call:
        return Call(script("read"), (self._keys.room(room), self._keys.head(room)), (str(after), limit_bytes))

    async def read(self, room: str, *, after: EntryId = START) -> Reading:
        """Return the head and all entries that follow `after`, oldest first.

        The head is that of the first page: what was appended while reading may be among the entries already. It is a
        later page's if entries were trimmed between two pages, so that its floor tells that some are missing.

        Raises:
            RedisUnavailable: no answer in time.
            Undecodable: the stream has an entry that is none.
        """
        count(Count.STREAM_READS)
        first, more = await self._page(room, after)
        entries = list(first.entries)
        while more:
            failpoint("join.page")
            reading, more = await self._page(room, entries[-1][0])
            if reading.head.floor > entries[-1][0]:
                first = reading
            entries += reading.entries
        return Reading(first.head, first.lost, entries, first.marks)

    async def _page(self, room: str, after: EntryId) -> tuple[Reading, bool]:
        return _reading(await self._client.run(self._call(room, after, PAGE_BYTES)))

    async def raw(self, room: str, *, limit_bytes: int) -> RawReading:
        """Return the head and about so many bytes of the oldest entries, as they are.

        Raises:
            RedisUnavailable: no answer in time, or the stream's key holds something else.
            Undecodable: the head is none.
        """
        answer = await self._client.run(self._call(room, START, limit_bytes))
        _, lost, entries, more = answer
        return RawReading(_head(answer), bool(lost), [(EntryId.parse(key), data) for key, data in entries], bool(more))

    async def govern(self, room: str, policy: Policy) -> None:
        """Let Redis have a room's policy, unless it has that or a later one, and ring the bell; remove what was erased.

        Raises:
            RedisUnavailable: whether that was done is unknown.
        """
        keys = (self._keys.room(room), self._keys.head(room), self._keys.awareness(room))
        what = (self._keys.bell(room), policy.marks, policy.generation, uuid4().hex, int(policy.is_erasing))
        await self._client.run(Call(script("govern"), keys, what))

    async def begin(self, room: str, generation: int = 0) -> str | None:
        """Return the epoch of a room that never had entries, for `Lane.append_first`; None for any other.

        Args:
            generation: of the room's policy.

        Raises:
            RedisUnavailable: no answer in time.
        """
        keys = (self._keys.room(room), self._keys.head(room))
        epoch: bytes | None = await self._client.run(Call(script("begin"), keys, (uuid4().hex, generation)))
        return None if epoch is None else epoch.decode()

    async def glance(self, rooms: Sequence[str]) -> list["Glance"]:
        """Return how rooms look from outside, in one round trip.

        Raises:
            RedisUnavailable: no answer in time about one of them.
        """
        calls = [
            Call(script("glance"), (self._keys.room(room), self._keys.head(room), self._keys.awareness(room)), ())
            for room in rooms
        ]
        answers = await self._client.run_together(calls)
        for answer in answers:
            if isinstance(answer, RedisUnavailable):
                raise answer
        return [
            Glance(entries, size, _id(last) or START, clients, _id(oldest), waited / 1000)
            for entries, size, last, clients, oldest, waited in answers
        ]

    async def heads(self, rooms: Sequence[str]) -> list[Reading | None]:
        """Return readings without entries, in one round trip; None where one room gave none that can be read."""
        answers = await self._client.run_together([self._call(room, START, HEAD_ONLY) for room in rooms])
        return [_reading_or_none(answer) for answer in answers]

    async def look(self, room: str) -> Reading:
        """Return a reading without entries; raise RedisUnavailable when there is no answer in time."""
        return _reading(await self._client.run(self._call(room, START, HEAD_ONLY)))[0]

    async def head(self, room: str) -> Head:
        """Return a room's head; raise as `look`."""
        return (await self.look(room)).head


def _id(text: bytes) -> EntryId | None:
    return EntryId.parse(text) if text else None


def _reading_or_none(answer: Any) -> Reading | None:
    try:
        return None if isinstance(answer, RedisUnavailable) else _reading(answer)[0]
    except Undecodable:
        return None


def _reading(answer: Any) -> tuple[Reading, bool]:
    (*_, marks), lost, entries, more = answer
    found = [(EntryId.parse(key), decode(value)) for key, value in entries]
    return Reading(_head(answer), bool(lost), found, (marks or b"").decode(errors="replace")), bool(more)


def _head(answer: Any) -> Head:
    epoch, generation, last, floor, _ = answer[0]
    try:
        return Head(
            epoch.decode() if epoch else "",
            int(generation or 0),
            EntryId.parse(last or b"0-0"),
            EntryId.parse(floor or b"0-0"),
        )
    except ValueError as error:
        raise Undecodable("a head that is none") from error
