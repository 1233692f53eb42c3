"""System checks of the webhook's settings. They never quote the url: it may hold a password."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured

from persistence.webhook_request import Address, BadAddress
from rooms.checks import OURS
from rooms.conf import Conf, conf

PAGE = "See docs/webhook.md."


@register(Tags.security, OURS)
def check_webhook(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Report a webhook that can't be called, or whose receiver can't know who calls.

    yredis.E104: WEBHOOK_URL is no url to which a room's name can be added.
    yredis.W102: there is a WEBHOOK_URL and no WEBHOOK_SECRET.
    """
    try:
        settings = conf()
    except ImproperlyConfigured:
        return []  # rooms.checks tells
    return list(_wrong(settings)) if settings.webhook_url else []


def _wrong(settings: Conf) -> Iterator[CheckMessage]:
    try:
        Address.parse(settings.webhook_url)
    except BadAddress as error:
        yield Error(f"YREDIS: WEBHOOK_URL {error}", hint=PAGE, id="yredis.E104")
    if not settings.webhook_secret:
        text = "YREDIS: WEBHOOK_URL is set, WEBHOOK_SECRET is not: whoever receives documents can't know from whom."
        yield CheckWarning(text, hint=PAGE, id="yredis.W102")
