"""Tokens (JWT): who somebody is, by the signature of whom the site trusts."""

import json
import time
from collections.abc import Mapping
from typing import Any

import jwt
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError

from authbridge import sessions
from authbridge.identity import Again, Identity, TokenUser
from authbridge.jwks import KeySets
from authbridge.keys import Key, Source, sources
from rooms import pool
from rooms.conf import conf
from rooms.errors import DecisionUnavailable, IdentityRefused
from rooms.perloop import PerLoop

MOST_BYTES = 8192
"""No server takes a longer header."""

REQUIRED = ["exp", "iss", "aud"]
LEEWAY_SECONDS = 5

NO_TOKEN = (jwt.PyJWTError, TypeError, ValueError, OverflowError, RecursionError)
"""What is raised for bytes that are no token, or have half a character in a claim: no log or database takes that."""


async def _make() -> KeySets:
    return KeySets()


_key_sets = PerLoop(_make)


async def identity_of(token: str) -> Identity:
    """Return who a token says somebody is.

    Raises:
        IdentityRefused: it is none, not signed by a key of the site, not for this site, over, or lasts too long; or its
            user is unknown to the site, or not active.
        DecisionUnavailable, StoreUnavailable: that can't be told now.
    """
    claims = await verified(token)
    user_id = user_of(claims)

    async def again() -> Identity:
        if time.time() >= claims["exp"] + LEEWAY_SECONDS:
            raise IdentityRefused("the token is over")
        return await _known(user_id, claims, again)

    return await _known(user_id, claims, again)


async def _known(user_id: str, claims: Mapping[str, Any], again: Again) -> Identity:
    user = await _user(user_id, claims)
    await _require_session(user_id, claims)
    return Identity(
        user=user,
        user_id=str(user.pk),
        display_name=str(claims.get("name") or user.get_username()),
        expires_at=float(claims["exp"]),
        rooms=_rooms(claims),
        token_id=str(claims["jti"]) if claims.get("jti") else None,
        again=again,
    )


async def verified(token: str) -> dict[str, Any]:
    """Return a token's claims, once everything about it is as it must be; else raise IdentityRefused."""
    if len(token) > MOST_BYTES:
        raise IdentityRefused("a token is too long")
    try:
        header = jwt.get_unverified_header(token)
    except NO_TOKEN as error:
        raise IdentityRefused(f"no token: {type(error).__name__}") from None
    if "crit" in header:
        raise IdentityRefused("a token demands what is not known here")
    settings = conf()
    if not settings.jwt_issuer or not settings.jwt_audience:
        raise IdentityRefused("tokens need JWT_ISSUER and JWT_AUDIENCE in the settings")
    claims = await _verified_by_a_key(token, header)
    expiry = claims["exp"]
    if type(expiry) not in (int, float) or expiry > time.time() + settings.jwt_max_lifetime_seconds + LEEWAY_SECONDS:
        raise IdentityRefused("a token lasts longer than JWT_MAX_LIFETIME_SECONDS; exp is in seconds")
    return claims


async def _verified_by_a_key(token: str, header: Mapping[str, Any]) -> dict[str, Any]:
    """Return the claims of a token that one of the site's keys has signed; keys that are here are tried first.

    Raises:
        IdentityRefused: no key has.
        DecisionUnavailable: none of those that are here; but there may be one elsewhere that can't be asked for now.
    """
    kid, is_elsewhere = header.get("kid"), False
    for source in sorted(sources(), key=lambda source: bool(source.url)):
        if source.alg != header.get("alg"):
            continue
        try:
            keys, may_have_others = await _keys_of(source, kid)
        except DecisionUnavailable:
            is_elsewhere = True
            continue
        for key in keys:
            if (kid is None or key.kid in (None, kid)) and (claims := _verified(token, key)):
                return claims
        is_elsewhere |= may_have_others
    if is_elsewhere:
        raise DecisionUnavailable("a token may be signed by a key that can't be had now")
    raise IdentityRefused("a token is refused: no key of the site signed it")


async def _keys_of(source: Source, kid: str | None) -> tuple[list[Key], bool]:
    if not source.url:
        return [source.key()], False
    return await (await _key_sets.get()).keys(source, kid)


def _verified(token: str, key: Key) -> dict[str, Any] | None:
    """Return a token's claims, or None if another key signed it; raise IdentityRefused for wrong ones."""
    settings = conf()
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key.verifier,
            algorithms=[key.alg],
            audience=settings.jwt_audience,
            issuer=settings.jwt_issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": REQUIRED},
        )
        json.dumps(claims, ensure_ascii=False).encode()
    except jwt.InvalidSignatureError:
        return None
    except NO_TOKEN as error:
        raise IdentityRefused(f"a token is refused: {type(error).__name__}") from None
    return claims


def user_of(claims: Mapping[str, Any]) -> str:
    """Return the user in `sub`, or in y-redis' `yuserid`; raise IdentityRefused if there is none, or two."""
    named = {str(claims[name]) for name in ("sub", "yuserid") if claims.get(name) not in (None, "")}
    if len(named) != 1:
        raise IdentityRefused("a token names no user, or two")
    return named.pop()


def _rooms(claims: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the claim `yrooms`: the only rooms that a token is for."""
    found = claims.get("yrooms")
    if found is None:
        return None
    if not isinstance(found, list) or not all(isinstance(room, str) for room in found):
        raise IdentityRefused("the claim yrooms is no list of names")
    return tuple(found)


async def _user(user_id: str, claims: Mapping[str, Any]) -> Any:
    field = conf().jwt_user_field
    if not field:
        return TokenUser(user_id, claims)
    user = await pool.run(user_by, field, user_id)
    if user is None:
        raise IdentityRefused("the user of a token is unknown, or not active")
    return user


async def _require_session(user_id: str, claims: Mapping[str, Any]) -> None:
    """Refuse a token that this site made for a session which is over by now, or somebody else's."""
    key = sessions.unsealed(claims["ysession"]) if "ysession" in claims else None
    if key is not None and await pool.run(_user_of_session, key) != user_id:
        raise IdentityRefused("the session of a token has ended")


def _user_of_session(key: str) -> str | None:
    user = sessions.logged_in(key)
    return None if user is None else subject_of(user)


def subject_of(user: Any) -> str:
    """Return what tokens of this site call a user of Django's."""
    return str(getattr(user, conf().jwt_user_field or "pk"))


def user_by(field: str, value: str) -> Any:
    """Return the active user of Django's that has this value in a field, or None; blocks."""
    manager: Any = get_user_model()._default_manager  # noqa: SLF001  # Django's own backend looks there
    try:
        user = manager.filter(**{field: value}).first()
    except (ValueError, ValidationError):  # a number is wanted, or a UUID
        return None
    return user if user is not None and user.is_active else None
