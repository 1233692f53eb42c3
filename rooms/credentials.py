"""What a connection brings along: a token, a session's cookie, the Origin of the page."""

from collections.abc import Iterator, Sequence
from urllib.parse import unquote_plus, urlsplit

from django.conf import settings
from django.http.cookie import parse_cookie
from django.utils.http import is_same_domain

from rooms.conf import conf
from rooms.grants import Scope

SUBPROTOCOL = "yauth-"
PARAMETER = "yauth"
PORTS = {"http": 80, "https": 443}


def chosen(subprotocols: Sequence[str]) -> str | None:
    """Return the first subprotocol that is no secret: a browser that offers some wants one of them selected."""
    return next((offered for offered in subprotocols if offered and not offered.startswith(SUBPROTOCOL)), None)


def headers(scope: Scope, name: bytes) -> list[str]:
    """Return the values of a header."""
    return [value.decode("latin-1") for key, value in scope.get("headers", ()) if key.lower() == name]


def token(scope: Scope) -> str | None:
    """Return the token of a connection: the subprotocol `yauth-<token>`, or the query's `yauth`."""
    for offered in scope.get("subprotocols", ()):
        if offered.startswith(SUBPROTOCOL):
            return str(offered.removeprefix(SUBPROTOCOL))
    for pair in scope.get("query_string", b"").decode("ascii", "replace").split("&"):
        name, is_given, value = pair.partition("=")
        if (
            name == PARAMETER and is_given
        ):  # as it stands: another way to write the name would escape the logs' scrubbing
            return unquote_plus(value)
    return None


def session_key(scope: Scope) -> str | None:
    """Return the key of the session that the cookie names."""
    cookies = parse_cookie("; ".join(headers(scope, b"cookie")))
    return cookies.get(settings.SESSION_COOKIE_NAME) or None


def admitted(scope: Scope) -> Scope | None:
    """Return the scope of a connection that may go on, without its cookies if they must not count; None for no other.

    A browser sends cookies also where a page of another site connects. Such a page can have a token, or nothing.
    """
    if session_key(scope) is None or comes_from_here(scope):
        return scope
    if token(scope) is None:
        return None
    return {**scope, "headers": [header for header in scope["headers"] if header[0].lower() != b"cookie"]}


def comes_from_here(scope: Scope) -> bool:
    """Tell whether the page that connects is this site's own, or of an Origin in YREDIS["ORIGINS"].

    Programs outside of browsers send none, sandboxed pages "null": neither may use a cookie.
    """
    origins = headers(scope, b"origin")
    if len(origins) != 1 or not (origin := _parts(origins[0])):
        return False
    if any(_matches(origin, allowed) for allowed in conf().origins):
        return True
    if origin[0] == "http" and _is_secure(scope):
        return False
    return any(_parts(f"{origin[0]}://{own}") == origin for own in _own_hosts(scope))


def _is_secure(scope: Scope) -> bool:
    """Tell whether this site is known to be at https: then a page that came by http may be anybody's on the way."""
    if scope.get("scheme") == "wss" or settings.SESSION_COOKIE_SECURE:
        return True
    if not settings.SECURE_PROXY_SSL_HEADER:
        return False
    name, value = settings.SECURE_PROXY_SSL_HEADER
    told = headers(scope, name.removeprefix("HTTP_").replace("_", "-").lower().encode())
    return bool(told) and told[0].split(",")[0].strip() == value


def _own_hosts(scope: Scope) -> list[str]:
    """Return what this site is called by whoever connects, as Django would tell it."""
    forwarded = headers(scope, b"x-forwarded-host") if settings.USE_X_FORWARDED_HOST else []
    return forwarded or headers(scope, b"host")


def _parts(origin: str) -> tuple[str, str, int | None] | None:
    """Return scheme, host and port of an Origin; None if it is none."""
    try:
        parts = urlsplit(origin.lower())
        if not parts.scheme or not parts.hostname or parts.path or parts.query or parts.fragment or "@" in origin:
            return None
        return parts.scheme, parts.hostname, parts.port or PORTS.get(parts.scheme)
    except ValueError:
        return None


def _matches(origin: tuple[str, str, int | None], allowed: str) -> bool:
    """Tell whether an Origin is the allowed one, as in CSRF_TRUSTED_ORIGINS: https://*.example.com has subdomains."""
    if allowed == "*":
        return True
    known = _parts(allowed.replace("://*.", "://"))
    if known is None:
        return False
    domain = f".{known[1]}" if "://*." in allowed else known[1]
    return (origin[0], origin[2]) == (known[0], known[2]) and is_same_domain(origin[1], domain)


def wrong_origins() -> Iterator[str]:
    """Yield what in YREDIS["ORIGINS"] is no Origin."""
    for allowed in conf().origins:
        if not isinstance(allowed, str) or (allowed != "*" and _parts(allowed.replace("://*.", "://")) is None):
            yield str(allowed)
