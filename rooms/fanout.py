"""What came for a room within one turn of the event loop, as what is sent to its connections."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from rooms import merge, protocol
from rooms.awareness import State
from rooms.awareness import encode as encode_states
from rooms.entries import Entry
from rooms.errors import Undecodable
from rooms.metrics import Count, count
from rooms.writers import Frame

if TYPE_CHECKING:
    from rooms.seat import Seat


def give(entries: Sequence[Entry], seats: "Collection[Seat]", most_bytes: int) -> None:
    """Give entries to every connection but the one that they came over; each frame is made once for all."""
    for update, verbatim, sender in merged(entries, most_bytes):
        frame = Frame(protocol.update(update))
        for seat in seats:
            if seat.speaker.connection_id != sender:
                seat.outbox.send_update(frame, update, verbatim=verbatim)


def show(states: list[State], seats: "Collection[Seat]") -> None:
    """Give awareness states to every connection."""
    if states and seats:
        frame = Frame(protocol.awareness(encode_states(states)))
        for seat in seats:
            seat.outbox.send_states(frame, states)


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
