"""A whole document as JSON and as text, whatever editor has written it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from pycrdt import Array, Doc, Map, Text, XmlElement, XmlFragment, XmlText

from rooms.compute_operations import OPERATIONS
from rooms.errors import Undecodable


def update_of(*fill: Callable[[Any], object]) -> bytes:
    """Return an update of a document that some have written to."""
    document: Doc[Any] = Doc()
    for each in fill:
        each(document)
    return document.get_update()


def quill(document: Any) -> None:
    """Write as Quill does."""
    text = document.get("quill", type=Text)
    text.insert(0, " <plain>\n")
    text.insert_embed(0, {"image": "x.png"})
    text.insert(0, "bold", {"bold": True})


def prosemirror(document: Any) -> None:
    """Write two paragraphs, one with an inline node and formats, and an image of its own, as ProseMirror does."""
    fragment = document.get("prosemirror", type=XmlFragment)
    first, second = XmlElement("paragraph"), XmlElement("paragraph")
    for child in (first, XmlElement("image"), second):
        fragment.children.append(child)
    text = XmlText("a < b ")
    first.children.append(text)
    text.insert(6, "bold", {"strong": {}})
    first.children.append(XmlElement("mention", contents=[XmlText("@ann")]))
    second.children.append(XmlText("last"))


def board(document: Any) -> None:
    """Write as a drawing board does, and what JSON can't hold."""
    document.get("shapes", type=Array).append(Map({"x": 1.0, "y": 1.5, "label": Text("here"), "raw": b"1234"}))
    options = document.get("options", type=Map)
    options["sizes"] = [1, {"a": None}, 2.0**60]
    options["none"] = float("nan")


def as_json(*fill: Callable[[Any], object]) -> Any:
    """Return the document as JSON has it."""
    return json.loads(OPERATIONS["as_json"]([update_of(*fill)])[0])


def as_text(*fill: Callable[[Any], object]) -> str:
    """Return the document's text."""
    return OPERATIONS["as_text"]([update_of(*fill)])[0].decode()


class TestJson:
    def test_text_is_as_quill_has_it(self) -> None:
        runs = [
            {"insert": "bold", "attributes": {"bold": True}},
            {"insert": {"image": "x.png"}},
            {"insert": " <plain>\n"},
        ]
        assert as_json(quill) == {"quill": {"kind": "text", "content": runs}}

    def test_xml_is_one_text(self) -> None:
        root = as_json(prosemirror)["prosemirror"]
        assert root["kind"] == "xml"
        assert root["content"].startswith("<paragraph>a < b <strong>bold</strong><mention>")

    def test_maps_and_arrays_are_as_they_are_and_what_json_can_not_hold_is_null_or_a_list(self) -> None:
        roots = as_json(board)
        shape = {"x": 1, "y": 1.5, "label": "here", "raw": [49, 50, 51, 52]}
        assert roots["shapes"] == {"kind": "json", "content": [shape]}
        assert roots["options"]["content"] == {"sizes": [1, {"a": None}, 2**60], "none": None}

    def test_nothing_is_cut(self) -> None:
        roots = as_json(lambda document: document.get("t", type=Array).extend(range(3000)))
        assert roots["t"]["content"] == list(range(3000))

    def test_an_empty_document_is_an_empty_object(self) -> None:
        assert as_json() == {}

    def test_one_that_is_nested_too_deep_is_said_so(self) -> None:
        def fill(document: Any) -> None:
            inner = document.get("t", type=Array)
            for _ in range(1500):
                inner.append(Array())
                inner = inner[0]

        with pytest.raises(Undecodable, match="recursion"):
            as_json(fill)


class TestText:
    def test_of_one_root_it_is_the_text_without_formats(self) -> None:
        assert as_text(quill) == "bold <plain>\n"

    def test_each_block_of_xml_has_a_line(self) -> None:
        assert as_text(prosemirror) == "a < b bold@ann\nlast"

    def test_of_several_roots_each_has_its_name(self) -> None:
        assert as_text(quill, prosemirror) == "prosemirror:\na < b bold@ann\nlast\n\nquill:\nbold <plain>\n"

    def test_of_an_empty_document_it_is_empty(self) -> None:
        assert as_text(lambda document: document.get("t", type=Text)) == ""
