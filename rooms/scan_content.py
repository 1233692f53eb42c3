"""What an update's structs carry, passed over without being kept: numbers, text, JSON, nested values, types.

Each function gets the update and the position where something begins, and returns the position behind it. Reading past
the end shows as IndexError, text that isn't UTF-8 as UnicodeDecodeError: `scan` turns both into MalformedFrame, so that
the hot path needs no tests of its own. *Faithful* means: pycrdt writes the same value again when it merges updates.

Source: lib0/decoding.js (readAny), yjs/src/structs/Content*.js, yjs/src/types/.
"""

import json
import re
from collections.abc import Callable

from rooms.errors import MalformedFrame
from rooms.wire import MAX_SAFE_INTEGER

MAX_DEPTH = 64
"""How deep lists and maps may nest inside one value: decoders recurse, and 26,000 levels end the process."""


def var_uint(data: bytes, position: int) -> tuple[int, int]:
    """Read an unsigned number in its shortest form, up to 2^53 - 1; return it and the position behind it."""
    byte = data[position]
    position += 1
    if byte < 0x80:
        return byte, position
    value = byte & 0x7F
    shift = 7
    while shift < 56:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            # Yjs never pads a number, and a padded id would be a second spelling of that id.
            if byte == 0 or value > MAX_SAFE_INTEGER:
                break
            return value, position
        shift += 7
    raise MalformedFrame("a number is padded or over 2^53 - 1")


def count_of(data: bytes, position: int) -> tuple[int, int]:
    """Read how many things follow, of which each takes a byte at least."""
    count, position = var_uint(data, position)
    if count > len(data) - position:
        raise MalformedFrame("a count or length reaches past the end of the update")
    return count, position


def skip_bytes(data: bytes, position: int) -> int:
    """Pass over bytes that are preceded by their number."""
    length, position = count_of(data, position)
    return position + length


def read_text(data: bytes, position: int) -> tuple[bytes, int]:
    """Read a string that is preceded by its number of bytes; return its UTF-8, checked, and the position behind."""
    length, position = count_of(data, position)
    end = position + length
    text = data[position:end]
    if not text.isascii():
        text.decode()
    return text, end


def utf16_length(text: bytes) -> int:
    """Return how many clocks a string takes: JavaScript counts UTF-16 units, so an emoji counts two."""
    return len(text) if text.isascii() else len(text.decode().encode("utf-16-le")) // 2


signed = re.compile(rb"[\x00-\x7f]|[\x80-\xff]{1,6}[\x01-\x7f]|[\x80-\xff]{7}[\x01-\x1f]").match
"""A signed number in its shortest form, up to 2^53 - 1: a sign and six bits, then seven bits a byte."""

MINUS_ZERO = 0x40
"""-0 as a signed number. pycrdt makes it 0."""


def skip_any(data: bytes, position: int, count: int) -> tuple[int, bool]:
    """Pass over `count` values of lib0's "any" encoding; return the position behind and whether all are faithful."""
    faithful = True
    keyed = False
    enclosing: list[tuple[int, bool]] = []
    while True:
        while not count:
            if not enclosing:
                return position, faithful
            count, keyed = enclosing.pop()
        count -= 1
        if keyed:
            _, position = read_text(data, position)
        kind = data[position]
        position += 1
        if kind == 0x75 or kind == 0x76:  # a list, a map
            enclosing.append((count, keyed))
            if len(enclosing) > MAX_DEPTH:
                raise MalformedFrame("a value is nested too deep")
            keyed = kind == 0x76
            count, position = count_of(data, position)
        else:
            position, same = _skip_scalar(data, position, kind)
            faithful &= same


def _skip_scalar(data: bytes, position: int, kind: int) -> tuple[int, bool]:
    """Pass over what follows the type byte of a value that holds no other values."""
    match kind:
        case 0x77:
            return read_text(data, position)[1], True
        case 0x78 | 0x79 | 0x7E | 0x7F:  # true, false, null, undefined
            return position, True
        case 0x7D:
            number = signed(data, position)
            if not number:
                raise MalformedFrame("a number is padded or over 2^53 - 1")
            return number.end(), data[position] != MINUS_ZERO
        case 0x7C | 0x7B:  # float32, float64
            return _fixed(data, position, 4 if kind == 0x7C else 8), True
        case 0x7A:  # a BigInt: pycrdt makes it a number
            return _fixed(data, position, 8), False
        case 0x74:
            return skip_bytes(data, position), True
    raise MalformedFrame("a value of an unknown type")


def _fixed(data: bytes, position: int, length: int) -> int:
    if length > len(data) - position:
        raise MalformedFrame("the update ends inside a number")
    return position + length


