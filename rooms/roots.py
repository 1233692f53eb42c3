"""The roots of a document: what kind each is, told by what is in it. For compute children only, as rooms.preview."""

from typing import Any

from pycrdt._array import Array  # from the modules, as a compute child does without the package around them
from pycrdt._doc import Doc
from pycrdt._map import Map
from pycrdt._text import Text
from pycrdt._xml import XmlElement, XmlFragment, XmlText

XML = (XmlElement, XmlFragment, XmlText)


def root_of(document: "Doc[Any]", name: str) -> tuple[str, Any]:
    """Return a root's kind and what is in it: an update tells kinds only of types within others.

    Returns:
        "xml" and an XmlFragment, "text" and its runs, "json" and a Map or an Array, or "empty" and None.
    """
    runs = document.get(name, type=Text).diff()
    if any(isinstance(value, XML) for value, _ in runs):
        return "xml", document.get(name, type=XmlFragment)
    if runs and all(isinstance(value, str | dict) for value, _ in runs):
        return "text", runs
    mapped, listed = document.get(name, type=Map), document.get(name, type=Array)
    if len(mapped) or len(listed):
        return "json", mapped if len(mapped) else listed
    return "empty", None
