"""Tables as harmless HTML, for the admin."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString


def table(heads: Iterable[Any], rows: Iterable[Sequence[Any]]) -> SafeString:
    """Return a table, its cells escaped; "" for no rows."""
    body = format_html_join("", "<tr>{}</tr>", ((_cells("td", row),) for row in rows))
    if not body:
        return body
    head = _cells('th scope="col"', heads)
    return format_html("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>", head, body)


def _cells(tag: str, texts: Iterable[Any]) -> SafeString:
    return format_html_join("", f"<{tag}>{{}}</{tag[:2]}>", ((text,) for text in texts))
