"""Who somebody is: what the ways to tell it agree on."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Again = Callable[[], Awaitable["Identity"]]

PASSING = {"exp", "iat", "nbf", "jti", "auth_time", "nonce", "ysession"}
"""Claims that differ between two tokens that say the same."""


@dataclass(frozen=True, slots=True)
class TokenUser:
    """A user whom a token names and the site need not know. In templates and policies much like a user of Django's.

    Args:
        id: the claim `sub`, or y-redis' `yuserid`.
    """

    id: str
    claims: Mapping[str, Any] = field(default_factory=dict, hash=False)
    is_authenticated = True
    is_anonymous = False
    is_active = True

    @property
    def pk(self) -> str:
        """The same as id."""
        return self.id

    def get_username(self) -> str:
        """Return the claim `name`, or the id."""
        return str(self.claims.get("name") or self.id)

    def has_perm(self, permission: str, obj: object = None) -> bool:
        """Return False: a token's user has no permissions of Django's."""
        return False


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """Who is at the other end of a connection.

    Args:
        user: what a policy is asked about: a user of Django's, an AnonymousUser, or a TokenUser.
        user_id: None for somebody unknown.
        expires_at: seconds since the epoch; None for no end.
        rooms: the only rooms that the token is for; None for all.
        token_id: the claim `jti` of the token.
        again: tells anew who it is, or raises IdentityRefused.
    """

    user: Any
    user_id: str | None
    display_name: str = ""
    expires_at: float | None = None
    rooms: tuple[str, ...] | None = None
    token_id: str | None = None
    again: Again

    @property
    def key(self) -> tuple[str | None, str]:
        """What all connections have in common about which a policy must decide the same."""
        if not isinstance(self.user, TokenUser):
            return self.user_id, ""
        lasting = {name: value for name, value in self.user.claims.items() if name not in PASSING}
        return self.user_id, json.dumps(lasting, sort_keys=True, default=str)


def display_name(user: Any) -> str:
    """Return what others see of a user of Django's."""
    full_name = user.get_full_name() if hasattr(user, "get_full_name") else ""
    return str(full_name or user.get_username())


def unchanging(user: Any) -> Identity:
    """Return somebody who stays who they are: anybody without an account, or a user of the site itself."""

    async def again() -> Identity:
        return identity

    known = None if user.is_anonymous else str(user.pk)
    name = "" if user.is_anonymous else display_name(user)
    identity = Identity(user=user, user_id=known, display_name=name, again=again)
    return identity
