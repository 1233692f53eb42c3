"""Emoji that an edit was put inside of: the one harm that no single update shows. Pure.

JavaScript counts a character beyond U+FFFF as two, so an item can stand between its halves, or only one half can be
deleted. Yjs then writes U+FFFD for both halves; pycrdt moves the item or keeps the character. A room where that
happened must not be built and written again by pycrdt.

Source: yjs/src/structs/ContentString.js (splice).
"""

from collections.abc import Iterator

from rooms.merge import astral
from rooms.ranges import Ranges
from rooms.scan import GC, REF, SKIP, scan
from rooms.scan_content import contents, count_of, read_text, var_uint
from rooms.squash import place

STRING = 4
"""The kind of content that can be cut between two UTF-16 units."""

Clock = tuple[int, int]
"""A client and one of its clocks."""


def cuts_a_character(update: bytes) -> bool:
    """Tell whether something in the update begins or ends inside one of its characters.

    Raises:
        MalformedFrame: these are not bytes that Yjs would write.
    """
    deletes = scan(update).deletes
    if not astral(update):
        return False
    cuts, inside = set(edges(deletes)), set[Clock]()
    position = 0
    sections, position = count_of(update, position)
    for _ in range(sections):
        position = walk(update, position, cuts, inside)
    return not inside.isdisjoint(cuts)


def edges(ranges: Ranges) -> Iterator[Clock]:
    """Yield where each range begins and ends."""
    for client, several in ranges.items():
        for start, end in several:
            yield client, start
            yield client, end


def walk(data: bytes, position: int, cuts: set[Clock], inside: set[Clock]) -> int:
    """Walk over one client's structs; return the position behind them.

    Args:
        cuts: gets every clock before which some item stands.
        inside: gets every clock that is the second half of a character.
    """
    count, position = count_of(data, position)
    client, position = var_uint(data, position)
    clock, position = var_uint(data, position)
    for _ in range(count):
        begin, info = position, data[position]
        if info in (GC, SKIP):
            length, position = var_uint(data, begin + 1)
        else:
            left, right, content = place(data, begin)
            cuts.update(beside(left, 1))
            cuts.update(beside(right, 0))
            position, length, _ = contents[info & REF](data, content)
            if info & REF == STRING and astral(data, content, position):
                inside.update((client, clock + offset) for offset in second_halves(read_text(data, content)[0]))
        clock += length
    return position


def beside(reference: bytes, distance: int) -> Iterator[Clock]:
    """Yield the clock so far behind an encoded id; nothing for no id."""
    if reference:
        client, position = var_uint(reference, 0)
        yield client, var_uint(reference, position)[0] + distance


def second_halves(text: bytes) -> Iterator[int]:
    """Yield the offset, in UTF-16 units, of the second half of each character that has two."""
    units = text.decode().encode("utf-16-le")
    for offset in range(1, len(units), 2):
        if 0xDC <= units[offset] <= 0xDF:
            yield offset // 2
