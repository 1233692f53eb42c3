"""Rooms in the admin: to look at. What a row says is the worker's, and deleting one would lose its document."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from rooms.models import Room

if TYPE_CHECKING:
    Base = admin.ModelAdmin[Room]
else:  # generic for type checkers only
    Base = admin.ModelAdmin


@admin.register(Room)
class RoomAdmin(Base):
    """When each room was persisted, how large it is, and what is wrong with it."""

    list_display = ("name", "state", "last_persisted_at", "lag_seconds", "snapshot_bytes", "delta_bytes", "last_error")
    list_filter = ("state", "last_persisted_at")
    search_fields = ("name",)
    ordering = ("name",)
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: the worker adds rooms."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: every column is the worker's."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: segments would go with the row, and Redis would still hold what came later."""
        return False
