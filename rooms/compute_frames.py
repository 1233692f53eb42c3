"""What goes between a server process and its compute children: frames of parts, both ways.

A frame is the number of its parts (4 bytes), the length of each (8 bytes), then the parts one after another.
A request's first part is the operation's name. A reply's first part is empty, or says why the bytes were refused.
"""

import struct
from collections.abc import Iterator, Sequence

PIECE_BYTES = 256 * 1024
"""A frame is written in pieces of about this size: no copy of a large part, no write per small one."""

COUNT = struct.Struct(">I")
LENGTH_BYTES = 8


def header(parts: Sequence[bytes]) -> bytes:
    """Return what precedes the parts in their frame."""
    return COUNT.pack(len(parts)) + struct.pack(f">{len(parts)}Q", *map(len, parts))


def count(data: bytes) -> int:
    """Return the number of parts that the first COUNT.size bytes of a frame announce."""
    found: int = COUNT.unpack(data)[0]
    return found


def lengths(data: bytes) -> tuple[int, ...]:
    """Return the parts' lengths from the LENGTH_BYTES * count bytes that follow the count."""
    return struct.unpack(f">{len(data) // LENGTH_BYTES}Q", data)


def pieces(parts: Sequence[bytes]) -> Iterator[bytes | memoryview]:
    """Yield the frame of `parts`: small parts joined, large ones cut."""
    waiting, size = [header(parts)], 0
    for part in parts:
        if len(part) < PIECE_BYTES:
            waiting.append(part)
            size += len(part)
            if size < PIECE_BYTES:
                continue
        yield b"".join(waiting)
        waiting, size = [], 0
        if len(part) >= PIECE_BYTES:
            view = memoryview(part)
            yield from (view[start : start + PIECE_BYTES] for start in range(0, len(part), PIECE_BYTES))
    yield b"".join(waiting)
