"""What an update brings: a bounded walk over its bytes, before anything else may look at them.

pycrdt crashes, panics or loses text on bytes that a stranger can send, and bytes that make Yjs throw would lock
everybody out of a room. So each update is walked once in plain Python, without recursion and without building anything;
what isn't an update as Yjs writes it is refused. What the walk can't see, because it depends on other updates, is left
to `merge` and `compute`: a parent that is no shared type, a cut inside an emoji, types nested by thousands.

Source: yjs/src/utils/updates.js, encoding.js, DeleteSet.js (version 1 of the update format); lib0/decoding.js.
"""

import re
from dataclasses import dataclass

from rooms.errors import MalformedFrame
from rooms.ranges import (
    MAX_CLOCK,
    Range,
    Ranges,
    covers,
    encode_state_vector,
    parse_state_vector,
    state_vector,
    union,
)
from rooms.scan_content import contents, count_of, read_text, var_uint

__all__ = [
    "Ranges",
    "Scan",
    "covers",
    "encode_state_vector",
    "parse_state_vector",
    "scan",
    "state_vector",
    "union",
]

ORIGIN, RIGHT_ORIGIN, PARENT_SUB, REF = 0x80, 0x40, 0x20, 0x1F
"""The bits of a struct's info byte; the last five say what kind of content it has."""

GC, SKIP = 0, 10
"""The whole info byte of structs without content: garbage, a gap."""

skip_id = re.compile(
    rb"(?:[\x00-\x7f]|[\x80-\xff]{1,6}[\x01-\x7f]|[\x80-\xff]{7}[\x01-\x0f])"  # a client: below 2^53
    rb"(?:[\x00-\x7f]|[\x80-\xff]{1,3}[\x01-\x7f]|[\x80-\xff]{4}[\x01-\x07])"  # a clock: below 2^31
).match


@dataclass(frozen=True, slots=True)
class Scan:
    """What an update holds. Skips are in neither of the ranges: they only say that something is missing."""

    structs: Ranges
    deletes: Ranges
    verbatim: bool
    """It holds what pycrdt can't write again as it was: store and send it byte for byte, merge it with nothing."""


def scan(update: bytes) -> Scan:
    """Walk over an update; raise MalformedFrame unless it is one that Yjs would write, to the last byte."""
    try:
        structs, faithful, position = _structs(update)
        deletes, position = _deletes(update, position)
    except IndexError as error:
        raise MalformedFrame("the update ends inside a value") from error
    except UnicodeDecodeError as error:
        raise MalformedFrame("a string is not UTF-8") from error
    if position != len(update):
        raise MalformedFrame("bytes are left over behind the update")
    return Scan(structs, deletes, not faithful)


def _structs(data: bytes) -> tuple[Ranges, bool, int]:
    """Walk over all clients' structs; return their ranges, whether all are faithful, and the position behind them."""
    structs: Ranges = {}
    faithful = True
    sections, position = count_of(data, 0)
    for _ in range(sections):
        count, start = count_of(data, position)
        client, position = var_uint(data, start)
        if not count:
            # pycrdt keeps its clock and panics when the client's next update comes.
            raise MalformedFrame("a client without structs")
        if client in structs:
            # Yjs would apply the second section only, pycrdt both.
            raise MalformedFrame("two sections of one client")
        structs[client], same, position = _section(data, position, count, data[start:position])
        faithful &= same
    if not all(structs.values()):
        structs = {client: ranges for client, ranges in structs.items() if ranges}
    return structs, faithful, position


def _section(data: bytes, position: int, count: int, own: bytes) -> tuple[list[Range], bool, int]:
    """Walk over `count` structs of one client, whose encoded id is `own`."""
    ranges: list[Range] = []
    faithful = True
    clock, position = var_uint(data, position)
    start = clock
    for _ in range(count):
        info = data[position]
        position += 1
        if info == SKIP:
            if clock > start:
                ranges.append((start, clock))
            length, position = var_uint(data, position)
            start = clock + length
        elif info == GC:
            length, position = var_uint(data, position)
        else:
            position = _skip_place(data, position, info, own, clock)
            position, length, same = contents[info & REF](data, position)
            if not same:
                faithful = False
        if not length:
            # pycrdt divides by it and panics; Yjs throws when it looks for what stands beside it.
            raise MalformedFrame("a struct of no length")
        clock += length
    if clock > MAX_CLOCK:
        raise MalformedFrame("a clock over 2^31 - 1")
    if clock > start:
        ranges.append((start, clock))
    return ranges, faithful, position


def _skip_place(data: bytes, position: int, info: int, own: bytes, clock: int) -> int:
    """Pass over where an item stands: its left and right neighbours or, if it has neither, its parent."""
    if info & ORIGIN:
        position = _skip_reference(data, position, own, clock)
    if info & RIGHT_ORIGIN:
        return _skip_reference(data, position, own, clock)
    if info & ORIGIN:
        return position
    named, position = var_uint(data, position)
    if named == 1:
        _, position = read_text(data, position)
    elif named == 0:
        position = _skip_reference(data, position, own, clock)
    else:
        raise MalformedFrame("a parent is neither a name nor an id")
    if info & PARENT_SUB:
        _, position = read_text(data, position)
    return position


def _skip_reference(data: bytes, position: int, own: bytes, clock: int) -> int:
    """Pass over the id of another item; one of the same client must be older, or Yjs throws instead of waiting."""
    if data.startswith(own, position):
        other, position = var_uint(data, position + len(own))
        if other >= clock:
            raise MalformedFrame("an item refers to one that its client made later")
        return position
    reference = skip_id(data, position)
    if not reference:
        raise MalformedFrame("an id is padded, too large or cut short")
    return reference.end()


def _deletes(data: bytes, position: int) -> tuple[Ranges, int]:
    """Walk over the delete set; return its ranges and the position behind it."""
    deletes: Ranges = {}
    clients, position = count_of(data, position)
    for _ in range(clients):
        client, position = var_uint(data, position)
        if client in deletes:
            # pycrdt would forget the first.
            raise MalformedFrame("two delete sets of one client")
        deletes[client], position = _deleted_ranges(data, position)
    if not all(deletes.values()):
        deletes = {client: ranges for client, ranges in deletes.items() if ranges}
    return deletes, position


def _deleted_ranges(data: bytes, position: int) -> tuple[list[Range], int]:
    """Read one client's deletions, which must be in order: pycrdt loses some of those that aren't when it merges."""
    ranges: list[Range] = []
    count, position = count_of(data, position)
    end = -1
    for _ in range(count):
        start, position = var_uint(data, position)
        length, position = var_uint(data, position)
        if start < end or not length:
            raise MalformedFrame("deletions that overlap, are out of order or empty")
        if start == end:
            start = ranges.pop()[0]
            length += end - start
        end = start + length
        ranges.append((start, end))
    if end > MAX_CLOCK:
        raise MalformedFrame("a clock over 2^31 - 1")
    return ranges, position
