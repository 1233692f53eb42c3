"""What a compute child can be asked for: a fixed table of functions from updates to updates."""

import json
from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum

from rooms import coverage, merge, ranges, wire
from rooms.errors import MalformedFrame, Undecodable
from rooms.scan import Scan, scan
from rooms.surrogates import cuts_a_character


class Verdict(IntEnum):
    """What can be done with an update: one byte of an answer."""

    PLAIN = 0
    VERBATIM = 1
    MALFORMED = 2


def summarise(updates: Sequence[bytes]) -> list[bytes]:
    """Return [merged update, and what it brings, packed by `coverage`]."""
    merged = merge.tree_merge(updates)
    state_vector = merge.state_vector_of(merged)
    return [merged, *coverage.pack(coverage.described(state_vector, merge.diff(merged, state_vector)))]


def diff(parts: Sequence[bytes]) -> list[bytes]:
    """Take [update, state vector] and return [what of the update a peer with that state vector lacks]."""
    update, state_vector = parts
    return [merge.diff(update, state_vector)]


def rebuild(updates: Sequence[bytes]) -> list[bytes]:
    """Return [the updates compacted through a document], which proves that a document can be built."""
    return [merge.rebuild(updates)]


def look(updates: Sequence[bytes]) -> list[bytes]:
    """Return what updates bring, packed by `coverage`, or [why one of them is malformed]."""
    try:
        return coverage.pack(coverage.combine(map(scan, updates)))
    except MalformedFrame as error:
        return [str(error).encode()]


def check(parts: Sequence[bytes]) -> list[bytes]:
    """Find out whether rooms' updates can be merged and made into documents, as servers and clients will do.

    Take [how many updates each room has, as var_uints; all rooms' updates]. Return [a Verdict for each update, as a
    byte; why, for each that is malformed]. An update from which alone no document can be made is to be kept verbatim;
    if only several together make none, each of them is left as it is: Yjs may well understand them.
    """
    counts, updates = wire.Reader(parts[0]), parts[1:]
    verdicts, reasons, start = bytearray(), list[bytes](), 0
    while counts.remaining:
        end = start + counts.var_uint()
        found = list(map(scanned, updates[start:end]))
        reasons += [each.encode() for each in found if isinstance(each, str)]
        verdicts += bytes(judged(updates[start:end], found))
        start = end
    return [bytes(verdicts), *reasons]


def prove(parts: Sequence[bytes]) -> list[bytes]:
    """Look at an update that is to be a document by itself.

    Take [it]. Return [a Verdict, as a byte; something if it waits for others; why, if it is malformed].
    """
    [update] = parts
    verdicts, *reasons = check([wire.var_uint(1), update])
    return [verdicts, b"gap" if not reasons and waits([update]) else b"", *reasons]


def scanned(update: bytes) -> Scan | str:
    """Return what an update brings, or why it is malformed."""
    try:
        return scan(update)
    except MalformedFrame as error:
        return str(error)


def judged(updates: Sequence[bytes], found: Sequence[Scan | str]) -> list[Verdict]:
    """Return the verdicts on a room's updates, after making a document of those that may be merged."""
    verdicts = [verdict_on(each) for each in found]
    plain = [at for at, verdict in enumerate(verdicts) if verdict is Verdict.PLAIN]
    if not buildable([updates[at] for at in plain]):
        for at in plain:
            if not buildable([updates[at]]):
                verdicts[at] = Verdict.VERBATIM
    return verdicts


def verdict_on(found: Scan | str) -> Verdict:
    """Return what `scan` says of an update."""
    if isinstance(found, str):
        return Verdict.MALFORMED
    return Verdict.VERBATIM if found.verbatim else Verdict.PLAIN


def buildable(updates: Sequence[bytes]) -> bool:
    """Tell whether a document can be made of updates."""
    try:
        merge.rebuild(updates)
    except Undecodable:
        return False
    return True


def compact(parts: Sequence[bytes]) -> list[bytes]:
    """Take [a Verdict for each update; the updates].

    Return [the plain ones compacted into one; something if a gap; the state vector of all].

    Undecodable where the result would not say what the updates say.
    """
    verdicts, updates = parts[0], parts[1:]
    plain = [update for verdict, update in zip(verdicts, updates, strict=True) if verdict == Verdict.PLAIN]
    merged = merge.tree_merge(plain)
    try:
        cut, before = cuts_a_character(merged), scan(merged)
        compacted = merge.rebuild([merged])
        after = scan(compacted)
    except MalformedFrame as error:
        raise Undecodable(f"compact: {error}") from error
    if cut:
        raise Undecodable("compact: an edit cuts a character in two")
    if not coverage.covers(after, before):
        raise Undecodable("compact: the compacted document lacks something")
    gap = waits(updates if any(verdicts) else [compacted])
    verbatim = [coverage.scan_stored(update) for update, verdict in zip(updates, verdicts, strict=True) if verdict]
    return [compacted, b"gap" if gap else b"", vector_of([before, *verbatim])]


def vector_of(scans: Iterable[Scan]) -> bytes:
    """Return the state vector of what several updates bring together."""
    return ranges.encode_state_vector(ranges.state_vector(coverage.combine(scans).structs))


def waits(updates: Sequence[bytes]) -> bool:
    """Tell whether some of what updates bring can't be shown before a missing one comes, as far as that can be told."""
    try:
        return merge.waits(updates)
    except Undecodable:  # pycrdt does not understand all that is verbatim
        return has_gap(map(coverage.scan_stored, updates))


def has_gap(scans: Iterable[Scan]) -> bool:
    """Tell whether some client's clocks have a hole."""
    structs = coverage.combine(scans).structs
    return any(len(ranges) > 1 or ranges[0][0] > 0 for ranges in structs.values())


def inspect(updates: Sequence[bytes]) -> list[bytes]:
    """Scan updates and nothing more.

    Return [a Verdict for each, as a byte; something if a gap; the state vector; why, for each that is malformed].
    """
    found = list(map(scanned, updates))
    good = [each for each in found if isinstance(each, Scan)]
    reasons = [each.encode() for each in found if isinstance(each, str)]
    return [bytes(map(verdict_on, found)), b"gap" if has_gap(good) else b"", vector_of(good), *reasons]


def preview(updates: Sequence[bytes]) -> list[bytes]:
    """Return [what a document holds, as JSON: see rooms.preview]."""
    from rooms.preview import preview as shown  # it needs all of pycrdt, which other operations do without

    return [json.dumps(merge.translated(shown)(updates)).encode()]


def as_json(updates: Sequence[bytes]) -> list[bytes]:
    """Return [a whole document as JSON: see rooms.exports]."""
    from rooms import exports  # as above

    return [merge.translated(exports.as_json)(updates).encode()]


def as_text(updates: Sequence[bytes]) -> list[bytes]:
    """Return [a whole document as plain text: see rooms.exports]."""
    from rooms import exports  # as above

    return [merge.translated(exports.as_text)(updates).encode()]


OPERATIONS: dict[str, Callable[[Sequence[bytes]], list[bytes]]] = {
    function.__name__: function
    for function in (summarise, diff, rebuild, look, check, prove, compact, inspect, preview, as_json, as_text)
}
