"""Stream entries: their ids and their bytes. Pure; segments keep entries in the same form.

An entry is: var_uint version, var_uint flags, var_string user id, var_string connection id, and the update
to the end. A reader of version 1 takes later versions that only add flags, and refuses others.
"""

from dataclasses import dataclass
from enum import IntFlag
from typing import NamedTuple, Self

from rooms import wire
from rooms.errors import LaterRelease, MalformedFrame, Undecodable

VERSION = 1

LATEST = 15
"""No release will write a higher version: bytes that begin so are no entry."""


class EntryId(NamedTuple):
    """A Redis stream id; compares as numbers: as text, "9-0" would come after "10-0"."""

    milliseconds: int
    sequence: int

    @classmethod
    def parse(cls, text: bytes | str) -> Self:
        """Read "milliseconds-sequence"."""
        milliseconds, _, sequence = (text.decode() if isinstance(text, bytes) else text).partition("-")
        return cls(int(milliseconds), int(sequence))

    def __str__(self) -> str:
        return f"{self.milliseconds}-{self.sequence}"


START = EntryId(0, 0)
"""Before every entry."""


class Flag(IntFlag):
    """What a reader must know of an entry before it looks into the update."""

    VERBATIM = 1
    """Holds what can't be re-encoded faithfully: store and replay byte for byte, never merge."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One accepted update, with who sent it ("" for nobody known) over which connection."""

    update: bytes
    verbatim: bool = False
    user_id: str = ""
    connection_id: str = ""


def encode(entry: Entry) -> bytes:
    """Return the bytes of an entry."""
    flags = Flag.VERBATIM if entry.verbatim else 0
    return b"".join(
        (
            bytes((VERSION, flags)),
            wire.var_string(entry.user_id),
            wire.var_string(entry.connection_id),
            entry.update,
        )
    )


def decode(data: bytes) -> Entry:
    """Read what `encode` wrote.

    Raises:
        LaterRelease: an entry of a version that this release doesn't know.
        Undecodable: not an entry.
    """
    if is_later(data):
        raise LaterRelease(f"an entry of version {data[0]}, of a later release")
    reader = wire.Reader(data)
    try:
        if (version := reader.var_uint()) != VERSION:
            raise Undecodable(f"an entry of version {version}")
        flags = Flag(reader.var_uint())
        user_id, connection_id = reader.var_string(), reader.var_string()
    except MalformedFrame as error:
        raise Undecodable("bytes that are no entry") from error
    return Entry(reader.take(reader.remaining), Flag.VERBATIM in flags, user_id, connection_id)


def is_later(data: bytes) -> bool:
    """Tell whether bytes begin as an entry does that a later release has written."""
    return VERSION < int.from_bytes(data[:1]) <= LATEST
