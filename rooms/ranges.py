"""Which clocks of which client: the arithmetic behind "do I have that already?".

Every operation in a document has an id, (client, clock), and a client counts its clocks upwards from 0. So what
somebody has, or deletes, is a few ranges of clocks for each client. Ranges are values: nothing changes them in place.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from rooms import wire
from rooms.errors import MalformedFrame

Range = tuple[int, int]
"""Half-open: the clocks start <= clock < end."""

Ranges = dict[int, list[Range]]
"""Client id -> its ranges: sorted, none empty, no two that touch."""

MAX_CLOCK = 2**31 - 1
"""The highest clock that any range may end at.

JavaScript counts to 2^53 - 1, but pycrdt keeps clocks in 32 bits and silently takes 2^32 + 5 for 5, so that such an
update would overwrite somebody's text. No client ever typed 2^31 characters.
"""

FEW = 8
"""Up to so many ranges are inserted one by one; more are cheaper to merge in one go."""


def union(a: Ranges, b: Ranges) -> Ranges:
    """Return the clocks that are in `a`, in `b` or in both."""
    both = dict(a)
    for client, ranges in b.items():
        mine = a.get(client)
        both[client] = _merge(mine, ranges) if mine else ranges
    return both


def _merge(many: list[Range], more: list[Range]) -> list[Range]:
    if len(many) < len(more):
        many, more = more, many
    if len(more) > FEW:
        return merged(many + more)
    result = many.copy()
    for each in more:
        _insert(result, *each)
    return result


def _insert(ranges: list[Range], start: int, end: int) -> None:
    """Add one range to a list in place, swallowing those that it overlaps or touches."""
    low = bisect_left(ranges, start, key=_end)
    high = bisect_right(ranges, end, lo=low, key=_start)
    if low < high:
        start = min(start, ranges[low][0])
        end = max(end, ranges[high - 1][1])
    ranges[low:high] = [(start, end)]


def _start(each: Range) -> int:
    return each[0]


def _end(each: Range) -> int:
    return each[1]


def merged(ranges: Iterable[Range]) -> list[Range]:
    """Return the same clocks as sorted ranges of which no two touch."""
    result: list[Range] = []
    last = -1
    for start, end in sorted(ranges):
        if start > last:
            result.append((start, end))
            last = end
        elif end > last:
            result[-1] = (result[-1][0], end)
            last = end
    return result


def covers(have: Ranges, wanted: Ranges) -> bool:
    """Tell whether each clock of `wanted` is in `have`."""
    for client, ranges in wanted.items():
        mine = have.get(client, [])
        for start, end in ranges:
            # The last range that starts at or before `start` is the only one that can hold it.
            at = bisect_right(mine, start, key=_start) - 1
            if at < 0 or mine[at][1] < end:
                return False
    return True


def state_vector(structs: Ranges) -> dict[int, int]:
    """Return the clock up to which nothing is missing, for each client that has any such."""
    return {client: ranges[0][1] for client, ranges in structs.items() if ranges and ranges[0][0] == 0}


def parse_state_vector(data: bytes) -> dict[int, int]:
    """Read an encoded state vector; raise MalformedFrame unless it is one, with each client once.

    Source: yjs/src/utils/encoding.js, readStateVector.
    """
    reader = wire.Reader(data)
    count = reader.var_uint()
    if count > reader.remaining // 2:
        raise MalformedFrame("a state vector has fewer entries than it says")
    vector: dict[int, int] = {}
    for _ in range(count):
        client = reader.var_uint()
        vector[client] = reader.var_uint(below=MAX_CLOCK + 1)
    if len(vector) != count:
        raise MalformedFrame("a state vector names a client twice")
    reader.expect_end()
    return vector


def encode_state_vector(vector: dict[int, int]) -> bytes:
    """Return the bytes that Yjs writes for a state vector: higher client ids come first."""
    encoded = bytearray(wire.var_uint(len(vector)))
    for client, clock in sorted(vector.items(), reverse=True):
        encoded += wire.var_uint(client)
        encoded += wire.var_uint(clock)
    return bytes(encoded)


def encode(ranges: Ranges) -> bytes:
    """Return ranges as Yjs writes a delete set: behind a zero byte it is an update, which `scan` reads."""
    encoded = bytearray(wire.var_uint(len(ranges)))
    for client, own in ranges.items():
        encoded += wire.var_uint(client) + wire.var_uint(len(own))
        for start, end in own:
            encoded += wire.var_uint(start) + wire.var_uint(end - start)
    return bytes(encoded)
