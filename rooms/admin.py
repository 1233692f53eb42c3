"""Rooms in the admin: what their rows say, and what Redis knows of them now."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.urls import URLPattern
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from rooms import admin_overview, background
from rooms.admin_deeds import RoomDeeds
from rooms.admin_import import ImportAdmin
from rooms.admin_page import RoomPage
from rooms.admin_rows import KeptByOthers
from rooms.amounts import lasted
from rooms.backend import backend
from rooms.errors import YRedisError
from rooms.models import Room
from rooms.moments import moment
from rooms.streams import Glance

UNKNOWN = "?"
"""What Redis can't tell now."""


async def _glances(names: list[str]) -> list[Glance]:
    return await (await backend()).streams.glance(names)


def _look(rooms: list[Any]) -> YRedisError | None:
    """Give each room a `glance`, or None if Redis gives no answer; then it has, and this returns, why it is `away`."""
    glances: list[Glance] | list[None] = [None] * len(rooms)
    reason = None
    try:
        glances = background.run(_glances([room.name for room in rooms])) if rooms else []
    except YRedisError as error:
        reason = error
    for room, glance in zip(rooms, glances, strict=True):
        room.glance, room.away = glance, reason
    return reason


class LiveChangeList(ChangeList):
    """A page of rooms, each with a `glance` at Redis: one round trip for all of them."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the rows, then Redis; but what is posted is an action, and the list comes with the next request."""
        super().get_results(request)
        rooms: list[Any] = list(self.result_list)
        if request.method == "POST":
            for room in rooms:
                room.glance = None
        elif error := _look(rooms):
            text = gettext("Redis gives no answer, so nothing is known of the moment: %(reason)s")
            messages.warning(request, text % {"reason": error})
        self.result_list = rooms


@admin.register(Room)
class RoomAdmin(RoomPage, RoomDeeds, ImportAdmin, KeptByOthers):
    """When each room was persisted, how large it is, who is there, and what is wrong with it."""

    list_display = (
        "visible_name",
        "state",
        "clients",
        "last_edited",
        "last_persisted_at",
        "lag",
        "stored",
        "waiting",
        "last_error",
    )
    list_filter = ("state", "is_read_only", "last_persisted_at", "created_at")
    search_fields = ("name",)
    date_hierarchy = "last_persisted_at"
    ordering = ("name",)
    list_per_page = 100
    show_full_result_count = False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list that looks at Redis."""
        return LiveChangeList

    def get_urls(self) -> list[URLPattern]:
        """Return the pages of rooms, with the overview of all."""
        return [*admin_overview.urls(self), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Tell the list's page where the overview is."""
        return super().changelist_view(request, {"overview_url": self.page_url("overview"), **(extra_context or {})})

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Room | None:
        """Return a room with its glance at Redis."""
        found: Room | None = super().get_object(request, object_id, from_field)
        if found is not None:
            _look([found])
        return found

    def get_queryset(self, request: HttpRequest) -> QuerySet[Room]:
        """Return the rows without what only a room's own page shows."""
        return super().get_queryset(request).defer("activity")

    @admin.display(description=_("clients"))
    def clients(self, room: Any) -> str:
        """Return how many clients show themselves, on all servers."""
        return UNKNOWN if room.glance is None else str(room.glance.clients)

    @admin.display(description=_("last edited"))
    def last_edited(self, room: Any) -> str:
        """Return when the newest entry was taken, as far as Redis knows."""
        found: Glance | None = room.glance
        if found is None:
            return UNKNOWN
        return moment(found.last_edited_at) if found.last_edited_at else "-"

    @admin.display(description=_("lag"), ordering="lag_seconds")
    def lag(self, room: Any) -> str:
        """Return for how long the oldest entry has waited by now; if none waits, what it was when it was persisted."""
        found: Glance | None = room.glance
        return lasted(found.oldest_seconds if found and found.oldest else room.lag_seconds)

    @admin.display(description=_("persisted"), ordering="snapshot_bytes")
    def stored(self, room: Room) -> str:
        """Return the bytes of snapshot and deltas."""
        return f"{filesizeformat(room.snapshot_bytes)} + {filesizeformat(room.delta_bytes)}"

    @admin.display(description=_("only in Redis"))
    def waiting(self, room: Any) -> str:
        """Return the entries that are not persisted yet, and about what they take."""
        if room.glance is None:
            return UNKNOWN
        return f"{room.glance.entries}, {filesizeformat(room.glance.size_bytes)}" if room.glance.entries else "0"
