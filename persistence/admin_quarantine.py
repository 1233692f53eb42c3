"""Quarantine in the admin: what nothing could decode is looked at, tried again, or thrown away."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Length
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from persistence import quarantine
from persistence.models import Quarantined
from rooms.admin_actions import DeedAdmin, deed
from rooms.admin_rows import KeptByOthers
from rooms.preview_html import visible

MOST_BYTES = 512
"""Of an entry, that are shown."""

LINE_BYTES = 16

MOST_CHARACTERS = 200
"""Of a reason in the list."""


class QuarantinedAdmin(DeedAdmin, KeptByOthers):
    """Entries that no client could be served as they were, and who sent them."""

    list_display = ("entry_id", "room", "who", "why", "size", "created_at")
    list_filter = ("created_at",)
    list_select_related = ("room",)
    search_fields = ("room__name", "entry_id", "user_id", "connection_id", "reason")
    date_hierarchy = "created_at"
    ordering = ("-id",)
    show_full_result_count = False
    fields = ("room", "entry_id", "who", "connection_id", "whole_reason", "created_at", "size", "dump")
    readonly_fields = fields
    actions = ("release", "discard")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Quarantined]:
        """Return the rows with their sizes and without their bytes."""
        rows: QuerySet[Quarantined] = super().get_queryset(request)
        return rows.annotate(size_bytes=Length("data")).defer("data")

    @admin.display(description=_("user"), ordering="user_id")
    def who(self, row: Quarantined) -> str:
        """Return who sent it."""
        return visible(row.user_id) or "-"

    @admin.display(description=_("reason"), ordering="reason")
    def why(self, row: Quarantined) -> str:
        """Return the beginning of the reason."""
        return visible(row.reason[:MOST_CHARACTERS])

    @admin.display(description=_("reason"))
    def whole_reason(self, row: Quarantined) -> str:
        """Return all of the reason."""
        return visible(row.reason)

    @admin.display(description=_("bytes"), ordering="size_bytes")
    def size(self, row: Any) -> str:
        """Return how large it is."""
        return filesizeformat(row.size_bytes)

    @admin.display(description=_("its first bytes"))
    def dump(self, row: Quarantined) -> str:
        """Return the first bytes as numbers and as characters; they are decoded by nobody."""
        return format_html("<pre>{}</pre>", hex_dump(bytes(row.data[:MOST_BYTES])))

    @deed(
        _("Release"),
        permission="yredis_persistence.release_quarantined",
        question=_("Append these entries to their rooms again?"),
        consequences=_("What can be decoded by now reaches everybody who is connected. Other entries stay here."),
        done=_("Released."),
        unfinished=_(
            "It may have been released or not (%(reason)s). It stays here: release it again, twice is harmless."
        ),
    )
    def release(self, request: HttpRequest, row: Quarantined) -> None:
        """Append an entry again; raise ValueError with the reason if it is still poison."""
        if reason := quarantine.replay(row):
            raise ValueError(gettext("It still can't be decoded: %(reason)s") % {"reason": reason})
        self.log_change(request, row.room, gettext("Released %(entry)s.") % {"entry": row.entry_id})

    @deed(
        _("Discard"),
        permission="yredis_persistence.discard_quarantined",
        question=_("Discard these entries for good?"),
        consequences=_("Nobody will ever see what they say. Their bytes are nowhere else."),
        done=_("Discarded."),
    )
    def discard(self, request: HttpRequest, row: Quarantined) -> None:
        """Forget an entry; that is in the history of its room, for its own goes with it."""
        quarantine.discard(row)
        words = {"entry": row.entry_id, "reason": visible(row.reason)}
        self.log_change(request, row.room, gettext("Discarded %(entry)s: %(reason)s") % words)


def hex_dump(data: bytes) -> str:
    """Return lines of offset, bytes in hexadecimal, and the characters of ASCII among them."""
    lines = []
    for start in range(0, len(data), LINE_BYTES):
        line = data[start : start + LINE_BYTES]
        text = "".join(chr(one) if 0x20 <= one < 0x7F else "." for one in line)
        lines.append(f"{start:04x}  {line.hex(' '):{3 * LINE_BYTES}} {text}")
    return "\n".join(lines)
