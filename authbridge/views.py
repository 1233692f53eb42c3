"""What others ask this site: a token for whoever is logged in, and what a user may do, as a y-redis server asks."""

import time
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import unquote

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_GET, require_POST

from authbridge.connection import session_key
from authbridge.decisions import decided
from authbridge.identity import unchanging
from authbridge.issuing import Issued, NoSigningKey, Terms, issue
from authbridge.tokens import user_by
from rooms import background, names
from rooms.conf import conf
from rooms.errors import NoSuchRoom, YRedisError
from rooms.grants import Access

FORMATS = ("standard", "lib0")
FORWARDED = ("HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP")
Y_REDIS = {Access.WRITE: "rw", Access.READ: "readonly", Access.NONE: "none"}


@login_not_required  # it answers with 401 itself, where LoginRequiredMiddleware would redirect
@never_cache
@require_POST
@csrf_protect
def token(request: HttpRequest) -> HttpResponse:
    """Answer with a token for who is logged in: JSON, or the bare token for `Accept: text/plain`.

    Form fields: `room`, several times, for these rooms only; `lifetime` in seconds; `format`, "lib0" for y-redis.
    """
    if not request.user.is_authenticated:
        return JsonResponse({"error": "nobody is logged in"}, status=401)
    try:
        issued = _issued(request)
    except (ValueError, NoSuchRoom) as error:
        return JsonResponse({"error": str(error)}, status=400)
    except NoSigningKey as error:
        return JsonResponse({"error": str(error)}, status=501)
    if "text/plain" in request.headers.get("Accept", ""):
        return HttpResponse(issued.token, content_type="text/plain")
    return JsonResponse({"token": issued.token, "expiresIn": issued.expires_in})


def _issued(request: HttpRequest) -> Issued:
    lifetime, given = request.POST.get("lifetime"), request.POST.get("format", "standard")
    if lifetime is not None and not (lifetime.isascii() and lifetime.isdigit() and int(lifetime[:9])):
        raise ValueError("lifetime must be a number of seconds above 0")
    if given not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}")
    terms = Terms(
        rooms=[names.canonical(room) for room in request.POST.getlist("room")] or None,
        lifetime_seconds=int(lifetime[:9]) if lifetime else None,
        session_key=session_key(request),
        lib0=given == "lib0",
    )
    return issue(request.user, terms)


@login_not_required
@never_cache
@require_GET
def perm(request: HttpRequest, tail: str) -> HttpResponse:
    """Tell one of PERM_CALLERS what a user may do in a room, both as they stand in the path.

    y-redis takes every JSON answer for leave to read, whatever it says and whatever its status. So "none" is a 403
    without JSON, except for those who ask for application/json by name, as authbridge does.
    """
    asked = asked_about(request, tail)
    if not _may_ask(request) or asked is None:
        return HttpResponse("not found", status=404, content_type="text/plain")
    room, user_id = asked
    try:
        access = _access(room, user_id)
    except YRedisError as error:
        return HttpResponse(f"it can't be told now: {error}", status=503, content_type="text/plain")
    if access is Access.NONE and "application/json" not in request.headers.get("Accept", ""):
        return HttpResponse("no access", status=403, content_type="text/plain")
    return JsonResponse({"yroom": room, "yaccess": Y_REDIS[access], "yuserid": user_id})


def _may_ask(request: HttpRequest) -> bool:
    """Tell whether a request comes from one of PERM_CALLERS, and not through a proxy that stands there."""
    if any(header in request.META for header in FORWARDED):
        return False
    try:
        caller = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return any(caller in ip_network(allowed, strict=False) for allowed in conf().perm_callers)


def asked_about(request: HttpRequest, tail: str) -> tuple[str, str] | None:
    """Return room and user id of a request's path, one segment each, a slash in it as %2F; None for any other."""
    raw = getattr(request, "scope", {}).get("raw_path") or b""
    segments = raw.decode("ascii", "replace").split("/")
    for start in range(len(segments)):
        asked = segments[start:]
        if unquote("/".join(asked)) == tail:
            return (unquote(asked[0]), unquote(asked[1])) if len(asked) == 2 else None
    room, _, user_id = tail.rpartition("/")  # without ASGI nobody knows which slash was which
    return room, user_id


def _access(room: str, user_id: str) -> Access:
    known_at = time.monotonic()
    user: Any = user_by(conf().jwt_user_field or "pk", user_id)
    try:
        name = names.canonical(room)
    except NoSuchRoom:
        return Access.NONE
    return Access.NONE if user is None else background.run(decided(unchanging(user), name, known_at=known_at))
