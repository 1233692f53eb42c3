"""What a document holds, cut to what a page can show.

It decodes whatever clients have sent, so it runs in a compute child.
"""

import json
from collections.abc import Iterator, Sequence
from operator import length_hint
from typing import Any

from pycrdt._array import Array  # from the modules, as a compute child does without the package around them
from pycrdt._doc import Doc
from pycrdt._map import Map
from pycrdt._text import Text
from pycrdt._xml import XmlElement, XmlFragment, XmlText

from rooms.roots import root_of

MOST_ROOTS = 50
MOST_CHARACTERS = 20_000
MOST_NODES = 2_000
"""Values of a map or array that are shown."""


def preview(updates: Sequence[bytes]) -> list[dict[str, Any]]:
    """Return what each root of a document is and holds, in the order of their names; of many the first.

    Returns:
        dictionaries of name, kind and content: "text" with runs of [text, formats], "xml" and "json" with one text,
        "empty" with None; and is_cut, if there is more than is shown.
    """
    document: Doc[Any] = Doc()
    for update in updates:
        document.apply_update(update)
    return [_root(document, name) for name in sorted(document.keys())[:MOST_ROOTS]]


def _root(document: "Doc[Any]", name: str) -> dict[str, Any]:
    kind, value = root_of(document, name)
    if kind == "text":
        return _text(name, value)
    if kind == "json":
        return _json(name, value)
    return _cut(name, kind, str(value)) if kind == "xml" else _empty(name)


def _empty(name: str) -> dict[str, Any]:
    return {"name": name, "kind": "empty", "content": None, "is_cut": False}


def _cut(name: str, kind: str, content: str) -> dict[str, Any]:
    is_cut = len(content) > MOST_CHARACTERS
    return {"name": name, "kind": kind, "content": content[:MOST_CHARACTERS], "is_cut": is_cut}


def _text(name: str, runs: Sequence[tuple[Any, Any]]) -> dict[str, Any]:
    shown, left = [], MOST_CHARACTERS
    for value, formats in runs:
        text = value if isinstance(value, str) else json.dumps(value, default=str)
        if left <= 0:
            break
        shown.append([text[:left], _formats(formats)])
        left -= len(text)
    return {"name": name, "kind": "text", "content": shown, "is_cut": left < 0 or len(shown) < len(runs)}


def _formats(formats: Any) -> str:
    return json.dumps(formats, default=str, ensure_ascii=False)[:MOST_CHARACTERS] if formats else ""


def _json(name: str, value: Any) -> dict[str, Any]:
    left = iter(range(MOST_NODES))
    plain = _plain(value, left)
    found = _cut(name, "json", json.dumps(plain, indent=2, ensure_ascii=False, default=str))
    return {**found, "is_cut": found["is_cut"] or next(left, None) is None}


def _plain(value: Any, left: Iterator[int]) -> Any:
    """Return a value as JSON can hold it, as long as any are `left`."""
    if next(left, None) is None:
        return "…"
    if isinstance(value, Map | dict):
        return {str(key): _plain(one, left) for key, one in _some(value.items(), left)}
    if isinstance(value, Array | list):
        return [_plain(one, left) for one in _some(value, left)]
    if isinstance(value, Text | XmlElement | XmlFragment | XmlText):
        return str(value)
    if isinstance(value, bytes | bytearray):
        return f"{len(value)} bytes"
    return value if isinstance(value, str | int | float | bool | None) else type(value).__name__


def _some(values: Any, left: Iterator[int]) -> Iterator[Any]:
    """Yield values until none is left; there may be millions."""
    for value in values:
        yield value
        if not length_hint(left):
            return
