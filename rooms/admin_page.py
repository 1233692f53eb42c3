"""A room's page in the admin: who is there, what the room holds, and what its row says."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils.html import format_html_join
from django.utils.timesince import timesince
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from rooms import background
from rooms.activity_charts import activity_charts
from rooms.api import people
from rooms.backend import backend
from rooms.errors import YRedisError
from rooms.models import Room
from rooms.preview_html import as_html, visible
from rooms.rollcall import Connection
from rooms.tables import table

if TYPE_CHECKING:
    Base = admin.ModelAdmin[Room]
else:  # generic for type checkers only
    Base = admin.ModelAdmin

MOST_NAME = 100
"""Characters of a name that are shown."""

ACCESS = {"read": pgettext_lazy("somebody may", "read"), "write": pgettext_lazy("somebody may", "write")}

HEADS = (
    _("user"),
    pgettext_lazy("read or write", "may"),
    _("address"),
    pgettext_lazy("a duration", "for"),
    _("server"),
)
"""Of the table of connections."""


class RoomPage(Base):
    """The fields of the page."""

    fieldsets = (
        (None, {"fields": ("visible_name", "state", "last_error", "damage")}),
        (_("Who is there"), {"fields": ("connections", "present")}),
        (_("Content"), {"fields": ("document", "activity_chart", "last_edited")}),
        (_("Persistence"), {"fields": ("last_persisted_at", "lag", "stored", "waiting", "quarantined")}),
        (_("Policy"), {"fields": ("is_read_only", "deleted_at")}),
        (
            _("Inner workings"),
            {
                "classes": ("collapse",),
                "fields": (
                    *("created_at", "last_entry_id", "delta_count", "has_gap", "is_verbatim", "failures"),
                    *("fence", "generation", "is_erasing", "policy_version", "is_settled"),
                ),
            },
        ),
    )
    readonly_fields = (
        *("visible_name", "state", "created_at", "connections", "present", "document", "activity_chart"),
        *("last_edited", "lag", "stored", "waiting"),
    )

    @admin.display(description=_("name"), ordering="name")
    def visible_name(self, room: Room) -> str:
        """Return the name; whatever is in it, it turns no line around."""
        return str(room)

    @admin.display(description=_("document"))
    def document(self, room: Room) -> str:
        """Return what the room holds now."""
        try:
            _check_redis(room)
            return as_html(background.run(_preview(room.name)))
        except YRedisError as error:
            return gettext("It can't be shown: %(reason)s") % {"reason": error}

    @admin.display(description=_("connections"))
    def connections(self, room: Room) -> str:
        """Return a line for each connection, on all servers."""
        try:
            _check_redis(room)
            found = people.connections_sync(room.name)
        except YRedisError as error:
            return str(error)
        return table(HEADS, map(_row, found)) or "-"

    @admin.display(description=_("awareness"))
    def present(self, room: Room) -> str:
        """Return a line for each client that shows itself."""
        try:
            _check_redis(room)
            found = people.awareness_sync(room.name)
        except YRedisError as error:
            return str(error)
        return format_html_join("", "<div>{}</div>", ((_line(one),) for one in found)) or "-"

    @admin.display(description=_("activity"))
    def activity_chart(self, room: Room) -> str:
        """Return how much was persisted when, and how large the room was."""
        return activity_charts(room.activity)


def _name(one: people.Present) -> str:
    """Return the name that a client shows, where editors' bindings keep it; a client may say anything."""
    user = one.state.get("user") if isinstance(one.state, dict) else None
    name = user.get("name") if isinstance(user, dict) else None
    return visible(name[:MOST_NAME]) if isinstance(name, str) else "?"


def _row(one: Connection) -> tuple[Any, ...]:
    """Return the cells of a connection."""
    who, address, server = (visible(text) for text in (one.user_id or "-", one.address, one.server_id))
    return who, ACCESS[one.access], address, timesince(one.since), server


def _line(one: people.Present) -> str:
    """Return what is told of a client."""
    who, server = visible(one.user_id or "-"), visible(one.server_id)
    words = {"name": _name(one), "user": who, "client": one.client_id, "server": server}
    return gettext("%(name)s (user %(user)s, client %(client)s) on %(server)s") % words


def _check_redis(room: Any) -> None:
    """Raise what a look at Redis raised when the page began: who asks again waits once more."""
    if away := getattr(room, "away", None):
        raise away


async def _preview(name: str) -> list[dict[str, Any]]:
    documents = (await backend()).documents
    return await documents.preview(await documents.load(name))
