"""A room's life from stream entries to segments and back, with the parts that a worker uses and no worker."""

from collections.abc import Iterable, Sequence

from persistence import framing
from persistence.checking import sift
from persistence.commit import Poison
from persistence.compaction import Compacted, compact, is_due
from rooms import merge
from rooms.compute import Compute
from rooms.conf import conf
from rooms.entries import Entry, EntryId, encode
from rooms.errors import Undecodable
from rooms.scan import scan


class PersistedRoom:
    """Segments as bytes: one snapshot at most, and deltas."""

    def __init__(self, compute: Compute) -> None:
        self.compute = compute
        self.clock = 1_700_000_000_000
        self.snapshot = b""
        self.deltas: list[bytes] = []
        self.poison: list[Poison] = []
        self.written_bytes = 0

    async def persist(self, updates: Sequence[bytes]) -> None:
        """Take updates as a stream would hold them and append a delta."""
        raw = [(self._next_id(), entry_of(update)) for update in updates]
        good, poison = await sift(self.compute, raw)
        self.poison += poison
        self.deltas.append(framing.pack(good))
        self.written_bytes += len(self.deltas[-1])

    def _next_id(self) -> EntryId:
        self.clock += 37
        return EntryId(self.clock, 0)

    async def compact(self) -> Compacted | None:
        """Replace the chain by a snapshot."""
        compacted = await compact(self.compute, self.entries())
        if compacted:
            self.poison += compacted.poison
            self.snapshot, self.deltas = framing.pack(compacted.entries), []
            self.written_bytes += len(self.snapshot)
        return compacted

    async def compact_if_due(self) -> None:
        """Do as a worker does after each persist."""
        if is_due(sum(map(len, self.deltas)), len(self.deltas), len(self.snapshot), conf()):
            await self.compact()

    def entries(self) -> list[tuple[EntryId, Entry]]:
        """Read the segments."""
        segments = [self.snapshot, *self.deltas] if self.snapshot else self.deltas
        return [pair for segment in segments for pair in framing.unpack(segment)]

    def served(self) -> list[bytes]:
        """Return what a client gets that joins: all in one, but for what is verbatim."""
        entries = [entry for _, entry in self.entries()]
        plain = [entry.update for entry in entries if not entry.verbatim]
        try:
            return [merge.tree_merge(plain), *(entry.update for entry in entries if entry.verbatim)]
        except Undecodable:
            return [entry.update for entry in entries]


def entry_of(update: bytes) -> bytes:
    """Return the bytes in a stream of an update that somebody sent."""
    return encode(Entry(update, scan(update).verbatim, "ann", "connection-1"))


def raw(updates: Iterable[bytes]) -> list[tuple[EntryId, bytes]]:
    """Return updates as stream entries, whether or not a server would have accepted them."""
    return [(EntryId(number, 0), encode(Entry(update, user_id="ann"))) for number, update in enumerate(updates, 1)]
