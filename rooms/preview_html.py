"""A document's preview as harmless HTML: escaped, and what can't be seen or turns the line around is spelled out."""

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from rooms.preview import ELEMENTS

HIDDEN = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
"""Categories of characters that are not shown as they are: controls, marks that reverse the text, and others."""

KINDS = {"text": gettext_lazy("text"), "xml": "XML", "json": "JSON", "empty": gettext_lazy("empty")}
"""What rooms.preview calls the kinds of roots, and what people do."""


def visible(text: str) -> str:
    """Return a text in which characters that can't be seen are written as \\u202e is, but for tabs and line ends."""
    return "".join(
        f"\\u{ord(one):04x}" if one not in "\n\t" and unicodedata.category(one) in HIDDEN else one for one in text
    )


def as_html(roots: list[dict[str, Any]]) -> SafeString:
    """Return the roots of a document, one below the other, none of them wider than the page."""
    if not roots:
        return format_html("<p>{}</p>", _("The document is empty."))
    shown = format_html_join("", "<h4>{} ({})</h4>{}{}", map(_parts, roots))
    return format_html('<div class="yredis-document" style="overflow-wrap: anywhere">{}</div>', shown)


def _parts(root: dict[str, Any]) -> tuple[Any, ...]:
    more = format_html("<p>{}</p>", _("There is more than is shown here.")) if root["is_cut"] else ""
    return visible(root["name"]), KINDS[root["kind"]], _content(root), more


def _content(root: dict[str, Any]) -> SafeString:
    if root["kind"] == "empty":
        return SafeString("")
    shown = visible(root["content"]) if root["kind"] != "text" else _runs(root["content"])
    return format_html('<pre dir="auto" style="white-space: pre-wrap">{}</pre>', shown)


def _runs(runs: Iterable[Sequence[Any]]) -> SafeString:
    return format_html_join("", "{}", ((_run(*run),) for run in runs))


def _run(text: str, formats: str, on: Sequence[str]) -> SafeString:
    """Return a run with the formats that HTML has, and marked; its title tells all of them."""
    shown = format_html("{}", visible(text))
    for name in on:
        shown = format_html("<{0}>{1}</{0}>", ELEMENTS[name], shown)
    return format_html('<mark title="{}">{}</mark>', visible(formats), shown) if formats else shown
