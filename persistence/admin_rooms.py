"""A room's page where persistence is installed: what it is made of, what is in quarantine, and what can be done."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from persistence import api
from persistence.models import Quarantined, Segment
from rooms.admin import RoomAdmin
from rooms.admin_actions import deed
from rooms.models import Room
from rooms.moments import moment
from rooms.preview_html import visible
from rooms.tables import table

MOST_SEGMENTS = 50
MOST_QUARANTINED = 20

MOST_CHARACTERS = 200
"""Of a reason."""


class PersistedRoomAdmin(RoomAdmin):
    """Rooms, and what the durable side has of them."""

    actions = ("persist_now", "compact", *RoomAdmin.actions)

    @deed(
        _("Persist now"),
        permission="yredis_persistence.persist_room",
        question=_("Persist these rooms now?"),
        consequences=_("What is only in Redis yet is moved into the store, without waiting for a worker."),
        done=_("Persisted."),
    )
    def persist_now(self, request: HttpRequest, room: Room) -> None:
        """Do what a worker would do later."""
        api.persist_sync(room.name)

    @deed(
        _("Compact"),
        permission="yredis_persistence.compact_room",
        question=_("Make the segments of each of these rooms one snapshot?"),
        consequences=_("Nothing changes for whoever is connected. What is only in Redis yet stays there."),
        done=_("Compacted."),
    )
    def compact(self, request: HttpRequest, room: Room) -> str:
        """Make the chain one snapshot; return how much smaller it is."""
        before, after = api.compact_sync(room.name)
        sizes = {"before": filesizeformat(before), "after": filesizeformat(after)}
        return gettext("Compacted from %(before)s to %(after)s.") % sizes

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the fields with those that somebody may see of other models."""
        return [*super().get_readonly_fields(request, obj), *_further(request)]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the sets with one for these fields, before the inner workings."""
        *sets, last = super().get_fieldsets(request, obj)
        further = _further(request)
        return [*sets, *([(_("Stored"), {"fields": further})] if further else []), last]

    @admin.display(description=_("segments"))
    def segments(self, room: Room) -> str:
        """Return a table of the newest segments, and a link to all."""
        found = room.segments.order_by("-pk").defer("payload")
        rows = [
            (
                one.get_kind_display(),
                one.first_entry_id,
                one.last_entry_id,
                one.entries,
                *_sizes(one),
                moment(one.created_at),
            )
            for one in found[:MOST_SEGMENTS]
        ]
        heads = (_("kind"), _("first entry"), _("last entry"), _("entries"), _("bytes"), _("where"), _("created"))
        return self._table(heads, rows, Segment, room)

    @admin.display(description=_("quarantine"))
    def quarantine(self, room: Room) -> str:
        """Return a table of what came into quarantine last, and a link to all."""
        found = room.quarantine.order_by("-pk").defer("data")
        rows = [
            (one.entry_id, visible(one.user_id) or "-", visible(one.reason[:MOST_CHARACTERS]), moment(one.created_at))
            for one in found[:MOST_QUARANTINED]
        ]
        return self._table((_("entry"), _("user"), _("reason"), _("since")), rows, Quarantined, room)

    def _table(self, heads: Iterable[Any], rows: Iterable[Sequence[Any]], model: type[Model], room: Room) -> str:
        """Return a table, with a link to all of a room's rows of a model if this site has them; "-" for no rows."""
        shown, name = table(heads, rows), model.__name__.lower()
        if not shown or not self.admin_site.is_registered(model):
            return shown or "-"
        page = reverse(f"admin:yredis_persistence_{name}_changelist", current_app=self.admin_site.name)
        link = format_html('<a href="{}?room__id__exact={}">{}</a>', page, room.pk, gettext("Show all"))
        return format_html("{}<p>{}</p>", shown, link)


def _further(request: HttpRequest) -> list[str]:
    seen = (("segments", "view_segment"), ("quarantine", "view_quarantined"))
    return [name for name, permission in seen if request.user.has_perm(f"yredis_persistence.{permission}")]


def _sizes(segment: Segment) -> tuple[str, str]:
    where = f"{segment.storage}: {segment.location}" if segment.location else gettext("in the database")
    return filesizeformat(segment.byte_size), where
