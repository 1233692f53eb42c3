"""A whole document as JSON or as plain text, for people who take it elsewhere.

It decodes whatever clients have sent, so it runs in a compute child.
"""

import json
from collections.abc import Sequence
from math import isfinite
from typing import Any

from pycrdt._doc import Doc  # from the modules, as a compute child does without the package around them
from pycrdt._xml import XmlElement, XmlFragment, XmlText

from rooms.roots import root_of

MOST_EXACT = 2.0**53
"""Up to it JavaScript's numbers are whole."""


def as_json(updates: Sequence[bytes]) -> str:
    """Return an object of all roots by name, each with its kind and its content.

    That is a list of {"insert": ..., "attributes": ...} for text, as Quill has it, XML as one text, or what is in a map
    or an array; null for an empty root. As with JSON.stringify NaN is null; bytes are lists of numbers.
    """
    found = {name: {"kind": kind, "content": _content(kind, value)} for name, kind, value in _roots(updates)}
    return json.dumps(found, indent=2, ensure_ascii=False)


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
    return str(value) if kind == "xml" else _tree(value)


def _tree(value: Any) -> Any:
    """Return what is in a map or an array; pycrdt writes it as JSON at once, and gives an item in time of its index."""
    return None if value is None else json.loads(str(value))


def _plain(value: Any) -> Any:
    """Return a format, or what is embedded in a text, as JSON has it."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | bytes | bytearray):
        return list(map(_plain, value))
    if isinstance(value, float):
        return _number(value)
    return value


def _number(value: float) -> float | int | None:
    """Return a number as JavaScript would write it."""
    if not isfinite(value):
        return None
    return int(value) if value.is_integer() and abs(value) <= MOST_EXACT else value


def _text(kind: str, value: Any) -> str:
    if kind == "text":
        return _without_formats(value)
    if kind == "xml":
        return "\n".join(_blocks(value))
    return json.dumps(_tree(value), indent=2, ensure_ascii=False)


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
