"""How much of a chain is written anew. Where compaction saves nothing, only segments that have become many small ones.

A room whose updates are kept as they were sent is appended to and not rewritten: a byte of it is written again only
when what follows its segment has grown to a good part of that.
"""

from collections.abc import Sequence
from dataclasses import replace

from persistence import chain
from persistence.compaction import Compacted
from persistence.models import Segment
from rooms.entries import Entry, EntryId

Entries = Sequence[tuple[EntryId, Entry]]

WORTH = 0.9
"""A verbatim room is written anew as a whole when less than this share is left of it."""

FEW_TIMES = 2


def written_anew(
    segments: Sequence[Segment], several: Sequence[bytes], entries: Entries, compacted: Compacted
) -> tuple[Sequence[Segment], Compacted]:
    """Return the segments at the end of a chain that are worth replacing, and by what; [] for none of them.

    Args:
        several: the bytes of the segments.
        entries: of the whole chain.
        compacted: what that would become.
    """
    if is_worth_it(entries, compacted):
        return segments, compacted
    start = tail([segment.byte_size for segment in segments])
    if start == len(segments) - 1:
        return [], compacted
    return segments[start:], replace(compacted, entries=chain.entries(segments[start:], several[start:]))


def is_worth_it(entries: Entries, compacted: Compacted) -> bool:
    """Tell whether a chain is written anew as a whole."""
    if not compacted.verbatim or compacted.poison:
        return True
    before, after = (sum(len(entry.update) for _, entry in some) for some in (entries, compacted.entries))
    return after < WORTH * before


def tail(sizes: Sequence[int]) -> int:
    """Return the index from which on segments become one: the one before is larger than a few times all those."""
    start, size = len(sizes) - 1, sizes[-1]
    while start and sizes[start - 1] <= FEW_TIMES * size:
        start -= 1
        size += sizes[start]
    return start
