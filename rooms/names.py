"""Room names: one canonical form for people, one injective encoding for Redis keys.

A canonical name is text in NFC in which a percent sign only ever begins "%2F" or "%25". y-websocket appends
the room to the url as it is, so a slash in a name and an encoded slash are two names, and both stay readable.
"""

import re
import unicodedata
from urllib.parse import quote, unquote, unquote_to_bytes
from zlib import crc32

from rooms.errors import NoSuchRoom

MAX_NAME_BYTES = 255
"""Of the canonical name in UTF-8: what a file name or an indexed column holds everywhere."""

FORBIDDEN_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}
"""Control characters, surrogates, line and paragraph separators: they can't be shown on one line."""

KEPT_ENCODED = re.compile(rb"%(?:2[Ff]|25|(?![0-9A-Fa-f]{2}))")
"""An encoded slash, an encoded percent sign, and a percent sign that encodes nothing."""

ENCODES_NOTHING = re.compile(r"%(?!2F|25)")
"""What must not stand in a canonical name."""


def canonical(name: str) -> str:
    """Return the canonical form of a room's name as a client types it or as it stands in a url.

    Raises:
        NoSuchRoom: empty, over MAX_NAME_BYTES, not UTF-8, or with a forbidden character.
    """
    try:
        raw = KEPT_ENCODED.sub(lambda kept: b"%25" + (kept[0][1:].upper() or b"25"), name.encode())
        decoded = unquote_to_bytes(raw).decode()
    except UnicodeError as error:
        raise NoSuchRoom("a room's name is not UTF-8") from error
    # A mark behind "%2F" may have joined its F: then that percent sign encodes nothing any more.
    room = ENCODES_NOTHING.sub("%25", unicodedata.normalize("NFC", decoded))
    if not room or len(room.encode()) > MAX_NAME_BYTES:
        raise NoSuchRoom(f"a room's name has 1 to {MAX_NAME_BYTES} bytes")
    if any(unicodedata.category(character) in FORBIDDEN_CATEGORIES for character in room):
        raise NoSuchRoom("a room's name has a character that can't be shown")
    return room


def from_path(raw_path: bytes, decoded_tail: str) -> str:
    """Return the canonical name of the room at the end of a request's path.

    Args:
        raw_path: the path as it was sent, percent-encoded (ASGI `raw_path`).
        decoded_tail: what the url pattern captured from the decoded path, where "%2F" and "/" look alike.

    Raises:
        NoSuchRoom: as `canonical`.
    """
    path = raw_path.decode("ascii", "replace")
    start = path.find("/")
    while start != -1:
        if unquote(path[start + 1 :]) == decoded_tail:
            return canonical(path[start + 1 :])
        start = path.find("/", start + 1)
    if "\ufffd" in decoded_tail:  # what bytes that are not UTF-8 become, so distinct names may have become one
        raise NoSuchRoom("a room's name is not UTF-8")
    return canonical(quote(decoded_tail))


def url_path(room: str) -> str:
    """Return a canonical name as it stands in a url: y-websocket appends it to ws/.

    In a canonical name a percent sign only ever begins %2F or %25, which reach the server as they are.
    """
    return quote(room, safe="/%")


def key_part(room: str) -> str:
    """Return a canonical name without glob, tag or control characters; distinct names stay distinct."""
    return quote(room, safe="")


def from_key_part(part: str) -> str:
    """Return the room that `key_part` encoded."""
    return unquote(part)


def shard_of(room: str, shards: int) -> int:
    """Return the shard, 0 to shards - 1, that holds all keys of a room."""
    return crc32(room.encode()) % shards
