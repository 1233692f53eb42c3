"""python -m tests.corpus.survive <seed> <count> <black box>: mutated updates, through scan and then through pycrdt.

Meant for a child process, since what it looks for is what ends a process. Reads updates in hex, one a line, from stdin.
Before pycrdt sees bytes they are written to the black box file, so that whoever started it can tell what it died of.
Prints one JSON object: how many updates were refused, marked verbatim or accepted, and what went wrong with which.
"""

import json
import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from pycrdt import Doc, get_state, get_update, merge_updates

from rooms.errors import MalformedFrame
from rooms.merge import EMPTY_UPDATE, is_panic
from rooms.scan import scan

EXTREMES = [
    *(bytes.fromhex(edge) for edge in ("00", "01", "02", "0a", "3f", "40", "7f", "8000", "8001", "ff7f", "808001")),
    *(bytes.fromhex(edge) for edge in ("feffffff07", "ffffffff07", "8080808008", "ffffffff0f", "8080808010")),
    *(bytes.fromhex(edge) for edge in ("ffffffffffffff0f", "8080808080808010", "ffffffffffffffff7f")),
    *(bytes.fromhex(edge) for edge in ("c3a9", "f09f9880", "eda080", "7501", "7601")),
]
"""Numbers at the edges of 7, 14, 31, 32 and 53 bits; letters of two and four bytes; half an emoji; one level deeper."""

INFO = bytes((0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 0x24, 0x28, 0x44, 0x81, 0x84, 0xC1, 0xC4, 0xFF))


class Mutations:
    """Updates that are nearly right."""

    def __init__(self, seed: int, pool: list[bytes]) -> None:
        self.random = Random(seed)
        self.pool = pool

    def next(self) -> tuple[bytes, bytes]:
        """Return an update and what it became."""
        update = self.random.choice(self.pool)
        bytes_ = bytearray(update)
        for _ in range(self.random.choice((1, 1, 1, 2, 3))):
            self.random.choice((self.bend, self.bend, self.number, self.cut, self.repeat, self.splice))(bytes_)
        return update, bytes(bytes_)

    def bend(self, update: bytearray) -> None:
        """Change one byte: one bit, by one, to another kind of struct, to anything."""
        at = self.random.randrange(len(update) or 1)
        old = update[at : at + 1]
        for byte in old:
            flipped, near = byte ^ (1 << self.random.randrange(8)), (byte + self.random.choice((-1, 1))) & 0xFF
            update[at] = self.random.choice((flipped, near, self.random.choice(INFO), self.random.randrange(256)))

    def number(self, update: bytearray) -> None:
        """Put a number from an edge into it, in the place of up to two bytes."""
        at = self.random.randrange(len(update) + 1)
        update[at : at + self.random.randrange(3)] = self.random.choice(EXTREMES)

    def cut(self, update: bytearray) -> None:
        """Leave out a few bytes, or everything from some byte on."""
        at = self.random.randrange(len(update) + 1)
        del update[at : self.random.choice((at + self.random.randrange(1, 6), len(update)))]

    def repeat(self, update: bytearray) -> None:
        """Copy some of it to elsewhere."""
        start, at = self.random.randrange(len(update) + 1), self.random.randrange(len(update) + 1)
        update[at:at] = update[start : start + self.random.randrange(1, 20)]

    def splice(self, update: bytearray) -> None:
        """Let it end as another update does."""
        other = self.random.choice(self.pool)
        update[self.random.randrange(len(update) + 1) :] = other[self.random.randrange(len(other) + 1) :]


def on_bytes(update: bytes, other: bytes) -> None:
    """Do what the server does with accepted updates, which never needs a document."""
    merge_updates(other, merge_updates(update, other))
    get_update(update, get_state(other))
    get_update(other, get_state(update))
    get_update(update, b"\0")


def in_documents(update: bytes, other: bytes) -> None:
    """Do what compute children do."""
    for updates in ((update,), (other, update), (update, other), (merge_updates(update, other),)):
        document: Doc[Any] = Doc()
        for each in updates:
            document.apply_update(each)
        document.get_update()


def outcome(operation: Callable[[bytes, bytes], None], update: bytes, other: bytes) -> str:
    """Return how it went: "well", "refused" by pycrdt, or "panic"."""
    try:
        operation(update, other)
    except (ValueError, RuntimeError):
        return "refused"
    except BaseException as error:
        if not is_panic(error):
            raise
        return "panic"
    return "well"


def main(seed: int, count: int, black_box: Path) -> None:
    """Try `count` mutated updates and print what became of them."""
    mutations = Mutations(seed, [bytes.fromhex(line) for line in sys.stdin])
    counts: Counter[str] = Counter()
    examples: dict[str, str] = {}
    box = os.open(black_box, os.O_CREAT | os.O_WRONLY)
    for _ in range(count):
        other, update = mutations.next()
        try:
            verbatim = scan(update).verbatim
        except MalformedFrame:
            counts["malformed"] += 1
            continue
        if verbatim:
            counts["verbatim"] += 1
            continue
        counts["accepted"] += 1
        if scan(other).verbatim:
            other = EMPTY_UPDATE
        os.pwrite(box, f"{update.hex()} {other.hex()}\n".encode(), 0)
        for operation in (on_bytes, in_documents):
            result = f"{operation.__name__}: {outcome(operation, update, other)}"
            counts[result] += 1
            examples.setdefault(result, f"{update.hex()} {other.hex()}")
    print(json.dumps({"counts": counts, "examples": examples}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
