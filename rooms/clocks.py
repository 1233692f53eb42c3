"""A state vector in which one client's clock is found and changed without reading the others.

Records of twelve bytes, by ascending client id: a document of ten thousand sessions has as many clients.
"""

from bisect import bisect_left
from collections.abc import Mapping
from struct import Struct

RECORD = Struct(">QI")


def pack(vector: Mapping[int, int]) -> bytes:
    """Return the clocks of clients as records."""
    return b"".join(RECORD.pack(client, clock) for client, clock in sorted(vector.items()))


def unpack(clocks: bytes) -> dict[int, int]:
    """Return what `pack` was given."""
    return dict(RECORD.iter_unpack(clocks))


def clock_of(clocks: bytes, client: int) -> int:
    """Return the clock of a client; 0 for one that is not there."""
    at = _find(clocks, client)
    found, clock = RECORD.unpack_from(clocks, at) if at < len(clocks) else (None, 0)
    return int(clock) if found == client else 0


def changed(clocks: bytes, changes: Mapping[int, int]) -> bytes:
    """Return the records with other clocks for some clients, who may be new."""
    result = bytearray(clocks)
    for client, clock in changes.items():
        at = _find(result, client)
        is_there = at < len(result) and RECORD.unpack_from(result, at)[0] == client
        result[at : at + RECORD.size * is_there] = RECORD.pack(client, clock)
    return bytes(result)


def _find(clocks: bytes | bytearray, client: int) -> int:
    """Return where the record of a client is, or would be."""
    records = range(0, len(clocks), RECORD.size)
    return RECORD.size * bisect_left(records, client, key=lambda at: int(RECORD.unpack_from(clocks, at)[0]))
