"""What updates bring together, as ranges of clocks: pure, and in a form that a compute child can answer with."""

from collections.abc import Iterable, Sequence

from rooms import ranges
from rooms.errors import MalformedFrame, Undecodable
from rooms.ranges import Ranges
from rooms.scan import Scan, scan


def combine(scans: Iterable[Scan]) -> Scan:
    """Return what several updates bring together."""
    structs: Ranges = {}
    deletes: Ranges = {}
    verbatim = False
    for each in scans:
        structs = ranges.union(structs, each.structs)
        deletes = ranges.union(deletes, each.deletes)
        verbatim = verbatim or each.verbatim
    return Scan(structs, deletes, verbatim)


def scan_stored(update: bytes) -> Scan:
    """Scan an update that was accepted once; if it is malformed, the client served now is not to blame."""
    try:
        return scan(update)
    except MalformedFrame as error:
        raise Undecodable(f"a stored update is malformed: {error}") from error


def described(state_vector: bytes, rest: bytes) -> Scan:
    """Return what a merged update brings, from its state vector and from the rest that this can't tell."""
    behind = scan_stored(rest)
    structs: Ranges = {
        client: [(0, clock)] for client, clock in ranges.parse_state_vector(state_vector).items() if clock
    }
    return Scan(ranges.union(structs, behind.structs), behind.deletes, verbatim=False)


def covers(known: Scan, wanted: Scan) -> bool:
    """Tell whether everything that `wanted` brings and deletes is known."""
    return ranges.covers(known.structs, wanted.structs) and ranges.covers(known.deletes, wanted.deletes)


def pack(found: Scan) -> list[bytes]:
    """Return a Scan as bytes: [structs, deletes, something if verbatim]."""
    return [ranges.encode(found.structs), ranges.encode(found.deletes), b"verbatim" if found.verbatim else b""]


def unpack(packed: Sequence[bytes]) -> Scan:
    """Return the Scan that `pack` was given; behind a zero byte the ranges are a delete set, which `scan` reads."""
    structs, deletes, verbatim = packed
    return Scan(scan(b"\0" + structs).deletes, scan(b"\0" + deletes).deletes, bool(verbatim))
