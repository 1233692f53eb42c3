"""System checks of who may enter."""

from collections.abc import Iterator, Sequence
from inspect import iscoroutinefunction
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.utils.module_loading import import_string

from authbridge.authorizer import WAYS
from authbridge.decisions import policy_path
from authbridge.keys import Source, source_of
from rooms.checks import OURS, SETTINGS_PAGE
from rooms.conf import Conf, conf
from rooms.credentials import wrong_origins

AUTHORIZE = "authbridge.authorizer.authorize"


@register(Tags.security, OURS)
def check_access(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Report what is wrong with who may enter, where AUTHORIZE is authbridge's.

    yredis.E201: IDENTITY has a way that there is not, none, or one twice.
    yredis.E202: a key of JWT_KEYS can't be used.
    yredis.E203: tokens without JWT_ISSUER or JWT_AUDIENCE.
    yredis.E204: PERMISSION can't be imported, or is no async function; or there is a PERMISSION_CALLBACK too.
    yredis.E205: PERMISSION_CALLBACK, or a key's url, is none, or is not https outside DEBUG.
    yredis.E206: ORIGINS has something that is no Origin.
    yredis.E207: JWT_USER_FIELD is no unique field of the user model.
    yredis.E208: PERM_CALLERS has something that is no address or network.
    yredis.E209: WEBSOCKET_URL is no ws(s) url.
    yredis.W201: every Origin may use a session's cookie.
    yredis.W202: a secret key can be read by other users of the machine.
    yredis.W203: users of tokens have no permissions, and nothing else decides.
    """
    try:
        found = conf()
    except ImproperlyConfigured:  # yredis.E001 tells
        return []
    if found.authorize != AUTHORIZE:
        return []
    looks = (_identity, _tokens, _permission, _origins, _user_field, _bridge)
    return [message for look in looks for message in look(found)]


def _error(number: int, message: str) -> CheckMessage:
    return Error(f"YREDIS: {message}", hint=SETTINGS_PAGE, id=f"yredis.E{number}")


def _identity(found: Conf) -> Iterator[CheckMessage]:
    ways = [str(way) for way in found.identity]
    if not ways or set(ways) - WAYS.keys() or len(set(ways)) != len(ways):
        yield _error(201, f"IDENTITY has some of {', '.join(WAYS)}, each once, and not {', '.join(ways) or 'none'}")


def _tokens(found: Conf) -> Iterator[CheckMessage]:
    if not found.jwt_keys:
        return
    for number, entry in enumerate(found.jwt_keys):
        try:
            yield from _source(source_of(number, entry))
        except ImproperlyConfigured as error:
            yield _error(202, str(error))
    for name in ("jwt_issuer", "jwt_audience"):
        if not getattr(found, name):
            yield _error(203, f"{name.upper()} is not set: tokens made for others would be taken")
    if not (found.jwt_user_field or found.permission or found.permission_callback):
        hint = 'Set JWT_USER_FIELD to "pk" if tokens name users of this site, or PERMISSION to what decides.'
        yield CheckWarning("YREDIS: users of tokens have no permissions", hint=hint, id="yredis.W203")


def _source(source: Source) -> Iterator[CheckMessage]:
    if source.url:
        yield from _url("the url of JWT_KEYS", source.url)
        return
    if source.is_readable_by_others:
        hint = f"chmod 600 {source.path}"
        yield CheckWarning(f"YREDIS: others can read {source.path}", hint=hint, id="yredis.W202")


def _url(name: str, url: str) -> Iterator[CheckMessage]:
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and parts.hostname and not parts.query and not parts.fragment
    except ValueError:
        fine, parts = False, urlsplit("")
    if not fine:
        yield _error(205, f"{name} is no http(s) url without query")
    elif parts.scheme == "http" and not settings.DEBUG and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        yield _error(205, f"{name} is not https: whoever is on the way could let anybody in")


def _permission(found: Conf) -> Iterator[CheckMessage]:
    if found.permission_callback:
        yield from _url("PERMISSION_CALLBACK", found.permission_callback)
        if found.permission:
            yield _error(204, "PERMISSION and PERMISSION_CALLBACK: only one of them can decide")
    try:
        policy: Any = import_string(policy_path())
    except Exception as error:  # whatever the site's module does when it is imported
        yield _error(204, f"PERMISSION: {type(error).__name__}: {error}")
        return
    if not iscoroutinefunction(policy):
        yield _error(204, f"PERMISSION: {found.permission} is not an async function")


def _origins(found: Conf) -> Iterator[CheckMessage]:
    if wrong := list(wrong_origins()):
        yield _error(206, f"ORIGINS has what is no Origin, such as https://example.com: {', '.join(wrong)}")
    if "*" in found.origins and "session" in found.identity:
        hint = "Name the Origins, or take session out of IDENTITY."
        message = "YREDIS: ORIGINS has *: pages of every other site can connect with your users' cookies"
        yield CheckWarning(message, hint=hint, id="yredis.W201")


def _user_field(found: Conf) -> Iterator[CheckMessage]:
    from django.contrib.auth import get_user_model

    name = found.jwt_user_field
    if not name:
        return
    try:
        meta = get_user_model()._meta  # noqa: SLF001  # documented
        field = meta.pk if name == "pk" else meta.get_field(name)
    except FieldDoesNotExist:
        field = None
    if field is None or not getattr(field, "unique", False):
        yield _error(207, f"JWT_USER_FIELD: {name} is no unique field of the user model")


def _bridge(found: Conf) -> Iterator[CheckMessage]:
    for caller in found.perm_callers:
        try:
            ip_network(caller, strict=False)
        except ValueError:
            yield _error(208, f"PERM_CALLERS has {caller!r}, which is no address or network")
    if found.websocket_url and not found.websocket_url.startswith(("ws://", "wss://")):
        yield _error(209, f"WEBSOCKET_URL begins with ws:// or wss://, unlike {found.websocket_url!r}")
