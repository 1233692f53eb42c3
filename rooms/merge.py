"""Updates in, updates out: merging, comparing and compacting what clients sent, without keeping a document.

Only bytes that passed `scan` may come here outside a compute child: pycrdt's decoder recurses until the process
dies on values nested tens of thousands deep. What pycrdt cannot re-encode faithfully (`Scan.verbatim`) never comes.

The functions are taken from pycrdt's extension module: the package around it imports anyio and importlib.metadata,
seven times the work of starting a compute child (docs/decisions/compute-children.md).
"""

import re
from collections.abc import Callable, Sequence
from functools import wraps
from typing import ParamSpec, TypeVar

from pycrdt._pycrdt import Doc, get_state, get_update, merge_updates

from rooms import coverage
from rooms.errors import MalformedFrame, Undecodable
from rooms.scan import scan
from rooms.squash import squash

EMPTY_UPDATE = b"\0\0"
"""No structs, no deletions."""

EMPTY_STATE_VECTOR = b"\0"
"""Nothing seen of anybody."""

astral = re.compile(rb"[\xf0-\xf4][\x80-\xbf]{3}").search
"""Finds characters beyond U+FFFF, which count twice in Yjs; now and then also numbers that look like one."""

FAN_IN = 32
"""pycrdt merges n updates in time n^2: 100,000 keystrokes take 45 s at once and 0.14 s by thirty-twos."""

MESSAGE_CHARACTERS = 200

P = ParamSpec("P")
R = TypeVar("R")


def is_panic(error: BaseException) -> bool:
    """Tell whether pycrdt's Rust code panicked; the type is a BaseException and can't be imported."""
    return type(error).__name__ == "PanicException" and type(error).__module__ == "pyo3_runtime"


def translated(function: Callable[P, R]) -> Callable[P, R]:
    """Turn pycrdt's errors and panics into Undecodable; let every other exception pass."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except (ValueError, RuntimeError) as error:
            raise Undecodable(f"{function.__name__}: {error}"[:MESSAGE_CHARACTERS]) from error
        except BaseException as error:
            if not is_panic(error):
                raise
            # A panic's own words may quote the document, so they don't go any further.
            raise Undecodable(f"{function.__name__}: pycrdt panicked") from error

    return call


@translated
def tree_merge(updates: Sequence[bytes], fan_in: int = FAN_IN) -> bytes:
    """Return one update that says what all of `updates` say, in whatever order they come.

    A single update is returned as it is, not decoded. Merging forgets nothing: deleted text stays in, gaps stay open.
    The result's bytes differ from run to run: compare state vector and content, never bytes.

    Raises:
        Undecodable: pycrdt can't merge these without harm.
    """
    level: Sequence[bytes] = updates
    while len(level) > 1:
        level = [merge_updates(tuple(level[start : start + fan_in])) for start in range(0, len(level), fan_in)]
    if len(updates) > 1 and any(map(astral, updates)):
        check_nothing_was_cut(level[0], updates)
    return level[0] if level else EMPTY_UPDATE


def as_few(updates: Sequence[bytes]) -> list[bytes]:
    """Return the updates merged into one, or as they are where merging would do harm; none for none."""
    try:
        return [tree_merge(updates)] if updates else []
    except Undecodable:
        return list(updates)


def check_nothing_was_cut(merged: bytes, updates: Sequence[bytes]) -> None:
    """Raise Undecodable if a merged update lost text.

    Where two updates overlap within a character that JavaScript counts as two, pycrdt drops it and leaves a struct of
    no length behind. Yjs throws on that, so one such merge would lock every client out of the room.
    """
    try:
        whole = scan(merged).structs == coverage.combine(map(scan, updates)).structs
    except MalformedFrame as error:
        raise Undecodable(f"a merge would be malformed: {error}") from error
    if not whole:
        raise Undecodable("a merge would lose text")


@translated
def state_vector_of(update: bytes) -> bytes:
    """Return the encoded state vector of `update`: per client, the clock up to which no struct is missing."""
    return get_state(update)


@translated
def diff(update: bytes, state_vector: bytes) -> bytes:
    """Return what of `update` a peer with `state_vector` lacks.

    The whole delete set always comes along, since a state vector tells nothing of deletions.
    `state_vector` must have passed `scan.parse_state_vector`: its claimed length is allocated unread.
    """
    return get_update(update, state_vector)


@translated
def rest(update: bytes) -> bytes:
    """Return what a state vector can't tell of `update`: the structs behind open gaps, and all deletions."""
    return get_update(update, get_state(update))


@translated
def rebuild(updates: Sequence[bytes]) -> bytes:
    """Return `updates` compacted through a fresh document, which forgets the content of what was deleted.

    Structs and deletions that wait for a missing update are kept beside the document (a pycrdt Doc would drop
    them). The result is read back into a second document before it is believed. Run this in a compute child.
    Where some client's clocks have a hole, nothing is forgotten: a Doc shows what is behind it, which Yjs does not.

    Raises:
        Undecodable: no document can be built from the updates, or the result does not give the same state.
    """
    merged = squashed(tree_merge(updates))
    state_vector, document = built(merged)
    result: bytes = merge_updates((document, get_update(merged, state_vector)))
    if built(result)[0] != state_vector:
        raise Undecodable("rebuild: the compacted document has another state vector")
    return merged if has_hole(merged) else result


def has_hole(update: bytes) -> bool:
    """Tell whether some client's clocks in a merged update don't begin at 0 or don't follow one another."""
    try:
        structs = scan(update).structs
    except MalformedFrame:
        return True
    return any(len(ranges) > 1 or ranges[0][0] > 0 for ranges in structs.values())


@translated
def waits(updates: Sequence[bytes]) -> bool:
    """Tell whether some of what `updates` bring can't be shown before a missing update comes. Run this in a child."""
    merged = squashed(tree_merge(updates))
    return bool(get_update(merged, built(merged)[0])[0])


def squashed(update: bytes) -> bytes:
    """Return `update` in the form from which a document is built quickly; as it is, if Yjs wouldn't write it so."""
    try:
        return squash(update)
    except MalformedFrame:
        return update


def built(update: bytes) -> tuple[bytes, bytes]:
    """Return the state vector and the whole update of a document built from `update`, without what is pending."""
    document = Doc(None, None, None)
    transaction = document.create_transaction()
    try:
        document.apply_update(transaction, update)
        transaction.commit()
        return document.get_state(transaction), document.get_update(transaction, EMPTY_STATE_VECTOR)
    finally:
        transaction.drop()
