"""A loaded document, and what the room delivered since its load began: what SyncStep1 is answered from.

Because delivery goes on while the document is being loaded, nothing can fall between the two. One baseline serves
all who join within a few seconds.
"""

import asyncio
from dataclasses import dataclass, field

from rooms import merge, ranges
from rooms.calmly import calmly
from rooms.coverage import combine, covers, scan_stored
from rooms.documents import Document, Documents
from rooms.entries import Entry
from rooms.scan import Scan

LIFE_SECONDS = 5.0
"""A baseline is used so long; then the next one to ask causes a new load."""

FAILED_SECONDS = 1.0
"""A load that failed is not tried again so soon: clients of a damaged room retry all the time."""

SINCE_BYTES = 256 * 1024
"""A baseline that was followed by more is not used any more."""


@dataclass(slots=True)
class Baseline:
    """What everybody in the room has, or will have been sent."""

    made_at: float
    loading: "asyncio.Task[Document]"
    since: list[Entry] = field(default_factory=list)
    since_bytes: int = 0
    _known: Scan | None = None
    _known_since: int = 0

    def follow(self, entries: list[Entry]) -> None:
        """Add what was delivered."""
        self.since += entries
        self.since_bytes += sum(len(entry.update) for entry in entries)

    def is_fresh(self, now: float) -> bool:
        """Whether somebody who joins now may use it, or has to take its failure."""
        failed = self.loading.done() and (self.loading.cancelled() or self.loading.exception() is not None)
        life_seconds = FAILED_SECONDS if failed else LIFE_SECONDS
        return now - self.made_at < life_seconds and self.since_bytes <= SINCE_BYTES

    async def document(self) -> Document:
        """Return the loaded document; whoever waits may be cancelled without hurting the others."""
        return await asyncio.shield(self.loading)

    async def known(self) -> Scan:
        """Return what the document and everything since bring, as ranges of clocks."""
        document = await self.document()  # before anything of our own is read: others ask at the same time
        known = self._known or document.known
        if new := self.since[self._known_since :]:
            seen = self._known_since + len(new)
            known = await calmly(sum(len(entry.update) for entry in new), with_updates, known, new)
            self._known, self._known_since = known, seen
        return known

    async def state_vector(self) -> bytes:
        """Return the encoded state vector to send in a SyncStep1."""
        return ranges.encode_state_vector(ranges.state_vector((await self.known()).structs))

    async def has(self, scanned: Scan, size_bytes: int = 0) -> bool:
        """Tell whether an update of that size, which was scanned, brings nothing new."""
        return await calmly(size_bytes, covers, await self.known(), scanned)

    async def answer(self, documents: Documents, state_vector: bytes) -> tuple[list[bytes], bytes]:
        """Return updates to send first, and what of the document a client with `state_vector` lacks."""
        document = await self.document()
        difference = await documents.diff(document, state_vector)
        verbatim = [*document.verbatim, *(entry.update for entry in self.since if entry.verbatim)]
        return verbatim + merge.as_few([entry.update for entry in self.since if not entry.verbatim]), difference


def with_updates(known: Scan, entries: list[Entry]) -> Scan:
    """Return what is known when these entries are too."""
    return combine([known, *(scan_stored(entry.update) for entry in entries)])
