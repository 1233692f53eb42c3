"""The port through which a site decides who enters a room, and what it answers."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from django.utils.module_loading import import_string

from rooms.conf import conf
from rooms.errors import AccessDenied

Scope = dict[str, Any]
"""An ASGI connection scope."""


class Access(StrEnum):
    """What a grant allows. A policy's answer may be NONE; no grant has it."""

    NONE = "none"
    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """Who may do what in which room, and until when.

    Args:
        room: canonical name.
        user_id: None for somebody unknown; two connections of unknown users are never the same user.
        expires_at: seconds since the epoch, None for no end; the socket is closed then with 4401.
        token_id: of the token that it came with, the claim `jti`; by it a connection can be kicked.
        renew: decides anew, with the token if the client sent a fresh one, or raises as an authorizer does. The
            decision must not be older than the second argument (time.monotonic). None: a grant that never changes.
        decided_at: by time.monotonic, when that was true which decided it; None: when it was asked for.
    """

    room: str
    access: Access
    user_id: str | None = None
    display_name: str = ""
    may_share_awareness: bool = True
    expires_at: float | None = None
    token_id: str | None = None
    renew: "Renew | None" = field(default=None, compare=False, repr=False)
    decided_at: float | None = field(default=None, compare=False, repr=False)

    @property
    def may_write(self) -> bool:
        """Whether updates from this connection are taken."""
        return self.access is Access.WRITE


Renew = Callable[[str | None, float], Awaitable[Grant]]

Authorize = Callable[[Scope, str], Awaitable[Grant]]
"""Return the grant for a room's canonical name; raise AccessDenied to refuse."""


async def nobody(scope: Scope, room: str) -> Grant:
    """Refuse everybody: what happens until the site names its own authorizer."""
    raise AccessDenied("YREDIS['AUTHORIZE'] is not set")


async def authorize(scope: Scope, room: str) -> Grant:
    """Ask the site's authorizer for a grant; raise AccessDenied when it refuses, TypeError if it gives no answer."""
    decide: Authorize = import_string(conf().authorize)
    asked_at = time.monotonic()
    grant = await decide(scope, room)
    if not isinstance(grant, Grant):
        raise TypeError(f"{conf().authorize} must return a Grant or raise AccessDenied, but returned {grant!r}")
    if grant.access is Access.NONE:
        raise AccessDenied("no access")
    return grant if grant.decided_at is not None else replace(grant, decided_at=asked_at)