PLAIN_JSON = frozenset((b"null", b"true", b"false", b'""', b"{}"))
json_string = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
inexact_number = re.compile(rb"[0-9.]{17,}|[0-9][eE]|-0(?!\.)|-0\.0+(?![0-9])")
"""Numbers of which pycrdt may change the last bit, drop the minus sign of a zero, or refuse the size (from 2^63)."""
surrogate = re.compile(rb"\\u[dD][89a-fA-F]")
"""Half an emoji, which JavaScript escapes and pycrdt can't decode."""


def skip_json(data: bytes, position: int) -> tuple[int, bool]:
    """Pass over a string of JSON; return the position behind and whether it is faithful.

    JSON that doesn't parse would make every client throw on every load of the room.
    """
    text, position = read_text(data, position)
    if text in PLAIN_JSON:
        return position, True
    try:
        value = json.loads(text.decode())
    except (ValueError, RecursionError) as error:
        raise MalformedFrame("an attribute or embed is not JSON") from error
    if text.count(b"[") + text.count(b"{") > MAX_DEPTH:
        _check_depth(value)
    skeleton = json_string.sub(b'""', text)
    if b"N" in skeleton or b"I" in skeleton:
        raise MalformedFrame("NaN and Infinity are Python's JSON, not JavaScript's")
    return position, not (inexact_number.search(skeleton) or surrogate.search(text))


def _check_depth(value: object) -> None:
    """Raise MalformedFrame if a parsed JSON value nests deeper than MAX_DEPTH."""
    depth = 0
    level = [value]
    while level:
        level = [inner for each in level for inner in _inside(each)]
        depth += 1
        if depth > MAX_DEPTH:
            raise MalformedFrame("an attribute or embed is nested too deep")


def _inside(value: object) -> list[object]:
    """Return the lists and maps directly in a parsed JSON value."""
    held = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [each for each in held if isinstance(each, (dict, list))]


Content = tuple[int, int, bool]
"""Where a struct's content ends, how many clocks it takes, whether it is faithful."""


def _deleted(data: bytes, position: int) -> Content:
    length, position = var_uint(data, position)
    return position, length, True


def _json(data: bytes, position: int) -> Content:
    """Values as JSON, from before Yjs 13.0; pycrdt expects one more than there are."""
    count, position = count_of(data, position)
    for _ in range(count):
        if data[position : position + 10] == b"\x09undefined":
            position += 10
        else:
            position, _ = skip_json(data, position)
    return position, count, False


def _binary(data: bytes, position: int) -> Content:
    return skip_bytes(data, position), 1, True


def _string(data: bytes, position: int) -> Content:
    text, position = read_text(data, position)
    return position, utf16_length(text), True


def _embed(data: bytes, position: int) -> Content:
    position, faithful = skip_json(data, position)
    return position, 1, faithful


def _format(data: bytes, position: int) -> Content:
    _, position = read_text(data, position)
    position, faithful = skip_json(data, position)
    return position, 1, faithful


XML_ELEMENT, XML_HOOK, XML_TEXT = 3, 5, 6


def _type(data: bytes, position: int) -> Content:
    """A shared type. pycrdt forgets that a hook has a name, and then reads the name as something else."""
    kind = data[position]
    position += 1
    if kind > XML_TEXT:
        raise MalformedFrame("a shared type of an unknown kind")
    if kind in (XML_ELEMENT, XML_HOOK):
        _, position = read_text(data, position)
    return position, 1, kind != XML_HOOK


def _any(data: bytes, position: int) -> Content:
    count, position = count_of(data, position)
    position, faithful = skip_any(data, position, count)
    return position, count, faithful


subdocument_options = re.compile(
    rb"\x76.(?:\x02gc[xy]|\x08autoLoad[xy]|\x0ashouldLoad[xy]|\x08encoding\x7d\x01)*"
).fullmatch
"""The options of a subdocument that pycrdt keeps; it drops any other, such as Yjs's `meta`."""


def _document(data: bytes, position: int) -> Content:
    _, start = read_text(data, position)
    if data[start] != 0x76:
        raise MalformedFrame("a subdocument's options are not a map")
    position, _ = skip_any(data, start, 1)
    return position, 1, subdocument_options(data, start, position) is not None


def _unknown(data: bytes, position: int) -> Content:
    raise MalformedFrame("a struct of an unknown kind")


known = (_unknown, _deleted, _json, _binary, _string, _embed, _format, _type, _any, _document)
contents: tuple[Callable[[bytes, int], Content], ...] = known + (_unknown,) * (32 - len(known))
"""How to pass over a struct's content, by the last five bits of its info byte."""
