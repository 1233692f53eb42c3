"""The Django app of the live side."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RoomsConfig(AppConfig):
    """Rooms: consumers, streams, fan-out."""

    name = "rooms"
    label = "yredis_rooms"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = _("Collaboration rooms")

    def ready(self) -> None:
        """Register the system checks."""
        from rooms import checks  # noqa: F401
