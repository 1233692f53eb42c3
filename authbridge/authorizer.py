"""What `YREDIS["AUTHORIZE"]` names: "authbridge.authorizer.authorize". Who is it, and what may they do?"""

import time
from collections.abc import Awaitable, Callable

from django.contrib.auth.models import AnonymousUser

from authbridge import sessions, tokens
from authbridge.decisions import decisions
from authbridge.identity import Identity, unchanging
from rooms import credentials
from rooms.conf import conf
from rooms.errors import AccessDenied, IdentityRefused
from rooms.grants import Access, Grant, Scope


async def authorize(scope: Scope, room: str) -> Grant:
    """Return the grant of a connection.

    Raises:
        IdentityRefused: who it is can't be told.
        AccessDenied: not in this room.
        DecisionUnavailable, StoreUnavailable: that can't be told now.
    """
    now = time.monotonic()  # before it is looked who that is: what an order changes after it, may not be in the answer
    return await granted(await identify(scope), room, since=now - conf().access_cache_seconds, known_at=now)


async def granted(identity: Identity, room: str, *, since: float, known_at: float) -> Grant:
    """Return the grant of somebody known at `known_at`, decided at `since` or later; raises as `authorize`."""

    async def renew(token: str | None, since: float) -> Grant:
        now = time.monotonic()
        known = await tokens.identity_of(token) if token else await identity.again()
        return await granted(known, room, since=since, known_at=now)

    if identity.rooms is not None and room not in identity.rooms:
        raise AccessDenied("the token is for other rooms")
    decision, decided_at = await (await decisions.get()).decide(identity, room, since=since, known_at=known_at)
    access, shares = decision.access, decision.may_share_awareness
    if access is Access.NONE:
        raise AccessDenied("no access")
    return Grant(
        room=room,
        access=access,
        user_id=identity.user_id,
        display_name=identity.display_name,
        may_share_awareness=access is Access.WRITE or conf().readers_visible if shares is None else shares,
        expires_at=identity.expires_at,
        token_id=identity.token_id,
        renew=renew,
        decided_at=min(decided_at, known_at),
    )


async def identify(scope: Scope) -> Identity:
    """Return who it is by the first of YREDIS["IDENTITY"] that can tell; raise IdentityRefused if none can."""
    for way in conf().identity:
        if identity := await WAYS[way](scope):
            return identity
    raise IdentityRefused("neither a token nor a session")


async def _by_token(scope: Scope) -> Identity | None:
    token = credentials.token(scope)
    return None if token is None else await tokens.identity_of(token)


async def _as_anybody(scope: Scope) -> Identity:
    return unchanging(AnonymousUser())


WAYS: dict[str, Callable[[Scope], Awaitable[Identity | None]]] = {
    "jwt": _by_token,
    "session": sessions.identity_of,
    "anonymous": _as_anybody,
}
