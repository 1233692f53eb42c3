"""What can be done to rooms in the admin, where rooms is installed by itself."""

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from rooms.admin_actions import DeedAdmin, deed
from rooms.admin_export import ExportForm, exported
from rooms.api import people, ruling
from rooms.models import Room


class RoomDeeds(DeedAdmin):
    """The deeds, each a method."""

    actions: tuple[str, ...] = ("disconnect", "export", "freeze", "thaw", "soft_delete", "restore", "erase")
    deferred = ("last_error", "damage")

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
        unfinished=_("The room is being erased, but not all is done (%(reason)s): a worker ends it."),
    )
    def erase(self, request: HttpRequest, room: Room) -> None:
        """Remove all that it holds."""
        ruling.erase_sync(room.name)
