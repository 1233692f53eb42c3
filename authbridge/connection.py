"""What a page needs to connect to a room: for the template tag, or a view of the site's own that answers with JSON."""

import time
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.middleware.csrf import get_token
from django.urls import NoReverseMatch, reverse

from authbridge.decisions import decided
from authbridge.identity import unchanging
from authbridge.issuing import Terms, issue, signing_source
from rooms import background, names, policy_rows, pool
from rooms.conf import conf
from rooms.grants import Access
from rooms.policy import Policy


def connection(request: HttpRequest, room: str) -> dict[str, Any]:
    """Return how a page connects to a room, and what its user may do there; JSON can hold it. Blocks.

    The keys: `url` and `room` for y-websocket, `name` (canonical), `access`, and `token`, None where a session's cookie
    is all there is; with a token `expiresIn` (seconds), `tokenUrl` for the next one and the `csrfToken` to ask with.

    Raises:
        NoSuchRoom: the name can't name a room.
        YRedisError: it can't be told now what the user may do.
    """
    name, known_at = names.canonical(room), time.monotonic()
    user: Any = getattr(request, "user", AnonymousUser())
    signs = "jwt" in conf().identity and signing_source() is not None
    known = user if user.is_authenticated and (signs or "session" in conf().identity) else AnonymousUser()
    may_enter = known.is_authenticated or "anonymous" in conf().identity
    access = background.run(_access(known, name, known_at)) if may_enter else Access.NONE
    told = {"url": _url(request), "room": names.url_path(name), "name": name, "access": access.value, "token": None}
    if access is Access.NONE or not known.is_authenticated or not signs:
        return told
    issued = issue(user, Terms(rooms=[name], session_key=session_key(request)))
    again = {"expiresIn": issued.expires_in, "tokenUrl": _token_url(), "csrfToken": get_token(request)}
    return {**told, "token": issued.token, **again}


async def _access(user: Any, room: str, known_at: float) -> Access:
    """Return what somebody may do in a room as it is now: it may be read-only. That it is deleted is told by 4410."""
    access = await decided(unchanging(user), room, known_at=known_at)
    policy: Policy = await pool.run(policy_rows.stored, room)
    return policy.leaves(access)


def session_key(request: HttpRequest) -> str | None:
    """Return the key of the session that a request came with."""
    return getattr(getattr(request, "session", None), "session_key", None)


def _url(request: HttpRequest) -> str:
    scheme = "wss" if request.is_secure() else "ws"
    return conf().websocket_url or f"{scheme}://{request.get_host()}/ws"


def _token_url() -> str | None:
    try:
        return reverse("yredis_authbridge:token")
    except NoReverseMatch:  # the site does not include authbridge.urls
        return None
