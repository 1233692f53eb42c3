"""Who may enter in tests: everybody writes; a room's name can say otherwise."""

import asyncio
from typing import Any

from authbridge.decisions import Permission
from rooms.errors import AccessDenied
from rooms.grants import Access, Grant


async def by_name(scope: dict[str, Any], room: str) -> Grant:
    """Grant reading in rooms named "readonly...", nothing in "forbidden...", writing in all others.

    With `?as=reader` in the url a connection reads wherever it enters, so that a room can have both kinds.
    """
    if room.startswith("forbidden"):
        raise AccessDenied("forbidden by its name")
    reads = room.startswith("readonly") or b"as=reader" in scope.get("query_string", b"")
    return Grant(user_id=None, display_name="", room=room, access=Access.READ if reads else Access.WRITE)


async def everybody_writes(user: Any, room: str) -> Access:
    """Be a policy that lets everybody write."""
    return Access.WRITE


async def no_answer(user: Any, room: str) -> None:
    """Be a policy that someone forgot to end."""


async def writers_by_database(user: Any, room: str) -> Access:
    """Be a policy that asks the database with Django's async ORM, and something else in a thread."""
    from asgiref.sync import sync_to_async
    from django.contrib.auth.models import User

    nobody = not await User.objects.filter(username="nobody").aexists()
    return Access.WRITE if nobody and await sync_to_async(User.objects.count)() >= 0 else Access.NONE


async def readers_unseen(user: Any, room: str) -> Permission:
    """Be a policy that lets everybody read, unseen."""
    return Permission(Access.READ, may_share_awareness=False)


async def hangs(user: Any, room: str) -> Access:
    """Be a policy that never answers."""
    await asyncio.sleep(3600)
    return Access.WRITE
