"""Rooms in the admin: what their rows say, and what Redis knows of them now."""

from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.urls import URLPattern
from django.utils.html import format_html, format_html_join
from django.utils.timesince import timesince
from django.utils.translation import gettext_lazy as _

from rooms import admin_overview, background
from rooms.activity_charts import activity_charts
from rooms.admin_actions import deed
from rooms.admin_export import ExportForm, exported
from rooms.admin_import import ImportAdmin
from rooms.api import people, ruling
from rooms.backend import backend
from rooms.errors import YRedisError
from rooms.models import Room
from rooms.preview_html import as_html, visible
from rooms.streams import Glance

MOST_NAME = 100
"""Characters of a name that are shown."""

ACCESS = {"read": _("read"), "write": _("write")}

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
class RoomAdmin(ImportAdmin):
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
    list_filter = ("state", "is_read_only", "last_persisted_at", "created_at")
    search_fields = ("name",)
    date_hierarchy = "last_persisted_at"
    ordering = ("name",)
    list_per_page = 100
    show_full_result_count = False
    exclude = ("activity",)
    readonly_fields = ("document", "connections", "present", "activity_chart")
    actions: tuple[str, ...] = ("disconnect", "export", "freeze", "thaw", "soft_delete", "restore", "erase")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list that looks at Redis."""
        return LiveChangeList

    def get_urls(self) -> list[URLPattern]:
        """Return the pages of rooms, with the overview of all."""
        return [*admin_overview.urls(self), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Room]:
        """Return the rows without what only a room's own page shows."""
        return super().get_queryset(request).defer("activity")

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

    @admin.display(description=_("connections"))
    def connections(self, room: Room) -> str:
        """Return a line for each connection, on all servers."""
        try:
            found = people.connections_sync(room.name)
        except YRedisError as error:
            return str(error)
        rows = [
            (visible(one.user_id or "-"), ACCESS[one.access], one.address, timesince(one.since), one.server_id)
            for one in found
        ]
        heads = [(head,) for head in (_("user"), _("may"), _("address"), _("for"), _("server"))]
        return (
            format_html(
                "<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>",
                format_html_join("", "<th>{}</th>", heads),
                format_html_join("", "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>", rows),
            )
            if found
            else "-"
        )

    @admin.display(description=_("awareness"))
    def present(self, room: Room) -> str:
        """Return a line for each client that shows itself."""
        try:
            found = people.awareness_sync(room.name)
        except YRedisError as error:
            return str(error)
        rows = [(_name(one), one.user_id or "-", one.client_id, one.server_id) for one in found]
        return format_html_join("", "<div>{} (user {}, client {}) on {}</div>", rows) or "-"

    @admin.display(description=_("activity"))
    def activity_chart(self, room: Room) -> str:
        """Return how much was persisted when, and how large the room was."""
        return activity_charts(room.activity)

    @deed(
        _("Disconnect everybody"),
        permission="yredis_rooms.kick_room",
        question=_("Close everybody's connection to these rooms?"),
        consequences=_("Who may enter can come back by loading the page."),
        done=_("Everybody was disconnected."),
    )
    def disconnect(self, request: HttpRequest, room: Room) -> None:
        """Close all connections to a room with 4403."""
        people.kick_sync(room.name, reason="disconnected by an admin")

    @deed(
        _("Export"),
        permission="yredis_rooms.export_room",
        question=_("Export this room's document?"),
        done=_("The document was exported."),
        form=ExportForm,
        one_at_a_time=True,
    )
    def export(self, request: HttpRequest, room: Room, *, format: str) -> HttpResponse:  # noqa: A002  # a field's name
        """Return the document as a file."""
        return exported(room.name, format)

    @deed(
        _("Make read-only"),
        permission="yredis_rooms.freeze_room",
        question=_("Let nobody write in these rooms?"),
        consequences=_("Who is writing comes back as a reader at once."),
        done=_("The room is read-only."),
        applies=lambda room: not room.is_read_only,
    )
    def freeze(self, request: HttpRequest, room: Room) -> None:
        """Let nobody write."""
        ruling.freeze_sync(room.name)

    @deed(
        _("Make writable"),
        permission="yredis_rooms.freeze_room",
        question=_("Let people write in these rooms again?"),
        done=_("Who may write can write again."),
        applies=lambda room: room.is_read_only,
    )
    def thaw(self, request: HttpRequest, room: Room) -> None:
        """Let those write who may."""
        ruling.thaw_sync(room.name)

    @deed(
        _("Delete"),
        permission="yredis_rooms.softdelete_room",
        question=_("Delete these rooms?"),
        consequences=_(
            "Everybody is disconnected and nobody can enter. What is in them is kept: they can be restored."
        ),
        done=_("The room is deleted."),
        applies=lambda room: room.deleted_at is None,
    )
    def soft_delete(self, request: HttpRequest, room: Room) -> None:
        """Let nobody enter, and keep everything."""
        ruling.delete_sync(room.name)

    @deed(
        _("Restore"),
        permission="yredis_rooms.restore_room",
        question=_("Restore these rooms?"),
        done=_("The room is restored."),
        applies=lambda room: room.deleted_at is not None and not room.is_erasing,
    )
    def restore(self, request: HttpRequest, room: Room) -> None:
        """Let people enter again."""
        ruling.restore_sync(room.name)

    @deed(
        _("Erase"),
        permission="yredis_rooms.erase_room",
        question=_("Erase what is in these rooms, for good?"),
        consequences=_(
            "Everybody is disconnected, and nothing can be restored. The names can be used for new rooms. Who still "
            "has the old document in an open page or a browser's database brings it back by opening the room again."
        ),
        done=_("The room is erased."),
    )
    def erase(self, request: HttpRequest, room: Room) -> None:
        """Remove all that it holds."""
        ruling.erase_sync(room.name)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: servers and workers add rooms."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: columns are changed by the worker, and by deeds."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: segments would go with the row, and Redis would still hold what came later."""
        return False
