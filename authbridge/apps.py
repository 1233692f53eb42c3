"""The Django app of the access."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AuthbridgeConfig(AppConfig):
    """Who may enter a room, and what for."""

    name = "authbridge"
    label = "yredis_authbridge"
    verbose_name = _("Access to rooms")

    def ready(self) -> None:
        """Register the system checks, follow changes of rights, keep tokens out of logs."""
        from authbridge import checks, live, scrub  # noqa: F401

        live.connect()
        scrub.install()
