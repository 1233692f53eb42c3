"""What a set of updates holds, as ranges: structs by client and clock, deletions by client and clock."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from rooms.scan import scan

Ranges = dict[int, list[tuple[int, int]]]
"""Client id -> half-open clock ranges."""


@dataclass
class Coverage:
    """Ranges that grow; sorted and merged when they are looked at."""

    structs: Ranges = field(default_factory=dict)
    deletes: Ranges = field(default_factory=dict)

    @classmethod
    def of(cls, updates: Iterable[bytes]) -> Self:
        """Return what `updates` hold together; raise MalformedFrame if one can't be read."""
        coverage = cls()
        for update in updates:
            coverage.add(update)
        coverage.normalise()
        return coverage

    def add(self, update: bytes) -> None:
        """Add what an update holds."""
        found = scan(update)
        self.extend(found.structs, found.deletes)

    def extend(
        self, structs: Mapping[int, Iterable[tuple[int, int]]], deletes: Mapping[int, Iterable[tuple[int, int]]]
    ) -> None:
        """Add ranges."""
        for mine, theirs in ((self.structs, structs), (self.deletes, deletes)):
            for client, ranges in theirs.items():
                mine.setdefault(client, []).extend(ranges)

    def normalise(self) -> None:
        """Sort and merge, so that covering can be seen."""
        for ranges in (self.structs, self.deletes):
            for client, spans in ranges.items():
                ranges[client] = merged(spans)

    def lacks(self, wanted: "Coverage") -> str:
        """Say what of `wanted` isn't here: "" if nothing; both must be normalised."""
        for kind, mine, theirs in (
            ("struct", self.structs, wanted.structs),
            ("deletion", self.deletes, wanted.deletes),
        ):
            for client, spans in theirs.items():
                for start, end in spans:
                    gap = uncovered(mine.get(client, []), start, end)
                    if gap is not None:
                        return f"{kind}s {gap[0]} to {gap[1] - 1} of client {client}"
        return ""


def merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return ranges sorted, with those that touch made one."""
    out: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((start, end))
    return out


def uncovered(have: list[tuple[int, int]], start: int, end: int) -> tuple[int, int] | None:
    """Return the first part of [start, end) outside of `have` (sorted, merged), or None."""
    if start >= end:
        return None
    at = bisect_right(have, start, key=lambda span: span[0])
    if at > 0 and have[at - 1][1] > start:
        start = have[at - 1][1]
    if start >= end:
        return None
    return start, min(end, have[at][0]) if at < len(have) else end
