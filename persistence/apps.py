"""The Django app of the durable side."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PersistenceConfig(AppConfig):
    """Streams become rows or stored objects."""

    name = "persistence"
    label = "yredis_persistence"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = _("Persistence of rooms")

    def ready(self) -> None:
        """Register the system checks."""
        from persistence import checks, checks_webhook  # noqa: F401
