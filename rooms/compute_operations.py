"""What a compute child can be asked for: a fixed table of functions from updates to updates."""

from collections.abc import Callable, Sequence

from rooms import coverage, merge
from rooms.errors import MalformedFrame
from rooms.scan import scan


def summarise(updates: Sequence[bytes]) -> list[bytes]:
    """Return [merged update, and what it brings, packed by `coverage`]."""
    merged = merge.tree_merge(updates)
    state_vector = merge.state_vector_of(merged)
    return [merged, *coverage.pack(coverage.described(state_vector, merge.diff(merged, state_vector)))]


def diff(parts: Sequence[bytes]) -> list[bytes]:
    """Take [update, state vector] and return [what of the update a peer with that state vector lacks]."""
    update, state_vector = parts
    return [merge.diff(update, state_vector)]


def rebuild(updates: Sequence[bytes]) -> list[bytes]:
    """Return [the updates compacted through a document], which proves that a document can be built."""
    return [merge.rebuild(updates)]


def look(updates: Sequence[bytes]) -> list[bytes]:
    """Return what updates bring, packed by `coverage`, or [why one of them is malformed]."""
    try:
        return coverage.pack(coverage.combine(map(scan, updates)))
    except MalformedFrame as error:
        return [str(error).encode()]


OPERATIONS: dict[str, Callable[[Sequence[bytes]], list[bytes]]] = {
    function.__name__: function for function in (summarise, diff, rebuild, look)
}
