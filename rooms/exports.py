"""A whole document as JSON or as plain text, for people who take it elsewhere.

It decodes whatever clients have sent, so it runs in a compute child.
"""

import json
from base64 import b64encode
from collections.abc import Sequence
from math import isfinite
from typing import Any

from pycrdt._array import Array  # from the modules, as a compute child does without the package around them
from pycrdt._doc import Doc
from pycrdt._map import Map
from pycrdt._text import Text
from pycrdt._xml import XmlElement, XmlFragment, XmlText

from rooms.roots import XML, root_of

MOST_EXACT = 2.0**53
"""Up to it JavaScript's numbers are whole."""


def as_json(updates: Sequence[bytes]) -> str:
    """Return an object of all roots by name, each with its kind and its content.

    That is a list of {"insert": ..., "attributes": ...} for text, as Quill has it, XML as one text, or what is in a map
    or an array; null for an empty root. Bytes are in Base64, and what is no number for JSON is text.
    """
    found = {name: {"kind": kind, "content": _content(kind, value)} for name, kind, value in _roots(updates)}
    return json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False)


def as_text(updates: Sequence[bytes]) -> str:
    """Return the text of all roots without formats, a line for each block of XML; of several each under its name."""
    texts = {name: _text(kind, value) for name, kind, value in _roots(updates) if kind != "empty"}
    if len(texts) == 1:
        return next(iter(texts.values()))
    return "\n\n".join(f"{name}:\n{text}" for name, text in texts.items())


def _roots(updates: Sequence[bytes]) -> list[tuple[str, str, Any]]:
    document: Doc[Any] = Doc()
    for update in updates:
        document.apply_update(update)
    return [(name, *root_of(document, name)) for name in sorted(document.keys())]


def _content(kind: str, value: Any) -> Any:
    if kind == "text":
        runs = ((_plain(what), formats) for what, formats in value)
        return [{"insert": what, **({"attributes": _plain(formats)} if formats else {})} for what, formats in runs]
    return str(value) if kind == "xml" else _plain(value)


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it."""
    if isinstance(value, Map | dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, Array | list):
        return [_plain(one) for one in value]
    if isinstance(value, bytes | bytearray):
        return b64encode(value).decode()
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Text | XML):
        return str(value)
    return value if isinstance(value, str | int | None) else type(value).__name__


def _number(value: float) -> float | int | str:
    """Return a number as JavaScript would write it."""
    if not isfinite(value):
        return str(value)
    return int(value) if value.is_integer() and abs(value) <= MOST_EXACT else value


def _text(kind: str, value: Any) -> str:
    if kind == "text":
        return _without_formats(value)
    if kind == "xml":
        return "\n".join(_blocks(value))
    return json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False)


def _without_formats(runs: Sequence[tuple[Any, Any]]) -> str:
    return "".join(value for value, _ in runs if isinstance(value, str))


def _blocks(parent: XmlFragment | XmlElement) -> list[str]:
    """Return a line for each element that has text of its own, with all that is in it."""
    children = list(parent.children)
    if any(isinstance(child, XmlText) for child in children):
        return ["".join(_inline(child) for child in children)]
    return [line for child in children if not isinstance(child, XmlText) for line in _blocks(child)]


def _inline(one: XmlFragment | XmlElement | XmlText) -> str:
    return _without_formats(one.diff()) if isinstance(one, XmlText) else "".join(map(_inline, one.children))
