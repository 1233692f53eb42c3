"""What came for a room within one turn of the event loop, as what is sent to its connections."""

from collections.abc import Sequence

from rooms import merge
from rooms.entries import Entry
from rooms.errors import Undecodable
from rooms.metrics import Count, count


def merged(entries: Sequence[Entry], most_bytes: int) -> list[tuple[bytes, bool, str]]:
    """Return what to send: (update, verbatim, connection id if all of it came over one, else "").

    Several small updates become one. What is large or verbatim goes as it is.
    """
    plain = [entry for entry in entries if not entry.verbatim]
    if len(plain) < 2 or sum(len(entry.update) for entry in plain) > most_bytes:
        return [(entry.update, entry.verbatim, entry.connection_id) for entry in entries]
    senders = {entry.connection_id for entry in plain}
    try:
        update = merge.tree_merge([entry.update for entry in plain])
    except Undecodable:
        count(Count.MERGES_FAILED)
        return [(entry.update, entry.verbatim, entry.connection_id) for entry in entries]
    count(Count.FAN_OUT_MERGES)
    rest = [(entry.update, True, entry.connection_id) for entry in entries if entry.verbatim]
    return [(update, False, senders.pop() if len(senders) == 1 else ""), *rest]
