"""Tokens that the site makes for its own users: for its rooms, or for a y-redis server that trusts it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import jwt

from authbridge import sessions
from authbridge.identity import display_name
from authbridge.keys import Source, sources
from authbridge.tokens import subject_of
from rooms.conf import conf

MILLISECONDS = 1000


class NoSigningKey(Exception):
    """None of JWT_KEYS can sign: they are public ones."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A token, and for how many seconds it is good."""

    token: str
    expires_in: int


def signing_source() -> Source | None:
    """Return the entry of JWT_KEYS that tokens are signed with: the first that can."""
    return next((source for source in sources() if source.is_secret), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """What a token is good for.

    Args:
        rooms: canonical names, if it is for these rooms only.
        lifetime_seconds: at most, and by default, JWT_LIFETIME_SECONDS.
        session_key: of the session with which the token ends.
        lib0: count `exp` in milliseconds, as lib0's crypto/jwt and so y-redis does; this site refuses such a token.
    """

    rooms: Sequence[str] | None = None
    lifetime_seconds: float | None = None
    session_key: str | None = None
    lib0: bool = False


def issue(user: Any, terms: Terms) -> Issued:
    """Return a token for a user of Django's; raise NoSigningKey if none of JWT_KEYS can sign."""
    source = signing_source()
    if source is None:
        raise NoSigningKey("none of JWT_KEYS is private or a secret")
    longest = conf().jwt_lifetime_seconds
    lifetime = max(1, int(min(terms.lifetime_seconds or longest, longest)))
    claims = _claims(user, lifetime, MILLISECONDS if terms.lib0 else 1)
    if terms.rooms is not None:
        claims["yrooms"] = list(terms.rooms)
    if terms.session_key is not None:
        claims["ysession"] = sessions.sealed(terms.session_key)
    kid = source.key().kid
    headers = {} if kid is None else {"kid": kid}
    return Issued(jwt.encode(claims, source.signing_key(), source.alg, headers=headers), lifetime)


def _claims(user: Any, lifetime: int, unit: int) -> dict[str, Any]:
    """Return the claims that every token has; both y-redis' name for its user and the usual one."""
    now, subject = int(time.time()), subject_of(user)
    return {
        "iss": conf().jwt_issuer,
        "aud": conf().jwt_audience,
        "iat": now * unit,
        "exp": (now + lifetime) * unit,
        "jti": uuid4().hex,
        "sub": subject,
        "yuserid": subject,
        "name": display_name(user),
    }
