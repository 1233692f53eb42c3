"""Compaction: a chain's entries become fewer that say the same. What is computed is believed only after a reload.

Plain updates are compacted through a document in a compute child; verbatim ones are carried along byte for byte. Where
pycrdt can't hold what the room says (a split emoji, a parent that is no shared type), the whole room is kept as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from persistence.commit import Poison
from rooms.compute import Compute
from rooms.compute_operations import Verdict
from rooms.conf import Conf
from rooms.entries import Entry, EntryId, encode
from rooms.errors import Undecodable

Entries = Sequence[tuple[EntryId, Entry]]

FLOOR_BYTES = 64 * 1024
"""Less than this is read as quickly as it is, however small the snapshot before it."""


@dataclass(frozen=True, slots=True)
class Compacted:
    """What replaces a chain.

    Args:
        entries: what is verbatim, under its own ids, and then one update with all the rest, under the last id.
        gap: something can't be shown before a missing update comes; its bytes are kept.
        verbatim: some updates, or all of them, are kept as they were sent.
        vector: how far there is what each client wrote, as a state vector; b"" for not known.
        poison: entries that should never have been persisted; they are in the result no more.
    """

    entries: Entries
    gap: bool
    verbatim: bool
    poison: Sequence[Poison] = field(default=())
    vector: bytes = b""


def is_due(delta_bytes: int, delta_count: int, snapshot_bytes: int, conf: Conf) -> bool:
    """Tell whether a chain is worth compacting: many deltas, or more bytes in them than in the snapshot."""
    outweighed = delta_bytes > max(conf.compact_ratio * snapshot_bytes, FLOOR_BYTES)
    return outweighed or delta_count >= conf.compact_deltas


async def compact(compute: Compute, entries: Entries) -> Compacted | None:
    """Return what a chain becomes, or None for a chain without entries.

    Raises:
        ComputeUnavailable: nothing is known; the chain stays as it is.
        Undecodable: a child died even of looking at the bytes, which are not decoded for that.
    """
    kept, poison = distinct(entries), list[Poison]()
    if not kept:
        return None
    try:
        return await as_one(compute, kept)
    except Undecodable:
        verdicts, gap, vector, *reasons = await compute.run("inspect", [entry.update for _, entry in kept])
    why = iter(reasons)
    for verdict, (entry_id, entry) in zip(verdicts, kept, strict=True):
        if verdict == Verdict.MALFORMED:
            reason = f"in a stored segment: {next(why).decode()}"
            poison.append(Poison(entry_id, encode(entry), entry.user_id, entry.connection_id, reason))
    if not poison:
        return Compacted(kept, bool(gap), verbatim=True, vector=vector)
    good = [pair for pair, verdict in zip(kept, verdicts, strict=True) if verdict != Verdict.MALFORMED]
    cured = await compact(compute, good) or Compacted((), gap=False, verbatim=False)
    return replace(cured, poison=poison)


async def as_one(compute: Compute, entries: Entries) -> Compacted:
    """Return the entries with all that are not verbatim made into one; raise Undecodable where that would do harm."""
    flags = bytes(Verdict.VERBATIM if entry.verbatim else Verdict.PLAIN for _, entry in entries)
    update, gap, vector = await compute.run("compact", [flags, *(entry.update for _, entry in entries)])
    verbatim = [pair for pair in entries if pair[1].verbatim]
    plain = [(entries[-1][0], Entry(update))] if len(verbatim) < len(entries) else []
    return Compacted([*verbatim, *plain], bool(gap), bool(verbatim), vector=vector)


def distinct(entries: Entries) -> list[tuple[EntryId, Entry]]:
    """Return the entries in the order of their ids, each update once: what was persisted twice says nothing new."""
    ordered = sorted(entries, key=lambda pair: pair[0])
    return sorted({pair[1].update: pair for pair in ordered}.values(), key=lambda pair: pair[0])
