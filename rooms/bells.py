"""Bells: what a server process tells the others about a room, over the room's sharded pub/sub channel.

A bell is a msgpack array: version, kind, epoch, generation, floor, id before, last id, body. The scripts write it.
It is only a hint: whoever misses one finds out by the ids, and the stream has the truth.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgpack

from rooms.entries import EntryId
from rooms.errors import Undecodable

VERSION = 1


class Kind(StrEnum):
    """What a bell tells. A kind that a release does not know yet means: read the head."""

    ENTRIES = "entries"
    """Appended: the body has the entries' bytes, or is False when they are too large to travel along."""
    AWARENESS = "awareness"
    """Cursors: the body is an encoded list of states (rooms.presence)."""
    POLICY = "policy"
    """The room was deleted, restored, erased or made read-only: the head has its policy and generation."""
    RECHECK = "recheck"
    """Rights changed: decide anew for those whom the body names (rooms.rights). On the bell of all servers."""
    ROLL_CALL = "roll call"
    """Tell who is connected to a room (rooms.rollcall). On the bell of all servers."""
    KICK = "kick"
    """Close the connections of those whom the body names. On the bell of all servers."""


@dataclass(frozen=True, slots=True)
class Head:
    """What Redis knows of a room besides its entries.

    Args:
        epoch: changes when Redis lost data; "" when there is no head.
        generation: raised when the room is erased.
        last: id of the newest entry ever appended in this epoch.
        floor: everything up to this id was trimmed.
    """

    epoch: str
    generation: int
    last: EntryId
    floor: EntryId

    @property
    def labels(self) -> dict[str, str]:
        """What a log says of it."""
        return {"epoch": self.epoch, "last": str(self.last), "floor": str(self.floor)}


@dataclass(frozen=True, slots=True)
class Bell:
    """One bell; `previous` is the id before the first entry that it tells of."""

    kind: str
    head: Head
    previous: EntryId
    body: Any


def decode(data: bytes) -> Bell:
    """Read one bell.

    Raises:
        Undecodable: not a bell, or one of another version.
    """
    try:
        version, kind, epoch, generation, floor, previous, last, body = msgpack.unpackb(data, raw=True)
        if version != VERSION:
            raise Undecodable(f"a bell of version {version}")
        head = Head(epoch.decode(), int(generation), EntryId.parse(last), EntryId.parse(floor))
        return Bell(kind.decode(), head, EntryId.parse(previous), body)
    except (ValueError, TypeError, AttributeError, msgpack.UnpackException) as error:
        raise Undecodable("bytes that are no bell") from error
