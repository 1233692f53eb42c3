"""The bytes of a segment: entries with their ids. Pure.

A segment is: var_uint version; the number of speakers, and for each flags, user id and connection id; the number of
entries, and for each the speaker's index, the id as the difference to the one before, and the update as var_bytes.
An id that is less than the one before (a clock was set back) is written in full. A reader of version 1 refuses others.
"""

from collections.abc import Iterator, Sequence

from rooms import wire
from rooms.entries import START, Entry, EntryId, Flag
from rooms.errors import MalformedFrame, Undecodable

VERSION = 1

SAME, LATER, ANEW = 0, 1, 2
"""How an id follows the one before: in the same millisecond, in a later one, or not at all."""

Entries = Sequence[tuple[EntryId, Entry]]
Speaker = tuple[bool, str, str]


def pack(entries: Entries) -> bytes:
    """Return the bytes of a segment."""
    speakers: dict[Speaker, int] = {}
    body, before = bytearray(), START
    for entry_id, entry in entries:
        speaker = speakers.setdefault((entry.verbatim, entry.user_id, entry.connection_id), len(speakers))
        body += wire.var_uint(speaker)
        body += _step(before, entry_id)
        body += wire.var_bytes(entry.update)
        before = entry_id
    head = bytearray(wire.var_uint(VERSION) + wire.var_uint(len(speakers)))
    for verbatim, user_id, connection_id in speakers:
        head += wire.var_uint(Flag.VERBATIM if verbatim else 0)
        head += wire.var_string(user_id) + wire.var_string(connection_id)
    return bytes(head + wire.var_uint(len(entries)) + body)


def _step(before: EntryId, entry_id: EntryId) -> bytes:
    milliseconds = entry_id.milliseconds - before.milliseconds
    numbers: tuple[int, ...]
    if milliseconds > 0:
        kind, numbers = LATER, (milliseconds, entry_id.sequence)
    elif milliseconds == 0 and entry_id.sequence > before.sequence:
        kind, numbers = SAME, (entry_id.sequence - before.sequence,)
    else:
        kind, numbers = ANEW, (entry_id.milliseconds, entry_id.sequence)
    return wire.var_uint(kind) + b"".join(map(wire.var_uint, numbers))


def unpack(data: bytes) -> list[tuple[EntryId, Entry]]:
    """Read what `pack` wrote.

    Raises:
        Undecodable: not a segment, not all of one, or one of a version that this release doesn't know.
    """
    reader = wire.Reader(data)
    try:
        if (version := reader.var_uint()) != VERSION:
            raise Undecodable(f"a segment of version {version}")
        speakers = [_speaker(reader) for _ in range(reader.var_uint())]
        entries = list(_entries(reader, speakers))
        reader.expect_end()
    except (MalformedFrame, IndexError) as error:
        raise Undecodable("bytes that are no segment") from error
    return entries


def _speaker(reader: wire.Reader) -> Speaker:
    return Flag.VERBATIM in Flag(reader.var_uint()), reader.var_string(), reader.var_string()


def _entries(reader: wire.Reader, speakers: Sequence[Speaker]) -> Iterator[tuple[EntryId, Entry]]:
    entry_id = START
    for _ in range(reader.var_uint()):
        verbatim, user_id, connection_id = speakers[reader.var_uint()]
        entry_id = _next(reader, entry_id)
        yield entry_id, Entry(reader.var_bytes(), verbatim, user_id, connection_id)


def _next(reader: wire.Reader, before: EntryId) -> EntryId:
    kind = reader.var_uint(below=ANEW + 1)
    if kind == SAME:
        return EntryId(before.milliseconds, before.sequence + reader.var_uint())
    start = before.milliseconds if kind == LATER else 0
    return EntryId(start + reader.var_uint(), reader.var_uint())
