"""Loading a room: what is persisted and what is in its stream, joined into bytes that any client can be served from.

No Y.Doc is built: updates are merged, compared and described as bytes (rooms.merge), large ones in a compute child.
"""

import asyncio
import json
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from rooms import coverage, merge
from rooms.calmly import calmly
from rooms.compute import Compute
from rooms.compute_operations import OPERATIONS, Verdict
from rooms.conf import Conf
from rooms.entries import START, Entry, EntryId
from rooms.errors import MalformedFrame, StoreUnavailable, TooBig, Undecodable, Unmergeable, YRedisError
from rooms.failpoints import failpoint
from rooms.metrics import Count, count
from rooms.scan import Scan, scan
from rooms.store import Chain, Store, holds
from rooms.streams import Reading, Streams

T = TypeVar("T")

MOST_RANGES_BYTES = 512 * 1024
"""Of an update's ranges, encoded: some 150,000. A document of 260,000 edits has deletions in some 3,000."""

MOST_PREVIEW_BYTES = 1_000_000
"""What rooms.preview lets through takes less."""

NOTHING = Scan({}, {}, verbatim=False)

LOAD_ATTEMPTS = 5
"""A worker may persist and trim between our reading the stream and the store; then both are read again."""


@dataclass(frozen=True, slots=True)
class Document:
    """A room's whole state at one instant, as bytes.

    Args:
        merged: one update with everything that may be merged.
        verbatim: the updates that may not, byte for byte.
        known: what all of them bring, as ranges of clocks.
        last: id of the newest entry in it.
        size_bytes: of what was loaded, before merging.
    """

    merged: bytes
    verbatim: tuple[bytes, ...]
    known: Scan
    last: EntryId
    size_bytes: int

    @property
    def entries(self) -> list[Entry]:
        """The whole state as entries: what is verbatim, then one with all the rest, unless there is none."""
        verbatim = [Entry(update, verbatim=True) for update in self.verbatim]
        return verbatim if self.merged == merge.EMPTY_UPDATE else [*verbatim, Entry(self.merged)]


