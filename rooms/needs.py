"""What an update builds on: for each client, the clock up to which somebody must have it to show the update.

Yjs keeps a struct back until its neighbours, or its parent, are there, and all that its client wrote before it.

Source: yjs/src/utils/encoding.js (readClientsStructRefs, integrateStructs), yjs/src/structs/Item.js (getMissing).
"""

from collections.abc import Callable

from rooms.ranges import Range, Ranges
from rooms.scan import GC, ORIGIN, PARENT_SUB, REF, RIGHT_ORIGIN, SKIP
from rooms.scan_content import contents, count_of, read_text, var_uint

Vector = dict[int, int]
"""Client id -> the clock up to which nothing is missing, or must not be."""


def needs(update: bytes) -> Vector:
    """Return what the structs of an update, which passed `scan`, refer to; not what precedes them of their client."""
    found: Vector = {}
    sections, position = count_of(update, 0)
    for _ in range(sections):
        count, position = count_of(update, position)
        _, position = var_uint(update, position)
        _, position = var_uint(update, position)
        for _ in range(count):
            position = _struct(update, position, found)
    return found


def _struct(data: bytes, position: int, found: Vector) -> int:
    """Note what a struct refers to; return the position behind it."""
    info = data[position]
    position += 1
    if info in (SKIP, GC):
        return var_uint(data, position)[1]
    if info & ORIGIN:
        position = _reference(data, position, found)
    if info & RIGHT_ORIGIN:
        position = _reference(data, position, found)
    if not info & (ORIGIN | RIGHT_ORIGIN):
        named, position = var_uint(data, position)
        position = read_text(data, position)[1] if named else _reference(data, position, found)
        if info & PARENT_SUB:
            position = read_text(data, position)[1]
    return contents[info & REF](data, position)[0]


def _reference(data: bytes, position: int, found: Vector) -> int:
    client, position = var_uint(data, position)
    clock, position = var_uint(data, position)
    found[client] = max(found.get(client, 0), clock + 1)
    return position


def followed(clock_of: Callable[[int], int], structs: Ranges, needed: Vector) -> Vector | None:
    """Return the clocks that change for somebody who gets such an update; None if something is missing for it.

    Args:
        clock_of: up to where they have what a client wrote.
    """
    changes: Vector = {}
    for client, ranges in structs.items():
        if (end := _reached(clock_of(client), ranges)) is None:
            return None
        changes[client] = end
    if all((changes.get(client) or clock_of(client)) >= clock for client, clock in needed.items()):
        return changes
    return None


def _reached(clock: int, ranges: list[Range]) -> int | None:
    """Return the clock up to which nothing is missing behind the ranges; None if they leave a hole."""
    for start, end in ranges:
        if start > clock:
            return None
        clock = max(clock, end)
    return clock
