"""The durable side in the admin: rooms with what can be done to them, segments without their bytes, quarantine."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from persistence.admin_quarantine import QuarantinedAdmin
from persistence.admin_rooms import PersistedRoomAdmin
from persistence.models import Quarantined, Segment
from rooms.admin_rows import KeptByOthers
from rooms.models import Room

if admin.site.is_registered(Room):  # by rooms alone
    admin.site.unregister(Room)
admin.site.register(Room, PersistedRoomAdmin)
admin.site.register(Quarantined, QuarantinedAdmin)


@admin.register(Segment)
class SegmentAdmin(KeptByOthers):
    """What each room's chain is made of."""

    list_display = ("id", "room", "kind", "first_entry_id", "last_entry_id", "entries", "byte_size", "created_at")
    list_filter = ("kind", "storage", "created_at")
    list_select_related = ("room",)
    search_fields = ("room__name", "location")
    ordering = ("-id",)
    exclude = ("payload",)
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Segment]:
        """Return the rows without the bytes: a page of them may be hundreds of MB."""
        return super().get_queryset(request).defer("payload", "room__activity")
