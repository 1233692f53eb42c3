"""Django's sessions: who is logged in at the site itself."""

from base64 import urlsafe_b64encode
from hashlib import sha256
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.contrib.auth import get_user
from django.utils.encoding import force_bytes

from authbridge.identity import Identity, display_name
from rooms import credentials, pool
from rooms.errors import AccessDenied, IdentityRefused
from rooms.grants import Scope


class Glance(dict[str, Any]):
    """A session that is only looked at: no cookie could tell the browser of a new key."""

    def flush(self) -> None:
        """Leave it."""

    def cycle_key(self) -> None:
        """Leave it."""


async def identity_of(scope: Scope) -> Identity | None:
    """Return who is logged in with the cookie of a connection; None if nobody is.

    Raises:
        AccessDenied: somebody is, but the page is of another site: the browser sent the cookie without being asked.
        StoreUnavailable: the sessions can't be read now.
    """
    key = credentials.session_key(scope)
    if key is None:
        return None
    user = await pool.run(logged_in, key)
    if user is None:
        return None
    if not credentials.comes_from_here(scope):
        raise AccessDenied("a cookie came with a page of another Origin")
    return _identity(user, key)


def _identity(user: Any, key: str) -> Identity:
    async def again() -> Identity:
        found = await pool.run(logged_in, key)
        if found is None or found.pk != user.pk:
            raise IdentityRefused("the session has ended")
        return _identity(found, key)

    return Identity(user=user, user_id=str(user.pk), display_name=display_name(user), again=again)


def logged_in(key: str) -> Any:
    """Return the user of a session, if there is one and it is active; blocks."""
    session = Glance(import_module(settings.SESSION_ENGINE).SessionStore(key).items())
    user = get_user(SimpleNamespace(session=session))  # type: ignore[arg-type]  # it looks at nothing else
    return user if user.is_authenticated and user.is_active else None


def _cipher() -> MultiFernet:
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    digests = (sha256(b"yredis.session" + force_bytes(secret)).digest() for secret in secrets)
    return MultiFernet([Fernet(urlsafe_b64encode(digest)) for digest in digests])


def sealed(key: str) -> str:
    """Return the key of a session so that only this site can read it: for tokens, which scripts of a page can read."""
    return _cipher().encrypt(key.encode()).decode()


def unsealed(text: object) -> str | None:
    """Return the key that `sealed` hid; None for anything else, as the token of another site has."""
    try:
        return _cipher().decrypt(str(text)).decode()
    except (InvalidToken, ValueError):  # not even ASCII
        return None
