"""Asking the site's own server who may enter, as y-redis does: GET {url}/{room}/{userid}."""

from typing import Any
from urllib.parse import quote

from authbridge.fetch import Fetcher
from rooms.conf import conf
from rooms.errors import DecisionUnavailable
from rooms.grants import Access
from rooms.perloop import PerLoop

ANSWERS = {"rw": Access.WRITE, "readonly": Access.READ}
"""`yaccess`; anything else is no access."""

DOTS = {".", ".."}
"""However they are quoted, somebody between here and there resolves them."""


async def _make() -> Fetcher:
    return Fetcher(conf().callback_connections)


_fetchers = PerLoop(_make)


async def by_callback(user: Any, room: str) -> Access:
    """Return what PERMISSION_CALLBACK says of a user and a room; of nobody known it is not asked.

    Raises:
        DecisionUnavailable: it gave no answer, or one that is not about this room and this user.
    """
    if user.is_anonymous or room in DOTS or str(user.pk) in DOTS:
        return Access.NONE
    base = conf().permission_callback.rstrip("/")
    fetcher = await _fetchers.get()
    answer = await fetcher.json(f"{base}/{quote(room, safe='')}/{quote(str(user.pk), safe='')}", room)
    if (answer.get("yroom"), answer.get("yuserid")) != (room, str(user.pk)):
        raise DecisionUnavailable("the answer of PERMISSION_CALLBACK is about another room or user")
    access = answer.get("yaccess")
    return ANSWERS.get(access, Access.NONE) if isinstance(access, str) else Access.NONE
