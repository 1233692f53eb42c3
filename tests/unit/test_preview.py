"""What the admin shows of a document."""

from collections.abc import Callable
from typing import Any

import pytest
from pycrdt import Array, Doc, Map, Text, XmlElement, XmlFragment, XmlText

from rooms import preview as shown
from rooms.preview import preview
from rooms.preview_html import as_html, visible


def update_of(fill: Callable[[Any], object]) -> bytes:
    """Return the update of somebody who fills a document."""
    document: Doc[Any] = Doc()
    fill(document)
    return document.get_update()


def codemirror(document: Any) -> None:
    """Write as CodeMirror's binding does."""
    document.get("codemirror", type=Text).insert(0, "let a = 1")


def quill(document: Any) -> None:
    """Write as Quill's binding does."""
    text = document.get("quill", type=Text)
    text.insert(0, "bold", {"bold": True})
    text.insert(4, " plain", {"bold": None})
    text.insert_embed(10, {"image": "x.png"})


def prosemirror(document: Any) -> None:
    """Write as ProseMirror's binding does."""
    paragraph = XmlElement("paragraph")
    document.get("prosemirror", type=XmlFragment).children.append(paragraph)
    paragraph.children.append(XmlText("a < b"))


def board(document: Any) -> None:
    """Write as a drawing board does."""
    shape = Map({"x": 1.0, "label": Text("here"), "raw": b"1234", "xml": XmlFragment([XmlText("t")])})
    document.get("shapes", type=Array).append(shape)
    document.get("options", type=Map)["sizes"] = [1, {"a": None}]


def emptied(document: Any) -> None:
    """Write, and take it back."""
    text = document.get("gone", type=Text)
    text.insert(0, "q")
    del text[0:1]


def test_roots_are_told_apart_by_what_is_in_them() -> None:
    found = preview([update_of(fill) for fill in (codemirror, quill, prosemirror, board, emptied)])
    assert {root["name"]: (root["kind"], root["content"]) for root in found if root["kind"] != "json"} == {
        "codemirror": ("text", [["let a = 1", "", []]]),
        "quill": ("text", [["bold", '{"bold": true}', ["bold"]], [" plain", "", []], ['{"image": "x.png"}', "", []]]),
        "prosemirror": ("xml", "<paragraph>a < b</paragraph>"),
        "gone": ("empty", None),
    }
    trees = {root["name"]: "".join(root["content"].split()) for root in found if root["kind"] == "json"}
    assert trees == {
        "options": '{"sizes":[1.0,{"a":null}]}',
        "shapes": trees["shapes"],
    }
    for part in ('"x":1.0', '"label":"here"', '"raw":"4bytes"', '"xml":"t"'):
        assert part in trees["shapes"]
    assert not any(root["is_cut"] for root in found)
    assert [root["name"] for root in found] == sorted(root["name"] for root in found)


@pytest.mark.parametrize(
    ("fill", "most"),
    [
        (lambda document: document.get("t", type=Text).insert(0, "x" * 30_000), 20_000),
        (lambda document: document.get("t", type=Array).extend(range(3000)), 20_000),
        (lambda document: document.get("t", type=Map).update({str(n): "y" * 100 for n in range(5000)}), 20_000),
    ],
    ids=["text", "array", "map"],
)
def test_of_much_the_beginning_is_shown(fill: Callable[[Any], object], most: int) -> None:
    [root] = preview([update_of(fill)])
    assert root["is_cut"]
    assert len(str(root["content"])) <= most + 100
    assert "There is more" in as_html([root])


@pytest.mark.parametrize(
    ("most", "runs"),
    [
        (3, [["bol", '{"bold": true}', ["bold"]]]),
        (18, [["bold", '{"bold": true}', ["bold"]]]),
        (20, [["bold", '{"bold": true}', ["bold"]], [" p", "", []]]),
    ],
)
def test_formats_count_as_the_text_does(monkeypatch: pytest.MonkeyPatch, most: int, runs: list[Any]) -> None:
    monkeypatch.setattr(shown, "MOST_CHARACTERS", most)
    [root] = preview([update_of(quill)])
    assert root["content"] == runs
    assert root["is_cut"]


def test_of_many_runs_the_first_are_shown() -> None:
    def fill(document: Any) -> None:
        text = document.get("t", type=Text)
        for number in range(2500):
            text.insert(number, "x", {"b": True if number % 2 else None})

    [root] = preview([update_of(fill)])
    assert (len(root["content"]), root["is_cut"]) == (2000, True)


def test_long_formats_are_cut_and_those_that_html_has_are_known_all_the_same() -> None:
    [root] = preview([update_of(lambda it: it.get("t", type=Text).insert(0, "x", {"a": "y" * 500, "italic": True}))])
    [[text, formats, on]] = root["content"]
    assert (text, len(formats), formats[-1], on) == ("x", 200, "…", ["italic"])


def test_long_names_are_cut() -> None:
    [root] = preview([update_of(lambda document: document.get("n" * 1000, type=Text).insert(0, "x"))])
    assert root["name"] == "n" * 199 + "…"


def test_of_many_roots_the_first_are_shown() -> None:
    def fill(document: Any) -> None:
        for number in range(200):
            document.get(f"root-{number:03}", type=Text).insert(0, "x")

    assert [root["name"] for root in preview([update_of(fill)])] == [f"root-{number:03}" for number in range(50)]


def test_nothing_of_a_document_is_markup_or_hides_or_turns_the_line() -> None:
    def fill(document: Any) -> None:
        document.get("<script>", type=Text).insert(0, "<script>alert(1)</script>\u202egnp.exe\0", {"a": '"><img>'})
        document.get("m", type=Map)["</pre>"] = "\u2066\ufeff</script>"

    page = as_html(preview([update_of(fill)]))
    assert "<script" not in page
    assert "<img" not in page
    assert page.count("</pre>") == 2
    for hidden in ("\u202e", "\u2066", "\ufeff", "\0"):
        assert hidden not in page
    assert "\\u202egnp.exe\\u0000" in page


def test_tabs_and_line_ends_stay_and_emoji_too() -> None:
    assert visible("a\tb\nc 🙂 é") == "a\tb\nc 🙂 é"


def test_an_empty_document_says_so() -> None:
    assert "The document is empty." in as_html(preview([b"\0\0"]))


@pytest.mark.parametrize(
    ("formats", "shown"),
    [
        ({"bold": True, "italic": True}, "<em><strong>x</strong></em>"),
        ({"bold": False, "strike": True}, "<s>x</s>"),
        ({"link": "https://example.com/", "<script>": True}, "x"),
        ({"bold": True, "link": "x" * 500}, "<strong>x</strong>"),
        ({"bold": {"a": "b"}}, "<strong>x</strong>"),
    ],
)
def test_a_run_wears_the_formats_that_html_has(formats: dict[str, Any], shown: str) -> None:
    html = as_html(preview([update_of(lambda document: document.get("t", type=Text).insert(0, "x", formats))]))
    assert f">{shown}</mark>" in html
    assert "<script>" not in html
