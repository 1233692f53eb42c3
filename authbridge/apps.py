"""The Django app of the access."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AuthbridgeConfig(AppConfig):
    """Who may enter a room, and what for."""

    name = "authbridge"
    label = "yredis_authbridge"
    verbose_name = _("Access to rooms")
