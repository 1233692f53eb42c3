"""What a document holds, cut to what a page can show.

It decodes whatever clients have sent, so it runs in a compute child.
"""

import json
from collections.abc import Iterator, Sequence
from heapq import nsmallest
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
"""Of one root, with the formats of its text, which are told again for each run: a word in bold makes three of one."""

MOST_IN_ALL = 40_000
"""Characters, shared alike by all roots."""

MOST_RUNS = 2_000
MOST_NODES = 2_000
"""Values of a map or array that are shown."""

MOST_NAME = 200
"""Characters of a root's name, and of a run's formats."""

ELEMENTS = {"bold": "strong", "italic": "em", "underline": "u", "strike": "s", "code": "code"}
"""HTML's, by the formats that editors mean by them; which of them a run has is told even if its formats are cut."""


def preview(updates: Sequence[bytes]) -> list[dict[str, Any]]:
    """Return what each root of a document is and holds, in the order of their names; of many the first.

    Returns:
        dictionaries of name, kind and content: "text" with runs of [text, formats as a text, those of ELEMENTS that
        are on], "xml" and "json" with one text, "empty" with None; and is_cut, if there is more than is shown.
    """
    document: Doc[Any] = Doc()
    for update in updates:
        document.apply_update(update)
    names = nsmallest(MOST_ROOTS, document.keys(), key=_short)  # by their beginnings: each may have millions of letters
    most = min(MOST_CHARACTERS, MOST_IN_ALL // max(1, len(names)))
    return [{"name": _short(name), **_root(document, name, most)} for name in names]


def _short(text: str) -> str:
    return text if len(text) <= MOST_NAME else text[: MOST_NAME - 1] + "…"


def _root(document: "Doc[Any]", name: str, most: int) -> dict[str, Any]:
    kind, value = root_of(document, name)
    if kind == "text":
        return _text(value, most)
    if kind == "json":
        return _json(value, most)
    return _cut(kind, str(value), most) if kind == "xml" else {"kind": kind, "content": None, "is_cut": False}


def _cut(kind: str, content: str, most: int) -> dict[str, Any]:
    return {"kind": kind, "content": content[:most], "is_cut": len(content) > most}


def _text(runs: Sequence[tuple[Any, Any]], left: int) -> dict[str, Any]:
    shown: list[list[Any]] = []
    is_cut = False
    for value, formats in runs[:MOST_RUNS]:
        if left <= 0:
            break
        text = value if isinstance(value, str) else json.dumps(value, default=str)
        told = _short(json.dumps(formats, default=str, ensure_ascii=False)) if formats else ""
        shown.append([text[:left], told, [name for name in ELEMENTS if (formats or {}).get(name)]])
        is_cut = len(text) > left
        left -= len(text) + len(told)
    return {"kind": "text", "content": shown, "is_cut": is_cut or len(shown) < len(runs)}


def _json(value: Any, most: int) -> dict[str, Any]:
    left = iter(range(MOST_NODES))
    plain = _plain(value, left)
    found = _cut("json", json.dumps(plain, indent=2, ensure_ascii=False, default=str), most)
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
