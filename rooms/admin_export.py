"""A room's document as a file: the form that asks for its format, and the response."""

import unicodedata
from urllib.parse import quote

from django import forms
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _

from rooms import background
from rooms.backend import backend

FORMATS = {
    "bin": ("application/octet-stream", _("Yjs update: the whole document, to be imported again")),
    "json": ("application/json", _("JSON: all roots")),
    "txt": ("text/plain; charset=utf-8", _("Text, without formats")),
}
"""By the ending of the file: its type, and what it is."""

OPERATIONS = {"json": "as_json", "txt": "as_text"}

MOST_CHARACTERS = 60
"""Of a room's name in a file's; in UTF-8 and with its ending that is below what file systems take."""

SPEAKING = ("L", "N", "M")
"""Categories of characters that a file's name may have: letters, digits, and marks on them."""


class ExportForm(forms.Form):
    """Which format."""

    format = forms.ChoiceField(
        label=_("Format"), choices=[(key, text) for key, (_, text) in FORMATS.items()], widget=forms.RadioSelect
    )


def exported(room: str, ending: str) -> HttpResponse:
    """Return a room's document as an attachment, decoded in a child process where it has to be.

    Raises:
        RedisUnavailable, StoreUnavailable, ComputeUnavailable: not now.
        Undecodable: no document can be built.
    """
    response = HttpResponse(background.run(_content(room, ending)), content_type=FORMATS[ending][0])
    response["Content-Disposition"] = attachment(room, ending)
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "no-store"
    return response


async def _content(room: str, ending: str) -> bytes:
    documents = (await backend()).documents
    document = await documents.load(room)
    if ending in OPERATIONS:
        return await documents.decoded(document, OPERATIONS[ending])
    return await documents.whole(document)


def attachment(room: str, ending: str) -> str:
    """Return the header for a file that is named like a room, once in ASCII and once as it is (RFC 6266, RFC 5987)."""
    speaking = f"{_speaking(room)}.{ending}"
    ascii_only = "".join(one if one.isascii() else "_" for one in speaking)
    return f"attachment; filename=\"{ascii_only}\"; filename*=UTF-8''{quote(speaking, safe='')}"


def _speaking(room: str) -> str:
    """Return a name that can name a file anywhere: no separators, quotes or hidden characters, no dot in front."""
    letters = (one if unicodedata.category(one)[0] in SPEAKING or one in "-." else "_" for one in room)
    return "".join(letters)[:MOST_CHARACTERS].lstrip(".") or "room"
