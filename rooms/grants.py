"""The port through which a site decides who enters a room, and what it answers."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.utils.module_loading import import_string

from rooms.conf import conf
from rooms.errors import AccessDenied

Scope = dict[str, Any]
"""An ASGI connection scope."""


class Access(StrEnum):
    """What a grant allows."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """Who may do what in which room, and until when.

    Args:
        room: canonical name.
        user_id: None for somebody unknown; two connections of unknown users are never the same user.
        expires_at: seconds since the epoch, None for no end.
    """

    room: str
    access: Access
    user_id: str | None = None
    display_name: str = ""
    may_share_awareness: bool = True
    expires_at: float | None = None

    @property
    def may_write(self) -> bool:
        """Whether updates from this connection are taken."""
        return self.access is Access.WRITE


Authorize = Callable[[Scope, str], Awaitable[Grant]]
"""Return the grant for a room's canonical name; raise AccessDenied to refuse."""


async def nobody(scope: Scope, room: str) -> Grant:
    """Refuse everybody: what happens until the site names its own authorizer."""
    raise AccessDenied("YREDIS['AUTHORIZE'] is not set")


async def authorize(scope: Scope, room: str) -> Grant:
    """Ask the site's authorizer for a grant; raise AccessDenied when it refuses, TypeError if it gives no answer."""
    decide: Authorize = import_string(conf().authorize)
    grant = await decide(scope, room)
    if not isinstance(grant, Grant):
        raise TypeError(f"{conf().authorize} must return a Grant or raise AccessDenied, but returned {grant!r}")
    return grant
