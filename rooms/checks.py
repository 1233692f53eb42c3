"""System checks: what is wrong with the settings is told at start, not at the first connection."""

from collections.abc import Iterator, Sequence
from inspect import iscoroutinefunction
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string
from redis.asyncio.connection import parse_url

from rooms.conf import conf
from rooms.store import Store

OURS = "yredis"
"""A tag of all our checks: `with_rooms` and `manage.py check --tag yredis` run these only."""

APPS = ("authbridge", "persistence")
"""Those of ours that a site may leave out, if it has a store or an authorizer of its own."""

SETTINGS_PAGE = "See docs/settings.md."
AUTHORIZE_NOBODY = "rooms.grants.nobody"
NO_REDIS_URL = (
    "YREDIS: REDIS_URL is no redis://, rediss:// or unix:// url that can be read; "
    "in its password write / ? # @ as %2F %3F %23 %40"
)
"""Nothing of the url itself: what the parser takes for a port or a host may be half a password."""


@register(Tags.security, OURS)
def check_settings(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Report what is wrong in settings.YREDIS.

    yredis.E001: unknown keys, or a value of the wrong type or out of range.
    yredis.E002: REDIS_URL is no url of a Redis.
    yredis.E003: STORE or AUTHORIZE can't be imported, or is not what it has to be.
    yredis.E004: STORE or AUTHORIZE belongs to an app that is not in INSTALLED_APPS.
    yredis.E005: CHANNEL_LAYER is none of CHANNEL_LAYERS.
    yredis.W001: AUTHORIZE is not set: every connection is refused.
    """
    try:
        conf()
    except ImproperlyConfigured as error:
        return [Error(str(error), hint=SETTINGS_PAGE, id="yredis.E001")]
    return [*_redis_url(), *_paths(), *_channel_layer(), *_authorize()]


def _redis_url() -> Iterator[CheckMessage]:
    try:
        parse_url(conf().redis_url)
    except ValueError:
        yield Error(NO_REDIS_URL, hint=SETTINGS_PAGE, id="yredis.E002")


def _paths() -> Iterator[CheckMessage]:
    for key, path in (("STORE", conf().store), ("AUTHORIZE", conf().authorize)):
        app = path.partition(".")[0]
        if app in APPS and not apps.is_installed(app):
            text = f"YREDIS: {key} is {path}, and {app} is not in INSTALLED_APPS"
            yield Error(text, hint=SETTINGS_PAGE, id="yredis.E004")
            continue
        try:
            found: Any = import_string(path)
        except Exception as error:  # whatever the site's module does when it is imported
            yield Error(f"YREDIS: {key}: {type(error).__name__}: {error}", hint=SETTINGS_PAGE, id="yredis.E003")
        else:
            if not (_is_store(found) if key == "STORE" else iscoroutinefunction(found)):
                needed = "a class with `async def load`" if key == "STORE" else "an async function"
                yield Error(f"YREDIS: {key}: {path} is not {needed}", hint=SETTINGS_PAGE, id="yredis.E003")


def _is_store(found: Any) -> bool:
    """Tell whether it is a class with a `load` of its own: that of the protocol finds nothing, ever."""
    load = getattr(found, "load", None)
    return isinstance(found, type) and iscoroutinefunction(load) and load is not Store.load


def _channel_layer() -> Iterator[CheckMessage]:
    alias = conf().channel_layer
    if alias not in ("", "default") and alias not in getattr(settings, "CHANNEL_LAYERS", {}):
        text = f"YREDIS: CHANNEL_LAYER: there is no {alias!r} in CHANNEL_LAYERS"
        yield Error(text, hint=SETTINGS_PAGE, id="yredis.E005")


def _authorize() -> Iterator[CheckMessage]:
    if conf().authorize == AUTHORIZE_NOBODY:
        hint = "Name an async function (scope, room) -> Grant in YREDIS['AUTHORIZE']."
        yield CheckWarning("YREDIS: AUTHORIZE is not set: every connection is refused.", hint=hint, id="yredis.W001")
