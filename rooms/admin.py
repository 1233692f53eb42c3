"""Rooms in the admin: what their rows say, and what Redis knows of them now."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy as _

from rooms import background
from rooms.api import people
from rooms.backend import backend
from rooms.errors import YRedisError
from rooms.models import Room
from rooms.preview_html import as_html, visible
from rooms.streams import Glance

if TYPE_CHECKING:
    Base = admin.ModelAdmin[Room]
else:  # generic for type checkers only
    Base = admin.ModelAdmin

MOST_NAME = 100
"""Characters of a name that are shown."""

UNKNOWN = "?"
"""What Redis can't tell now."""


def _name(one: people.Present) -> str:
    """Return the name that a client shows, where editors' bindings keep it; a client may say anything."""
    user = one.state.get("user") if isinstance(one.state, dict) else None
    return visible(str(user.get("name", "?"))[:MOST_NAME]) if isinstance(user, dict) else "?"


async def _preview(name: str) -> list[dict[str, Any]]:
    documents = (await backend()).documents
    return await documents.preview(await documents.load(name))


async def _glances(names: list[str]) -> list[Glance]:
    return await (await backend()).streams.glance(names)


class LiveChangeList(ChangeList):
    """A page of rooms, each with a `glance` at Redis: one round trip for all of them."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the rows, then Redis."""
        super().get_results(request)
        rooms: list[Any] = list(self.result_list)
        try:
            glances = background.run(_glances([room.name for room in rooms])) if rooms else []
        except YRedisError as error:
            glances = []
            messages.warning(request, _("Redis gives no answer, so nothing is known of the moment: %s") % error)
        for number, room in enumerate(rooms):
            room.glance = glances[number] if glances else None
        self.result_list = rooms


@admin.register(Room)
class RoomAdmin(Base):
    """When each room was persisted, how large it is, who is there, and what is wrong with it."""

    list_display = (
        "name",
        "state",
        "clients",
        "last_edited",
        "last_persisted_at",
        "lag",
        "stored",
        "waiting",
        "last_error",
    )
    list_filter = ("state", "last_persisted_at", "created_at")
    search_fields = ("name",)
    date_hierarchy = "last_persisted_at"
    ordering = ("name",)
    list_per_page = 100
    show_full_result_count = False
    readonly_fields = ("document", "present")
    actions = ("disconnect",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list that looks at Redis."""
        return LiveChangeList

    @admin.display(description=_("clients"))
    def clients(self, room: Any) -> str:
        """Return how many clients show themselves, on all servers."""
        return UNKNOWN if room.glance is None else str(room.glance.clients)

    @admin.display(description=_("last edited"))
    def last_edited(self, room: Any) -> datetime | str | None:
        """Return when the newest entry was taken, as far as Redis knows."""
        found: Glance | None = room.glance
        return UNKNOWN if found is None else found.last_edited_at

    @admin.display(description=_("lag"), ordering="lag_seconds")
    def lag(self, room: Room) -> str:
        """Return how old the oldest entry was at the last attempt to persist it."""
        return f"{room.lag_seconds:.1f}\N{NO-BREAK SPACE}s"

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

    @admin.display(description=_("document"))
    def document(self, room: Room) -> str:
        """Return what the room holds now."""
        try:
            return as_html(background.run(_preview(room.name)))
        except YRedisError as error:
            return _("It can't be shown: %s") % error

    @admin.display(description=_("who is there"))
    def present(self, room: Room) -> str:
        """Return a line for each client that shows itself."""
        try:
            found = people.awareness_sync(room.name)
        except YRedisError as error:
            return str(error)
        rows = [(_name(one), one.user_id or "-", one.client_id, one.server_id) for one in found]
        return format_html_join("", "<div>{} (user {}, client {}) on {}</div>", rows) or "-"

    @admin.action(description=_("Disconnect everybody"), permissions=["kick"])
    def disconnect(self, request: HttpRequest, queryset: QuerySet[Room]) -> HttpResponse | None:
        """Close all connections to rooms with 4403, once that is confirmed."""
        rooms = list(queryset)
        if "confirmed" not in request.POST:
            context = {
                **self.admin_site.each_context(request),
                "title": _("Disconnect everybody?"),
                "rooms": rooms,
                "opts": self.opts,
                "action": "disconnect",
            }
            return TemplateResponse(request, "admin/yredis_rooms/room/confirm.html", context)
        try:
            for room in rooms:
                people.kick_sync(room.name, reason="disconnected by an admin")
                self.log_change(request, room, "Disconnected everybody.")
        except YRedisError as error:
            messages.error(request, _("Not all could be disconnected: %s") % error)
        else:
            messages.success(request, _("Everybody is disconnected; who may enter can come back by loading the page."))
        return None

    def has_kick_permission(self, request: HttpRequest) -> bool:
        """Return whether somebody may disconnect people."""
        return request.user.has_perm("yredis_rooms.kick_room")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: servers and workers add rooms."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: every column is the worker's."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: segments would go with the row, and Redis would still hold what came later."""
        return False