class Documents:
    """Reads rooms for one event loop."""

    def __init__(self, streams: Streams, store: Store, compute: Compute, conf: Conf) -> None:
        self._streams = streams
        self._store = store
        self._compute = compute
        self._conf = conf

    async def load(self, room: str) -> Document:
        """Return a room's state, which holds at least every entry accepted before the call (G1).

        Raises:
            RedisUnavailable, StoreUnavailable: a part could not be read; that is never an empty document (G6).
            Undecodable: stored bytes that can't be merged.
        """
        count(Count.LOADS)
        try:
            chain, reading = await self._read(room)
            entries = [*(chain.entries if chain else ()), *(entry for _, entry in reading.entries)]
            return await self._join(entries, reading.entries[-1][0] if reading.entries else reading.head.last)
        except YRedisError:
            count(Count.LOADS_FAILED)
            raise

    async def _read(self, room: str) -> tuple[Chain | None, Reading]:
        """Read the whole stream, then the store: their overlap is harmless, a gap between them would not be."""
        for _ in range(LOAD_ATTEMPTS):
            reading = await self._streams.read(room)
            failpoint("join.stream")
            chain = await self._stored(room)
            failpoint("join.store")
            if reading.head.floor <= (chain.last if chain else START):
                return chain, reading
        raise StoreUnavailable(
            f"the stream of room {room} was trimmed up to {reading.head.floor}, the store ends before"
        )

    async def exist(self, room: str) -> bool:
        """Tell whether a room has anything, in Redis or in the store.

        Raises:
            RedisUnavailable, StoreUnavailable: that can't be told now.
        """
        last = (await self._streams.head(room)).last
        return last != START or await self._of_the_store(holds(self._store, room))

    async def _stored(self, room: str) -> Chain | None:
        return await self._of_the_store(self._store.load(room))

    async def _of_the_store(self, answer: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._conf.store_timeout_seconds):
                return await answer
        except StoreUnavailable:
            raise
        except Exception as error:  # a store is the site's code: whatever it raises, the room is not empty
            raise StoreUnavailable(f"{type(error).__name__}: {error}") from error

    async def _join(self, entries: Sequence[Entry], last: EntryId) -> Document:
        verbatim = [entry.update for entry in entries if entry.verbatim]
        plain = [entry.update for entry in entries if not entry.verbatim]
        try:
            merged, *packed = await self.compute("summarise", plain)
            known = await unpacked(packed)
        except Undecodable:  # they can't be merged without harm: then the whole room is served as it was sent
            count(Count.MERGES_FAILED)
            merged, known, verbatim = merge.EMPTY_UPDATE, NOTHING, [entry.update for entry in entries]
        if verbatim:
            packed = await self.compute("look", verbatim)
            if len(packed) == 1:  # which the client that joins now is not to blame for
                raise Undecodable(f"a stored update is malformed: {packed[0].decode()}")
            known = coverage.combine([known, await unpacked(packed)])
        return Document(merged, tuple(verbatim), known, last, sum(len(entry.update) for entry in entries))

    async def diff(self, document: Document, state_vector: bytes) -> bytes:
        """Return what a client with `state_vector` (checked already) lacks of `document.merged`."""
        if state_vector == merge.EMPTY_STATE_VECTOR:
            return document.merged
        return (await self.compute("diff", (document.merged, state_vector)))[0]

    async def compute(self, operation: str, parts: Sequence[bytes]) -> list[bytes]:
        """Run an operation here if it is small, else in a compute child; raise Undecodable if it can't be done."""
        if sum(map(len, parts)) <= self._conf.compute_threshold_bytes:
            return OPERATIONS[operation](parts)
        return await self._compute.run(operation, parts)

    async def look_into(self, update: bytes) -> Scan:
        """Scan an update from a client, a large one in a compute child.

        Raises:
            MalformedFrame: it is none.
            TooBig: it brings or deletes more separate ranges than any document has.
        """
        if len(update) <= self._conf.compute_threshold_bytes:
            return scan(update)
        packed = await self._compute.run("look", (update,))
        if len(packed) == 1:
            raise MalformedFrame(packed[0].decode())
        if sum(map(len, packed)) > MOST_RANGES_BYTES:
            raise TooBig("an update in too many pieces")
        return await unpacked(packed)

    async def preview(self, document: Document) -> list[dict[str, Any]]:
        """Return what a document holds, cut to what a page can show, as rooms.preview tells it.

        Raises:
            Undecodable: that can't be told, or only with more than a page can show.
        """
        found = (await self._compute.run("preview", (document.merged, *document.verbatim)))[0]
        if len(found) > MOST_PREVIEW_BYTES:
            raise Undecodable(f"a preview of {len(found)} bytes, more than a page can show")
        roots: list[dict[str, Any]] = json.loads(found)
        return roots

    async def decoded(self, document: Document, operation: str) -> bytes:
        """Return a whole document in UTF-8, by the operation "as_json" or "as_text" of rooms.exports.

        Raises:
            Undecodable: that can't be told.
        """
        return (await self._compute.run(operation, (document.merged, *document.verbatim)))[0]

    async def whole(self, document: Document) -> bytes:
        """Return all of a document as one update that says what all of them say, no value changed.

        Raises:
            Unmergeable: it consists of several updates, and one of them may not be merged.
        """
        if len(document.entries) > 1:
            raise Unmergeable(
                "this document has values that can only be kept as they were sent: "
                "it can't be made one update without changing them"
            )
        return document.verbatim[0] if document.verbatim else document.merged

    async def prove(self, update: bytes) -> bool:
        """Let a compute child build a document of an update from somewhere else; return whether to keep it verbatim.

        Raises:
            MalformedFrame: it is none.
            ValueError: it continues others.
            Undecodable: the child died of it.
        """
        verdicts, gap, *reasons = await self._compute.run("prove", (update,))
        if reasons:
            raise MalformedFrame(reasons[0].decode())
        if gap:
            raise ValueError("this update needs others that are not in it")
        return bool(verdicts[0] == Verdict.VERBATIM)

    async def buildable(self, document: Document) -> bytes:
        """Return one update from which a Doc can be built without harm: a compute child has done it first.

        Verbatim updates are in it too, re-encoded: fine for reading, never to be stored.

        Raises:
            Undecodable: no Doc can be built.
        """
        return (await self._compute.run("rebuild", (document.merged, *document.verbatim)))[0]


async def unpacked(packed: Sequence[bytes]) -> Scan:
    """Return the Scan that a compute child has packed."""
    return await calmly(sum(map(len, packed)), coverage.unpack, packed)
